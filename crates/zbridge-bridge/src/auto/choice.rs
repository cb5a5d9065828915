//! Which candidate of a direction is taken, by what held-out pairs say.

use super::candidate::Candidate;
use super::held_out::total;
use crate::comparison::{Comparison, Trial};
use crate::frame::FramedPosterior;
use crate::{Direction, Family};
use zbridge_core::Estimate;

/// What is known of a direction before its last fit.
#[derive(Debug)]
pub(super) struct DirectionSearch<'p> {
    pub(super) direction: Direction,
    rungs: Vec<Rung>,
    /// The rung that is taken of the ladder.
    pub(super) best_rung: Rung,
    /// What was tried: first the marginal baseline, which no candidate's source can affect.
    tried: Vec<Tried>,
    chosen: usize,
    /// How the last fit is done, unless the direction is fitted on labelled latents.
    pub(super) strategy: FitStrategy<'p>,
}

/// A candidate of the ladder, with the inverse temperature that suits it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rung {
    pub(super) candidate: Candidate,
    pub(super) inverse_temperature: f32,
}

/// What was tried, and the log density of each held-out pair under it.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) trial: Trial,
    pub(super) nats: Vec<f64>,
}

/// A trial of a density that is not a rung of the ladder.
#[derive(Debug)]
pub(super) struct FurtherTrial {
    pub(super) family: Family,
    /// Optimiser steps.
    pub(super) steps: usize,
    /// Whether unpaired latents took part.
    pub(super) unpaired: bool,
    /// Whether labels were spread to them first.
    pub(super) spread: bool,
    /// Whether draws are accepted by the other direction's agreement.
    pub(super) agreed: bool,
    /// The log density of each held-out pair.
    pub(super) nats: Vec<f64>,
}

/// When a new trial is taken in place of the one that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Criterion {
    /// If its mean log density is higher.
    Better,
    /// If its mean log density is higher by more than two standard errors of the difference.
    ClearlyBetter,
    /// Unless its mean log density is lower by more than two standard errors of the difference.
    NotClearlyWorse,
}

/// How a direction is fitted in the end, if it is fitted independently of the other one.
#[derive(Debug, Clone, Copy)]
pub(super) enum FitStrategy<'p> {
    /// On the pairs.
    Pairs(Rung),
    /// A tied mixture, refined on posteriors of its source that have no partners.
    Refined {
        unpaired: &'p FramedPosterior,
        /// Whether labels are spread to them first.
        spread: bool,
        /// The inverse temperature that calibrates its weights.
        inverse_temperature: f32,
    },
    /// A flow given a code that both sides share.
    SharedCodes(CodeSource),
}

/// Where the code of a density by shared codes comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodeSource {
    /// It is inferred from the source.
    Inferred,
    /// From its prior, whatever the source is: the marginal of the target.
    Prior,
}

impl<'p> DirectionSearch<'p> {
    /// Returns a search that has tried the rungs of the ladder, of which the first is independence:
    /// `nats` has the log density of each held-out pair, for each rung.
    pub(super) fn of_ladder(
        direction: Direction,
        rungs: Vec<Rung>,
        nats: Vec<Vec<f64>>,
        forced: Option<usize>,
    ) -> Self {
        let chosen = forced.unwrap_or_else(|| simplest_within_an_error(&nats));
        let gains: Vec<Estimate> = nats.iter().map(|of_rung| gain(of_rung, &nats[0])).collect();
        let mut tried = Vec::with_capacity(rungs.len());
        for ((rung, nats), gain_nats) in rungs.iter().zip(nats).zip(gains) {
            let trial = Trial {
                family: rung.candidate.family.into(),
                steps: rung.candidate.steps,
                unpaired: false,
                spread: false,
                agreed: false,
                gain_nats,
            };
            tried.push(Tried { trial, nats });
        }
        Self {
            direction,
            strategy: FitStrategy::Pairs(rungs[chosen]),
            best_rung: rungs[chosen],
            rungs,
            tried,
            chosen,
        }
    }

    /// Returns the trial that is taken.
    pub(super) fn chosen(&self) -> &Trial {
        &self.tried[self.chosen].trial
    }

    /// Returns the rungs of the ladder, with their trials.
    pub(super) fn ladder(&self) -> impl Iterator<Item = (&Rung, &Trial)> {
        self.rungs
            .iter()
            .zip(self.tried.iter().map(|tried| &tried.trial))
    }

