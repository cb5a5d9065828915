//! What posteriors without partners teach the two directions.
//!
//! The direction whose source tells more of its target is the *inference* direction, as from images
//! to labels. It is refined on unpaired posteriors of its source. Then it labels these posteriors,
//! and the other, *generative* direction is fitted on them: their targets are true, and their
//! sources are drawn by Bayes' rule. Held-out pairs say whether either helps.

use super::candidate::{Candidate, CandidateFamily};
use super::choice::{Criterion, DirectionSearch, FitStrategy, FurtherTrial, Rung};
use super::direction_fit::{DirectionFit, Draws};
use super::held_out::{HeldOutPairs, TemperedNats, best, joined};
use super::ladder::{LOW_INVERSE_TEMPERATURES, calibrations};
use super::prepared::Prepared;
use super::source_graph::SourceGraph;
use super::splits::Split;
use super::spreading::can_spread;
use super::streams::DirectionPurpose;
use crate::agreement::Agreement;
use crate::conditional::Conditional;
use crate::frame::FramedPosterior;
use crate::mean_teacher::Refinement;
use crate::{BridgeError, Direction, Directions, Family, SourceReading};
use rayon::prelude::*;
use std::sync::Arc;
use zbridge_core::{Observer, RandomStream, Stage};

/// The inference direction, and unpaired posteriors of its source: the generative one's target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inference<'p> {
    pub(super) direction: Direction,
    pub(super) unpaired: &'p FramedPosterior,
    /// Whether labels may be spread to these.
    pub(super) spreads: bool,
}

/// The last fit of the generative direction, on posteriors that the inference direction labels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Labelling<'p> {
    /// The generative direction.
    pub(super) direction: Direction,
    pub(super) family: CandidateFamily,
    pub(super) unpaired: &'p FramedPosterior,
    /// Whether draws are accepted by the agreement of the inference direction.
    pub(super) agreed: bool,
}

/// Gain of a tied mixture, relative to that of the best candidate, above which it is refined.
const WORTH_REFINING: f64 = 0.5;

/// Returns the direction whose source tells more of its target, if it tells anything or labels may
/// be spread, and unpaired posteriors of the source are there to learn from.
pub(super) fn inference<'p>(
    prepared: &'p Prepared<'_>,
    searches: &Directions<DirectionSearch<'_>>,
) -> Option<Inference<'p>> {
    const MIN_UNPAIRED: usize = 2;
    let possible = |direction: Direction| {
        let unpaired = prepared.spaces(direction).source.unpaired.as_ref()?;
        let is_informative = searches.get(direction).chosen().family != Family::Independent;
        let spreads = can_spread(prepared, direction);
        let is_possible = (is_informative || spreads) && unpaired.rows() >= MIN_UNPAIRED;
        is_possible.then_some(Inference {
            direction,
            unpaired,
            spreads,
        })
    };
    // Where labels may be spread, a ladder of few pairs does not know what a source tells.
    let rank = |inference: &Inference<'_>| {
        let gain_nats = searches.get(inference.direction).chosen().gain_nats.mean;
        (inference.spreads, gain_nats)
    };
    Direction::BOTH
        .into_iter()
        .filter_map(possible)
        .max_by(|a, b| {
            let ((a_spreads, a_gain), (b_spreads, b_gain)) = (rank(a), rank(b));
            a_spreads.cmp(&b_spreads).then(a_gain.total_cmp(&b_gain))
        })
}

/// Tries a refinement of the inference direction, with and without spread labels, and labelled
/// latents for the generative one, and takes what held-out pairs say is better. Returns how the
/// generative direction is fitted on labelled latents; `None` if it is not.
///
/// # Errors
/// [`BridgeError::Network`] if a fit diverges, [`BridgeError::Density`] if a log density is NaN,
/// [`BridgeError::Interrupted`].
pub(super) fn learn_from_unpaired<'p>(
    prepared: &'p Prepared<'_>,
    inference: Inference<'p>,
    searches: &mut Directions<DirectionSearch<'p>>,
    observer: &dyn Observer,
) -> Result<Option<Labelling<'p>>, BridgeError> {
    let plan = TrialPlan::new(prepared, inference, searches.get(inference.direction));
    let stage = Stage::new(observer, "learning from unpaired latents", plan.steps());
    if inference.spreads {
        let graph = SourceGraph::new(prepared, inference.direction, &stage)?;
        prepared
            .graphs
            .get(inference.direction)
            .get_or_init(|| graph);
    }
    let tried: Vec<SplitLabellers> = prepared
        .splits
        .par_iter()
        .map(|split| plan.labellers_of(split, &stage))
        .collect::<Result<_, _>>()?;
    let search = searches.get_mut(inference.direction);
    consider_refinement(&plan, &tried, search);
    let takes_spread = consider_spreading(&plan, &tried, search);
    if search.chosen().family == Family::Independent {
        return Ok(None);
    }
    let labelled: Vec<Vec<LabelledOutcome>> = prepared
        .splits
        .par_iter()
        .zip(&tried)
        .map(|(split, labellers)| plan.labelled_of(split, labellers, takes_spread, &stage))
        .collect::<Result<_, _>>()?;
    // Only a tied mixture can be asked for agreement.
    let can_agree = search.chosen().family == Family::TiedMixture;
    let generative = searches.get_mut(inference.direction.reverse());
    Ok(consider_labelled(&plan, &labelled, can_agree, generative))
}

