use crate::kernels::elementary::sigmoid;
use crate::kernels::{bernoulli, elementwise};
use serde::{Deserialize, Serialize};

/// How a decoder's outputs define p(x|z).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Likelihood {
    /// Independent pixels: outputs are logits of each pixel's mean; grey values count as fractional
    /// outcomes.
    Bernoulli,
    /// One class: outputs are the logits of a softmax.
    Categorical,
    /// A class at each of several places, `[places, classes]`: outputs are the logits of a softmax
    /// a place. Symbols of a text.
    Categoricals {
        /// Classes of each place.
        classes: usize,
    },
    /// Independent numbers: outputs are their means, all of one standard deviation.
    Gaussian {
        /// The standard deviation.
        sd: f32,
    },
    /// Independent numbers in 0..1 that were stored in so many levels: outputs are the locations of
    /// logistic distributions of one scale, whose mass in a level's bin counts (Kingma et al. 2016,
    /// appendix B.2 there).
    DiscretisedLogistic {
        /// Scale of the logistic distributions.
        scale: f32,
        /// How many levels, from 0 to 1, with a bin around each; the outermost reach to infinity.
        levels: u16,
    },
}

impl Likelihood {
    /// log p(x|z) of one observation in nats, from the decoder's outputs.
    pub fn log_likelihood_nats(self, outputs: &[f32], observation: &[f32]) -> f32 {
        match self {
            Self::Bernoulli => bernoulli::bernoulli_log_likelihood(outputs, observation),
            Self::Categorical => categorical(outputs, observation),
            Self::Categoricals { classes } => {
                let places = outputs
                    .chunks_exact(classes)
                    .zip(observation.chunks_exact(classes));
                places
                    .map(|(outputs, place)| categorical(outputs, place))
                    .sum()
            }
            Self::Gaussian { sd } => {
                let squares: f32 = outputs
                    .iter()
                    .zip(observation)
                    .map(|(mean, x)| (x - mean) * (x - mean))
                    .sum();
                let normaliser = 0.5 * std::f32::consts::TAU.ln() + sd.ln();
                -0.5 * squares / (sd * sd) - normaliser * outputs.len() as f32
            }
            Self::DiscretisedLogistic { scale, levels } => {
                let bins = Bins::new(scale, levels);
                outputs
                    .iter()
                    .zip(observation)
                    .map(|(location, x)| bins.log_mass(*location, *x).0)
                    .sum()
            }
        }
    }

    /// The same, and `outputs` becomes the gradient of −scale · log p with respect to them.
    pub fn backward(self, outputs: &mut [f32], observation: &[f32], scale: f32) -> f32 {
        match self {
            Self::Bernoulli => bernoulli::bernoulli_backward(outputs, observation, scale),
            Self::Categorical => categorical_backward(outputs, observation, scale),
            Self::Categoricals { classes } => {
                let places = outputs
                    .chunks_exact_mut(classes)
                    .zip(observation.chunks_exact(classes));
                places
                    .map(|(outputs, place)| categorical_backward(outputs, place, scale))
                    .sum()
            }
            Self::Gaussian { sd } => {
                let log_likelihood = self.log_likelihood_nats(outputs, observation);
                let precision = scale / (sd * sd);
                outputs
                    .iter_mut()
                    .zip(observation)
                    .for_each(|(output, x)| *output = precision * (*output - x));
                log_likelihood
            }
            Self::DiscretisedLogistic {
                scale: width,
                levels,
            } => {
                let bins = Bins::new(width, levels);
                let mut log_likelihood = 0.0;
                for (output, x) in outputs.iter_mut().zip(observation) {
                    let (log_mass, slope) = bins.log_mass(*output, *x);
                    log_likelihood += log_mass;
                    *output = -scale * slope;
                }
                log_likelihood
            }
        }
    }

    /// The expected observation, in place of the decoder's outputs for it.
    pub fn means(self, outputs: &mut [f32]) {
        match self {
            Self::Bernoulli => elementwise::sigmoids(outputs),
            Self::Categorical => softmax(outputs),
            Self::Categoricals { classes } => outputs.chunks_exact_mut(classes).for_each(softmax),
            Self::Gaussian { .. } => {}
            // What lies outside counts for the outermost level.
            Self::DiscretisedLogistic { .. } => outputs
                .iter_mut()
                .for_each(|output| *output = output.clamp(0.0, 1.0)),
        }
    }
}

