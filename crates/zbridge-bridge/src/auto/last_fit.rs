//! The last fits: what was taken for each direction, on all pairs, as a small ensemble.

use super::candidate::Candidate;
use super::choice::{CodeSource, DirectionSearch, FitStrategy, Rung};
use super::codes::learn_last_codes;
use super::direction_fit::{DirectionFit, FittedConditional};
use super::prepared::Prepared;
use super::semi_supervised::Labelling;
use super::source_graph::SourceGraph;
use super::streams::DirectionPurpose;
use crate::agreement::Agreement;
use crate::comparison::Comparison;
use crate::conditional::Conditional;
use crate::curve::FitCurve;
use crate::frame::FramedPosterior;
use crate::shared_codes::SharedCodes;
use crate::{BridgeError, Direction, Directions, Family};
use rayon::prelude::*;
use std::sync::Arc;
use zbridge_core::{Observer, Stage};

/// A direction as it was fitted.
pub(crate) struct FittedDirection {
    pub(crate) conditional: Conditional,
    pub(crate) curve: FitCurve,
    pub(crate) comparison: Comparison,
}

/// Returns both directions, fitted on all pairs.
///
/// # Errors
/// [`BridgeError::Network`] if a fit diverges, [`BridgeError::Interrupted`].
pub(super) fn fit_both(
    prepared: &Prepared<'_>,
    searches: Directions<DirectionSearch<'_>>,
    labelling: Option<Labelling<'_>>,
    observer: &dyn Observer,
) -> Result<Directions<FittedDirection>, BridgeError> {
    let uses_codes = |direction| {
        let strategy = &searches.get(direction).strategy;
        matches!(strategy, FitStrategy::SharedCodes(_))
    };
    let codes = match Direction::BOTH.into_iter().any(uses_codes) {
        true => learn_last_codes(prepared, observer)?,
        false => Vec::new(),
    };
    let last_fits = LastFits {
        prepared,
        codes,
        observer,
    };
    let Some(labelling) = labelling else {
        return searches
            .join(|_, search| last_fits.by_strategy(search))
            .transpose();
    };
    let (generative, inference) = searches.split(labelling.direction);
    // The labeller is finished first.
    let inference = last_fits.by_strategy(inference)?;
    let generative = last_fits.labelled(generative, &labelling, &inference.conditional)?;
    Ok(Directions::from_pair(
        labelling.direction,
        generative,
        inference,
    ))
}

/// What the last fits have in common.
struct LastFits<'p> {
    prepared: &'p Prepared<'p>,
    /// Shared codes of each member, if a direction needs them.
    codes: Vec<SharedCodes>,
    observer: &'p dyn Observer,
}

impl LastFits<'_> {
    /// Returns a direction that is fitted independently of the other one.
    fn by_strategy(&self, search: DirectionSearch<'_>) -> Result<FittedDirection, BridgeError> {
        match search.strategy {
            FitStrategy::Pairs(rung) => self.on_pairs(search, rung),
            FitStrategy::Refined {
                unpaired,
                spread,
                inverse_temperature,
            } => {
                let graphs = self.prepared.graphs.get(search.direction);
                let graph = graphs.get().filter(|_| spread);
                self.refined(search, unpaired, graph, inverse_temperature)
            }
            FitStrategy::SharedCodes(from) => self.by_shared_codes(search, from),
        }
    }

    fn on_pairs(
        &self,
        search: DirectionSearch<'_>,
        rung: Rung,
    ) -> Result<FittedDirection, BridgeError> {
        let Candidate { family, steps } = rung.candidate;
        let members = self.prepared.effort.members(family.into());
        self.ensemble(search, members, steps, |fit, _| {
            let fitted = fit.on_pairs(rung.candidate)?;
            Ok(fitted.with_inverse_temperature(rung.inverse_temperature))
        })
    }

    fn refined(
        &self,
        search: DirectionSearch<'_>,
        unpaired: &FramedPosterior,
        graph: Option<&SourceGraph>,
        inverse_temperature: f32,
    ) -> Result<FittedDirection, BridgeError> {
        let effort = self.prepared.effort;
        let refinement = effort.refinement(self.prepared.pair_count());
        let members = effort.members(Family::TiedMixture);
        self.ensemble(search, members, refinement.optimiser.steps, |fit, _| {
            let fitted = fit.on_draws().refined(unpaired, graph, &refinement)?;
            Ok(fitted.with_inverse_temperature(inverse_temperature))
        })
    }

    fn by_shared_codes(
        &self,
        search: DirectionSearch<'_>,
        from: CodeSource,
    ) -> Result<FittedDirection, BridgeError> {
        let steps = self.prepared.effort.coded_flow_steps(1.0);
        self.ensemble(search, self.codes.len(), steps, |fit, member| {
            fit.by_shared_codes(&self.codes[member], from)
        })
    }

    /// Returns a direction that is fitted on latents that the other one labels.
    fn labelled(
        &self,
        search: DirectionSearch<'_>,
        labelling: &Labelling<'_>,
        labeller: &Conditional,
    ) -> Result<FittedDirection, BridgeError> {
        let effort = self.prepared.effort;
        let candidate = effort.last_labelled_fit(labelling.family);
        let members = effort.members(candidate.family.into());
        let mut fitted = self.ensemble(search, members, candidate.steps, |fit, _| {
            fit.on_draws()
                .on_labelled(candidate, labelling.unpaired, labeller)
        })?;
        if labelling.agreed {
            fitted.conditional.agreement = Agreement::of(&labeller.ensemble).map(Arc::new);
        }
        Ok(fitted)
    }

    /// Returns an ensemble of members that `fit_member` fits at the same time, each in this many
    /// steps.
    fn ensemble(
        &self,
        search: DirectionSearch<'_>,
        members: usize,
        steps: usize,
        fit_member: impl Fn(DirectionFit<'_>, usize) -> Result<FittedConditional, BridgeError> + Sync,
    ) -> Result<FittedDirection, BridgeError> {
        let (prepared, direction) = (self.prepared, search.direction);
        let all_steps = (members * steps) as u64;
        let stage = Stage::new(self.observer, format!("fitting {direction}"), all_steps);
        let member = |member: usize| {
            let purpose = DirectionPurpose::LastFit { member };
            let fit = DirectionFit {
                prepared,
                direction,
                part: prepared.all_pairs(),
                reading: *prepared.readings.get(direction),
                streams: &prepared.streams.of(direction, purpose),
                stage: &stage,
            };
            fit_member(fit, member)
        };
        let fitted: Vec<FittedConditional> = (0..members)
            .into_par_iter()
            .map(member)
            .collect::<Result<_, _>>()?;
        let curve = fitted.first().map(|first| first.curve.clone());
        let reading = fitted.first().map(|first| first.conditional.reading);
        let densities = fitted
            .into_iter()
            .flat_map(|fitted| fitted.conditional.ensemble.members);
        let (densities, reading) = (densities.collect(), reading.unwrap_or_default());
        Ok(FittedDirection {
            conditional: prepared.conditional(direction, densities, reading),
            curve: curve.unwrap_or_default(),
            comparison: search.into_comparison(members),
        })
    }
}
