use crate::kernels::{bernoulli, elementwise};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt::Display;
use zbridge_core::softmax_in_place;

mod categorical;
mod discretised_logistic;

use discretised_logistic::Bins;

/// How the outputs of a decoder define p(x|z). Every method is called with the outputs and the
/// observation of one row.
///
/// ```
/// use zbridge_nn::Likelihood;
///
/// let mut outputs = [0.0, 2.0]; // logits of two pixels
/// let nats = Likelihood::Bernoulli.log_likelihood_nats(&outputs, &[1.0, 1.0]);
/// assert!((nats - (0.5f32.ln() + 0.8807971f32.ln())).abs() < 1e-5);
/// Likelihood::Bernoulli.means(&mut outputs);
/// assert!((outputs[1] - 0.8807971).abs() < 1e-6);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Likelihood {
    /// Independent pixels in 0..=1. Outputs are the logits of their means; a grey value counts as a
    /// fractional outcome.
    Bernoulli,
    /// One class. Outputs are the logits of a softmax, the observation is one-hot.
    Categorical,
    /// A class at each of several places, `[places, classes]`, such as the symbols of a text.
    /// Outputs are the logits of a softmax at each place.
    Categoricals {
        /// The number of classes at each place.
        #[serde(deserialize_with = "at_least_one")]
        classes: usize,
    },
    /// Independent numbers. Outputs are their means; all have the same standard deviation.
    Gaussian {
        /// The standard deviation.
        #[serde(deserialize_with = "positive")]
        sd: f32,
    },
    /// Independent numbers in 0..=1 that were stored in a few levels. Outputs are the locations of
    /// logistic distributions of one scale, whose mass in the bin of a level is its probability
    /// (Kingma et al. 2016, appendix B.2 there).
    DiscretisedLogistic {
        /// The scale of the logistic distributions.
        #[serde(deserialize_with = "positive")]
        scale: f32,
        /// The number of levels from 0 to 1. Each has a bin around it; the outermost bins are
        /// unbounded.
        #[serde(deserialize_with = "at_least_two")]
        levels: u16,
    },
}

// Likelihoods are read from files: their settings are checked there.

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    checked(deserializer, "at least one class", |classes| *classes > 0)
}

fn at_least_two<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    checked(deserializer, "at least two levels", |levels| *levels > 1)
}

fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    checked(deserializer, "a positive number", |value: &f32| {
        *value > 0.0 && value.is_finite()
    })
}

fn checked<'de, D: Deserializer<'de>, T: Deserialize<'de> + Display>(
    deserializer: D,
    expected: &str,
    valid: impl Fn(&T) -> bool,
) -> Result<T, D::Error> {
    let value = T::deserialize(deserializer)?;
    match valid(&value) {
        true => Ok(value),
        false => Err(D::Error::custom(format!("{value} is not {expected}"))),
    }
}

impl Likelihood {
    /// Returns log p(x|z) of one observation in nats.
    pub fn log_likelihood_nats(self, outputs: &[f32], observation: &[f32]) -> f32 {
        match self {
            Self::Bernoulli => bernoulli::bernoulli_log_likelihood(outputs, observation),
            Self::Categorical => categorical::log_likelihood_nats(outputs, observation),
            Self::Categoricals { classes } => {
                let places = outputs.chunks_exact(classes);
                let places = places.zip(observation.chunks_exact(classes));
                places
                    .map(|(outputs, place)| categorical::log_likelihood_nats(outputs, place))
                    .sum()
            }
            Self::Gaussian { sd } => gaussian_nats(sd, outputs, observation),
            Self::DiscretisedLogistic { scale, levels } => {
                Bins::new(scale, levels).log_likelihood_nats(outputs, observation)
            }
        }
    }

    /// Returns log p(x|z) of one observation in nats, and turns `outputs` into the gradient of
    /// −scale · log p(x|z) with respect to them.
    pub fn backward(self, outputs: &mut [f32], observation: &[f32], scale: f32) -> f32 {
        match self {
            Self::Bernoulli => bernoulli::bernoulli_backward(outputs, observation, scale),
            Self::Categorical => categorical::backward(outputs, observation, scale),
            Self::Categoricals { classes } => {
                let places = outputs.chunks_exact_mut(classes);
                let places = places.zip(observation.chunks_exact(classes));
                places
                    .map(|(outputs, place)| categorical::backward(outputs, place, scale))
                    .sum()
            }
            Self::Gaussian { sd } => gaussian_backward(sd, outputs, observation, scale),
            Self::DiscretisedLogistic {
                scale: width,
                levels,
            } => Bins::new(width, levels).backward(outputs, observation, scale),
        }
    }

