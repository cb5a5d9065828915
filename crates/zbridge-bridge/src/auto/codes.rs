//! Densities by codes that both latent spaces share.

use super::candidate::fit_flow;
use super::choice::{CodeSource, Criterion, DirectionSearch, FitStrategy, FurtherTrial};
use super::direction_fit::{DirectionFit, Draws, FittedConditional};
use super::held_out::{HeldOutPairs, TemperedNats, best, joined};
use super::ladder::LOW_INVERSE_TEMPERATURES;
use super::latent_space::LatentSpace;
use super::prepared::{Part, Prepared, SourceAndTarget};
use super::source_graph::{DiffusedSource, SourceGraph};
use super::splits::Split;
use super::spreading::MIN_UNPAIRED;
use super::streams::{DirectionPurpose, Purpose};
use crate::conditional::Conditional;
use crate::density::Density;
use crate::families::{SharedCode, WhitenedFlow};
use crate::graph::diffused;
use crate::shared_codes::{CodedTargets, LikelyCodes, LikelyPlaces, PairReach, SharedCodes, Side};
use crate::{BridgeError, Direction, Directions, Family, SourceReading};
use ndarray::{Array2, Axis};
use rayon::prelude::*;
use zbridge_core::{Observer, RandomStream, Stage};

/// Likely codes are found from at most so many pairs: of more, the random start finds as much.
const MAX_PAIRS_FOR_LIKELY_CODES: usize = 2048;

/// What held-out pairs of one split say of shared codes, in one direction.
struct CodesOutcome {
    /// With the code inferred from the source.
    inferred: Vec<TemperedNats>,
    /// Log densities with the code drawn from its prior: of the target's marginal.
    marginal_nats: Vec<f64>,
}

/// Returns whether both directions gain so much already that codes cannot gain more: one of K codes
/// tells at most ln K nats of the target. As much again is allowed for a better marginal density of
/// the target.
pub(super) fn can_tell_too_little(
    prepared: &Prepared<'_>,
    searches: &Directions<DirectionSearch<'_>>,
) -> bool {
    let codes = prepared.effort.code_learning(1.0).codes;
    let most = 2.0 * (codes as f64).ln();
    let gains_more = |direction| {
        let gain = &searches.get(direction).chosen().gain_nats;
        gain.mean - 2.0 * gain.standard_error > most
    };
    !prepared.effort.insists_on(Family::SharedCode) && Direction::BOTH.into_iter().all(gains_more)
}

/// Tries codes that both sides share on the splits of the ladder, and takes them in each direction
/// where held-out pairs say that they are better.
///
/// # Errors
/// [`BridgeError::Network`] if a fit diverges, [`BridgeError::Density`] if a log density is NaN,
/// [`BridgeError::Interrupted`].
pub(super) fn try_shared_codes(
    prepared: &Prepared<'_>,
    searches: &mut Directions<DirectionSearch<'_>>,
    observer: &dyn Observer,
) -> Result<(), BridgeError> {
    let effort = prepared.effort;
    let share = effort.code_trial_share(prepared.splits.len());
    let steps = effort.code_learning(share).optimiser.steps + 2 * effort.coded_flow_steps(share);
    let all_steps = (prepared.splits.len() * steps) as u64;
    let stage = Stage::new(observer, "trying codes that both sides share", all_steps);
    if may_have_likely_codes(prepared) {
        // Before splits share the work, or each would do it.
        for direction in Direction::BOTH {
            reach_of_pairs(prepared, direction, &stage)?;
        }
    }
    let tried: Vec<Directions<CodesOutcome>> = prepared
        .splits
        .par_iter()
        .map(|split| on_split(prepared, split, share, &stage))
        .collect::<Result<_, _>>()?;
    for direction in Direction::BOTH {
        let outcomes: Vec<&CodesOutcome> = tried.iter().map(|split| split.get(direction)).collect();
        consider_codes(prepared, &outcomes, searches.get_mut(direction));
    }
    Ok(())
}

fn on_split(
    prepared: &Prepared<'_>,
    split: &Split,
    share: f64,
    stage: &Stage<'_>,
) -> Result<Directions<CodesOutcome>, BridgeError> {
    let part = prepared.part_of(split);
    let streams = prepared.streams.shared(Purpose::CodesOfSplit(split.index));
    let likely = likely_codes(prepared, part, stage)?;
    let codes = learn_codes(prepared, part, likely.as_ref(), share, &streams, stage)?;
    let try_direction = |direction, ()| {
        let purpose = DirectionPurpose::CodedFlow { split: split.index };
        let fit = DirectionFit {
            prepared,
            direction,
            part,
            reading: SourceReading::Draw,
            streams: &prepared.streams.of(direction, purpose),
            stage,
        };
        let density = fit.given_codes(&codes, share)?;
        let held_out = HeldOutPairs {
            prepared,
            direction,
            rows: &split.held_out,
        };
        let marginal = density.clone().marginal_baseline(&codes.log_prior)?;
        let marginal = fit.given_draws(Density::SharedCode(marginal));
        let inferred = fit.given_draws(Density::SharedCode(density));
        Ok(CodesOutcome {
            inferred: held_out.tempered(&inferred, LOW_INVERSE_TEMPERATURES, stage)?,
            marginal_nats: held_out.log_densities(&marginal, stage)?,
        })
    };
    Directions::from_fn(|_| ()).join(try_direction).transpose()
}

