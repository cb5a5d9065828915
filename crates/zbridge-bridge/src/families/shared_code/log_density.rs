//! The log density of a shared code.

use super::{SharedCode, acceptance};
use crate::rows::DistinctRows;
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use zbridge_core::{DensityError, log_sum_exp};

/// Rows whose densities are worked out at once.
const ROWS_AT_ONCE: usize = 256;
/// Less probable codes do not count: what a mixture loses by that is a thousandth of its mass at
/// most.
const MIN_WEIGHT: f32 = 1e-5;

/// A target and a code under which its density is needed.
struct Needed {
    target: usize,
    code: usize,
}

impl SharedCode {
    /// Returns log q(t|s) in nats of each row of points `[rows, dim]`, given its weights π(k|s)
    /// `[rows, K]`.
    ///
    /// Equal points are evaluated once: the density of a target given a code does not depend on the
    /// source, and a comparison of every target with every source has the same ones again and
    /// again.
    pub(super) fn log_densities(
        &self,
        weights: ArrayView2<'_, f32>,
        points: ArrayView2<'_, f32>,
    ) -> Result<Vec<f64>, DensityError> {
        let distinct = DistinctRows::of(points);
        let targets = points.select(Axis(0), &distinct.firsts);
        let needed = needed(&distinct, weights);
        let log_given = self.log_densities_given_codes(&targets, &needed)?;
        let mut terms = Vec::with_capacity(self.codes());
        let mut nats = Vec::with_capacity(points.nrows());
        for (&place, weights) in distinct.places.iter().zip(weights.rows()) {
            terms.clear();
            for (&weight, &nats) in weights.iter().zip(log_given.row(place)) {
                if weight >= MIN_WEIGHT {
                    terms.push(nats + f64::from(weight.ln()));
                }
            }
            nats.push(log_sum_exp(&terms));
        }
        Ok(nats)
    }

    /// Returns log p(t|k) in nats, `[targets, K]`, of the targets and codes that are needed; −∞ of
    /// all others.
    fn log_densities_given_codes(
        &self,
        targets: &Array2<f32>,
        needed: &[Needed],
    ) -> Result<Array2<f64>, DensityError> {
        let recognised = self.recognised_in_parallel(targets);
        let of_flow = self.log_densities_of_flow(targets, needed)?;
        let mut log_given = Array2::from_elem((targets.nrows(), self.codes()), f64::NEG_INFINITY);
        for (&Needed { target, code }, nats) in needed.iter().zip(of_flow) {
            // The flow's draws are accepted with this probability, which tilts its density.
            let accepted = acceptance(recognised[[target, code]]).ln() - self.log_normalisers[code];
            log_given[[target, code]] = nats + f64::from(accepted);
        }
        Ok(log_given)
    }

    /// Returns log f(t|k) in nats of the targets and codes that are needed.
    fn log_densities_of_flow(
        &self,
        targets: &Array2<f32>,
        needed: &[Needed],
    ) -> Result<Vec<f64>, DensityError> {
        let whitened = self.flow.covariance.whitened_f32(targets.view());
        let of_block = |block: &[Needed]| {
            let codes: Vec<usize> = block.iter().map(|needed| needed.code).collect();
            let rows: Vec<usize> = block.iter().map(|needed| needed.target).collect();
            let points = whitened.select(Axis(0), &rows);
            self.flow.log_densities(&codes, points.view())
        };
        let blocks = needed.par_chunks(ROWS_AT_ONCE).map(of_block);
        Ok(blocks.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Returns ρ(k|t) of each target, `[targets, K]`.
    fn recognised_in_parallel(&self, targets: &Array2<f32>) -> Array2<f32> {
        let mut recognised = Array2::zeros((targets.nrows(), self.codes()));
        let blocks = recognised.axis_chunks_iter_mut(Axis(0), ROWS_AT_ONCE);
        let blocks: Vec<_> = blocks
            .zip(targets.axis_chunks_iter(Axis(0), ROWS_AT_ONCE))
            .collect();
        blocks
            .into_par_iter()
            .for_each(|(mut recognised, targets)| {
                recognised.assign(&self.recognised(targets));
            });
        recognised
    }
}

/// Returns every distinct target with each of the codes that are probable for one of its rows.
fn needed(distinct: &DistinctRows, weights: ArrayView2<'_, f32>) -> Vec<Needed> {
    let shape = (distinct.firsts.len(), weights.ncols());
    let mut is_needed = Array2::from_elem(shape, false);
    for (&place, weights) in distinct.places.iter().zip(weights.rows()) {
        for (is_needed, &weight) in is_needed.row_mut(place).iter_mut().zip(weights) {
            *is_needed |= weight >= MIN_WEIGHT;
        }
    }
    let places = is_needed
        .indexed_iter()
        .filter(|&(_, &is_needed)| is_needed);
    places
        .map(|((target, code), _)| Needed { target, code })
        .collect()
}