/// What is tried on every split.
struct TrialPlan<'p> {
    prepared: &'p Prepared<'p>,
    inference: Inference<'p>,
    /// Whether a tied mixture is refined; if not, the best rung labels.
    refines: bool,
    best_rung: Rung,
    /// What is fitted on labelled latents.
    candidates: Vec<Candidate>,
    /// Share of the steps of a trial.
    share: f64,
}

/// The labellers that are tried on a split.
struct SplitLabellers {
    refined: Option<Labeller>,
    /// The same, after labels were spread.
    spread: Option<Labeller>,
}

/// A refined mixture that labels the other direction's targets.
struct Labeller {
    mixture: Conditional,
    outcome: RefinedOutcome,
}

/// What held-out pairs say of a refined mixture.
struct RefinedOutcome {
    tempered: Vec<TemperedNats>,
    /// Sum of Brier scores at each of [`calibrations`].
    brier_sums: Vec<f64>,
}

/// What held-out pairs say of a candidate that was fitted on labelled latents.
struct LabelledOutcome {
    nats: Vec<f64>,
    /// The same with the labeller's agreement, if it can be asked.
    agreed_nats: Option<Vec<f64>>,
}

impl<'p> TrialPlan<'p> {
    fn new(
        prepared: &'p Prepared<'_>,
        inference: Inference<'p>,
        search: &DirectionSearch<'_>,
    ) -> Self {
        let effort = prepared.effort;
        let share = effort.trial_share(prepared.splits.len());
        let refines = effort.allows(Family::TiedMixture) && is_worth_refining(search);
        let dim = prepared
            .spaces(inference.direction.reverse())
            .target
            .frame
            .active();
        Self {
            prepared,
            inference,
            refines,
            best_rung: search.best_rung,
            candidates: effort.labelled_candidates(dim, share),
            share,
        }
    }

    /// Returns the steps of all splits together.
    fn steps(&self) -> u64 {
        let labelled: usize = self
            .candidates
            .iter()
            .map(|candidate| candidate.steps)
            .sum();
        let refined = usize::from(self.refines) + usize::from(self.inference.spreads);
        let labeller = match refined {
            0 => self.best_rung.candidate.steps,
            _ => refined * self.refinement(1).optimiser.steps,
        };
        (self.prepared.splits.len() * (labeller + labelled)) as u64
    }

    /// Returns how a mixture is refined in a trial on this many pairs.
    fn refinement(&self, pairs: usize) -> Refinement {
        // Two trials together take as long as one.
        let share = match self.refines && self.inference.spreads {
            true => 0.5 * self.share,
            false => self.share,
        };
        self.prepared.effort.trial_refinement(pairs, share)
    }

    fn labellers_of(
        &self,
        split: &Split,
        stage: &Stage<'_>,
    ) -> Result<SplitLabellers, BridgeError> {
        let index = split.index;
        let plain = DirectionPurpose::Labeller { split: index };
        let spread = DirectionPurpose::SpreadLabeller { split: index };
        let graph = self.prepared.graphs.get(self.inference.direction).get();
        let refined = match self.refines {
            true => Some(self.labeller(split, plain, None, stage)?),
            false => None,
        };
        let spread = match graph {
            Some(graph) => Some(self.labeller(split, spread, Some(graph), stage)?),
            None => None,
        };
        Ok(SplitLabellers { refined, spread })
    }

