use crate::rendering::Rendering;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zbridge_core::EventKind;
use zbridge_nn::Likelihood;

/// What a decoder's output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecoderOutputs {
    /// Probabilities of white pixels, or of classes.
    Probabilities,
    /// What a sigmoid or a softmax makes probabilities of.
    Logits,
    /// The expected observation itself.
    Means,
}

/// How a decoder's output defines p(x|z).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decoding {
    /// How its numbers stand for an observation.
    pub(crate) rendering: Rendering,
    /// What they are.
    pub(crate) outputs: DecoderOutputs,
    /// The density of observations, where one is known.
    pub(crate) likelihood: Option<Likelihood>,
}

impl Decoding {
    /// Expected observations, `[batch, event]`, for outputs of the network.
    pub(crate) fn means(&self, outputs: Vec<f32>, event: &EventKind) -> Vec<f32> {
        let mut values = self
            .rendering
            .to_observations(outputs, self.outputs == DecoderOutputs::Means);
        values.par_chunks_mut(event.size().max(1)).for_each(|row| {
            if let (DecoderOutputs::Logits, Some(likelihood)) = (self.outputs, self.likelihood) {
                likelihood.means(row);
            }
            if matches!(event, EventKind::Image { .. } | EventKind::Sound(_)) {
                row.iter_mut()
                    .for_each(|value| *value = value.clamp(0.0, 1.0));
            }
        });
        values
    }

    /// What the likelihood takes, `[batch, event]`: logits, or means.
    pub(crate) fn parameters(&self, outputs: Vec<f32>) -> Vec<f32> {
        let mut values = self
            .rendering
            .to_observations(outputs, self.outputs == DecoderOutputs::Means);
        if self.outputs == DecoderOutputs::Probabilities {
            let logit = if self.likelihood == Some(Likelihood::Bernoulli) {
                log_odds
            } else {
                log_probability
            };
            values.iter_mut().for_each(|value| *value = logit(*value));
        }
        values
    }
}

/// ln p − ln(1 − p), with p kept from the ends: a sigmoid in single precision rounds to 0 and 1,
/// which rule out what may well be seen. 2⁻²⁴ is half the distance from 1 to the number before it.
fn log_odds(p: f32) -> f32 {
    const LEAST: f64 = 1.0 / (1 << 24) as f64;
    let p = f64::from(p).clamp(LEAST, 1.0 - LEAST);
    (p / (1.0 - p)).ln() as f32
}

/// ln p: a logit, since a softmax of logarithms of probabilities gives them back.
fn log_probability(p: f32) -> f32 {
    p.max(1e-30).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rendering::{Layout, Values};

    fn decoding(outputs: DecoderOutputs, likelihood: Likelihood, event: &EventKind) -> Decoding {
        Decoding {
            rendering: Rendering::new(Values::plain(), Layout::Nchw, event),
            outputs,
            likelihood: Some(likelihood),
        }
    }

    #[test]
    fn probabilities_and_logits_tell_the_same_density() {
        let event = EventKind::Image {
            channels: 1,
            height: 1,
            width: 2,
        };
        let logits = [0.7f32, -1.9];
        let probabilities = logits.map(|l| 1.0 / (1.0 + (-l).exp()));
        let by_logits = decoding(DecoderOutputs::Logits, Likelihood::Bernoulli, &event);
        let by_probabilities =
            decoding(DecoderOutputs::Probabilities, Likelihood::Bernoulli, &event);
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close(
            &by_probabilities.parameters(probabilities.to_vec()),
            &logits
        ));
        assert!(close(
            &by_logits.means(logits.to_vec(), &event),
            &probabilities
        ));
        assert!(
            by_probabilities
                .parameters(vec![0.0, 1.0])
                .iter()
                .all(|value| value.is_finite())
        );
    }

    #[test]
    fn class_probabilities_are_what_their_logarithms_give_back() {
        let event = EventKind::Class { classes: 3 };
        let classes = decoding(
            DecoderOutputs::Probabilities,
            Likelihood::Categorical,
            &event,
        );
        let log_p = Likelihood::Categorical
            .log_likelihood_nats(&classes.parameters(vec![0.2, 0.5, 0.3]), &[0.0, 1.0, 0.0]);
        assert!((log_p - 0.5f32.ln()).abs() < 1e-6);
    }
}
