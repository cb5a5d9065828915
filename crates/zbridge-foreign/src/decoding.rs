use crate::preprocessing::Preprocessing;
use ndarray::Array2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zbridge_core::EventKind;
use zbridge_nn::Likelihood;

/// What the output of a decoder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecoderOutputs {
    /// Probabilities of white pixels, or of classes.
    Probabilities,
    /// The logits of these: what a sigmoid or a softmax takes.
    Logits,
    /// The expected observation itself.
    Means,
}

/// How the output of a decoder defines p(x|z).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decoding {
    /// The way from its numbers to those of an observation.
    pub(crate) preprocessing: Preprocessing,
    pub(crate) outputs: DecoderOutputs,
    /// The density of observations, if one is known.
    pub(crate) likelihood: Option<Likelihood>,
}

impl Decoding {
    /// Returns the expected observations, `[rows, event]`, for outputs `[rows, event]` of the
    /// network.
    pub(crate) fn means(&self, outputs: Array2<f32>, event: &EventKind) -> Array2<f32> {
        let mut values = self.in_observation_order(outputs);
        let is_unit_range = matches!(event, EventKind::Image { .. } | EventKind::Sound(_));
        let rows = values.as_slice_mut().expect("rows are row-major");
        // Each row by itself, so that the number of cores changes no sum.
        rows.par_chunks_mut(event.size()).for_each(|row| {
            if let (DecoderOutputs::Logits, Some(likelihood)) = (self.outputs, self.likelihood) {
                likelihood.means(row);
            }
            // Networks without a bounded last operator leave the range of pixels a little.
            if is_unit_range {
                for value in row {
                    *value = value.clamp(0.0, 1.0);
                }
            }
        });
        values
    }

    /// Returns what the likelihood takes, `[rows, event]`, logits or means, for outputs
    /// `[rows, event]` of the network.
    pub(crate) fn parameters(&self, outputs: Array2<f32>) -> Array2<f32> {
        let values = self.in_observation_order(outputs);
        match self.outputs {
            DecoderOutputs::Logits | DecoderOutputs::Means => values,
            DecoderOutputs::Probabilities if self.likelihood == Some(Likelihood::Bernoulli) => {
                values.mapv_into(log_odds)
            }
            DecoderOutputs::Probabilities => values.mapv_into(log_probability),
        }
    }

    /// Only means have the range of observations.
    fn in_observation_order(&self, outputs: Array2<f32>) -> Array2<f32> {
        match self.outputs {
            DecoderOutputs::Means => self.preprocessing.to_observations(outputs),
            _ => self.preprocessing.to_observation_order(outputs),
        }
    }
}

/// Returns ln p − ln(1 − p). A sigmoid in single precision rounds to 0 and 1, which would rule out
/// observations that are possible, so p is kept from the ends by half the distance from 1 to the
/// number before it, 2⁻²⁴.
fn log_odds(p: f32) -> f32 {
    const LEAST: f64 = 1.0 / (1 << 24) as f64;
    let p = f64::from(p).clamp(LEAST, 1.0 - LEAST);
    (p / (1.0 - p)).ln() as f32
}

/// Returns ln p, which is a logit: the softmax of logarithms of probabilities gives them back.
fn log_probability(p: f32) -> f32 {
    const LEAST: f32 = 1e-30;
    // Not `max`, which would replace NaN.
    let p = if p < LEAST { LEAST } else { p };
    p.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use crate::preprocessing::ChannelScale;
    use ndarray::array;

    fn decoding(outputs: DecoderOutputs, likelihood: Likelihood, event: &EventKind) -> Decoding {
        let scales = vec![ChannelScale::IDENTITY];
        Decoding {
            preprocessing: Preprocessing::new(scales, Layout::Nchw, event),
            outputs,
            likelihood: Some(likelihood),
        }
    }

    fn gap(a: Array2<f32>, b: Array2<f32>) -> f32 {
        (a - b).iter().map(|gap| gap.abs()).fold(0.0, f32::max)
    }

    #[test]
    fn probabilities_and_logits_state_the_same_density() {
        let event = EventKind::Image {
            channels: 1,
            height: 1,
            width: 2,
        };
        let logits = array![[0.7f32, -1.9]];
        let probabilities = logits.mapv(|logit| 1.0 / (1.0 + (-logit).exp()));
        let by_logits = decoding(DecoderOutputs::Logits, Likelihood::Bernoulli, &event);
        let by_probabilities =
            decoding(DecoderOutputs::Probabilities, Likelihood::Bernoulli, &event);
        let parameters = by_probabilities.parameters(probabilities.clone());
        assert!(gap(parameters, logits.clone()) < 1e-5);
        assert!(gap(by_logits.means(logits, &event), probabilities) < 1e-5);
        let ends = by_probabilities.parameters(array![[0.0, 1.0]]);
        assert!(ends.iter().all(|value| value.is_finite()));
    }

    #[test]
    fn class_probabilities_are_what_their_logarithms_give_back() {
        let event = EventKind::Class { classes: 3 };
        let classes = decoding(
            DecoderOutputs::Probabilities,
            Likelihood::Categorical,
            &event,
        );
        let logits = classes
            .parameters(array![[0.2, 0.5, 0.3]])
            .into_raw_vec_and_offset()
            .0;
        let log_p = Likelihood::Categorical.log_likelihood_nats(&logits, &[0.0, 1.0, 0.0]);
        assert!((log_p - 0.5f32.ln()).abs() < 1e-6);
    }

    #[test]
    fn a_probability_that_is_nan_stays_nan() {
        assert!(log_probability(f32::NAN).is_nan() && log_odds(f32::NAN).is_nan());
    }
}
