//! Fits of one direction, in the coordinates of the frames.

use super::candidate::{Candidate, FitContext};
use super::labelled::LabelledPairs;
use super::prepared::{Part, Prepared, SourceAndTarget};
use super::regressed::Regressed;
use super::source_graph::SourceGraph;
use super::tilted::fit_tilt;
use crate::conditional::Conditional;
use crate::curve::FitCurve;
use crate::density::Density;
use crate::families::{Mixture, Tilt};
use crate::frame::FramedPosterior;
use crate::maximum_likelihood::{Pairs, PosteriorPairs};
use crate::mean_teacher::{Refinement, refine};
use crate::{BridgeError, Direction, SourceReading};
use std::sync::Arc;
use zbridge_core::{RandomStream, Stage};

/// What a fit of one direction depends on, besides what is fitted.
#[derive(Clone, Copy)]
pub(super) struct DirectionFit<'f> {
    pub(super) prepared: &'f Prepared<'f>,
    pub(super) direction: Direction,
    /// The pairs that it may use.
    pub(super) part: Part<'f>,
    /// What the density is given of a source.
    pub(super) reading: SourceReading,
    pub(super) streams: &'f RandomStream,
    pub(super) stage: &'f Stage<'f>,
}

/// A conditional, and its objective over the fit.
pub(super) struct FittedConditional {
    pub(super) conditional: Conditional,
    pub(super) curve: FitCurve,
}

impl FittedConditional {
    /// Returns the same with the weights of mixtures at this inverse temperature.
    pub(super) fn with_inverse_temperature(self, inverse_temperature: f32) -> Self {
        Self {
            conditional: self
                .conditional
                .with_inverse_temperature(inverse_temperature),
            ..self
        }
    }
}

/// Numbers of the streams of a fit's parts among those of the fit. They stay, so that the same seed
/// gives the same bridge.
#[derive(Debug, Clone, Copy)]
pub(super) enum Draws {
    /// Initial weights and batches; of a refinement, the initial weights.
    Fit = 1,
    /// Batches of a refinement, or the targets by which a flow given shared codes is whitened.
    Later = 2,
    /// Sources that a labeller gives to targets.
    Labels = 3,
    /// A kernel regression on labelled latents.
    Regression = 4,
    /// A tilt on labelled latents.
    Tilt = 5,
    /// The fit of a labeller that is not refined.
    Labeller = 9,
}

impl DirectionFit<'_> {
    /// Returns the stream of a part of the fit.
    pub(super) fn stream(&self, draws: Draws) -> RandomStream {
        self.streams.child(draws as u64)
    }

    /// Returns the same fit on draws of sources: latents without partners are learned from as
    /// draws.
    pub(super) fn on_draws(self) -> Self {
        Self {
            reading: SourceReading::Draw,
            ..self
        }
    }

    /// Returns the conditional of these densities in the frames of the direction.
    pub(super) fn conditional(&self, members: Vec<Density>) -> Conditional {
        self.prepared
            .conditional(self.direction, members, self.reading)
    }

    /// Returns a candidate that is fitted to the pairs.
    ///
    /// # Errors
    /// [`BridgeError::Network`] if the fit diverges, [`BridgeError::Interrupted`].
    pub(super) fn on_pairs(&self, candidate: Candidate) -> Result<FittedConditional, BridgeError> {
        let regression = || {
            self.prepared
                .regression(self.direction, self.part, self.reading, self.stage)
        };
        let tilt = || self.prepared.tilt(self.direction, self.part, self.stage);
        self.candidate_on(candidate, &self.pairs(), &regression, &tilt)
    }

    /// Returns a candidate that is fitted to the pairs, and to `unpaired` posteriors of the target
    /// that `labeller` gives sources to.
    ///
    /// # Errors
    /// [`BridgeError::Network`] if the fit diverges, [`BridgeError::Interrupted`].
    pub(super) fn on_labelled(
        &self,
        candidate: Candidate,
        unpaired: &FramedPosterior,
        labeller: &Conditional,
    ) -> Result<FittedConditional, BridgeError> {
        let stream = &mut self.stream(Draws::Labels);
        let labelled = LabelledPairs::new(self.pairs(), unpaired, labeller, stream, self.stage)?;
        let source = &self.prepared.spaces(self.direction).source.frame;
        let regression = || {
            let stream = &mut self.stream(Draws::Regression);
            Regressed::on(&labelled, source, stream, self.stage).map(Arc::new)
        };
        let tilt = || {
            let stream = &mut self.stream(Draws::Tilt);
            let spaces = self.prepared.spaces(self.direction);
            fit_tilt(&labelled, spaces, self.reading, stream, self.stage).map(Arc::new)
        };
        self.candidate_on(candidate, &labelled, &regression, &tilt)
    }

    /// Returns a tied mixture that is refined on `unpaired` posteriors of the source, after labels
    /// were spread to them if there is a `graph` of these.
    ///
    /// # Errors
    /// [`BridgeError::Network`] if the fit diverges, [`BridgeError::Interrupted`].
    pub(super) fn refined(
        &self,
        unpaired: &FramedPosterior,
        graph: Option<&SourceGraph>,
        refinement: &Refinement,
    ) -> Result<FittedConditional, BridgeError> {
        let source = &self.prepared.spaces(self.direction).source.frame;
        let (start, streams) = (self.initial_mixture()?, self.stream(Draws::Later));
        let labels = |graph: &SourceGraph| {
            graph.likely_labels(self.prepared, self.direction, self.part, self.stage)
        };
        let likely = graph.map(labels).transpose()?;
        let unpaired = (source, unpaired);
        let (mixture, curve) = refine(
            start,
            &self.pairs(),
            unpaired,
            likely.as_ref(),
            refinement,
            &streams,
            self.stage,
        )?;
        Ok(FittedConditional {
            conditional: self.conditional(vec![Density::Mixture(mixture)]),
            curve,
        })
    }

    /// Returns the tied mixture that a refinement begins with.
    fn initial_mixture(&self) -> Result<Mixture, BridgeError> {
        let effort = self.prepared.effort;
        let source = &self.prepared.spaces(self.direction).source.frame;
        let components = self.prepared.components(self.direction, self.part)?;
        Mixture::initial(
            source.feature_width(),
            components.gaussians.clone(),
            &components.log_weights,
            &effort.refined_hidden(),
            effort.refined_dropout(self.part.rows.len()),
            false,
            &mut self.stream(Draws::Fit),
        )
    }

    fn candidate_on(
        &self,
        candidate: Candidate,
        pairs: &dyn Pairs,
        regression: &dyn Fn() -> Result<Arc<Regressed>, BridgeError>,
        tilt: &dyn Fn() -> Result<Arc<Tilt>, BridgeError>,
    ) -> Result<FittedConditional, BridgeError> {
        let SourceAndTarget { source, target } = self.prepared.spaces(self.direction);
        let context = FitContext {
            pairs,
            source: source.frame_for(self.reading),
            target: &target.frame,
            components: &|| self.prepared.components(self.direction, self.part),
            regression,
            tilt,
        };
        let fitted = candidate.fit(&context, &self.stream(Draws::Fit), self.stage)?;
        Ok(FittedConditional {
            conditional: self.conditional(vec![fitted.density]),
            curve: fitted.curve,
        })
    }

    fn pairs(&self) -> PosteriorPairs<'_> {
        self.prepared.pairs(self.direction, self.part, self.reading)
    }
}