fn consider_codes(
    prepared: &Prepared<'_>,
    outcomes: &[&CodesOutcome],
    search: &mut DirectionSearch<'_>,
) {
    let marginal = outcomes.iter().map(|split| split.marginal_nats.as_slice());
    search.improve_marginal_baseline(marginal.collect::<Vec<_>>().concat());
    let Some(best) = best(joined(
        outcomes.iter().map(|split| split.inferred.as_slice()),
    )) else {
        return;
    };
    let SourceAndTarget { source, target } = prepared.spaces(search.direction);
    let trial = FurtherTrial {
        family: Family::SharedCode,
        steps: prepared.effort.code_learning(1.0).optimiser.steps,
        unpaired: source.unpaired.is_some() || target.unpaired.is_some(),
        spread: false,
        agreed: false,
        nats: best.nats,
    };
    let is_better = search.consider(trial, Criterion::Better);
    if is_better || prepared.effort.insists_on(Family::SharedCode) {
        search.take_last();
        search.strategy = FitStrategy::SharedCodes(CodeSource::Inferred);
    }
}

/// Returns codes that both sides share, learned from the pairs of a part and all posteriors without
/// partners, with a share of the steps, from likely codes on if there are any.
///
/// # Errors
/// [`BridgeError::Network`] if the fit diverges, [`BridgeError::Interrupted`].
fn learn_codes(
    prepared: &Prepared<'_>,
    part: Part<'_>,
    likely: Option<&[LikelyPlaces; 2]>,
    share: f64,
    streams: &RandomStream,
    stage: &Stage<'_>,
) -> Result<SharedCodes, BridgeError> {
    let Prepared { x, y, .. } = prepared;
    let sides = [side(x, part), side(y, part)];
    let widths = [x.frame.active(), y.frame.active()];
    let mut learning = prepared.effort.code_learning(share);
    if let Some(likely) = likely {
        learning.codes = likely[0].weights.ncols();
    }
    SharedCodes::learn(sides, likely, widths, &learning, streams, stage)
}

/// Returns codes that the posteriors of x and of y are likely to have, by the pairs of a part and
/// the graphs of both sides; `None` if there are too many pairs or too few posteriors without
/// partners, or if codes tell nothing of pairs that were left out.
///
/// # Errors
/// [`BridgeError::Interrupted`].
fn likely_codes(
    prepared: &Prepared<'_>,
    part: Part<'_>,
    stage: &Stage<'_>,
) -> Result<Option<[LikelyPlaces; 2]>, BridgeError> {
    if !may_have_likely_codes(prepared) {
        return Ok(None);
    }
    let x = reach_of_pairs(prepared, Direction::XToY, stage)?;
    let y = reach_of_pairs(prepared, Direction::YToX, stage)?;
    let reach = PairReach {
        of_sides: [&x.reach, &y.reach],
        rows: part.rows,
    };
    let stream = prepared.streams.shared(Purpose::LikelyCodes(part.index));
    let found = LikelyCodes::find(reach, &stream, stage)?.filter(|codes| {
        let gain = &codes.gain_nats;
        gain.mean > 2.0 * gain.standard_error
    });
    Ok(found.map(|codes| {
        let [of_x, of_y] = codes.of_sides;
        [x.places(part, &of_x), y.places(part, &of_y)]
    }))
}

/// Returns whether pairs are few enough, and posteriors without partners enough for a graph of either
/// side to say something.
fn may_have_likely_codes(prepared: &Prepared<'_>) -> bool {
    let has_unpaired = |space: &LatentSpace| {
        let unpaired = space.unpaired.as_ref().map_or(0, |rows| rows.rows());
        unpaired >= MIN_UNPAIRED
    };
    prepared.pair_count() <= MAX_PAIRS_FOR_LIKELY_CODES
        && [&prepared.x, &prepared.y].into_iter().all(has_unpaired)
}

