//! Refinement of a tied mixture by posteriors without partners: a mean teacher (Tarvainen & Valpola
//! 2017).
//!
//! The teacher is a moving average of the student. It sees one draw of an unpaired posterior, the
//! student sees another draw of the same posterior, and the student learns the weights of the
//! teacher, sharpened (Berthelot et al. 2019). Both draws are of one observation, and should have
//! the same targets. No label of an unpaired observation is used.
//!
//! If labels were spread to unpaired observations, the student learns these first.

use crate::BridgeError;
use crate::SourceReading;
use crate::curve::{Curve, FitCurve};
use crate::families::{Mixture, MixtureTape};
use crate::frame::{Frame, FramedPosterior};
use crate::learner::Learner;
use crate::maximum_likelihood::{MAX_GRADIENT_NORM, Pairs};
use ndarray::{Array1, Array2, Axis};
use zbridge_core::{RandomStream, Stage};
use zbridge_nn::{
    BatchSampler, MovingAverage, NnError, Optimiser, OptimiserPlan, StepContext, Trainee, Trainer,
};

/// How a tied mixture is refined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Refinement {
    /// Steps, learning rate and batch of pairs.
    pub(crate) optimiser: OptimiserPlan,
    /// Unpaired posteriors in a step.
    pub(crate) unpaired: usize,
    /// Weight of the unpaired term against the pairs' −log q.
    pub(crate) strength: f32,
    /// Temperature to which the teacher's weights are sharpened.
    pub(crate) temperature: f32,
    /// Decay of the moving average of the student that the teacher is.
    pub(crate) averaging: f32,
}

/// Labels of some unpaired posteriors, that are likely but not known: where a refinement begins.
#[derive(Debug, Clone)]
pub(crate) struct LikelyLabels {
    /// Rows among the unpaired posteriors, `[labels]`.
    pub(crate) rows: Vec<usize>,
    /// Probabilities of the components of each, `[labels, K]`.
    pub(crate) weights: Array2<f32>,
}

/// Share of the steps in which likely labels are learned, if there are any.
const LIKELY_LABELS_SHARE: f32 = 0.3;

/// Share of the steps after which the unpaired term has its full strength; over the first half of
/// them it is left out.
const RAMP: f32 = 0.3;

/// A tied mixture that learns from pairs and from its own mean teacher.
struct MeanTeacherFit<'p> {
    refinement: Refinement,
    pairs: &'p dyn Pairs,
    unpaired: UnpairedSources<'p>,
    likely: Option<LikelyTargets<'p>>,
    student: Mixture,
    teacher: Mixture,
    optimiser: Optimiser,
    gradients: Vec<f32>,
    tape: MixtureTape,
    teacher_tape: MixtureTape,
}

/// Posteriors without partners, in batches.
struct UnpairedSources<'p> {
    posterior: &'p FramedPosterior,
    frame: &'p Frame,
    batches: BatchSampler,
}

/// Likely labels, in batches, and how often each component occurs among them.
struct LikelyTargets<'p> {
    labels: &'p LikelyLabels,
    batches: BatchSampler,
    /// Mean of the likely labels, `[K]`.
    shares: Array1<f32>,
    /// Moving average of the teacher's weights, `[K]`.
    teacher_shares: Array1<f32>,
}

/// Returns the teacher at the end of the refinement of `student`, a tied mixture; `stage` counts
/// steps. With likely labels of unpaired posteriors it learns from these before it learns from
/// itself.
///
/// # Errors
/// [`BridgeError::Network`] if the fit diverges, [`BridgeError::Interrupted`].
pub(crate) fn refine(
    student: Mixture,
    pairs: &dyn Pairs,
    (frame, posterior): (&Frame, &FramedPosterior),
    likely: Option<&LikelyLabels>,
    refinement: &Refinement,
    streams: &RandomStream,
    stage: &Stage<'_>,
) -> Result<(Mixture, FitCurve), BridgeError> {
    /// Children of the stream that do not belong to steps.
    const RESERVED: u64 = 2;
    /// The child that follows those of all steps.
    const LIKELY: u64 = u64::MAX;
    let per_step = refinement.unpaired;
    let unpaired = UnpairedSources {
        posterior,
        frame,
        batches: BatchSampler::full_batches(posterior.rows(), per_step, streams.child(1)),
    };
    let likely = likely.map(|labels| LikelyTargets::new(labels, per_step, streams.child(LIKELY)));
    let mut fit = MeanTeacherFit::new(student, pairs, unpaired, likely, refinement);
    let plan = &refinement.optimiser;
    let mut curve = Curve::over(plan.steps);
    let batches = BatchSampler::full_batches(pairs.count(), plan.batch, streams.child(0));
    let mut trainer = Trainer::of_steps(plan, batches, streams, RESERVED);
    trainer.run(&mut fit, stage, &mut [&mut curve])?;
    Ok((fit.teacher, curve.finish()))
}

