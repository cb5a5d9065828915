use crate::annealing_move::{Move, Pilot};
use crate::open_uniform::open_uniform;
use crate::rows::{Questions, chunks, expect_at_least, expect_log_densities};
use crate::{
    DrawableDensity, EstimateWarning, EvalError, LikelihoodSummary, LogWeights, RowEstimate,
    TargetDensity, TargetEstimate,
};
use serde::{Deserialize, Serialize};
use zbridge_core::{LatentModel, Latents, Observations, RandomStream};

/// How steep the schedule is: 4 puts most temperatures near both ends (Wu et al. 2017, section 5).
const SCHEDULE_STEEPNESS: f64 = 4.0;

/// How long to anneal for each observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnealingSettings {
    /// K, chains for each observation; each gives one weight.
    pub chains: usize,
    /// Steps of the path from the start to the target: more make the weights more even. Hundreds to
    /// thousands.
    pub temperatures: usize,
    /// Metropolis transitions at each temperature, random walks and pulls in turn; at least 2 give
    /// both.
    pub transitions: usize,
    /// Chains of the burn-in that finds where and how far to move and is then thrown away; at least
    /// 2, 16 do.
    pub pilot_chains: usize,
    /// Chains that go through the decoder at once: memory and speed, never the result.
    pub chunk: usize,
    /// Seed of all draws.
    pub seed: u64,
}

/// A likelihood by annealing, with how its chains moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnnealedEstimate {
    /// The estimate; its `draws` are chains, its errors and effective sample sizes are over chains.
    pub estimate: TargetEstimate,
    /// Share of accepted transitions for each observation, 0 … 1; below some 0.05 the chains hardly
    /// moved.
    pub acceptance_per_row: Vec<f64>,
    /// Mean of these.
    pub mean_acceptance: f64,
    /// The smallest of these.
    pub least_acceptance: f64,
}

/// log p_t(x_i) = log ∫ p(x_i|z) p_t(z|context_i) dz for each observation, in nats, by annealed
/// importance sampling.
///
/// Each chain starts at z ~ s(z) and goes along π_β(z) ∝ s(z)^(1−β) · (p(x|z) p_t(z))^β, β = 0 … 1.
/// Its weight is Π_t (π_βt/π_βt−1)(z_t−1), and between weights come Metropolis transitions that
/// leave π_βt as it is. `start` is the target itself (the usual path, from the prior to the
/// posterior) or p(z|x) of an encoder, which is a shorter way.
///
/// **Bias**: 1/K Σ w is unbiased for p_t(x), however badly the chains mix; so the logarithm is too
/// low on average, a stochastic lower bound. Transitions are random walks and pulls towards a
/// Gaussian, whose means, spreads and steps at each temperature come from pilot chains with draws
/// of their own and are fixed for the chains that count: adapting those would void the guarantee.
///
/// It asks the model for likelihoods only (no gradients), about `temperatures · transitions ·
/// (chains + pilot_chains)` of them for each observation. Observation `i` has the stream
/// `("annealed", seed).child(i)`, its pilot the child 0 of it, chain `c` the child `c + 1`: the
/// result depends neither on threads nor on the size of chunks. `progress` hears how many
/// observations are done.
///
/// # Shapes
/// `observations` `[n, event]`; start and target answer for rows `0 … n − 1` in the model's latent
/// space.
///
/// # Errors
/// [`EvalError::Setting`] for settings of 0 (or a single pilot chain), [`EvalError::Empty`] without
/// observations, [`EvalError::Row`] and [`EvalError::Mismatch`] for shapes,
/// [`EvalError::NotALogDensity`] naming the chain at which the model or a density returned NaN or
/// +∞.
///
/// # Source
/// Neal (2001), *Annealed importance sampling*, eqs. 2–6; Wu, Burda, Salakhutdinov, Grosse (2017),
/// *On the quantitative analysis of decoder-based generative models*. The pulls: Rudolf & Sprungk
/// (2018), *On a generalization of the preconditioned Crank–Nicolson Metropolis algorithm*.
pub fn annealed(
    model: &dyn LatentModel,
    observations: &Observations,
    start: &dyn DrawableDensity,
    target: &dyn TargetDensity,
    settings: &AnnealingSettings,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<AnnealedEstimate, EvalError> {
    settings.check()?;
    let questions = Questions::new(model, observations)?;
    let streams = RandomStream::named(settings.seed, "annealed");
    let schedule = settings.schedule();
    let rows = questions.each_row(progress, |row| {
        let path = Path {
            questions,
            row,
            start,
            target,
            schedule: &schedule,
            transitions: settings.transitions,
        };
        path.estimate(settings, &streams.child(row as u64))
    })?;
    let (per_row, acceptance_per_row): (Vec<RowEstimate>, Vec<f64>) = rows.into_iter().unzip();
    Ok(AnnealedEstimate {
        estimate: TargetEstimate::new(target.name(), settings.chains, per_row),
        mean_acceptance: acceptance_per_row.iter().sum::<f64>() / acceptance_per_row.len() as f64,
        least_acceptance: acceptance_per_row
            .iter()
            .copied()
            .fold(f64::INFINITY, f64::min),
        acceptance_per_row,
    })
}

impl AnnealingSettings {
    fn check(&self) -> Result<(), EvalError> {
        expect_at_least("chains", 1, self.chains)?;
        expect_at_least("temperatures", 1, self.temperatures)?;
        expect_at_least("transitions", 1, self.transitions)?;
        expect_at_least("pilot_chains", 2, self.pilot_chains)?;
        expect_at_least("chunk", 1, self.chunk)
    }

    /// 0 = β_0 < … < β_T = 1: a sigmoid, stretched to reach both ends.
    fn schedule(&self) -> Vec<f64> {
        let sigmoid = |t: f64| 1.0 / (1.0 + (-t).exp());
        let (low, high) = (sigmoid(-SCHEDULE_STEEPNESS), sigmoid(SCHEDULE_STEEPNESS));
        let at = |step: usize| 2.0 * step as f64 / self.temperatures as f64 - 1.0;
        let inner = (1..self.temperatures)
            .map(|step| (sigmoid(SCHEDULE_STEEPNESS * at(step)) - low) / (high - low));
        std::iter::once(0.0).chain(inner).chain([1.0]).collect()
    }
}

/// Below this share of accepted transitions chains count as stuck.
const STUCK_ACCEPTANCE: f64 = 0.02;

impl AnnealedEstimate {
    /// The number of chains, mean, interval, effective sample size and warning, for tables and
    /// JSON.
    pub fn summary(&self) -> LikelihoodSummary {
        LikelihoodSummary {
            warning: self.warning(),
            ..self.estimate.summary()
        }
    }

    /// What makes this estimate not to be believed, if anything does, with the remedies that chains
    /// have.
    pub fn warning(&self) -> Option<EstimateWarning> {
        let (name, least_acceptance) = (self.estimate.name.clone(), self.least_acceptance);
        match self.estimate.warning() {
            Some(EstimateWarning::LowEffectiveSampleSize {
                name,
                low,
                observations,
                median,
                draws,
            }) => Some(EstimateWarning::UnevenChains {
                name,
                low,
                observations,
                median,
                chains: draws,
            }),
            None if least_acceptance < STUCK_ACCEPTANCE => Some(EstimateWarning::StuckChains {
                name,
                least_acceptance,
            }),
            other => other,
        }
    }
}

/// The way of one observation from the start to the target.
struct Path<'a> {
    questions: Questions<'a>,
    row: usize,
    start: &'a dyn DrawableDensity,
    target: &'a dyn TargetDensity,
    schedule: &'a [f64],
    transitions: usize,
}

