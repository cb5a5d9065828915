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
use super::splits::Split;
use super::streams::DirectionPurpose;
use crate::agreement::Agreement;
use crate::conditional::Conditional;
use crate::frame::FramedPosterior;
use crate::{BridgeError, Direction, Directions, Family, SourceReading};
use rayon::prelude::*;
use std::sync::Arc;
use zbridge_core::{Observer, Stage};

/// The inference direction, and unpaired posteriors of its source: the generative one's target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inference<'p> {
    pub(super) direction: Direction,
    pub(super) unpaired: &'p FramedPosterior,
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

/// Returns the direction whose source tells more of its target, if it tells anything and unpaired
/// posteriors of the source are there to learn from.
pub(super) fn inference<'p>(
    prepared: &'p Prepared<'_>,
    searches: &Directions<DirectionSearch<'_>>,
) -> Option<Inference<'p>> {
    const MIN_UNPAIRED: usize = 2;
    let possible = |direction: Direction| {
        let unpaired = prepared.spaces(direction).source.unpaired.as_ref()?;
        let is_informative = searches.get(direction).chosen().family != Family::Independent;
        let is_possible = is_informative && unpaired.rows() >= MIN_UNPAIRED;
        is_possible.then_some(Inference {
            direction,
            unpaired,
        })
    };
    let gain =
        |inference: &Inference<'_>| searches.get(inference.direction).chosen().gain_nats.mean;
    Direction::BOTH
        .into_iter()
        .filter_map(possible)
        .max_by(|a, b| gain(a).total_cmp(&gain(b)))
}

/// Tries a refinement of the inference direction and labelled latents for the generative one, and
/// takes what held-out pairs say is better. Returns how the generative direction is fitted on
/// labelled latents; `None` if it is not.
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
    let tried: Vec<SplitOutcome> = prepared
        .splits
        .par_iter()
        .map(|split| plan.on_split(split, &stage))
        .collect::<Result<_, _>>()?;
    let search = searches.get_mut(inference.direction);
    consider_refinement(&plan, &tried, search);
    // Only a tied mixture can be asked for agreement.
    let can_agree = search.chosen().family == Family::TiedMixture;
    let generative = searches.get_mut(inference.direction.reverse());
    Ok(consider_labelled(&plan, &tried, can_agree, generative))
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

/// What one split says.
struct SplitOutcome {
    refined: Option<RefinedOutcome>,
    /// For each candidate.
    labelled: Vec<LabelledOutcome>,
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
        let dim = prepared
            .spaces(inference.direction.reverse())
            .target
            .frame
            .active();
        Self {
            prepared,
            inference,
            refines: effort.allows(Family::TiedMixture) && is_worth_refining(search),
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
        let labeller = match self.refines {
            true => {
                self.prepared
                    .effort
                    .trial_refinement(1, self.share)
                    .optimiser
                    .steps
            }
            false => self.best_rung.candidate.steps,
        };
        (self.prepared.splits.len() * (labeller + labelled)) as u64
    }

    fn on_split(&self, split: &Split, stage: &Stage<'_>) -> Result<SplitOutcome, BridgeError> {
        let direction = self.inference.direction;
        let purpose = DirectionPurpose::Labeller { split: split.index };
        let fit = DirectionFit {
            prepared: self.prepared,
            direction,
            part: self.prepared.part_of(split),
            reading: SourceReading::Draw,
            streams: &self.prepared.streams.of(direction, purpose),
            stage,
        };
        let (labeller, refined) = if self.refines {
            let pairs = split.fit.len();
            let refinement = self.prepared.effort.trial_refinement(pairs, self.share);
            let mixture = fit
                .refined(self.inference.unpaired, &refinement)?
                .conditional;
            let outcome = self.compare_refined(&mixture, split, stage)?;
            (mixture, Some(outcome))
        } else {
            (self.labeller_on_pairs(fit)?, None)
        };
        let labelled = self.compare_labelled(&labeller, split, stage)?;
        Ok(SplitOutcome { refined, labelled })
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
    tried: &[SplitOutcome],
    search: &mut DirectionSearch<'p>,
) {
    let refined: Vec<&RefinedOutcome> = tried
        .iter()
        .filter_map(|split| split.refined.as_ref())
        .collect();
    let Some(best) = best(joined(
        refined.iter().map(|split| split.tempered.as_slice()),
    )) else {
        return;
    };
    let pairs = plan.prepared.pair_count();
    let trial = FurtherTrial {
        family: Family::TiedMixture,
        steps: plan.prepared.effort.refinement(pairs).optimiser.steps,
        unpaired: true,
        agreed: false,
        nats: best.nats,
    };
    if search.consider(trial, Criterion::Better) {
        search.strategy = FitStrategy::Refined {
            unpaired: plan.inference.unpaired,
            inverse_temperature: best_calibration(calibrations(pairs), &refined),
        };
    }
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
    tried: &[SplitOutcome],
    can_agree: bool,
    search: &mut DirectionSearch<'p>,
) -> Option<Labelling<'p>> {
    let mut labelling = None;
    for (index, &candidate) in plan.candidates.iter().enumerate() {
        let outcomes: Vec<&LabelledOutcome> =
            tried.iter().map(|split| &split.labelled[index]).collect();
        for agreed in [false, true] {
            let Some(nats) = nats_of(&outcomes, agreed).filter(|_| can_agree || !agreed) else {
                continue;
            };
            let trial = FurtherTrial {
                family: candidate.family.into(),
                steps: candidate.steps,
                unpaired: true,
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
