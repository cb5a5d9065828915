//! Bayes between the directions: draws of the broad one, kept as often as the informative one
//! agrees.

use crate::density::Density;
use crate::ensemble::Ensemble;
use crate::families::{Mixture, responsibilities};
use crate::rows::{DistinctRows, clamped, leading_columns};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use zbridge_core::{DensityError, DiagonalGaussian, Latents, RandomStream};

/// The informative direction's opinion on pairs of latents.
///
/// Bayes says p(t|s) ∝ p(t) p(s|t). Where q(s|t) is a tied mixture, its component is a code that
/// can be read from either side: from s by the components themselves, ρ(k|s), and from t by the
/// network, π(k|t). A draw t ~ q(t|s) is accepted with the probability that both readings agree,
/// a(s, t) = δ + (1 − δ) Σ_k ρ(k|s) π(k|t), so that the density becomes q(t|s) a(s, t) / Z(s), with
/// Z(s) = E_q a(s, t). The δ stands for readings that are wrong however sure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Agreement {
    /// q(s|t): members are tied mixtures with the same components.
    informative: Ensemble,
}

/// δ: a draw that the informative direction is sure to be another's is kept one time in ten. Fewer
/// would hardly make draws more coherent, and cost held-out pairs that it misreads more than all
/// others gain.
const SURELY_WRONG: f32 = 0.1;
/// Draws from which Z(s) is estimated, the same for every call: with four in five draws accepted
/// its relative error is 0.5/√128 = 4 %, so that a log density is off by 0.04 nats at most times,
/// and not in one direction.
const NORMALISER_DRAWS: usize = 128;
/// Tries after which a draw is taken as it is; where one in ten is accepted, that happens once in a
/// thousand million.
const MOST_TRIES: usize = 200;

impl Agreement {
    /// The opinion of `informative`, if it is made of tied mixtures over one set of components.
    pub(crate) fn of(informative: &Ensemble) -> Option<Self> {
        let mut components = informative.members.iter().map(|member| {
            let mixture = member.as_mixture().filter(|mixture| !mixture.is_moving());
            mixture.map(Mixture::components)
        });
        let first = components.next()??;
        let same = components.all(|other| other == Some(first));
        same.then(|| Self {
            informative: informative.clone(),
        })
    }

    fn components(&self) -> Option<&DiagonalGaussian> {
        self.informative
            .members
            .first()?
            .as_mixture()
            .map(Mixture::components)
    }

    /// ρ(k|s): codes read from source points in the frame, `[rows, K]`.
    fn codes_of_sources(&self, sources: ArrayView2<'_, f32>) -> Array2<f32> {
        match self.components() {
            Some(components) => responsibilities(components, sources),
            None => Array2::zeros((sources.nrows(), 0)),
        }
    }

    /// a(s, t) of each row.
    fn agreement(
        &self,
        codes: ArrayView2<'_, f32>,
        targets: ArrayView2<'_, f32>,
    ) -> Result<Vec<f32>, DensityError> {
        let frame = &self.informative.source;
        let features = clamped(frame.features(targets.to_owned()))?;
        let members = &self.informative.members;
        let mut total = vec![0.0f32; features.rows()];
        for mixture in members.iter().filter_map(Density::as_mixture) {
            let log_weights = mixture.log_weights_given(&features)?;
            let log_weights = log_weights.view();
            let rows = codes.rows().into_iter().zip(log_weights.rows());
            for (total, (codes, log_weights)) in total.iter_mut().zip(rows) {
                let terms = codes.iter().zip(log_weights);
                *total += terms.map(|(code, nats)| code * nats.exp()).sum::<f32>();
            }
        }
        let agreement =
            |total: f32| SURELY_WRONG + (1.0 - SURELY_WRONG) * total / members.len() as f32;
        Ok(total.into_iter().map(agreement).collect())
    }

    /// One accepted draw for each row of features, `[rows, active]`.
    pub(crate) fn draw(
        &self,
        broad: &Ensemble,
        features: &Latents,
        stream: &mut RandomStream,
    ) -> Result<Array2<f32>, DensityError> {
        let mut points = Array2::zeros((features.rows(), broad.target.active()));
        let mut waiting: Vec<usize> = (0..features.rows()).collect();
        for _ in 0..MOST_TRIES {
            let asked = features.select(&waiting);
            let drawn = broad.draw(&asked, stream)?;
            let codes = self.codes_of_sources(points_of(&asked, broad.source.active()).view());
            let accepted = self.agreement(codes.view(), drawn.view())?;
            for (&row, point) in waiting.iter().zip(drawn.rows()) {
                points.row_mut(row).assign(&point);
            }
            let tried = waiting.iter().zip(accepted);
            let refused = tried.filter(|&(_, a)| stream.uniform() >= a);
            waiting = refused.map(|(&row, _)| row).collect();
            if waiting.is_empty() {
                break;
            }
        }
        Ok(points)
    }

    /// log a(s, t) − log Z(s) of each row, in nats.
    pub(crate) fn log_corrections(
        &self,
        broad: &Ensemble,
        features: &Latents,
        points: &Latents,
    ) -> Result<Vec<f64>, DensityError> {
        let codes = self.codes_of_sources(points_of(features, broad.source.active()).view());
        let agreed = self.agreement(codes.view(), points.view())?;
        let normalisers = self.log_normalisers(broad, features)?;
        Ok(agreed
            .iter()
            .zip(normalisers)
            .map(|(a, log_z)| f64::from(*a).ln() - log_z)
            .collect())
    }

    /// log Z(s) of each row, estimated once for each distinct source.
    fn log_normalisers(
        &self,
        broad: &Ensemble,
        features: &Latents,
    ) -> Result<Vec<f64>, DensityError> {
        let distinct = DistinctRows::of(features.view());
        let rows = distinct.firsts.par_iter();
        let logs: Vec<f64> = rows
            .map(|&row| self.log_normaliser(broad, &features.select(&[row])))
            .collect::<Result<_, _>>()?;
        Ok(distinct.places.iter().map(|&place| logs[place]).collect())
    }

    /// log Z(s) of one source: the mean agreement of draws.
    fn log_normaliser(&self, broad: &Ensemble, source: &Latents) -> Result<f64, DensityError> {
        let asked = source.repeat_each(NORMALISER_DRAWS);
        // The same noise for every source, so that a row's density does not depend on its
        // neighbours.
        let mut noise = RandomStream::named(0, "bridge/normaliser");
        let drawn = broad.draw(&asked, &mut noise)?;
        let codes = self.codes_of_sources(points_of(&asked, broad.source.active()).view());
        let agreed = self.agreement(codes.view(), drawn.view())?;
        let sum: f64 = agreed.into_iter().map(f64::from).sum();
        Ok((sum / NORMALISER_DRAWS as f64).ln())
    }
}

/// The points in features: what comes before the probabilities of atoms.
fn points_of(features: &Latents, active: usize) -> Array2<f32> {
    leading_columns(features.view(), active)
}
