//! A time budget as numbers of steps.
//!
//! The same seed must give the same bridge on every machine, so a budget counts seconds of one
//! reference machine (two cores of a 2023 server) and is turned into steps by constants measured
//! there, never by a clock.

use crate::candidate::Candidate;
use crate::density::Family;
use crate::refine::Refinement;
use crate::shared_codes::CodeLearning;
use zbridge_nn::OptimiserPlan;

/// How much work a fit may do, and which families it may choose from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Effort {
    /// Budget over the one that the numbers below were set for.
    share: f64,
    /// The one family, where it is not to be chosen.
    forced: Option<Family>,
}

/// The budget in seconds at which the numbers of steps below hold.
const REFERENCE_BUDGET: f64 = 60.0;
/// Dimensions up to which a full covariance is tried: its network gives their square over two
/// numbers.
const MOST_FULL_DIMENSIONS: usize = 48;

impl Effort {
    pub(crate) fn new(budget_seconds: f64, forced: Option<Family>) -> Self {
        Self {
            share: budget_seconds / REFERENCE_BUDGET,
            forced,
        }
    }

    fn steps(&self, at_reference: usize) -> usize {
        ((at_reference as f64 * self.share) as usize).max(20)
    }

    pub(crate) fn allows(&self, family: Family) -> bool {
        self.forced.is_none_or(|forced| forced == family)
    }

    /// The ladder for a target of `dim` active dimensions, from the simplest to the richest. A
    /// source that is seen in other ways too is not learned by heart as soon, and gets a longer
    /// rung.
    pub(crate) fn candidates(&self, dim: usize, seen_in_other_ways: bool) -> Vec<Candidate> {
        // Small networks on few pairs cost next to nothing: only a budget below 10 s shortens them.
        let of_ladder = |steps: f64| ((steps * (6.0 * self.share).min(1.0)) as usize).max(20);
        let (short, long) = (of_ladder(100.0), of_ladder(400.0));
        let mut lengths = vec![short, long];
        if seen_in_other_ways {
            lengths.push(of_ladder(1600.0));
        }
        let ladder = [
            (Family::LinearGaussian, vec![0]),
            (Family::TiedMixture, lengths.clone()),
            (Family::Gaussian, lengths.clone()),
            (Family::FullGaussian, vec![short]),
            (Family::Mixture, lengths),
            (Family::Flow, vec![short]),
            (Family::FlowMatching, vec![long]),
        ];
        let possible = |family: &Family| {
            *family != Family::FullGaussian || dim <= MOST_FULL_DIMENSIONS || !self.chooses()
        };
        let independent = Candidate {
            family: Family::Independent,
            steps: 0,
        };
        let rungs = ladder
            .into_iter()
            .filter(|(family, _)| self.allows(*family) && possible(family));
        let rungs = rungs.flat_map(|(family, steps)| {
            steps
                .into_iter()
                .map(move |steps| Candidate { family, steps })
        });
        std::iter::once(independent).chain(rungs).collect()
    }

    /// Whether the one family that is asked for is this one.
    pub(crate) fn insists_on(&self, family: Family) -> bool {
        self.forced == Some(family)
    }

    /// How codes that both sides share are learned; `share` of the steps where it is but a trial.
    pub(crate) fn code_learning(&self, share: f64) -> CodeLearning {
        CodeLearning {
            optimiser: OptimiserPlan {
                steps: self.steps((1600.0 * share) as usize),
                batch: 256,
                learning_rate: 4e-3,
                weight_decay: 0.05,
            },
            codes: 32,
            unpaired: 384,
            strength: 1.0,
            hidden: [256, 256],
            dropout: 0.25,
        }
    }

    /// Steps of the flow given a shared code.
    pub(crate) fn coded_flow_steps(&self, share: f64) -> usize {
        self.steps((2500.0 * share) as usize)
    }

    fn chooses(&self) -> bool {
        self.forced.is_none()
    }

    /// The last candidate of the forced family.
    pub(crate) fn forced(&self, candidates: &[Candidate]) -> Option<usize> {
        let forced = self.forced?;
        candidates
            .iter()
            .rposition(|candidate| candidate.family == forced)
    }

    /// What is tried on labelled posteriors, with short fits; `share` of the steps of a trial.
    pub(crate) fn labelled_candidates(&self, dim: usize, share: f64) -> Vec<Candidate> {
        match self.forced {
            // Flow matching is left out: its density costs 40 times as much and it has lost every
            // time (decision 0008).
            None => vec![Candidate {
                family: Family::Flow,
                steps: self.steps((800.0 * share) as usize),
            }],
            Some(_) => self
                .candidates(dim, false)
                .into_iter()
                .filter(|c| self.allows(c.family))
                .rev()
                .take(1)
                .collect(),
        }
    }

    /// The last fit of a family on labelled posteriors.
    pub(crate) fn last_candidate(&self, family: Family) -> Candidate {
        let steps = match family {
            Family::Independent | Family::LinearGaussian => 0,
            Family::Flow => self.steps(2500),
            _ => self.steps(3000),
        };
        Candidate { family, steps }
    }

    /// Steps of a direction at most: what progress is measured against.
    pub(crate) fn planned_steps(&self) -> usize {
        const SPLITS: usize = 2;
        let ladder: usize = self
            .candidates(1, false)
            .iter()
            .map(|candidate| candidate.steps)
            .sum();
        let labelled: usize = self
            .labelled_candidates(1, 1.0)
            .iter()
            .map(|candidate| candidate.steps)
            .sum();
        SPLITS * (ladder + labelled) + 2 * self.last_candidate(Family::FlowMatching).steps
    }

    /// Members of the ensemble that is fitted in the end: one for each of two cores, where members
    /// differ.
    pub(crate) fn members(&self, family: Family) -> usize {
        match family {
            Family::Independent | Family::LinearGaussian => 1,
            _ => 2,
        }
    }

    /// Hidden layers of a mixture that is refined.
    pub(crate) fn reader_hidden(&self) -> [usize; 2] {
        [256, 256]
    }

    /// The last refinement of the informative direction, from so many pairs. The more pairs there
    /// are, the less the unpaired posteriors have to say: measured at 256 and at 8192 pairs, see
    /// `docs/decisions/0008-automatic-recipe.md`.
    pub(crate) fn refinement(&self, pairs: usize) -> Refinement {
        let scarcity = (512.0 / pairs as f32).sqrt().min(1.0);
        Refinement {
            optimiser: OptimiserPlan {
                steps: self.steps(2400),
                batch: 128,
                learning_rate: 4e-3,
                weight_decay: 0.05,
            },
            unpaired: 384,
            strength: 4.0 * scarcity,
            temperature: 0.35,
            averaging: 0.99,
        }
    }

    /// A short refinement, to see whether it is worth it; `share` of the steps of a trial.
    pub(crate) fn trial_refinement(&self, pairs: usize, share: f64) -> Refinement {
        let whole = self.refinement(pairs);
        Refinement {
            optimiser: OptimiserPlan {
                steps: self.steps((1000.0 * share) as usize),
                ..whole.optimiser
            },
            ..whole
        }
    }

    /// Dropout of a mixture that is refined.
    pub(crate) fn reader_dropout(&self, pairs: usize) -> f32 {
        if pairs < 4096 { 0.25 } else { 0.1 }
    }
}
