//! Maximum likelihood on draws from the posteriors of pairs, for every family.
//!
//! E −log q(z_t|z_s) over draws of both posteriors is KL(p ‖ q) up to a constant, for every family
//! and every kind of posterior: the divergence that keeps the spread between targets of one source.

use crate::curve::{Curve, FitCurve};
use crate::frame::{Frame, FramedPosterior};
use crate::learner::Learner;
use crate::{BridgeError, SourceReading};
use ndarray::{Array2, ArrayView2};
use zbridge_core::{RandomStream, Stage};
use zbridge_nn::{BatchSampler, NnError, Optimiser, OptimiserPlan, StepContext, Trainee, Trainer};

/// Where batches of (source features, target point) come from.
pub(crate) trait Pairs: Sync {
    /// How many pairs there are to choose from.
    fn count(&self) -> usize;

    /// Returns fresh draws for the pairs in `rows`.
    fn draw(&self, rows: &[usize], stream: &mut RandomStream) -> PairBatch;

    /// Returns the same with the means of the targets in place of draws, where they are known: what
    /// a regression is fitted to.
    fn with_target_means(&self, rows: &[usize], stream: &mut RandomStream) -> PairBatch {
        self.draw(rows, stream)
    }
}

/// A batch of draws from pairs: row i of `source` belongs to row i of `target`.
pub(crate) struct PairBatch {
    /// Features of the sources, `[rows, feature width]`.
    pub(crate) source: Array2<f32>,
    /// Targets, `[rows, active]`.
    pub(crate) target: Array2<f32>,
}

/// Pairs of posteriors, drawn afresh every time; `frame` turns source points into features.
pub(crate) struct PosteriorPairs<'p> {
    pub(crate) source: &'p FramedPosterior,
    pub(crate) target: &'p FramedPosterior,
    pub(crate) frame: &'p Frame,
    /// The pairs to use: row of source and target alike.
    pub(crate) rows: &'p [usize],
    /// What is given of a source.
    pub(crate) reading: SourceReading,
}

impl PosteriorPairs<'_> {
    /// Returns the features of these sources of all posteriors.
    fn features(&self, rows: &[usize], stream: &mut RandomStream) -> Array2<f32> {
        let points = self.source.read_source(rows, self.reading, stream);
        self.frame.features(points)
    }

    fn posterior_rows(&self, rows: &[usize]) -> Vec<usize> {
        rows.iter().map(|&row| self.rows[row]).collect()
    }
}

impl Pairs for PosteriorPairs<'_> {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn draw(&self, rows: &[usize], stream: &mut RandomStream) -> PairBatch {
        let rows = self.posterior_rows(rows);
        let target = self.target.draw(&rows, stream);
        let source = self.features(&rows, stream);
        PairBatch { source, target }
    }

    fn with_target_means(&self, rows: &[usize], stream: &mut RandomStream) -> PairBatch {
        let rows = self.posterior_rows(rows);
        let target = self.target.means_of(&rows);
        let source = self.features(&rows, stream);
        PairBatch { source, target }
    }
}

/// Gradients longer than this, per row, are clipped: a single far-off draw must not spoil a
/// density.
pub(crate) const MAX_GRADIENT_NORM: f32 = 5.0;

/// A learner with its optimiser and the buffers that its steps reuse.
pub(crate) struct LearnerTraining<L: Learner> {
    pub(crate) learner: L,
    optimiser: Optimiser,
    tape: L::Tape,
    gradients: Vec<f32>,
}

impl<L: Learner> LearnerTraining<L> {
    pub(crate) fn new(learner: L, weight_decay: f32) -> Self {
        let parameters = learner.parameters().len();
        Self {
            learner,
            optimiser: Optimiser::new(parameters, weight_decay, MAX_GRADIENT_NORM),
            tape: L::Tape::default(),
            gradients: vec![0.0; parameters],
        }
    }

    /// Takes one step of the optimiser on a batch, and returns the mean objective of its rows
    /// before the step, in nats. A step whose objective is not finite moves nothing.
    pub(crate) fn step(
        &mut self,
        source: ArrayView2<'_, f32>,
        target: ArrayView2<'_, f32>,
        learning_rate: f32,
        stream: &mut RandomStream,
    ) -> f64 {
        let rows = target.nrows();
        self.gradients.fill(0.0);
        let total_nats = self.learner.backward(
            source,
            target,
            1.0 / rows as f32,
            stream,
            &mut self.gradients,
            &mut self.tape,
        );
        if total_nats.is_finite() {
            let parameters = self.learner.parameters_mut();
            self.optimiser
                .step(parameters, &mut self.gradients, learning_rate);
        }
        total_nats / rows as f64
    }
}

/// The fit of a learner to pairs.
struct LikelihoodFit<'p, L: Learner> {
    training: LearnerTraining<L>,
    pairs: &'p dyn Pairs,
}

impl<L: Learner> Trainee for LikelihoodFit<'_, L> {
    fn step(&mut self, rows: &[usize], mut context: StepContext) -> Result<f64, NnError> {
        let stream = &mut context.stream;
        let PairBatch { source, target } = self.pairs.draw(rows, stream);
        let (source, target) = (source.view(), target.view());
        Ok(self
            .training
            .step(source, target, context.learning_rate, stream))
    }
}

/// Returns the fitted learner, and its objective over the fit; `stage` counts steps.
///
/// # Errors
/// [`BridgeError::Network`] if the fit diverges, [`BridgeError::Interrupted`].
pub(crate) fn maximise_likelihood<L: Learner>(
    learner: L,
    pairs: &dyn Pairs,
    plan: &OptimiserPlan,
    streams: &RandomStream,
    stage: &Stage<'_>,
) -> Result<(L, FitCurve), BridgeError> {
    /// The first child of the stream orders the batches.
    const RESERVED: u64 = 1;
    let mut fit = LikelihoodFit {
        training: LearnerTraining::new(learner, plan.weight_decay),
        pairs,
    };
    let mut curve = Curve::over(plan.steps);
    let batches = BatchSampler::full_batches(pairs.count(), plan.batch, streams.child(0));
    let mut trainer = Trainer::of_steps(plan, batches, streams, RESERVED);
    trainer.run(&mut fit, stage, &mut [&mut curve])?;
    Ok((fit.training.learner, curve.finish()))
}
