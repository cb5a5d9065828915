//! Semi-supervised refinement of the informative direction: what posteriors without partners teach.
//!
//! A mean teacher (Tarvainen & Valpola 2017) reads one draw of an unpaired posterior, the student
//! another draw of the same posterior, and the student learns the teacher's weights, sharpened
//! (Berthelot et al. 2019). It is a statement about latents only: draws of one posterior are one
//! observation, so that they mean the same. No label of an unpaired observation exists here.

use crate::BridgeError;
use crate::curve::{Curve, FitCurve};
use crate::families::{Mixture, MixtureTape};
use crate::frame::{Frame, FramedPosterior};
use crate::learner::Learner;
use crate::maximum_likelihood::{MAX_GRADIENT_NORM, Pairs};
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

/// A tied mixture that learns from pairs, and from its own mean teacher.
struct MeanTeacherFit<'p> {
    refinement: Refinement,
    pairs: &'p dyn Pairs,
    frame: &'p Frame,
    unpaired: &'p FramedPosterior,
    unpaired_batches: BatchSampler,
    student: Mixture,
    teacher: Mixture,
    optimiser: Optimiser,
    gradients: Vec<f32>,
    tape: MixtureTape,
    teacher_tape: MixtureTape,
    source: Vec<f32>,
    target: Vec<f32>,
}

/// Returns the teacher at the end of the refinement of `student`, a tied mixture; `stage` counts
/// steps.
///
/// # Errors
/// [`BridgeError::Network`] if the fit diverges, [`BridgeError::Interrupted`].
pub(crate) fn refine(
    student: Mixture,
    pairs: &dyn Pairs,
    (frame, unpaired): (&Frame, &FramedPosterior),
    refinement: &Refinement,
    streams: &RandomStream,
    stage: &Stage<'_>,
) -> Result<(Mixture, FitCurve), BridgeError> {
    let plan = &refinement.optimiser;
    let parameters = student.parameters().len();
    let mut fit = MeanTeacherFit {
        refinement: *refinement,
        pairs,
        frame,
        unpaired,
        unpaired_batches: BatchSampler::full_batches(
            unpaired.rows(),
            refinement.unpaired,
            streams.child(1),
        ),
        teacher: student.clone(),
        student,
        optimiser: Optimiser::new(parameters, plan.weight_decay, MAX_GRADIENT_NORM),
        gradients: vec![0.0; parameters],
        tape: MixtureTape::default(),
        teacher_tape: MixtureTape::default(),
        source: Vec::new(),
        target: Vec::new(),
    };
    let mut curve = Curve::over(plan.steps);
    let batches = BatchSampler::full_batches(pairs.count(), plan.batch, streams.child(0));
    let mut trainer = Trainer::of_steps(plan, batches, streams, 2);
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

impl MeanTeacherFit<'_> {
    /// Adds the gradient of the mean −log q of the pairs in `rows`, and returns that mean in nats.
    fn learn_from_pairs(&mut self, rows: &[usize], stream: &mut RandomStream) -> f64 {
        self.pairs
            .draw(rows, stream, &mut self.source, &mut self.target);
        let count = rows.len() as f64;
        self.student.backward(
            &self.source,
            &self.target,
            1.0 / count as f32,
            stream,
            &mut self.gradients,
            &mut self.tape,
        ) / count
    }

    /// Adds the gradient of `strength` times the mean cross-entropy between the teacher's weights of
    /// one draw of unpaired posteriors and the student's of another draw.
    fn learn_from_teacher(&mut self, strength: f32, stream: &mut RandomStream) {
        let rows = self.unpaired_batches.next_batch().to_vec();
        let seen_by_teacher = self.unpaired_features(&rows, stream);
        let teacher_weights = self
            .teacher
            .weights(&seen_by_teacher, &mut self.teacher_tape);
        let mut targets = teacher_weights.to_vec();
        sharpen(
            &mut targets,
            self.teacher.components().rows(),
            self.refinement.temperature,
        );
        let seen_by_student = self.unpaired_features(&rows, stream);
        let scale = strength / rows.len() as f32;
        let weights = self
            .student
            .weights_in_training(&seen_by_student, stream, &mut self.tape);
        // d CE(target, softmax) / d logits = softmax − target.
        let mut logit_gradients = targets;
        for (gradient, weight) in logit_gradients.iter_mut().zip(weights) {
            *gradient = scale * (weight - *gradient);
        }
        self.student
            .backward_weights(&logit_gradients, &mut self.gradients, &mut self.tape);
    }

    /// Returns the features of one draw of each of these unpaired posteriors.
    fn unpaired_features(&mut self, rows: &[usize], stream: &mut RandomStream) -> Vec<f32> {
        self.unpaired.draw_seen(rows, stream, &mut self.source);
        self.frame.features(std::mem::take(&mut self.source))
    }
}

pub(crate) fn ramp(progress: f32) -> f32 {
    ((progress / RAMP - 0.5) * 2.0).clamp(0.0, 1.0)
}

/// Every row of `weights` raised to 1/temperature and made to sum to one.
pub(crate) fn sharpen(weights: &mut [f32], count: usize, temperature: f32) {
    for row in weights.chunks_exact_mut(count) {
        let highest = row.iter().fold(0.0f32, |a, &b| a.max(b)).max(1e-30);
        row.iter_mut()
            .for_each(|weight| *weight = (*weight / highest).powf(1.0 / temperature));
        let total: f32 = row.iter().sum();
        row.iter_mut().for_each(|weight| *weight /= total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sharpening_keeps_a_distribution_and_its_order() {
        let mut weights = vec![0.5, 0.3, 0.2, 1.0, 0.0, 0.0];
        sharpen(&mut weights, 3, 0.5);
        assert!((weights[..3].iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(weights[0] > 0.6 && weights[0] > weights[1] && weights[1] > weights[2]);
        assert_eq!(weights[3..], [1.0, 0.0, 0.0]);
    }

    #[test]
    fn the_unpaired_term_comes_in_gradually() {
        assert_eq!(
            (ramp(0.0), ramp(0.15), ramp(0.3), ramp(1.0)),
            (0.0, 0.0, 1.0, 1.0)
        );
    }
}