    /// Adds a trial, and takes it if `criterion` holds. Returns
    /// whether it was taken.
    pub(super) fn consider(&mut self, new: FurtherTrial, criterion: Criterion) -> bool {
        let FurtherTrial {
            family,
            steps,
            unpaired,
            spread,
            agreed,
            nats,
        } = new;
        let over_chosen = gain(&nats, &self.tried[self.chosen].nats);
        let trial = Trial {
            family,
            steps,
            unpaired,
            spread,
            agreed,
            gain_nats: gain(&nats, &self.tried[0].nats),
        };
        self.tried.push(Tried { trial, nats });
        let is_taken = criterion.holds(&over_chosen);
        if is_taken {
            self.take_last();
        }
        is_taken
    }

    /// Takes the trial that was added last.
    pub(super) fn take_last(&mut self) {
        self.chosen = self.tried.len() - 1;
    }

    /// Lets the log densities `nats` of flows that do not depend on their source be the marginal
    /// baseline, if they describe the target better than the baseline so far: the gain of a bridge
    /// is what its source tells of the target, not how well it knows the target.
    ///
    /// Only rungs have been tried yet.
    pub(super) fn improve_marginal_baseline(&mut self, nats: Vec<f64>) {
        if total(&nats) <= total(&self.tried[0].nats) {
            return;
        }
        self.tried[0].nats = nats;
        let gains: Vec<Estimate> = self
            .tried
            .iter()
            .map(|tried| gain(&tried.nats, &self.tried[0].nats))
            .collect();
        for (tried, gain_nats) in self.tried.iter_mut().zip(gains) {
            tried.trial.gain_nats = gain_nats;
        }
        let nats: Vec<&[f64]> = self
            .tried
            .iter()
            .map(|tried| tried.nats.as_slice())
            .collect();
        self.chosen = simplest_within_an_error(&nats);
        self.best_rung = self.rungs[self.chosen];
        self.strategy = match self.chosen {
            0 => FitStrategy::SharedCodes(CodeSource::Prior),
            _ => FitStrategy::Pairs(self.best_rung),
        };
    }

    /// Returns what was tried, and what was taken, for an ensemble of this many members.
    pub(super) fn into_comparison(self, members: usize) -> Comparison {
        Comparison {
            trials: self.tried.into_iter().map(|tried| tried.trial).collect(),
            chosen: self.chosen,
            members,
        }
    }
}

impl Criterion {
    /// Returns whether a new trial with this advantage over the one that was taken is taken.
    fn holds(self, advantage: &Estimate) -> bool {
        let needed = match self {
            Self::Better => 0.0,
            Self::ClearlyBetter => 2.0 * advantage.standard_error,
            Self::NotClearlyWorse => -2.0 * advantage.standard_error,
        };
        advantage.mean > needed
    }
}

/// Returns the mean difference between log densities of the same pairs: those that both have, if
/// one was not tried on all splits.
pub(super) fn gain(nats: &[f64], baseline: &[f64]) -> Estimate {
    Estimate::of(
        nats.iter()
            .zip(baseline)
            .map(|(nats, baseline)| nats - baseline),
    )
}

/// Returns the number of the candidate to take: the simplest whose mean log density is less than
/// one standard error of the paired difference below the best.
///
/// The first candidate, independence, is taken only if it is the best: pairs are presumed to be
/// pairs. `nats` has the log density of each held-out pair for each candidate; candidates stand
/// from the simplest to the richest. One that was not tried on all pairs was hopeless on some, and
/// is not taken.
///
/// # Source
/// Breiman, Friedman, Olshen & Stone 1984, section 3.4.3.
fn simplest_within_an_error(nats: &[impl AsRef<[f64]>]) -> usize {
    let nats: Vec<&[f64]> = nats.iter().map(AsRef::as_ref).collect();
    let mean = |candidate: usize| total(nats[candidate]) / nats[candidate].len().max(1) as f64;
    let pairs = nats.iter().map(|nats| nats.len()).max();
    let is_complete = |candidate: &usize| Some(nats[*candidate].len()) == pairs;
    let best = (0..nats.len())
        .filter(is_complete)
        .max_by(|&a, &b| mean(a).total_cmp(&mean(b)))
        .unwrap_or(0);
    let is_as_good = |candidate: usize| {
        let shortfall = gain(nats[best], nats[candidate]);
        shortfall.mean <= shortfall.standard_error
    };
    (1..best)
        .filter(is_complete)
        .find(|&candidate| is_as_good(candidate))
        .unwrap_or(best)
}

