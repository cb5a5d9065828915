//! What held-out pairs say of a density.

use super::choice::gain;
use super::prepared::{Prepared, SourceAndTarget};
use super::streams::DirectionPurpose;
use crate::conditional::Conditional;
use crate::density::Density;
use crate::families::{Mixture, responsibilities};
use crate::rows::clamped;
use crate::{BridgeError, Direction, SourceReading};
use zbridge_core::{Latents, RandomStream, Stage};

/// Draws of each pair over which log densities and weights are averaged.
const DRAWS: usize = 4;
/// Draws among which a target is ranked to see whether it lies in the region of highest density.
const RANKED_DRAWS: usize = 19;
/// The region leaves out the targets that rank below this: 2 of the 20 ranks, and with them a tenth
/// of the mass.
const LEAST_RANK_INSIDE: usize = 2;
/// The mass of the region.
const MASS: f64 = 0.9;
/// Pairs that are ranked at most.
const MAX_RANKED_PAIRS: usize = 512;

/// Pairs that a density was not fitted on, in one direction.
#[derive(Clone, Copy)]
pub(super) struct HeldOutPairs<'p> {
    pub(super) prepared: &'p Prepared<'p>,
    pub(super) direction: Direction,
    pub(super) rows: &'p [usize],
}

/// Log densities of held-out pairs under a density at one inverse temperature.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TemperedNats {
    pub(super) inverse_temperature: f32,
    /// One for each pair, in nats.
    pub(super) nats: Vec<f64>,
    /// Whether the targets of some of the pairs lie in the region of highest density that should
    /// hold 90 % of them; empty where only likelihood counts.
    pub(super) in_region: Vec<bool>,
}

