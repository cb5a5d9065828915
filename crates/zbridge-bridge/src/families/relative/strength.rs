//! How far relative representations are believed, by cross-validation.

use super::anchors::Anchors;
use crate::BridgeError;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use zbridge_core::{RandomStream, Stage, log_sum_exp};

/// The similarities of one side to its anchors.
pub(super) struct Similarities {
    /// Of the anchors themselves: for each view `[anchors, anchors]`.
    pairs: Vec<Array2<f32>>,
    /// Of latents in general: for each view `[others, anchors]`; `None` if there are the anchors
    /// only.
    others: Option<Vec<Array2<f32>>>,
}

/// Strengths that are compared.
const STRENGTHS: [f64; 15] = [
    0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 40.0,
];
/// Folds of the cross-validation.
const FOLDS: usize = 10;
/// Pairs up to which each is held out alone.
const MAX_PAIRS_LEFT_OUT_ALONE: usize = 20;
/// Fewer pairs than these tell no strength.
const MIN_PAIRS: usize = 4;

impl Similarities {
    /// Returns the similarities of the anchors, and of `others` `[others, dim]`.
    pub(super) fn of(anchors: &Anchors, others: Option<ArrayView2<'_, f32>>) -> Self {
        let all_views = |rows: ArrayView2<'_, f32>| -> Vec<Array2<f32>> {
            let views = (0..anchors.views()).into_par_iter();
            views.map(|view| anchors.similarities(rows, view)).collect()
        };
        Self {
            pairs: all_views(anchors.points.view()),
            others: others.map(all_views),
        }
    }

    fn views(&self) -> usize {
        self.pairs.len()
    }

    /// Returns the relative representations of these pairs in a view, by the other pairs alone.
    fn held_out(&self, view: usize, fold: &[usize]) -> Array2<f32> {
        normalised(self.pairs[view].select(Axis(0), fold), fold)
    }

    /// Returns the same of latents in general; of all pairs if there are no others.
    fn in_general(&self, view: usize, fold: &[usize]) -> Array2<f32> {
        let others = self.others.as_ref().unwrap_or(&self.pairs);
        normalised(others[view].clone(), fold)
    }
}

/// Returns rows of length 1 whose columns of held-out pairs are 0.
fn normalised(mut rows: Array2<f32>, held_out: &[usize]) -> Array2<f32> {
    for mut row in rows.rows_mut() {
        for &column in held_out {
            row[column] = 0.0;
        }
        let length = row.dot(&row).sqrt() + 1e-12;
        row /= length;
    }
    rows
}

/// Returns the strength τ under which held-out pairs are told best from latents in general: the one
/// of the largest mean of τ S_ii − ½ log mean_u exp(τ S_iu) − ½ log mean_u exp(τ S_ui), where S are
/// products of the representations by the other pairs.
///
/// # Source
/// The bound of van den Oord et al. 2018 on mutual information, in both directions.
///
/// # Errors
/// [`BridgeError::Interrupted`].
pub(super) fn strength(
    source: &Similarities,
    target: &Similarities,
    stream: &mut RandomStream,
    stage: &Stage<'_>,
) -> Result<f32, BridgeError> {
    let count = source.pairs.first().map_or(0, Array2::nrows);
    if count < MIN_PAIRS {
        return Ok(0.0);
    }
    let folds = match count <= MAX_PAIRS_LEFT_OUT_ALONE {
        true => count,
        false => FOLDS,
    };
    let order = stream.permutation(count);
    let of_fold = |fold: usize| {
        stage.advance(0)?;
        let rows: Vec<usize> = order.iter().copied().skip(fold).step_by(folds).collect();
        Ok(FoldProducts::of(source, target, &rows).gains())
    };
    let gains: Vec<[f64; STRENGTHS.len()]> = (0..folds)
        .into_par_iter()
        .map(of_fold)
        .collect::<Result<_, BridgeError>>()?;
    let total = |strength: usize| gains.iter().map(|gains| gains[strength]).sum::<f64>();
    // The first of the largest: ties go to the weaker one.
    let mut best = 0;
    for strength in 1..STRENGTHS.len() {
        if total(strength) > total(best) {
            best = strength;
        }
    }
    Ok(STRENGTHS[best] as f32)
}

/// S between the held-out pairs of a fold and latents in general.
struct FoldProducts {
    /// S_ii, `[held-out]`.
    own: Vec<f64>,
    /// S of each source with targets in general, `[held-out, others]`.
    to_targets: Array2<f32>,
    /// S of each target with sources in general, `[held-out, others]`.
    to_sources: Array2<f32>,
    /// The columns of the pairs themselves, where latents in general are the pairs.
    own_target: Option<Vec<usize>>,
    own_source: Option<Vec<usize>>,
}

impl FoldProducts {
    fn of(source: &Similarities, target: &Similarities, fold: &[usize]) -> Self {
        let views = source.views();
        let (mut own, mut to_targets, mut to_sources) = (vec![0.0; fold.len()], None, None);
        for view in 0..views {
            let a = source.held_out(view, fold);
            let b = target.held_out(view, fold);
            for (own, (a, b)) in own.iter_mut().zip(a.rows().into_iter().zip(b.rows())) {
                *own += f64::from(a.dot(&b)) / views as f64;
            }
            add(&mut to_targets, a.dot(&target.in_general(view, fold).t()));
            add(&mut to_sources, b.dot(&source.in_general(view, fold).t()));
        }
        let mean = |sum: Option<Array2<f32>>| sum.unwrap_or_default() / views as f32;
        let columns = |side: &Similarities| side.others.is_none().then(|| fold.to_vec());
        Self {
            own,
            to_targets: mean(to_targets),
            to_sources: mean(to_sources),
            own_target: columns(target),
            own_source: columns(source),
        }
    }

    /// Returns the sum of the held-out pairs' gains at each strength, in nats.
    fn gains(&self) -> [f64; STRENGTHS.len()] {
        STRENGTHS.map(|strength| {
            let gain = |(row, own): (usize, &f64)| {
                let skipped = |columns: &Option<Vec<usize>>| columns.as_ref().map(|all| all[row]);
                let targets = self.to_targets.row(row);
                let sources = self.to_sources.row(row);
                let to_targets = log_mean_exp(targets, strength, skipped(&self.own_target));
                let to_sources = log_mean_exp(sources, strength, skipped(&self.own_source));
                strength * own - 0.5 * (to_targets + to_sources)
            };
            self.own.iter().enumerate().map(gain).sum()
        })
    }
}

fn add(sum: &mut Option<Array2<f32>>, more: Array2<f32>) {
    match sum {
        Some(sum) => *sum += &more,
        None => *sum = Some(more),
    }
}

/// Returns log mean exp(factor · value) over all values but one.
fn log_mean_exp(values: ArrayView1<'_, f32>, factor: f64, skipped: Option<usize>) -> f64 {
    let values = values.iter().enumerate();
    let values = values.filter(|(place, _)| Some(*place) != skipped);
    let terms: Vec<f64> = values
        .map(|(_, &value)| factor * f64::from(value))
        .collect();
    log_sum_exp(&terms) - (terms.len() as f64).ln()
}
