//! Refinement of a tied mixture by posteriors without partners: a mean teacher (Tarvainen & Valpola
//! 2017).
//!
//! The teacher is a moving average of the student. It sees one draw of an unpaired posterior, the
//! student sees another draw of the same posterior, and the student learns the weights of the
//! teacher, sharpened (Berthelot et al. 2019). Both draws are of one observation, and should have
//! the same targets. No label of an unpaired observation is used.

use crate::BridgeError;
use crate::SourceReading;
use crate::curve::{Curve, FitCurve};
use crate::families::{Mixture, MixtureTape};
use crate::frame::{Frame, FramedPosterior};
use crate::learner::Learner;
use crate::maximum_likelihood::{MAX_GRADIENT_NORM, Pairs};
use ndarray::Array2;
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

/// Share of the steps after which the unpaired term has its full strength; over the first half of
/// them it is left out.
const RAMP: f32 = 0.3;

/// A tied mixture that learns from pairs and from its own mean teacher.
struct MeanTeacherFit<'p> {
    refinement: Refinement,
    pairs: &'p dyn Pairs,
    unpaired: UnpairedSources<'p>,
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

/// Returns the teacher at the end of the refinement of `student`, a tied mixture; `stage` counts
/// steps.
///
/// # Errors
/// [`BridgeError::Network`] if the fit diverges, [`BridgeError::Interrupted`].
pub(crate) fn refine(
    student: Mixture,
    pairs: &dyn Pairs,
    (frame, posterior): (&Frame, &FramedPosterior),
    refinement: &Refinement,
    streams: &RandomStream,
    stage: &Stage<'_>,
) -> Result<(Mixture, FitCurve), BridgeError> {
    /// Children of the stream that do not belong to steps.
    const RESERVED: u64 = 2;
    let per_step = refinement.unpaired;
    let unpaired = UnpairedSources {
        posterior,
        frame,
        batches: BatchSampler::full_batches(posterior.rows(), per_step, streams.child(1)),
    };
    let mut fit = MeanTeacherFit::new(student, pairs, unpaired, refinement);
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
        let strength = self.refinement.strength * ramp(context.done);
        if strength > 0.0 {
            self.learn_from_teacher(strength, stream);
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
        refinement: &Refinement,
    ) -> Self {
        let parameters = student.parameters().len();
        let weight_decay = refinement.optimiser.weight_decay;
        Self {
            refinement: *refinement,
            pairs,
            unpaired,
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

    /// Adds the gradient of `strength` times the mean cross-entropy between the teacher's weights of
    /// one draw of unpaired posteriors and the student's of another draw.
    fn learn_from_teacher(&mut self, strength: f32, stream: &mut RandomStream) {
        let rows = self.unpaired.batches.next_batch().to_vec();
        let seen_by_teacher = self.unpaired.draw_features(&rows, stream);
        let mut targets = self
            .teacher
            .weights(seen_by_teacher.view(), &mut self.teacher_tape);
        sharpen(&mut targets, self.refinement.temperature);
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