impl Trainee for MeanTeacherFit<'_> {
    fn step(&mut self, rows: &[usize], mut context: StepContext) -> Result<f64, NnError> {
        let stream = &mut context.stream;
        self.gradients.fill(0.0);
        let nats = self.learn_from_pairs(rows, stream);
        let strength = self.refinement.strength;
        match &mut self.likely {
            Some(likely) if context.done < LIKELY_LABELS_SHARE => {
                let targets = likely.next_batch();
                self.learn_weights(targets, strength, stream);
            }
            Some(_) => self.learn_from_teacher(strength, stream),
            None if ramp(context.done) > 0.0 => {
                self.learn_from_teacher(strength * ramp(context.done), stream);
            }
            None => (),
        }
        let parameters = self.student.parameters_mut();
        self.optimiser
            .step(parameters, &mut self.gradients, context.learning_rate);
        let averaging = MovingAverage {
            decay: self.refinement.averaging,
        };
        averaging.follow(
            self.teacher.parameters_mut(),
            self.student.parameters(),
            context.step,
        );
        Ok(nats)
    }
}

impl<'p> MeanTeacherFit<'p> {
    fn new(
        student: Mixture,
        pairs: &'p dyn Pairs,
        unpaired: UnpairedSources<'p>,
        likely: Option<LikelyTargets<'p>>,
        refinement: &Refinement,
    ) -> Self {
        let parameters = student.parameters().len();
        let weight_decay = refinement.optimiser.weight_decay;
        Self {
            refinement: *refinement,
            pairs,
            unpaired,
            likely,
            teacher: student.clone(),
            student,
            optimiser: Optimiser::new(parameters, weight_decay, MAX_GRADIENT_NORM),
            gradients: vec![0.0; parameters],
            tape: MixtureTape::default(),
            teacher_tape: MixtureTape::default(),
        }
    }

    /// Adds the gradient of the mean −log q of the pairs in `rows`, and returns that mean in nats.
    fn learn_from_pairs(&mut self, rows: &[usize], stream: &mut RandomStream) -> f64 {
        let batch = self.pairs.draw(rows, stream);
        let count = rows.len() as f64;
        self.student.backward(
            batch.source.view(),
            batch.target.view(),
            1.0 / count as f32,
            stream,
            &mut self.gradients,
            &mut self.tape,
        ) / count
    }

    /// Adds the gradient of `strength` times the mean cross-entropy between the teacher's weights
    /// of one draw of unpaired posteriors and the student's of another draw.
    fn learn_from_teacher(&mut self, strength: f32, stream: &mut RandomStream) {
        let rows = self.unpaired.batches.next_batch().to_vec();
        let seen_by_teacher = self.unpaired.draw_features(&rows, stream);
        let mut targets = self
            .teacher
            .weights(seen_by_teacher.view(), &mut self.teacher_tape);
        if let Some(likely) = &mut self.likely {
            likely.align(&mut targets);
        }
        sharpen(&mut targets, self.refinement.temperature);
        self.learn_weights(WeightTargets { rows, targets }, strength, stream);
    }