    /// Turns outputs into the expected observation.
    pub fn means(self, outputs: &mut [f32]) {
        match self {
            Self::Bernoulli => elementwise::sigmoids(outputs),
            Self::Categorical => {
                softmax_in_place(outputs);
            }
            Self::Categoricals { classes } => {
                for place in outputs.chunks_exact_mut(classes) {
                    softmax_in_place(place);
                }
            }
            Self::Gaussian { .. } => {}
            Self::DiscretisedLogistic { .. } => {
                // The mass beyond 0 and 1 belongs to the outermost levels.
                for output in outputs {
                    *output = output.clamp(0.0, 1.0);
                }
            }
        }
    }
}

fn gaussian_nats(sd: f32, means: &[f32], observation: &[f32]) -> f32 {
    let squares: f32 = means
        .iter()
        .zip(observation)
        .map(|(mean, x)| (x - mean) * (x - mean))
        .sum();
    let log_normaliser = 0.5 * std::f32::consts::TAU.ln() + sd.ln();
    -0.5 * squares / (sd * sd) - log_normaliser * means.len() as f32
}

fn gaussian_backward(sd: f32, outputs: &mut [f32], observation: &[f32], scale: f32) -> f32 {
    let nats = gaussian_nats(sd, outputs, observation);
    let precision = scale / (sd * sd);
    for (output, x) in outputs.iter_mut().zip(observation) {
        *output = precision * (*output - x);
    }
    nats
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Likelihood; 5] = [
        Likelihood::Bernoulli,
        Likelihood::Categorical,
        Likelihood::Categoricals { classes: 2 },
        Likelihood::Gaussian { sd: 0.7 },
        Likelihood::DiscretisedLogistic {
            scale: 0.3,
            levels: 6,
        },
    ];

    #[test]
    fn gradients_equal_central_differences() {
        let (outputs, x) = ([0.3f32, -1.2, 2.0, 0.9], [0.0f32, 0.2, 0.8, 1.0]);
        for likelihood in ALL {
            let mut gradient = outputs;
            likelihood.backward(&mut gradient, &x, 2.0);
            for i in 0..4 {
                let difference = |step: f32| {
                    let at = |output: f32| {
                        let mut moved = outputs;
                        moved[i] = output;
                        -2.0 * f64::from(likelihood.log_likelihood_nats(&moved, &x))
                    };
                    let (up, down) = (outputs[i] + step, outputs[i] - step);
                    (at(up) - at(down)) / f64::from(up - down)
                };
                // Richardson: the errors of two steps, long enough for single precision, cancel.
                let numeric = (4.0 * difference(0.03125) - difference(0.0625)) / 3.0;
                let close =
                    (numeric - f64::from(gradient[i])).abs() < 1e-3 * numeric.abs().max(0.1);
                assert!(close, "{likelihood:?} {i}: {} for {numeric}", gradient[i]);
            }
        }
    }

    #[test]
    fn the_bins_of_a_discretised_logistic_hold_all_mass() {
        let likelihood = Likelihood::DiscretisedLogistic {
            scale: 0.05,
            levels: 256,
        };
        for location in [-0.4, 0.0, 0.31, 1.0, 1.7] {
            let mass = |level: u16| {
                f64::from(likelihood.log_likelihood_nats(&[location], &[f32::from(level) / 255.0]))
                    .exp()
            };
            let total: f64 = (0..256).map(mass).sum();
            assert!((total - 1.0).abs() < 1e-4, "{total} at {location}");
        }
        assert!(
            likelihood.log_likelihood_nats(&[30.0], &[0.5]).is_finite(),
            "far away"
        );
    }

    #[test]
    fn a_gaussian_integrates_to_one() {
        let likelihood = Likelihood::Gaussian { sd: 0.2 };
        let density =
            |i: i32| f64::from(likelihood.log_likelihood_nats(&[0.1], &[i as f32 * 0.01])).exp();
        let total: f64 = (-200..200).map(density).sum::<f64>() * 0.01;
        assert!((total - 1.0).abs() < 1e-4, "{total}");
    }

    #[test]
    fn settings_out_of_range_are_errors_in_files() {
        let read = |text: &str| serde_json::from_str::<Likelihood>(text);
        assert_eq!(
            read(r#"{"gaussian":{"sd":0.5}}"#).unwrap(),
            Likelihood::Gaussian { sd: 0.5 }
        );
        let faults = [
            r#"{"gaussian":{"sd":0}}"#,
            r#"{"categoricals":{"classes":0}}"#,
            r#"{"discretised-logistic":{"scale":0.1,"levels":0}}"#,
            r#"{"discretised-logistic":{"scale":-0.1,"levels":4}}"#,
        ];
        for text in faults {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains("is not a"), "{message}");
        }
    }

    #[test]
    fn class_probabilities_sum_to_one() {
        let mut outputs = [900.0, 901.0, -3.0];
        Likelihood::Categorical.means(&mut outputs);
        assert!((outputs.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
