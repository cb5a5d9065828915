//! Semi-supervised refinement of the informative direction: what posteriors without partners teach.
//!
//! A mean teacher (Tarvainen & Valpola 2017) reads one draw of an unpaired posterior, the student
//! another draw of the same posterior, and the student learns the teacher's weights, sharpened
//! (Berthelot et al. 2019). It is a statement about latents only: draws of one posterior are one
//! observation, so that they mean the same. No label of an unpaired observation exists here.

use crate::BridgeError;
use crate::FitCurve;
use crate::curve::Curve;
use crate::families::{Mixture, MixtureTape};
use crate::frame::{Frame, FramedPosterior};
use crate::learner::Learner;
use crate::maximum_likelihood::{Ascent, Order, Pairs, decay, shorten};
use zbridge_core::RandomStream;
use zbridge_nn::{Adam, NnError};

/// How a tied mixture is refined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Refinement {
    /// Steps, learning rate and batch of pairs.
    pub(crate) ascent: Ascent,
    /// Unpaired posteriors in a step.
    pub(crate) unpaired: usize,
    /// Weight of the unpaired term against the pairs' −log q.
    pub(crate) strength: f32,
    /// Temperature to which the teacher's weights are sharpened.
    pub(crate) temperature: f32,
    /// Decay of the average that the teacher is of the student.
    pub(crate) averaging: f32,
}

/// Share of the steps after which the unpaired term has come in fully; over the first half of them
/// it is silent.
const RAMP: f32 = 0.3;

/// The teacher at the end of the refinement of `student`, a tied mixture.
pub(crate) fn refine(
    mut student: Mixture,
    pairs: &dyn Pairs,
    (frame, unpaired): (&Frame, &FramedPosterior),
    refinement: &Refinement,
    streams: &RandomStream,
    observe: &mut dyn FnMut() -> bool,
) -> Result<(Mixture, FitCurve), BridgeError> {
    let mut teacher = student.clone();
    let (mut adam, mut tape) = (
        Adam::new(student.parameters().len()),
        MixtureTape::default(),
    );
    let (mut teacher_tape, mut gradients) = (
        MixtureTape::default(),
        vec![0.0f32; student.parameters().len()],
    );
    let (mut source, mut target) = (Vec::new(), Vec::new());
    let ascent = &refinement.ascent;
    let mut curve = Curve::over(ascent.steps);
    let mut paired_order = Order::new(pairs.count(), streams.child(0));
    let mut unpaired_order = Order::new(unpaired.rows(), streams.child(1));
    for step in 0..ascent.steps {
        let mut stream = streams.child(step as u64 + 2);
        let rows = paired_order.next(ascent.batch);
        pairs.draw(&rows, &mut stream, &mut source, &mut target);
        gradients.fill(0.0);
        let count = rows.len() as f64;
        let nats = student.backward(
            &source,
            &target,
            1.0 / count as f32,
            &mut stream,
            &mut gradients,
            &mut tape,
        ) / count;
        if !nats.is_finite() {
            return Err(NnError::Diverged { step, value: nats }.into());
        }
        let strength = refinement.strength * ramp(step as f32 / ascent.steps as f32);
        if strength > 0.0 {
            let rows = unpaired_order.next(refinement.unpaired);
            unpaired.draw_seen(&rows, &mut stream, &mut source);
            let taught = frame.features(std::mem::take(&mut source));
            let mut lesson = teacher.weights(&taught, &mut teacher_tape).to_vec();
            sharpen(
                &mut lesson,
                teacher.components().rows(),
                refinement.temperature,
            );
            unpaired.draw_seen(&rows, &mut stream, &mut source);
            let seen = frame.features(std::mem::take(&mut source));
            let scale = strength / rows.len() as f32;
            let weights = student.weights_in_training(&seen, &mut stream, &mut tape);
            // d CE(lesson, softmax) / d logits.
            lesson
                .iter_mut()
                .zip(weights)
                .for_each(|(lesson, weight)| *lesson = scale * (weight - *lesson));
            student.backward_weights(&lesson, &mut gradients, &mut tape);
        }
        shorten(&mut gradients);
        let rate = ascent.rate_at(step);
        decay(student.parameters_mut(), rate * ascent.weight_decay);
        adam.step(student.parameters_mut(), &gradients, rate);
        // The teacher follows fast at first, when the student has hardly begun.
        let keep = refinement.averaging.min(1.0 - 1.0 / (step as f32 + 2.0));
        for (old, new) in teacher
            .parameters_mut()
            .iter_mut()
            .zip(student.parameters())
        {
            *old += (1.0 - keep) * (new - *old);
        }
        curve.push(step + 1, nats);
        if !observe() {
            return Err(BridgeError::Interrupted);
        }
    }
    Ok((teacher, curve.finish()))
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
