use crate::annealing_move::{Move, MoveKind, Moves, Pilot};
use crate::checks::{at_row, expect_count};
use crate::observation_likelihoods::ObservationLikelihoods;
use crate::open_uniform::open_uniform;
use crate::target_density::checked_log_prob;
use crate::{DrawableDensity, EvalError, TargetDensity};
use zbridge_core::{Latents, RandomStream, Stage};

/// The path of one observation from the start to the target: densities π_β ∝ s^(1−β) · (p(x|·)
/// p_t)^β at 0 = β_0 < … < β_T = 1.
pub(crate) struct AnnealingPath<'a> {
    pub(crate) likelihoods: ObservationLikelihoods<'a>,
    pub(crate) row: usize,
    pub(crate) start: &'a dyn DrawableDensity,
    pub(crate) target: &'a dyn TargetDensity,
    /// β_0 … β_T.
    pub(crate) schedule: &'a [f64],
    /// Metropolis transitions at each temperature.
    pub(crate) transitions: usize,
    pub(crate) stage: &'a Stage<'a>,
}

/// The weights of chains, with the number of transitions that they accepted.
pub(crate) struct Run {
    pub(crate) log_weights: Vec<f64>,
    pub(crate) accepted: usize,
}

impl AnnealingPath<'_> {
    /// Returns the proposals for each of β_1 … β_T−1, learnt from chains that are used for nothing
    /// else.
    pub(crate) fn moves(
        &self,
        chains: usize,
        stream: &RandomStream,
    ) -> Result<Vec<Moves>, EvalError> {
        let streams = (0..chains as u64).map(|chain| stream.child(chain));
        let mut chains = Chains::start(self, 0, streams.collect())?;
        let mut pilot = Pilot::new(&chains.points);
        let mut moves = Vec::with_capacity(self.schedule.len());
        // Chains start at β = 0, and none moves after the last weight at β = 1.
        for &beta in &self.schedule[1..self.schedule.len() - 1] {
            self.stage.check()?;
            self.adapt(&mut pilot, &mut chains, beta)?;
            moves.push(pilot.moves());
        }
        Ok(moves)
    }

    /// Makes the transitions of pilot chains at one temperature, and learns from each.
    fn adapt(&self, pilot: &mut Pilot, chains: &mut Chains, beta: f64) -> Result<(), EvalError> {
        for number in 0..self.transitions {
            let kind = MoveKind::of_transition(number);
            let accepted = chains.transition(self, beta, pilot.moves().of_kind(kind))?;
            let acceptance = accepted as f64 / chains.streams.len() as f64;
            pilot.learn(kind, acceptance, &chains.points);
        }
        Ok(())
    }

    /// Returns the weights of one chain per stream after the whole path; `first` is the number of
    /// the first chain.
    pub(crate) fn run(
        &self,
        first: usize,
        streams: Vec<RandomStream>,
        moves: &[Moves],
    ) -> Result<Run, EvalError> {
        let mut chains = Chains::start(self, first, streams)?;
        let mut accepted = 0;
        for (step, pair) in self.schedule.windows(2).enumerate() {
            self.stage.check()?;
            chains.weigh(pair[1] - pair[0]);
            // No transition follows the last weight: where the chains end does not matter.
            let Some(moves) = moves.get(step) else { break };
            for number in 0..self.transitions {
                let kind = MoveKind::of_transition(number);
                accepted += chains.transition(self, pair[1], moves.of_kind(kind))?;
            }
        }
        Ok(Run {
            log_weights: chains.log_weights,
            accepted,
        })
    }

    /// Returns a draw from the start for each stream, `[streams, dim]`.
    fn starts(&self, first: usize, streams: &mut [RandomStream]) -> Result<Latents, EvalError> {
        let mut values = Vec::new();
        for (number, stream) in streams.iter_mut().enumerate() {
            let chain = first + number;
            // Each chain from its own stream: the result does not depend on the size of chunks.
            let point = self.start.draw(self.row, chain..chain + 1, stream)?;
            values.extend(point.into_vec());
        }
        let dim = self.likelihoods.latent_dim();
        let points = Latents::from_vec(values, dim).map_err(at_row(self.row))?;
        expect_count("starts of chains", streams.len(), points.rows())?;
        Ok(points)
    }

    /// Returns both ends of the path at each point; `first` is the number of the first chain.
    fn ends(&self, first: usize, points: &Latents) -> Result<Vec<Ends>, EvalError> {
        let likelihoods = self.likelihoods.at(self.row, first, points)?;
        let targets = checked_log_prob(self.target, self.row, first, points)?;
        let starts = checked_log_prob(self.start, self.row, first, points)?;
        let mut ends = Vec::with_capacity(points.rows());
        for (chain, start) in starts.into_iter().enumerate() {
            // Both can be −∞, neither +∞: the sum is never NaN.
            let joint = likelihoods[chain] + targets[chain];
            ends.push(Ends { start, joint });
        }
        Ok(ends)
    }
}