#[cfg(test)]
mod tests {
    use super::super::candidate::CandidateFamily;
    use super::*;

    #[test]
    fn the_simplest_of_equals_is_taken_and_a_clear_winner_wins() {
        let noise = |offset: f64, spread: f64| -> Vec<f64> {
            (0..100)
                .map(|i| offset + spread * ((i * 37 % 100) as f64 / 50.0 - 1.0))
                .collect()
        };
        assert_eq!(
            simplest_within_an_error(&[noise(0.0, 0.1), noise(1.0, 0.1), noise(1.0, 0.1)]),
            1
        );
        assert_eq!(
            simplest_within_an_error(&[noise(0.0, 0.1), noise(1.0, 0.1), noise(1.5, 0.2)]),
            2
        );
        let unsure: Vec<f64> = noise(1.0, 0.1)
            .into_iter()
            .enumerate()
            .map(|(i, v)| v + if i % 2 == 0 { 2.0 } else { -1.9 })
            .collect();
        assert_eq!(
            simplest_within_an_error(&[noise(-1.0, 0.1), noise(1.0, 0.1), unsure]),
            1
        );
        assert_eq!(
            simplest_within_an_error(&[noise(0.0, 0.1), noise(-0.001, 0.1)]),
            0
        );
        // Tried on half of the pairs only, whatever it is there.
        let of_some = noise(9.0, 0.1)[..50].to_vec();
        assert_eq!(
            simplest_within_an_error(&[noise(0.0, 0.1), of_some, noise(1.0, 0.1)]),
            2
        );
    }

    /// A ladder of three rungs that gain 0, 1 and 1.5 nats.
    fn search() -> DirectionSearch<'static> {
        let families = [
            CandidateFamily::Independent,
            CandidateFamily::LinearGaussian,
            CandidateFamily::Flow,
        ];
        let rungs = families.map(|family| Rung {
            candidate: Candidate { family, steps: 0 },
            inverse_temperature: 1.0,
        });
        let nats = vec![vec![-2.0, -2.2], vec![-1.0, -1.2], vec![-0.5, -0.7]];
        DirectionSearch::of_ladder(Direction::XToY, rungs.to_vec(), nats, None)
    }

    fn trial(nats: [f64; 2]) -> FurtherTrial {
        FurtherTrial {
            family: Family::SharedCode,
            steps: 10,
            unpaired: true,
            spread: false,
            agreed: false,
            nats: nats.to_vec(),
        }
    }

    #[test]
    fn a_trial_is_taken_by_its_criterion() {
        let mut search = search();
        assert_eq!(search.chosen().family, Family::Flow);
        assert!(!search.consider(trial([-0.6, -0.7]), Criterion::Better));
        // Worse by 0.05 ± 0.05 nats.
        assert!(search.consider(trial([-0.6, -0.7]), Criterion::NotClearlyWorse));
        assert!(search.consider(trial([-0.1, -0.1]), Criterion::Better));
        let gain = search.chosen().gain_nats.mean;
        assert!((gain - 2.0).abs() < 1e-12, "{gain}");
        let comparison = search.into_comparison(2);
        assert_eq!((comparison.trials.len(), comparison.chosen), (6, 5));
    }

    #[test]
    fn gains_are_over_the_best_marginal_baseline() {
        let mut search = search();
        search.improve_marginal_baseline(vec![-3.0, -3.0]);
        assert!((search.chosen().gain_nats.mean - 1.5).abs() < 1e-12);
        search.improve_marginal_baseline(vec![-0.7, -0.9]);
        assert!((search.chosen().gain_nats.mean - 0.2).abs() < 1e-12);
        search.improve_marginal_baseline(vec![0.0, 0.0]);
        assert_eq!(search.chosen().family, Family::Independent);
        let is_prior = matches!(search.strategy, FitStrategy::SharedCodes(CodeSource::Prior));
        assert!(is_prior, "{:?}", search.strategy);
    }
}
