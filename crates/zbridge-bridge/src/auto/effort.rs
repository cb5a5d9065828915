//! A time budget as numbers of steps.
//!
//! The same seed must give the same bridge on every machine, so a budget counts seconds of one
//! reference machine (two cores of a 2023 server) and is turned into steps by constants measured
//! there, never by a clock.

use super::candidate::{Candidate, CandidateFamily};
use super::tilted::MAX_ANCHORS;
use crate::Family;
use crate::mean_teacher::Refinement;
use crate::shared_codes::CodeLearning;
use zbridge_nn::OptimiserPlan;

/// How much work a fit may do, and which families it may choose from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Effort {
    /// Budget relative to [`REFERENCE_BUDGET`].
    budget: f64,
    /// The one family, if it is not to be chosen.
    only: Option<Family>,
}

/// What decides which candidates are on a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LadderProblem {
    /// Active dimensions of the target.
    pub(crate) target_dim: usize,
    /// Whether there are augmented views of the source.
    pub(crate) source_has_views: bool,
    /// Whether neither side is discrete.
    pub(crate) both_are_continuous: bool,
    /// The number of pairs.
    pub(crate) pairs: usize,
}

/// Returns whether spaces of these active dimensions are too wide for what is learned from latents
/// without partners: its networks would take minutes and fall behind independence.
pub(super) fn are_wide(dims: [usize; 2]) -> bool {
    dims.iter().any(|&dim| dim > MAX_FULL_DIMENSIONS)
}

impl LadderProblem {
    fn suits(&self, family: CandidateFamily) -> bool {
        use CandidateFamily::*;
        let is_wide = self.target_dim > MAX_FULL_DIMENSIONS;
        match family {
            FullGaussian => !is_wide,
            // A mean between two classes is a point that does not occur.
            KernelRegression => self.both_are_continuous,
            Relative => self.both_are_continuous && self.pairs <= MAX_ANCHORS,
            // Held-out pairs prefer it, and find its regions too small.
            RelativeRegression => false,
            KernelGaussian => self.both_are_continuous && !is_wide,
            KernelFlow => self.both_are_continuous && !is_wide,
            // Too slow for what it gains where a regression with a flow of its residual is tried.
            FlowMatching => !self.both_are_continuous,
            // Between wide spaces, networks of this size fall behind independence.
            TiedMixture | Mixture | Flow | Gaussian => !(self.both_are_continuous && is_wide),
            Independent | LinearGaussian => true,
        }
    }
}

/// The budget in seconds at which the numbers of steps below hold.
const REFERENCE_BUDGET: f64 = 60.0;
/// Steps of a fit, at least.
const MIN_STEPS: usize = 20;
/// Dimensions up to which a full covariance is tried: its network has half their square of outputs.
const MAX_FULL_DIMENSIONS: usize = 48;
/// Pairs below which no shared codes are tried: from few pairs a network memorises codes.
const MIN_PAIRS_FOR_CODES: usize = 64;
/// Pairs above which no labels are spread.
const MAX_PAIRS_FOR_SPREADING: usize = 512;
/// Share of the steps of a last fit after which shared codes are compared.
const CODE_TRIAL_SHARE: f64 = 0.4;

impl Effort {
    /// Returns the effort that a budget allows, on one family or on all of them.
    pub(crate) fn new(budget_seconds: f64, only: Option<Family>) -> Self {
        Self {
            budget: budget_seconds / REFERENCE_BUDGET,
            only,
        }
    }

    /// Returns the number of steps that stands for `at_reference` steps of the reference budget.
    fn steps(&self, at_reference: f64) -> usize {
        // Truncated twice, as version 0.1 did: its numbers of steps stay.
        let whole = at_reference as usize;
        ((whole as f64 * self.budget) as usize).max(MIN_STEPS)
    }

    /// Returns whether `family` may be chosen.
    pub(super) fn allows(&self, family: impl Into<Family>) -> bool {
        let family = family.into();
        self.only.is_none_or(|only| only == family)
    }

    /// Returns whether `family` must be chosen.
    pub(super) fn insists_on(&self, family: impl Into<Family>) -> bool {
        self.only == Some(family.into())
    }

