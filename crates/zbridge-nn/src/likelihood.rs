use crate::kernels::elementwise;
use serde::{Deserialize, Serialize};

/// How a decoder's outputs define p(x|z).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Likelihood {
    /// Independent pixels: outputs are logits of each pixel's mean; grey values count as fractional outcomes.
    Bernoulli,
    /// One class: outputs are the logits of a softmax.
    Categorical,
}

impl Likelihood {
    /// log p(x|z) of one observation in nats, from the decoder's outputs.
    pub fn log_likelihood_nats(self, outputs: &[f32], observation: &[f32]) -> f32 {
        match self {
            Self::Bernoulli => elementwise::bernoulli_log_likelihood(outputs, observation),
            Self::Categorical => {
                let (largest, sum) = shifted_sum(outputs);
                outputs.iter().zip(observation).map(|(logit, x)| x * (logit - largest - sum.ln())).sum()
            }
        }
    }

    /// The same, and `outputs` becomes the gradient of −scale · log p with respect to them.
    pub fn backward(self, outputs: &mut [f32], observation: &[f32], scale: f32) -> f32 {
        match self {
            Self::Bernoulli => elementwise::bernoulli_backward(outputs, observation, scale),
            Self::Categorical => {
                let log_likelihood = self.log_likelihood_nats(outputs, observation);
                let mass: f32 = observation.iter().sum();
                self.means(outputs);
                for (output, x) in outputs.iter_mut().zip(observation) {
                    *output = scale * (mass * *output - x);
                }
                log_likelihood
            }
        }
    }

    /// The expected observation, in place of the decoder's outputs for it.
    pub fn means(self, outputs: &mut [f32]) {
        match self {
            Self::Bernoulli => elementwise::sigmoids(outputs),
            Self::Categorical => {
                let (largest, sum) = shifted_sum(outputs);
                outputs.iter_mut().for_each(|output| *output = (*output - largest).exp() / sum);
            }
        }
    }
}

/// The largest logit, and Σ e^(logit − largest).
fn shifted_sum(logits: &[f32]) -> (f32, f32) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (largest, logits.iter().map(|logit| (logit - largest).exp()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_equal_central_differences() {
        for likelihood in [Likelihood::Bernoulli, Likelihood::Categorical] {
            let (outputs, x) = ([0.3f32, -1.2, 2.0], [0.0f32, 0.2, 0.8]);
            let mut gradient = outputs;
            likelihood.backward(&mut gradient, &x, 2.0);
            for i in 0..3 {
                let at = |step: f32| {
                    let mut moved = outputs;
                    moved[i] += step;
                    -2.0 * f64::from(likelihood.log_likelihood_nats(&moved, &x))
                };
                let numeric = (at(1e-2) - at(-1e-2)) / 2e-2;
                assert!((numeric - f64::from(gradient[i])).abs() < 1e-3, "{likelihood:?} {i}");
            }
        }
    }

    #[test]
    fn class_probabilities_sum_to_one() {
        let mut outputs = [900.0, 901.0, -3.0];
        Likelihood::Categorical.means(&mut outputs);
        assert!((outputs.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