impl HeldOutPairs<'_> {
    /// Returns log q(target|source) of each pair, in nats and in the coordinates of the frame: the
    /// mean over a few draws of both posteriors.
    ///
    /// # Errors
    /// [`BridgeError::Density`] if a log density is NaN, [`BridgeError::Interrupted`].
    pub(super) fn log_densities(
        &self,
        conditional: &Conditional,
        stage: &Stage<'_>,
    ) -> Result<Vec<f64>, BridgeError> {
        let SourceAndTarget { source, target } = self.prepared.spaces(self.direction);
        let mut stream = self.stream(DirectionPurpose::HeldOutDensities);
        // Draws of points are all the same.
        let is_random = source.pairs.has_spread() || target.pairs.has_spread();
        let draws = if is_random { DRAWS } else { 1 };
        let mut means = vec![0.0; self.rows.len()];
        for _ in 0..draws {
            stage.advance(0)?;
            let points = target.draw_points(self.rows, &mut stream)?;
            let features = source.read_features(self.rows, conditional.reading, &mut stream)?;
            let nats = conditional.log_prob_in_frame(&features, &points)?;
            for (mean, nats) in means.iter_mut().zip(nats) {
                *mean += nats / draws as f64;
            }
        }
        Ok(means)
    }

    /// Returns whether the target of each pair, of some hundreds at most, lies in the region of
    /// highest density that holds 90 % of the mass. If the density is right, nine in ten do,
    /// exactly.
    ///
    /// # Errors
    /// As [`log_densities`](Self::log_densities).
    fn in_region(
        &self,
        conditional: &Conditional,
        stage: &Stage<'_>,
    ) -> Result<Vec<bool>, BridgeError> {
        stage.advance(0)?;
        let rows = &self.rows[..self.rows.len().min(MAX_RANKED_PAIRS)];
        let SourceAndTarget { source, target } = self.prepared.spaces(self.direction);
        let mut stream = self.stream(DirectionPurpose::HeldOutRanks);
        let targets = target.draw_points(rows, &mut stream)?;
        let features = source.read_features(rows, conditional.reading, &mut stream)?;
        let repeated = features.repeat_each(RANKED_DRAWS);
        let drawn = clamped(conditional.draw_in_frame(&repeated, &mut stream)?)?;
        let of_drawn = conditional.log_prob_in_frame(&repeated, &drawn)?;
        let of_targets = conditional.log_prob_in_frame(&features, &targets)?;
        let is_inside = |(drawn, target): (&[f64], f64)| {
            let rank = drawn.iter().filter(|nats| **nats < target).count();
            rank >= LEAST_RANK_INSIDE
        };
        let pairs = of_drawn.chunks_exact(RANKED_DRAWS).zip(of_targets);
        Ok(pairs.map(is_inside).collect())
    }

    /// Returns the log densities under `conditional` at each of these inverse temperatures, with
    /// what lies in its regions.
    ///
    /// # Errors
    /// As [`log_densities`](Self::log_densities).
    pub(super) fn tempered_with_regions(
        &self,
        conditional: &Conditional,
        inverse_temperatures: &[f32],
        stage: &Stage<'_>,
    ) -> Result<Vec<TemperedNats>, BridgeError> {
        let mut all = self.tempered(conditional, inverse_temperatures, stage)?;
        for tempered in &mut all {
            let at = conditional.with_inverse_temperature(tempered.inverse_temperature);
            tempered.in_region = self.in_region(&at, stage)?;
        }
        Ok(all)
    }

    /// Returns the log densities under `conditional` at each of these inverse temperatures.
    ///
    /// # Errors
    /// As [`log_densities`](Self::log_densities).
    pub(super) fn tempered(
        &self,
        conditional: &Conditional,
        inverse_temperatures: &[f32],
        stage: &Stage<'_>,
    ) -> Result<Vec<TemperedNats>, BridgeError> {
        let at = |&inverse_temperature: &f32| {
            let tempered = conditional.with_inverse_temperature(inverse_temperature);
            Ok(TemperedNats {
                inverse_temperature,
                nats: self.log_densities(&tempered, stage)?,
                in_region: Vec::new(),
            })
        };
        inverse_temperatures.iter().map(at).collect()
    }

    /// Returns the sum over the pairs of the Brier score of a tied mixture's weights, each the mean
    /// over a few draws of the source's posterior, against the components that a draw of the target
    /// belongs to; 0 for any other density.
    ///
    /// It is a proper score, and a bounded one: a few confident mistakes do not make all other
    /// weights less confident, as they do by likelihood.
    ///
    /// # Errors
    /// [`BridgeError::Shape`] if a draw or weight is NaN.
    pub(super) fn brier_sum(&self, conditional: &Conditional) -> Result<f64, BridgeError> {
        let Some(mixture) = conditional
            .ensemble
            .members
            .first()
            .and_then(Density::as_mixture)
        else {
            return Ok(0.0);
        };
        let mut stream = self.stream(DirectionPurpose::BrierScores);
        let weights = self.mean_weights(mixture, &mut stream)?;
        let target = self.prepared.spaces(self.direction).target;
        let points = target.draw_points(self.rows, &mut stream)?;
        let truth = responsibilities(mixture.components(), points.view());
        let mut sum = 0.0;
        for (weight, truth) in weights.iter().zip(truth) {
            sum += f64::from((weight - truth) * (weight - truth));
        }
        Ok(sum)
    }

    /// Returns the weights of a mixture, the mean over a few draws, `[pairs · components]`.
    fn mean_weights(
        &self,
        mixture: &Mixture,
        stream: &mut RandomStream,
    ) -> Result<Vec<f32>, BridgeError> {
        let source = self.prepared.spaces(self.direction).source;
        let mut means = vec![0.0; self.rows.len() * mixture.components().rows()];
        for _ in 0..DRAWS {
            let features: Latents = source.read_features(self.rows, SourceReading::Draw, stream)?;
            let log_weights = mixture.log_weights_given(&features)?;
            for (mean, nats) in means.iter_mut().zip(log_weights.values()) {
                *mean += nats.exp() / DRAWS as f32;
            }
        }
        Ok(means)
    }

    fn stream(&self, purpose: DirectionPurpose) -> RandomStream {
        self.prepared.streams.of(self.direction, purpose)
    }
}