    /// Adds the gradient of `strength` times the mean cross-entropy between targets and the
    /// student's weights of a draw of their posteriors.
    fn learn_weights(&mut self, learned: WeightTargets, strength: f32, stream: &mut RandomStream) {
        let WeightTargets { rows, targets } = learned;
        let seen_by_student = self.unpaired.draw_features(&rows, stream);
        let scale = strength / rows.len() as f32;
        let weights =
            self.student
                .weights_in_training(seen_by_student.view(), stream, &mut self.tape);
        // d CE(target, softmax) / d logits = softmax − target.
        let logit_gradients = scale * (weights - targets);
        self.student
            .backward_weights(logit_gradients.view(), &mut self.gradients, &mut self.tape);
    }
}

/// What the student is to say of some unpaired posteriors.
struct WeightTargets {
    /// Rows among the unpaired posteriors.
    rows: Vec<usize>,
    /// `[rows, K]`.
    targets: Array2<f32>,
}

impl<'p> LikelyTargets<'p> {
    fn new(labels: &'p LikelyLabels, batch: usize, orders: RandomStream) -> Self {
        let shares = labels.weights.sum_axis(Axis(0)) / labels.rows.len().max(1) as f32;
        Self {
            labels,
            batches: BatchSampler::full_batches(labels.rows.len(), batch, orders),
            teacher_shares: shares.clone(),
            shares,
        }
    }

    /// Multiplies the teacher's weights `[rows, K]` so that every component keeps the share that it
    /// has among likely labels: without this, components of few labels are lost to others.
    ///
    /// # Source
    /// Distribution alignment of Berthelot et al. 2020 (ReMixMatch), section 3.1.
    fn align(&mut self, weights: &mut Array2<f32>) {
        const DECAY: f32 = 0.99;
        /// Shares below this count as this.
        const LEAST: f32 = 1e-4;
        let means = weights.sum_axis(Axis(0)) / weights.nrows().max(1) as f32;
        self.teacher_shares = DECAY * &self.teacher_shares + (1.0 - DECAY) * means;
        let factors = (&self.shares + LEAST) / (&self.teacher_shares + LEAST);
        for mut row in weights.rows_mut() {
            row *= &factors;
        }
    }

    fn next_batch(&mut self) -> WeightTargets {
        let LikelyLabels { rows, weights } = self.labels;
        let places = self.batches.next_batch();
        WeightTargets {
            rows: places.iter().map(|&place| rows[place]).collect(),
            targets: weights.select(Axis(0), places),
        }
    }
}

impl UnpairedSources<'_> {
    /// Returns the features of one draw of each of these posteriors, `[rows, feature width]`.
    fn draw_features(&self, rows: &[usize], stream: &mut RandomStream) -> Array2<f32> {
        self.frame.features(
            self.posterior
                .read_source(rows, SourceReading::Draw, stream),
        )
    }
}

/// Returns the strength of the unpaired term, 0..=1, when a share of the steps is done: a teacher
/// that has learned little would confirm its own errors.
pub(crate) fn ramp(progress: f32) -> f32 {
    ((progress / RAMP - 0.5) * 2.0).clamp(0.0, 1.0)
}

/// Raises every row of `weights` `[rows, K]` to 1/temperature and makes it sum to one.
pub(crate) fn sharpen(weights: &mut Array2<f32>, temperature: f32) {
    for mut row in weights.rows_mut() {
        let largest = row.iter().fold(0.0f32, |a, &b| a.max(b)).max(1e-30);
        row.mapv_inplace(|weight| (weight / largest).powf(1.0 / temperature));
        let total: f32 = row.iter().sum();
        row /= total;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sharpening_keeps_a_distribution_and_its_order() {
        let mut weights = ndarray::array![[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]];
        sharpen(&mut weights, 0.5);
        let first = weights.row(0);
        assert!((first.sum() - 1.0).abs() < 1e-6);
        assert!(first[0] > 0.6 && first[0] > first[1] && first[1] > first[2]);
        assert_eq!(weights.row(1).to_vec(), [1.0, 0.0, 0.0]);
    }

    #[test]
    fn the_unpaired_term_comes_in_gradually() {
        assert_eq!(
            (ramp(0.0), ramp(0.15), ramp(0.3), ramp(1.0)),
            (0.0, 0.0, 1.0, 1.0)
        );
    }
}