/// log p of one place, from its logits.
fn categorical(outputs: &[f32], observation: &[f32]) -> f32 {
    let (largest, sum) = shifted_sum(outputs);
    outputs
        .iter()
        .zip(observation)
        .map(|(logit, x)| x * (logit - largest - sum.ln()))
        .sum()
}

fn categorical_backward(outputs: &mut [f32], observation: &[f32], scale: f32) -> f32 {
    let log_likelihood = categorical(outputs, observation);
    let mass: f32 = observation.iter().sum();
    softmax(outputs);
    for (output, x) in outputs.iter_mut().zip(observation) {
        *output = scale * (mass * *output - x);
    }
    log_likelihood
}

fn softmax(outputs: &mut [f32]) {
    let (largest, sum) = shifted_sum(outputs);
    outputs
        .iter_mut()
        .for_each(|output| *output = (*output - largest).exp() / sum);
}

/// The largest logit, and Σ e^(logit − largest).
fn shifted_sum(logits: &[f32]) -> (f32, f32) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (
        largest,
        logits.iter().map(|logit| (logit - largest).exp()).sum(),
    )
}

/// The bins of a discretised logistic distribution.
struct Bins {
    scale: f32,
    half: f32,
}

impl Bins {
    fn new(scale: f32, levels: u16) -> Self {
        Self {
            scale,
            half: 0.5 / (f32::from(levels.max(2)) - 1.0),
        }
    }

    /// ln of the mass in the bin around `x`, and its derivative by the location. With the bin's
    /// edges a < b in units of the scale, the mass is σ(b) − σ(a) = σ(b) σ(−a) (1 − e^(a−b)), which
    /// loses no digits far from the location.
    fn log_mass(&self, location: f32, x: f32) -> (f32, f32) {
        let edge = |at: f32| (at - location) / self.scale;
        let (below, above) = (edge(x - self.half), edge(x + self.half));
        let (lowest, highest) = (x - self.half <= 0.0, x + self.half >= 1.0);
        let right = if highest {
            (0.0, 0.0)
        } else {
            (log_sigmoid(above), sigmoid(-above))
        };
        let left = if lowest {
            (0.0, 0.0)
        } else {
            (log_sigmoid(-below), sigmoid(below))
        };
        let inner = if lowest || highest {
            0.0
        } else {
            (-(below - above).exp()).ln_1p()
        };
        (right.0 + left.0 + inner, (left.1 - right.1) / self.scale)
    }
}

fn log_sigmoid(x: f32) -> f32 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_equal_central_differences() {
        let logistic = Likelihood::DiscretisedLogistic {
            scale: 0.3,
            levels: 6,
        };
        let (normal, places) = (
            Likelihood::Gaussian { sd: 0.7 },
            Likelihood::Categoricals { classes: 2 },
        );
        for likelihood in [
            Likelihood::Bernoulli,
            Likelihood::Categorical,
            places,
            normal,
            logistic,
        ] {
            let (outputs, x) = ([0.3f32, -1.2, 2.0, 0.9], [0.0f32, 0.2, 0.8, 1.0]);
            let mut gradient = outputs;
            likelihood.backward(&mut gradient, &x, 2.0);
            for i in 0..4 {
                let at = |step: f32| {
                    let mut moved = outputs;
                    moved[i] += step;
                    -2.0 * f64::from(likelihood.log_likelihood_nats(&moved, &x))
                };
                let numeric = (at(1e-2) - at(-1e-2)) / 2e-2;
                assert!(
                    (numeric - f64::from(gradient[i])).abs() < 1e-3,
                    "{likelihood:?} {i}"
                );
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
    fn class_probabilities_sum_to_one() {
        let mut outputs = [900.0, 901.0, -3.0];
        Likelihood::Categorical.means(&mut outputs);
        assert!((outputs.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
