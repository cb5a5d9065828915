//! A softmax over classes. An observation is a distribution over the classes: one-hot, or soft.

use zbridge_core::softmax_in_place;

/// Returns Σ x log softmax(logits) in nats.
pub(super) fn log_likelihood_nats(logits: &[f32], observation: &[f32]) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - largest).exp()).sum();
    let log_sum = sum.ln();
    // Logits minus the largest are exact for probable classes; a log-sum-exp would be rounded.
    let terms = logits.iter().zip(observation);
    terms
        .map(|(logit, x)| x * (logit - largest - log_sum))
        .sum()
}

/// Returns the same, and turns the logits into the gradient of −scale · log p.
pub(super) fn backward(logits: &mut [f32], observation: &[f32], scale: f32) -> f32 {
    let nats = log_likelihood_nats(logits, observation);
    // 1 for one-hot and soft observations, but for rounding.
    let mass: f32 = observation.iter().sum();
    softmax_in_place(logits);
    for (probability, x) in logits.iter_mut().zip(observation) {
        *probability = scale * (mass * *probability - x);
    }
    nats
}