/// Both ends of the path at one point, in nats.
#[derive(Debug, Clone, Copy)]
struct Ends {
    /// log s(z).
    start: f64,
    /// log p(x|z) + log p_t(z).
    joint: f64,
}

impl Ends {
    /// log π_β up to a constant; a power of 0 removes even a density of 0.
    fn log_density(&self, beta: f64) -> f64 {
        let power = |exponent: f64, log: f64| if exponent == 0.0 { 0.0 } else { exponent * log };
        power(1.0 - beta, self.start) + power(beta, self.joint)
    }

    /// log of what a weight is multiplied by when β grows by 1.
    fn log_ratio(&self) -> f64 {
        if self.joint == f64::NEG_INFINITY {
            f64::NEG_INFINITY
        } else {
            self.joint - self.start
        }
    }
}

impl Path<'_> {
    /// The estimate over all chains, and the share of transitions that were accepted.
    fn estimate(
        &self,
        settings: &AnnealingSettings,
        stream: &RandomStream,
    ) -> Result<(RowEstimate, f64), EvalError> {
        let moves = self.moves(settings.pilot_chains, &stream.child(0))?;
        let (mut weights, mut accepted) = (LogWeights::default(), 0);
        for (first, count) in chunks(settings.chains, settings.chunk) {
            let mut chains = Chains::start(
                self,
                first,
                (first..first + count).map(|c| stream.child(c as u64 + 1)),
            )?;
            accepted += self.run(&mut chains, &moves)?;
            chains
                .log_weights
                .iter()
                .for_each(|&log_weight| weights.push(log_weight));
        }
        let proposed = settings.chains * self.transitions * moves.len();
        let acceptance = if proposed == 0 {
            1.0
        } else {
            accepted as f64 / proposed as f64
        };
        Ok((RowEstimate::from(&weights), acceptance))
    }

    /// Takes chains along the whole path; how many transitions were accepted.
    fn run(&self, chains: &mut Chains, moves: &[[Move; 2]]) -> Result<usize, EvalError> {
        let mut accepted = 0;
        for (step, pair) in self.schedule.windows(2).enumerate() {
            chains.weigh(pair[1] - pair[0]);
            // No transition follows the last weight: nobody looks at where the chains end.
            if let Some(moves) = moves.get(step) {
                for number in 0..self.transitions {
                    accepted += chains.transition(self, pair[1], &moves[number % 2])?;
                }
            }
        }
        Ok(accepted)
    }

    /// A random walk and a pull for each of β_1 … β_T−1, learnt from chains that count for nothing
    /// else.
    fn moves(&self, chains: usize, stream: &RandomStream) -> Result<Vec<[Move; 2]>, EvalError> {
        let mut chains = Chains::start(self, 0, (0..chains).map(|c| stream.child(c as u64)))?;
        let mut pilot = Pilot::new(&chains.points);
        let mut moves = Vec::with_capacity(self.schedule.len());
        for &beta in &self.schedule[1..self.schedule.len() - 1] {
            for number in 0..self.transitions {
                let accepted = chains.transition(self, beta, &pilot.moves()[number % 2])?;
                pilot.learn(
                    number % 2,
                    accepted as f64 / chains.streams.len() as f64,
                    &chains.points,
                );
            }
            moves.push(pilot.moves());
        }
        Ok(moves)
    }

    /// Both ends at each point; `first` is the number of the first chain.
    fn ends(&self, first: usize, points: &Latents) -> Result<Vec<Ends>, EvalError> {
        let count = points.rows();
        let checked =
            |name: &str, values| expect_log_densities(name, self.row, first, count, values);
        let likelihoods = self.questions.log_likelihoods(self.row, first, points)?;
        let targets = checked(self.target.name(), self.target.log_prob(self.row, points)?)?;
        let starts = checked(self.start.name(), self.start.log_prob(self.row, points)?)?;
        let ends = starts.into_iter().zip(likelihoods.into_iter().zip(targets));
        Ok(ends
            .map(|(start, (likelihood, target))| Ends {
                start,
                joint: likelihood + target,
            })
            .collect())
    }
}