    /// Returns a mixture that is refined, after labels were spread if there is a graph.
    fn labeller(
        &self,
        split: &Split,
        purpose: DirectionPurpose,
        graph: Option<&SourceGraph>,
        stage: &Stage<'_>,
    ) -> Result<Labeller, BridgeError> {
        let streams = self.prepared.streams.of(self.inference.direction, purpose);
        let fit = self.inference_fit(split, &streams, stage);
        let refinement = self.refinement(split.fit.len());
        let refined = fit.refined(self.inference.unpaired, graph, &refinement)?;
        let mixture = refined.conditional;
        let outcome = self.compare_refined(&mixture, split, stage)?;
        Ok(Labeller { mixture, outcome })
    }

    fn inference_fit<'s>(
        &'s self,
        split: &'s Split,
        streams: &'s RandomStream,
        stage: &'s Stage<'s>,
    ) -> DirectionFit<'s> {
        DirectionFit {
            prepared: self.prepared,
            direction: self.inference.direction,
            part: self.prepared.part_of(split),
            reading: SourceReading::Draw,
            streams,
            stage,
        }
    }

    /// Returns what held-out pairs say of candidates on latents that the labeller of this split
    /// labels: the one with spread labels if it is taken, or else a refined one if there is one.
    fn labelled_of(
        &self,
        split: &Split,
        labellers: &SplitLabellers,
        takes_spread: bool,
        stage: &Stage<'_>,
    ) -> Result<Vec<LabelledOutcome>, BridgeError> {
        let spread = labellers.spread.as_ref().filter(|_| takes_spread);
        if let Some(labeller) = spread.or(labellers.refined.as_ref()) {
            return self.compare_labelled(&labeller.mixture, split, stage);
        }
        let purpose = DirectionPurpose::Labeller { split: split.index };
        let streams = self.prepared.streams.of(self.inference.direction, purpose);
        let labeller = self.labeller_on_pairs(self.inference_fit(split, &streams, stage))?;
        self.compare_labelled(&labeller, split, stage)
    }

    fn labeller_on_pairs(&self, fit: DirectionFit<'_>) -> Result<Conditional, BridgeError> {
        let streams = &fit.stream(Draws::Labeller);
        let fitted = DirectionFit { streams, ..fit }.on_pairs(self.best_rung.candidate)?;
        Ok(fitted
            .conditional
            .with_inverse_temperature(self.best_rung.inverse_temperature))
    }

    fn compare_refined(
        &self,
        mixture: &Conditional,
        split: &Split,
        stage: &Stage<'_>,
    ) -> Result<RefinedOutcome, BridgeError> {
        let held_out = self.held_out(self.inference.direction, split);
        let brier_sum = |&inverse_temperature: &f32| {
            held_out.brier_sum(&mixture.with_inverse_temperature(inverse_temperature))
        };
        let calibrations = calibrations(self.prepared.pair_count());
        Ok(RefinedOutcome {
            tempered: held_out.tempered(mixture, LOW_INVERSE_TEMPERATURES, stage)?,
            brier_sums: calibrations
                .iter()
                .map(brier_sum)
                .collect::<Result<_, _>>()?,
        })
    }

    fn compare_labelled(
        &self,
        labeller: &Conditional,
        split: &Split,
        stage: &Stage<'_>,
    ) -> Result<Vec<LabelledOutcome>, BridgeError> {
        let generative = self.inference.direction.reverse();
        let agreement = Agreement::of(&labeller.ensemble).map(Arc::new);
        let held_out = self.held_out(generative, split);
        let mut outcomes = Vec::new();
        for (index, &candidate) in self.candidates.iter().enumerate() {
            let purpose = DirectionPurpose::Labelled {
                candidate: index,
                split: split.index,
            };
            let fit = DirectionFit {
                prepared: self.prepared,
                direction: generative,
                part: self.prepared.part_of(split),
                reading: SourceReading::Draw,
                streams: &self.prepared.streams.of(generative, purpose),
                stage,
            };
            let fitted = fit.on_labelled(candidate, self.inference.unpaired, labeller)?;
            let mut conditional = fitted.conditional;
            let nats = held_out.log_densities(&conditional, stage)?;
            conditional.agreement.clone_from(&agreement);
            let agreed_nats = match &agreement {
                Some(_) => Some(held_out.log_densities(&conditional, stage)?),
                None => None,
            };
            outcomes.push(LabelledOutcome { nats, agreed_nats });
        }
        Ok(outcomes)
    }

    fn held_out<'s>(&'s self, direction: Direction, split: &'s Split) -> HeldOutPairs<'s> {
        HeldOutPairs {
            prepared: self.prepared,
            direction,
            rows: &split.held_out,
        }
    }
}