    /// Returns the rungs of the ladder for a target of `dim` active dimensions: independence, then
    /// candidates from the simplest to the richest.
    pub(crate) fn rungs(&self, problem: &LadderProblem) -> Vec<Candidate> {
        let mut rungs = vec![Candidate {
            family: CandidateFamily::Independent,
            steps: 0,
        }];
        for (family, lengths) in self.ladder(problem.source_has_views) {
            let is_tried = self.allows(family) && problem.suits(family);
            if is_tried || self.insists_on(family) {
                rungs.extend(lengths.into_iter().map(|steps| Candidate { family, steps }));
            }
        }
        rungs
    }

    /// Returns the families of the ladder, with the steps of each rung.
    fn ladder(&self, source_has_views: bool) -> [(CandidateFamily, Vec<usize>); 12] {
        use CandidateFamily::*;
        // Small networks on few pairs cost next to nothing: only a budget below 10 s shortens them.
        let shorten = (6.0 * self.budget).min(1.0);
        let steps = |at_reference: f64| ((at_reference * shorten) as usize).max(MIN_STEPS);
        let (short, long) = (steps(100.0), steps(400.0));
        let mut lengths = vec![short, long];
        if source_has_views {
            // A network does not memorise as soon what it sees in several views.
            lengths.push(steps(1600.0));
        }
        [
            (LinearGaussian, vec![0]),
            (KernelRegression, vec![0]),
            (Relative, vec![0]),
            (RelativeRegression, vec![0]),
            (KernelGaussian, vec![short, long]),
            (KernelFlow, vec![short, long]),
            (TiedMixture, lengths.clone()),
            (Gaussian, lengths.clone()),
            (FullGaussian, vec![short]),
            (Mixture, lengths),
            (Flow, vec![short]),
            (FlowMatching, vec![long]),
        ]
    }

    /// Returns the number of the last rung of the only family; `None` if a family is to be chosen,
    /// or the only one is not on the ladder.
    pub(super) fn forced_rung(&self, rungs: &[Candidate]) -> Option<usize> {
        let only = self.only?;
        rungs
            .iter()
            .rposition(|rung| Family::from(rung.family) == only)
    }

    /// Returns the candidates that are tried on labelled latents with a share of their steps.
    pub(super) fn labelled_candidates(&self, dim: usize, share: f64) -> Vec<Candidate> {
        let Some(only) = self.only else {
            // Flow matching is left out: its density costs 40 times as much, and it has never been
            // better (decision 0008).
            return vec![Candidate {
                family: CandidateFamily::Flow,
                steps: self.steps(800.0 * share),
            }];
        };
        let rungs = self.rungs(&LadderProblem {
            target_dim: dim,
            source_has_views: false,
            both_are_continuous: false,
            pairs: usize::MAX,
        });
        let last = rungs
            .into_iter()
            .rfind(|rung| Family::from(rung.family) == only);
        last.into_iter().collect()
    }

    /// Returns the last fit of a family on labelled latents.
    pub(super) fn last_labelled_fit(&self, family: CandidateFamily) -> Candidate {
        let steps = match family {
            CandidateFamily::Independent
            | CandidateFamily::LinearGaussian
            | CandidateFamily::KernelRegression
            | CandidateFamily::Relative
            | CandidateFamily::RelativeRegression => 0,
            CandidateFamily::Flow => self.steps(2500.0),
            _ => self.steps(3000.0),
        };
        Candidate { family, steps }
    }

    /// Returns the number of members of the ensemble that is fitted in the end: one for each of two
    /// cores, if members differ.
    pub(super) fn members(&self, family: Family) -> usize {
        match family {
            Family::Independent
            | Family::LinearGaussian
            | Family::KernelRegression
            | Family::Relative
            | Family::RelativeRegression => 1,
            _ => 2,
        }
    }

    /// Returns whether codes that both sides share are tried between spaces of these active
    /// dimensions; `None` where a side is discrete: its posteriors are the codes.
    pub(crate) fn tries_shared_codes(&self, pairs: usize, continuous: Option<[usize; 2]>) -> bool {
        let are_narrow = continuous.is_some_and(|dims| !are_wide(dims));
        let possible = are_narrow && pairs >= MIN_PAIRS_FOR_CODES;
        self.insists_on(Family::SharedCode) || (possible && self.allows(Family::SharedCode))
    }

    /// Returns the share of the steps of a trial of shared codes, on each of `splits` splits.
    pub(super) fn code_trial_share(&self, splits: usize) -> f64 {
        CODE_TRIAL_SHARE * 2.0 / splits.max(2) as f64
    }

    /// Returns the share of the steps of any other trial, on each of `splits` splits: trials on
    /// more than two splits together take as long as on two.
    pub(super) fn trial_share(&self, splits: usize) -> f64 {
        2.0 / splits.max(2) as f64
    }