/// Returns the log densities at each inverse temperature, those of all splits side by side.
pub(super) fn joined<'s>(
    splits: impl IntoIterator<Item = &'s [TemperedNats]>,
) -> Vec<TemperedNats> {
    let mut joined: Vec<TemperedNats> = Vec::new();
    for split in splits {
        if joined.is_empty() {
            joined = split.to_vec();
            continue;
        }
        for (all, more) in joined.iter_mut().zip(split) {
            all.nats.extend_from_slice(&more.nats);
            all.in_region.extend_from_slice(&more.in_region);
        }
    }
    joined
}

/// Returns the log densities whose sum is largest, the last of several such; `None` of none.
///
/// Where it is known what lies in regions, inverse temperatures below the most likely one, at which
/// likelihood is not clearly lower, by two standard errors, are as good as it, and the one whose
/// regions hold most nearly as much as they should is taken. None above it is: new targets lie
/// outside of regions more often than held-out ones, rather than less often.
pub(super) fn best(tempered: Vec<TemperedNats>) -> Option<TemperedNats> {
    let most_likely = tempered
        .iter()
        .max_by(|a, b| total(&a.nats).total_cmp(&total(&b.nats)))?
        .clone();
    if most_likely.in_region.is_empty() {
        return Some(most_likely);
    }
    let is_as_good = |tempered: &TemperedNats| {
        let shortfall = gain(&most_likely.nats, &tempered.nats);
        tempered.inverse_temperature <= most_likely.inverse_temperature
            && shortfall.mean <= 2.0 * shortfall.standard_error
    };
    let as_good = tempered.into_iter().filter(is_as_good);
    as_good.min_by(|a, b| a.coverage_error().total_cmp(&b.coverage_error()))
}

impl TemperedNats {
    /// Returns how far the share of the targets in regions is from what it should be.
    fn coverage_error(&self) -> f64 {
        let inside = self.in_region.iter().filter(|inside| **inside).count();
        (inside as f64 / self.in_region.len() as f64 - MASS).abs()
    }
}

/// Returns the sum of log densities.
pub(super) fn total(nats: &[f64]) -> f64 {
    nats.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tempered(inverse_temperature: f32, nats: &[f64]) -> TemperedNats {
        TemperedNats {
            inverse_temperature,
            nats: nats.to_vec(),
            in_region: Vec::new(),
        }
    }

    #[test]
    fn the_best_temperature_is_that_of_all_splits_together() {
        let first = [tempered(0.5, &[-3.0]), tempered(1.0, &[-1.0])];
        let second = [tempered(0.5, &[-1.0, -1.0]), tempered(1.0, &[-2.0, -5.0])];
        let all = joined([first.as_slice(), second.as_slice()]);
        assert_eq!(best(all), Some(tempered(0.5, &[-3.0, -1.0, -1.0])));
        assert_eq!(best(Vec::new()), None);
    }

    #[test]
    fn among_temperatures_of_equal_likelihood_regions_decide() {
        let with_regions = |inverse_temperature: f32, nats: &[f64], inside: usize| TemperedNats {
            in_region: (0..20).map(|pair| pair < inside).collect(),
            ..tempered(inverse_temperature, nats)
        };
        let all = vec![
            // Clearly less likely.
            with_regions(0.6, &[-3.0, -3.1, -3.0, -3.1], 18),
            with_regions(0.8, &[-1.0, -1.4, -1.0, -1.4], 18),
            with_regions(1.0, &[-1.2, -1.0, -1.2, -1.0], 15),
        ];
        assert_eq!(best(all).unwrap().inverse_temperature, 0.8);
    }
}