/// Returns whether a tied mixture was about as good as the best candidate, and so may be taken once
/// it is refined.
fn is_worth_refining(search: &DirectionSearch<'_>) -> bool {
    let best = search.chosen().gain_nats.mean;
    search.ladder().any(|(rung, trial)| {
        let is_tied = rung.candidate.family == CandidateFamily::TiedMixture;
        is_tied && trial.gain_nats.mean > WORTH_REFINING * best
    })
}

fn consider_refinement<'p>(
    plan: &TrialPlan<'p>,
    tried: &[SplitLabellers],
    search: &mut DirectionSearch<'p>,
) {
    let refined = tried.iter().filter_map(|split| split.refined.as_ref());
    consider_labellers(plan, &refined.collect::<Vec<_>>(), false, search);
}

/// Returns whether a mixture is taken that learned spread labels first.
fn consider_spreading<'p>(
    plan: &TrialPlan<'p>,
    tried: &[SplitLabellers],
    search: &mut DirectionSearch<'p>,
) -> bool {
    let spread = tried.iter().filter_map(|split| split.spread.as_ref());
    consider_labellers(plan, &spread.collect::<Vec<_>>(), true, search)
}

/// Returns whether these mixtures, one of each split, are taken.
fn consider_labellers<'p>(
    plan: &TrialPlan<'p>,
    labellers: &[&Labeller],
    spread: bool,
    search: &mut DirectionSearch<'p>,
) -> bool {
    let outcomes: Vec<&RefinedOutcome> =
        labellers.iter().map(|labeller| &labeller.outcome).collect();
    let Some(best) = best(joined(
        outcomes.iter().map(|split| split.tempered.as_slice()),
    )) else {
        return false;
    };
    let pairs = plan.prepared.pair_count();
    let trial = FurtherTrial {
        family: Family::TiedMixture,
        steps: plan.prepared.effort.refinement(pairs).optimiser.steps,
        unpaired: true,
        spread,
        agreed: false,
        nats: best.nats,
    };
    // Where pairs told nothing yet, a small advantage may be chance.
    let criterion = match search.chosen().family {
        Family::Independent => Criterion::ClearlyBetter,
        _ => Criterion::Better,
    };
    let is_taken = search.consider(trial, criterion);
    if is_taken {
        search.strategy = FitStrategy::Refined {
            unpaired: plan.inference.unpaired,
            spread,
            inverse_temperature: best_calibration(calibrations(pairs), &outcomes),
        };
    }
    is_taken
}

/// Returns the inverse temperature with the least sum of Brier scores over all splits.
fn best_calibration(calibrations: &[f32], refined: &[&RefinedOutcome]) -> f32 {
    let brier_sum =
        |index: usize| -> f64 { refined.iter().map(|split| split.brier_sums[index]).sum() };
    let best = (0..calibrations.len()).min_by(|&a, &b| brier_sum(a).total_cmp(&brier_sum(b)));
    best.map_or(1.0, |best| calibrations[best])
}

/// Returns how the generative direction is fitted on labelled latents, if that is better. Of two
/// densities that held-out pairs cannot tell apart, the one is taken on which both directions
/// agree.
fn consider_labelled<'p>(
    plan: &TrialPlan<'p>,
    tried: &[Vec<LabelledOutcome>],
    can_agree: bool,
    search: &mut DirectionSearch<'p>,
) -> Option<Labelling<'p>> {
    let mut labelling = None;
    for (index, &candidate) in plan.candidates.iter().enumerate() {
        let outcomes: Vec<&LabelledOutcome> = tried.iter().map(|split| &split[index]).collect();
        for agreed in [false, true] {
            let Some(nats) = nats_of(&outcomes, agreed).filter(|_| can_agree || !agreed) else {
                continue;
            };
            let trial = FurtherTrial {
                family: candidate.family.into(),
                steps: candidate.steps,
                unpaired: true,
                spread: false,
                agreed,
                nats,
            };
            let criterion = match agreed && labelling.is_some() {
                true => Criterion::NotClearlyWorse,
                false => Criterion::Better,
            };
            if search.consider(trial, criterion) {
                labelling = Some(Labelling {
                    direction: search.direction,
                    family: candidate.family,
                    unpaired: plan.inference.unpaired,
                    agreed,
                });
            }
        }
    }
    labelling
}

/// Returns the log densities of all splits, with the labeller's agreement or without; `None` if it
/// could not be asked on every split.
fn nats_of(outcomes: &[&LabelledOutcome], agreed: bool) -> Option<Vec<f64>> {
    let mut all = Vec::new();
    for outcome in outcomes {
        match agreed {
            true => all.extend_from_slice(outcome.agreed_nats.as_deref()?),
            false => all.extend_from_slice(&outcome.nats),
        }
    }
    Some(all)
}
