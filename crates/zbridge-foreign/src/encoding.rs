use serde::{Deserialize, Serialize};
use std::fmt;
use zbridge_core::{DiagonalGaussian, Latents, Posterior, PosteriorSamples, ShapeError};

/// How a network says how wide a Gaussian is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spread {
    /// ln σ².
    LogVariance,
    /// σ².
    Variance,
    /// σ.
    StandardDeviation,
    /// ln σ.
    LogStandardDeviation,
}

/// What an encoder's outputs are, by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Means, and how wide the Gaussians are.
    Gaussian {
        mean: usize,
        spread: usize,
        kind: Spread,
    },
    /// Both in one output, the means first.
    Halves { output: usize, kind: Spread },
    /// A point for each observation.
    Point { output: usize },
    /// Several draws for each observation, `[draws, latent]`.
    Samples { output: usize },
}

impl Encoding {
    /// Places of the outputs that are needed.
    pub(crate) fn outputs(self) -> Vec<usize> {
        match self {
            Self::Gaussian { mean, spread, .. } => vec![mean, spread],
            Self::Halves { output, .. } | Self::Point { output } | Self::Samples { output } => {
                vec![output]
            }
        }
    }

    /// The shape of a latent, for outputs whose rows have these shapes; none where they cannot be
    /// what they should.
    pub(crate) fn latent_shape(self, shapes: &[Vec<usize>]) -> Option<Vec<usize>> {
        match self {
            Self::Gaussian { mean, spread, .. } => Some(&shapes[mean])
                .filter(|mean| **mean == shapes[spread])
                .cloned(),
            Self::Point { output } => Some(shapes[output].clone()),
            Self::Samples { output } => shapes[output]
                .split_first()
                .map(|(_, latent)| latent.to_vec()),
            Self::Halves { output, .. } => {
                let (first, rest) = shapes[output].split_first()?;
                let half = first.is_multiple_of(2).then_some(first / 2)?;
                Some([half].iter().chain(rest).copied().collect())
            }
        }
    }

    /// The posteriors that the needed outputs describe, `dim` numbers to a latent.
    pub(crate) fn posterior(
        self,
        mut outputs: Vec<Vec<f32>>,
        dim: usize,
        rows: usize,
    ) -> Result<Posterior, ShapeError> {
        match self {
            Self::Gaussian { kind, .. } => {
                let spread = outputs.pop().unwrap_or_default();
                gaussian(outputs.pop().unwrap_or_default(), spread, kind, dim)
            }
            Self::Halves { kind, .. } => {
                let halves = |half: usize| {
                    outputs[0]
                        .chunks_exact(dim)
                        .skip(half)
                        .step_by(2)
                        .flatten()
                        .copied()
                        .collect()
                };
                gaussian(halves(0), halves(1), kind, dim)
            }
            Self::Point { .. } => {
                Ok(PosteriorSamples::new(Latents::from_vec(outputs.remove(0), dim)?, 1)?.into())
            }
            Self::Samples { .. } => {
                let points = Latents::from_vec(outputs.remove(0), dim)?;
                let draws = points.rows() / rows.max(1);
                Ok(PosteriorSamples::new(points, draws.max(1))?.into())
            }
        }
    }
}

fn gaussian(
    mean: Vec<f32>,
    mut spread: Vec<f32>,
    kind: Spread,
    dim: usize,
) -> Result<Posterior, ShapeError> {
    for (place, value) in spread.iter_mut().enumerate() {
        *value = kind.log_variance(*value).ok_or(ShapeError::NotFinite {
            row: place / dim,
            column: place % dim,
            value: *value,
        })?;
    }
    Ok(DiagonalGaussian::new(
        Latents::from_vec(mean, dim)?,
        Latents::from_vec(spread, dim)?,
    )?
    .into())
}

impl Spread {
    /// The name of an output that gives it, as a guess reads it.
    pub(crate) const ALL: [Self; 4] = [
        Self::LogVariance,
        Self::Variance,
        Self::StandardDeviation,
        Self::LogStandardDeviation,
    ];

    /// ln σ²; none for a σ that is negative. A σ of 0, to which softplus can round, becomes one
    /// next to it.
    fn log_variance(self, value: f32) -> Option<f32> {
        const LEAST_VARIANCE: f32 = 1e-30;
        match self {
            Self::LogVariance => Some(value),
            Self::LogStandardDeviation => Some(2.0 * value),
            Self::Variance => (value >= 0.0).then(|| value.max(LEAST_VARIANCE).ln()),
            Self::StandardDeviation => {
                (value >= 0.0).then(|| 2.0 * value.max(LEAST_VARIANCE.sqrt()).ln())
            }
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LogVariance => "log-variance",
            Self::Variance => "variance",
            Self::StandardDeviation => "standard-deviation",
            Self::LogStandardDeviation => "log-standard-deviation",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spread_tells_the_same_gaussian() {
        let sd = 0.3f32;
        for kind in Spread::ALL {
            let told = match kind {
                Spread::LogVariance => 2.0 * sd.ln(),
                Spread::Variance => sd * sd,
                Spread::StandardDeviation => sd,
                Spread::LogStandardDeviation => sd.ln(),
            };
            let encoding = Encoding::Halves { output: 0, kind };
            let posterior = encoding
                .posterior(vec![vec![5.0, told, 6.0, told]], 1, 2)
                .unwrap();
            let gaussian = posterior.as_diagonal().unwrap();
            assert_eq!(gaussian.mean().values(), [5.0, 6.0]);
            assert!(
                (gaussian.log_var().values()[1] - 2.0 * sd.ln()).abs() < 1e-6,
                "{kind}"
            );
        }
    }

    #[test]
    fn a_negative_standard_deviation_is_refused_by_row() {
        let encoding = Encoding::Gaussian {
            mean: 0,
            spread: 1,
            kind: Spread::StandardDeviation,
        };
        let error = encoding
            .posterior(vec![vec![0.0; 4], vec![0.1, 0.1, 0.1, -0.1]], 2, 2)
            .unwrap_err();
        assert!(
            matches!(
                error,
                ShapeError::NotFinite {
                    row: 1,
                    column: 1,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn draws_lie_side_by_side() {
        let encoding = Encoding::Samples { output: 0 };
        assert_eq!(encoding.latent_shape(&[vec![3, 2]]), Some(vec![2]));
        let posterior = encoding.posterior(vec![vec![0.0; 12]], 2, 2).unwrap();
        assert_eq!((posterior.rows(), posterior.dim()), (2, 2));
    }
}