    /// Returns how codes that both sides share are learned, with a share of the steps.
    pub(super) fn code_learning(&self, share: f64) -> CodeLearning {
        CodeLearning {
            optimiser: OptimiserPlan {
                steps: self.steps(1600.0 * share),
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

    /// Returns the steps of the flow given a shared code.
    pub(super) fn coded_flow_steps(&self, share: f64) -> usize {
        self.steps(2500.0 * share)
    }

    /// Returns the last refinement of a tied mixture, on this many pairs.
    ///
    /// The more pairs there are, the less unpaired posteriors add: measured at 256 and at 8,192
    /// pairs, see `docs/decisions/0008-automatic-recipe.md`.
    pub(super) fn refinement(&self, pairs: usize) -> Refinement {
        let scarcity = (512.0 / pairs as f32).sqrt().min(1.0);
        Refinement {
            optimiser: OptimiserPlan {
                steps: self.steps(2400.0),
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

    /// Returns a short refinement, to see whether it pays, with a share of the steps of a trial.
    pub(super) fn trial_refinement(&self, pairs: usize, share: f64) -> Refinement {
        let mut refinement = self.refinement(pairs);
        refinement.optimiser.steps = self.steps(1000.0 * share);
        refinement
    }

    /// Returns whether labels are spread from this many pairs: of more, the pairs themselves tell
    /// as much.
    pub(super) fn spreads_labels(&self, pairs: usize) -> bool {
        pairs <= MAX_PAIRS_FOR_SPREADING && self.allows(Family::TiedMixture)
    }

    /// Returns the hidden layers of a mixture that is refined.
    pub(super) fn refined_hidden(&self) -> [usize; 2] {
        [256, 256]
    }

    /// Returns the dropout of a mixture that is refined, on this many pairs.
    pub(super) fn refined_dropout(&self, pairs: usize) -> f32 {
        if pairs < 4096 { 0.25 } else { 0.1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families(candidates: &[Candidate]) -> Vec<Family> {
        let mut families: Vec<Family> = candidates.iter().map(|rung| rung.family.into()).collect();
        families.dedup();
        families
    }

    fn problem(target_dim: usize, source_has_views: bool) -> LadderProblem {
        LadderProblem {
            target_dim,
            source_has_views,
            both_are_continuous: true,
            pairs: 100,
        }
    }

    #[test]
    fn one_family_is_compared_with_independence_only() {
        for &family in Family::FITTED {
            let effort = Effort::new(60.0, Some(family));
            let expected = match family {
                Family::SharedCode => vec![Family::Independent],
                _ => vec![Family::Independent, family],
            };
            // Even a full covariance of many dimensions, if it is asked for.
            assert_eq!(families(&effort.rungs(&problem(500, true))), expected);
        }
    }

    #[test]
    fn a_budget_shortens_fits_but_never_to_nothing() {
        let steps = |seconds: f64| Effort::new(seconds, None).coded_flow_steps(1.0);
        assert_eq!(
            (steps(60.0), steps(30.0), steps(0.001)),
            (2500, 1250, MIN_STEPS)
        );
        let rungs = |seconds: f64| Effort::new(seconds, None).rungs(&problem(4, false));
        assert_eq!(rungs(60.0), rungs(10.0));
        assert!(rungs(1.0).iter().all(|rung| rung.steps <= 40));
    }

    #[test]
    fn views_allow_longer_fits_and_many_dimensions_no_full_covariance() {
        let effort = Effort::new(60.0, None);
        let longest = |views| {
            effort
                .rungs(&problem(4, views))
                .iter()
                .map(|rung| rung.steps)
                .max()
        };
        assert_eq!((longest(false), longest(true)), (Some(400), Some(1600)));
        let wide = families(&effort.rungs(&problem(500, false)));
        assert!(!wide.contains(&Family::FullGaussian));
    }

    #[test]
    fn latents_are_compared_to_pairs_only_if_these_are_few() {
        let tries = |problem: LadderProblem| {
            let rungs = Effort::new(60.0, None).rungs(&problem);
            families(&rungs).contains(&Family::Relative)
        };
        let few = problem(4, false);
        assert!(tries(few));
        assert!(!tries(LadderProblem { pairs: 3000, ..few }));
        let both_are_continuous = false;
        assert!(!tries(LadderProblem {
            both_are_continuous,
            ..few
        }));
    }
}
