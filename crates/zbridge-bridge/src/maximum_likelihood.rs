//! The one loop that fits every family: maximum likelihood on draws from the posteriors of pairs.
//!
//! E −log q(z_t|z_s) over draws of both posteriors is KL(p ‖ q) up to a constant, for every family
//! and every kind of posterior: the divergence that keeps the spread between targets of one source.

use crate::BridgeError;
use crate::curve::Curve;
use crate::learner::Learner;
use crate::{FitCurve, frame::FramedPosterior};
use zbridge_core::RandomStream;
use zbridge_nn::{Adam, NnError};

/// Where batches of (source features, target point) come from.
pub(crate) trait Pairs: Sync {
    /// How many pairs there are to choose from.
    fn count(&self) -> usize;

    /// Fresh draws for the pairs in `rows`: features `[rows, feature width]` and targets `[rows,
    /// active]`.
    fn draw(
        &self,
        rows: &[usize],
        stream: &mut RandomStream,
        source: &mut Vec<f32>,
        target: &mut Vec<f32>,
    );
}

/// Pairs of posteriors, drawn afresh every time; `features` turns drawn source points into
/// features.
pub(crate) struct PosteriorPairs<'p> {
    pub(crate) source: &'p FramedPosterior,
    pub(crate) target: &'p FramedPosterior,
    pub(crate) frame: &'p crate::frame::Frame,
    /// The pairs to use: row of source and target alike.
    pub(crate) rows: &'p [usize],
}

impl Pairs for PosteriorPairs<'_> {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn draw(
        &self,
        rows: &[usize],
        stream: &mut RandomStream,
        source: &mut Vec<f32>,
        target: &mut Vec<f32>,
    ) {
        let rows: Vec<usize> = rows.iter().map(|&row| self.rows[row]).collect();
        self.target.draw(&rows, stream, target);
        self.source.draw_seen(&rows, stream, source);
        *source = self.frame.features(std::mem::take(source));
    }
}

/// How long and how fast to climb.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ascent {
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    pub(crate) learning_rate: f32,
    /// Decoupled weight decay (Loshchilov & Hutter 2019), relative to the learning rate.
    pub(crate) weight_decay: f32,
}

impl Ascent {
    /// Warm-up over the first twentieth, then half a cosine down to nothing.
    pub(crate) fn rate_at(&self, step: usize) -> f32 {
        let progress = step as f32 / self.steps as f32;
        let warm_up = ((step + 1) as f32 / (0.05 * self.steps as f32).max(1.0)).min(1.0);
        self.learning_rate * warm_up * 0.5 * (1.0 + (std::f32::consts::PI * progress).cos())
    }
}

/// Gradients longer than this, per row, are shortened: a single far-off draw must not throw a
/// density out of its way.
const LONGEST_GRADIENT: f32 = 5.0;

/// A learner on its way, with its optimiser and the buffers it keeps.
pub(crate) struct InTraining<L: Learner> {
    pub(crate) learner: L,
    adam: Adam,
    tape: L::Tape,
    gradients: Vec<f32>,
}

impl<L: Learner> InTraining<L> {
    pub(crate) fn new(learner: L) -> Self {
        let parameters = learner.parameters().len();
        Self {
            learner,
            adam: Adam::new(parameters),
            tape: L::Tape::default(),
            gradients: vec![0.0; parameters],
        }
    }

    /// One step of the optimiser on a batch; comes back with the mean objective of its rows before
    /// the step.
    pub(crate) fn step(
        &mut self,
        [source, target]: [&[f32]; 2],
        learning_rate: f32,
        weight_decay: f32,
        stream: &mut RandomStream,
    ) -> f64 {
        let Self {
            learner,
            adam,
            tape,
            gradients,
        } = self;
        let rows = target.len() / learner.dims().1;
        gradients.fill(0.0);
        let total = learner.backward(source, target, 1.0 / rows as f32, stream, gradients, tape);
        if total.is_finite() {
            shorten(gradients);
            decay(learner.parameters_mut(), learning_rate * weight_decay);
            adam.step(learner.parameters_mut(), gradients, learning_rate);
        }
        total / rows as f64
    }
}

/// The learner after the ascent, and its objective along the way; `observe` hears each step and
/// says whether to go on.
pub(crate) fn maximise_likelihood<L: Learner>(
    learner: L,
    pairs: &dyn Pairs,
    ascent: &Ascent,
    streams: &RandomStream,
    observe: &mut dyn FnMut() -> bool,
) -> Result<(L, FitCurve), BridgeError> {
    let mut training = InTraining::new(learner);
    let (mut source, mut target) = (Vec::new(), Vec::new());
    let mut curve = Curve::over(ascent.steps);
    let mut order = Order::new(pairs.count(), streams.child(0));
    for step in 0..ascent.steps {
        let mut stream = streams.child(step as u64 + 1);
        let rows = order.next(ascent.batch);
        pairs.draw(&rows, &mut stream, &mut source, &mut target);
        let nats = training.step(
            [&source, &target],
            ascent.rate_at(step),
            ascent.weight_decay,
            &mut stream,
        );
        if !nats.is_finite() {
            return Err(NnError::Diverged { step, value: nats }.into());
        }
        curve.push(step + 1, nats);
        if !observe() {
            return Err(BridgeError::Interrupted);
        }
    }
    Ok((training.learner, curve.finish()))
}

pub(crate) fn decay(parameters: &mut [f32], amount: f32) {
    if amount > 0.0 {
        parameters
            .iter_mut()
            .for_each(|parameter| *parameter -= amount * *parameter);
    }
}

pub(crate) fn shorten(gradients: &mut [f32]) {
    let length = gradients.iter().map(|g| g * g).sum::<f32>().sqrt();
    if length > LONGEST_GRADIENT {
        let scale = LONGEST_GRADIENT / length;
        gradients.iter_mut().for_each(|g| *g *= scale);
    }
}

/// Rows in an order that is shuffled anew each time it is through.
pub(crate) struct Order {
    rows: Vec<usize>,
    next: usize,
    stream: RandomStream,
}

impl Order {
    pub(crate) fn new(rows: usize, mut stream: RandomStream) -> Self {
        Self {
            rows: stream.permutation(rows),
            next: 0,
            stream,
        }
    }

    /// The next `batch` rows, or all of them where there are fewer.
    pub(crate) fn next(&mut self, batch: usize) -> Vec<usize> {
        let batch = batch.min(self.rows.len());
        if self.next + batch > self.rows.len() {
            self.rows = self.stream.permutation(self.rows.len());
            self.next = 0;
        }
        self.next += batch;
        self.rows[self.next - batch..self.next].to_vec()
    }
}