/// Chains of one observation that go through the decoder together, each with its own stream.
struct Chains {
    first: usize,
    streams: Vec<RandomStream>,
    points: Latents,
    ends: Vec<Ends>,
    log_weights: Vec<f64>,
}

impl Chains {
    /// One draw from the start for each stream.
    fn start(
        path: &Path<'_>,
        first: usize,
        streams: impl Iterator<Item = RandomStream>,
    ) -> Result<Self, EvalError> {
        let (mut streams, mut values): (Vec<_>, _) = (streams.collect(), Vec::new());
        for (number, stream) in streams.iter_mut().enumerate() {
            values.extend(
                path.start
                    .draw(path.row, first + number, 1, stream)?
                    .into_vec(),
            );
        }
        let (_, dim) = path.questions.extent();
        let points = Latents::from_vec(values, dim).map_err(EvalError::at_row(path.row))?;
        EvalError::expect_count("starts of chains", streams.len(), points.rows())?;
        let ends = path.ends(first, &points)?;
        Ok(Self {
            first,
            log_weights: vec![0.0; streams.len()],
            streams,
            points,
            ends,
        })
    }

    fn weigh(&mut self, growth_of_beta: f64) {
        let weights = self.log_weights.iter_mut().zip(&self.ends);
        weights.for_each(|(log_weight, ends)| *log_weight += growth_of_beta * ends.log_ratio());
    }

    /// One Metropolis–Hastings transition of each chain, which leaves π_β as it is; how many were
    /// accepted.
    fn transition(&mut self, path: &Path<'_>, beta: f64, step: &Move) -> Result<usize, EvalError> {
        let dim = self.points.dim();
        let proposals = step
            .propose(&self.points, &mut self.streams)
            .map_err(EvalError::at_row(path.row))?;
        let proposed = path.ends(self.first, &proposals)?;
        let mut values =
            std::mem::replace(&mut self.points, Latents::filled(0, dim, 0.0)).into_vec();
        let mut accepted = 0;
        for (chain, ends) in proposed.into_iter().enumerate() {
            let (own, other) = (
                &mut values[chain * dim..(chain + 1) * dim],
                proposals.row_values(chain),
            );
            let log_ratio = ends.log_density(beta) - self.ends[chain].log_density(beta)
                + step.log_asymmetry(own, other);
            // NaN (both impossible) compares as false: the chain stays.
            if open_uniform(&mut self.streams[chain]).ln() < log_ratio {
                own.copy_from_slice(other);
                self.ends[chain] = ends;
                accepted += 1;
            }
        }
        self.points = Latents::clamped(values, dim).map_err(EvalError::at_row(path.row))?;
        Ok(accepted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_climbs_from_zero_to_one() {
        for temperatures in [1, 2, 3, 100] {
            let settings = AnnealingSettings {
                chains: 1,
                temperatures,
                transitions: 1,
                pilot_chains: 2,
                chunk: 1,
                seed: 1,
            };
            let schedule = settings.schedule();
            assert_eq!(
                (schedule.len(), schedule[0], schedule[temperatures]),
                (temperatures + 1, 0.0, 1.0)
            );
            assert!(schedule.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

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