/// The log densities of both ends of the path at one point, in nats.
#[derive(Debug, Clone, Copy)]
struct Ends {
    /// log s(z).
    start: f64,
    /// log p(x|z) + log p_t(z).
    joint: f64,
}

impl Ends {
    /// Returns log π_β up to a constant; a power of 0 removes even a density of 0.
    fn log_density(&self, beta: f64) -> f64 {
        let power = |exponent: f64, log: f64| if exponent == 0.0 { 0.0 } else { exponent * log };
        power(1.0 - beta, self.start) + power(beta, self.joint)
    }

    /// Returns the logarithm of the factor of a weight when β grows by 1.
    fn log_ratio(&self) -> f64 {
        // Impossible under the target is impossible, even if the start excludes the point as well.
        if self.joint == f64::NEG_INFINITY {
            return f64::NEG_INFINITY;
        }
        self.joint - self.start
    }
}

/// Chains of one observation that go through the decoder together, each with its own stream.
struct Chains {
    /// The number of the first chain.
    first: usize,
    streams: Vec<RandomStream>,
    /// Where the chains are, `[chains, dim]`.
    points: Latents,
    /// The ends of the path at the points.
    ends: Vec<Ends>,
    log_weights: Vec<f64>,
}

impl Chains {
    /// Returns chains at one draw from the start for each stream.
    fn start(
        path: &AnnealingPath<'_>,
        first: usize,
        mut streams: Vec<RandomStream>,
    ) -> Result<Self, EvalError> {
        let points = path.starts(first, &mut streams)?;
        let ends = path.ends(first, &points)?;
        Ok(Self {
            first,
            log_weights: vec![0.0; streams.len()],
            streams,
            points,
            ends,
        })
    }

    /// Multiplies each weight by π_β′(z)/π_β(z), where β′ − β is `growth_of_beta`.
    fn weigh(&mut self, growth_of_beta: f64) {
        for (log_weight, ends) in self.log_weights.iter_mut().zip(&self.ends) {
            *log_weight += growth_of_beta * ends.log_ratio();
        }
    }

    /// Makes one Metropolis–Hastings transition of each chain, with π_β as its stationary
    /// distribution; returns the number of accepted ones.
    fn transition(
        &mut self,
        path: &AnnealingPath<'_>,
        beta: f64,
        step: &Move,
    ) -> Result<usize, EvalError> {
        let at_row = at_row(path.row);
        // The proposals of all chains go through the decoder together.
        let proposals = step
            .propose(&self.points, &mut self.streams)
            .map_err(&at_row)?;
        let proposed_ends = path.ends(self.first, &proposals)?;
        let mut points = self.points.view().to_owned();
        let mut accepted = 0;
        for (chain, proposed) in proposed_ends.into_iter().enumerate() {
            let (from, to) = (self.points.row_values(chain), proposals.row_values(chain));
            let growth = proposed.log_density(beta) - self.ends[chain].log_density(beta);
            if self.accepts(chain, growth + step.log_asymmetry(from, to)) {
                points.row_mut(chain).assign(&proposals.row(chain));
                self.ends[chain] = proposed;
                accepted += 1;
            }
        }
        self.points = Latents::new(points).map_err(&at_row)?;
        Ok(accepted)
    }

    /// Returns whether a chain accepts a proposal with this logarithm of the Metropolis–Hastings
    /// ratio.
    fn accepts(&mut self, chain: usize, log_ratio: f64) -> bool {
        // NaN (both points impossible) compares as false: the chain stays.
        open_uniform(&mut self.streams[chain]).ln() < log_ratio
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_of_zero_removes_a_density_of_zero() {
        let ends = Ends {
            start: -2.0,
            joint: f64::NEG_INFINITY,
        };
        assert_eq!(
            (ends.log_density(0.0), ends.log_density(0.5)),
            (-2.0, f64::NEG_INFINITY)
        );
        assert_eq!(ends.log_ratio(), f64::NEG_INFINITY);
    }
}