/// Returns how strongly pairs reach the posteriors of a direction's source. It is computed once.
fn reach_of_pairs<'p>(
    prepared: &'p Prepared<'_>,
    direction: Direction,
    stage: &Stage<'_>,
) -> Result<&'p DiffusedSource, BridgeError> {
    let known = prepared.diffused.get(direction);
    if let Some(diffused) = known.get() {
        return Ok(diffused);
    }
    // Not `get_or_init` around the computation, for the reason given in `Prepared::components`.
    let SourceGraph { graph, unpaired } = SourceGraph::new(prepared, direction, stage)?;
    let reach = diffused(&graph, prepared.pair_count(), stage)?;
    Ok(known.get_or_init(|| DiffusedSource { reach, unpaired }))
}

impl DiffusedSource {
    /// Returns likely codes of all points, `[points, K]`, by the places of posteriors among those
    /// that a fit on a part of the pairs may use.
    fn places(&self, part: Part<'_>, codes: &Array2<f32>) -> LikelyPlaces {
        let pairs = part.rows.len();
        let first_unpaired = self.reach.nrows() - self.unpaired.len();
        let mut places: Vec<usize> = (0..pairs).collect();
        places.extend(self.unpaired.iter().map(|row| pairs + row));
        let points: Vec<usize> = part
            .rows
            .iter()
            .copied()
            .chain(first_unpaired..self.reach.nrows())
            .collect();
        LikelyPlaces {
            places,
            weights: codes.select(Axis(0), &points),
        }
    }
}

/// Returns shared codes learned from all pairs, for each member of the last ensembles.
///
/// # Errors
/// [`BridgeError::Network`] if a fit diverges, [`BridgeError::Interrupted`].
pub(super) fn learn_last_codes(
    prepared: &Prepared<'_>,
    observer: &dyn Observer,
) -> Result<Vec<SharedCodes>, BridgeError> {
    let members = prepared.effort.members(Family::SharedCode);
    let steps = members * prepared.effort.code_learning(1.0).optimiser.steps;
    let stage = Stage::new(
        observer,
        "learning codes that both sides share",
        steps as u64,
    );
    let all = prepared.all_pairs();
    let likely = likely_codes(prepared, all, &stage)?;
    let learn = |member| {
        let streams = prepared.streams.shared(Purpose::CodesOfMember(member));
        learn_codes(prepared, all, likely.as_ref(), 1.0, &streams, &stage)
    };
    (0..members).into_par_iter().map(learn).collect()
}

fn side<'p>(space: &'p LatentSpace, part: Part<'p>) -> Side<'p> {
    Side {
        pairs: &space.pairs,
        unpaired: space.unpaired.as_ref(),
        rows: part.rows,
    }
}

impl DirectionFit<'_> {
    /// Returns the conditional of this density, whose codes are inferred from draws.
    fn given_draws(&self, density: Density) -> Conditional {
        self.on_draws().conditional(vec![density])
    }

    /// Returns the density by these shared codes: its flow given the code is fitted with a share of
    /// the steps.
    ///
    /// # Errors
    /// [`BridgeError::Network`] if the fit diverges, [`BridgeError::Interrupted`].
    fn given_codes(&self, codes: &SharedCodes, share: f64) -> Result<SharedCode, BridgeError> {
        let SourceAndTarget { source, target } = self.prepared.spaces(self.direction);
        let [of_x, of_y] = &codes.readers;
        let (of_source, of_target) = match self.direction {
            Direction::XToY => (of_x, of_y),
            Direction::YToX => (of_y, of_x),
        };
        let (side, stream) = (side(target, self.part), &mut self.stream(Draws::Later));
        let targets = CodedTargets::whitened(side, of_target, stream, self.stage)?;
        let widths = (codes.log_prior.len(), target.frame.active());
        let steps = self.prepared.effort.coded_flow_steps(share);
        let (flow, _) = fit_flow(&targets, widths, steps, self.streams, self.stage)?;
        let covariance = targets.covariance;
        let flow = WhitenedFlow { flow, covariance };
        let inputs = source.frame.feature_width();
        Ok(SharedCode::new(
            inputs,
            of_source.clone(),
            flow,
            of_target.clone(),
        )?)
    }

    /// Returns the conditional by these shared codes, and the objective of the codes.
    ///
    /// # Errors
    /// [`BridgeError::Network`] if the fit diverges, [`BridgeError::Interrupted`].
    pub(super) fn by_shared_codes(
        &self,
        codes: &SharedCodes,
        from: CodeSource,
    ) -> Result<FittedConditional, BridgeError> {
        let inferred = self.given_codes(codes, 1.0)?;
        let density = match from {
            CodeSource::Inferred => inferred,
            CodeSource::Prior => inferred.marginal_baseline(&codes.log_prior)?,
        };
        Ok(FittedConditional {
            conditional: self.given_draws(Density::SharedCode(density)),
            curve: codes.curve.clone(),
        })
    }
}
