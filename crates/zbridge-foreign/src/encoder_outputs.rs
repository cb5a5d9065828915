use crate::spread::Spread;
use ndarray::{Array2, Axis};
use zbridge_core::{DiagonalGaussian, Latents, Posterior, PosteriorSamples, ShapeError};

/// What the outputs of an encoder are. `Output` names one of them: by its place, or as a manifest
/// does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EncoderOutputs<Output = usize> {
    /// Means, and the widths of the Gaussians.
    Gaussian {
        mean: Output,
        spread: Output,
        kind: Spread,
    },
    /// Both in one output, the means first.
    Halves { output: Output, kind: Spread },
    /// A point for each observation.
    Point { output: Output },
    /// Several draws for each observation, `[draws, latent]`.
    Samples { output: Output },
}

impl<Output> EncoderOutputs<Output> {
    /// Returns the same with `change(key, output)` in place of each output, where `key` is the key
    /// of a manifest that names it.
    pub(crate) fn try_map<Changed, E>(
        self,
        change: impl Fn(&str, Output) -> Result<Changed, E>,
    ) -> Result<EncoderOutputs<Changed>, E> {
        Ok(match self {
            Self::Gaussian { mean, spread, kind } => EncoderOutputs::Gaussian {
                mean: change("mean", mean)?,
                spread: change(&kind.to_string(), spread)?,
                kind,
            },
            Self::Halves { output, kind } => EncoderOutputs::Halves {
                output: change("halves", output)?,
                kind,
            },
            Self::Point { output } => EncoderOutputs::Point {
                output: change("point", output)?,
            },
            Self::Samples { output } => EncoderOutputs::Samples {
                output: change("samples", output)?,
            },
        })
    }
}

impl EncoderOutputs {
    /// Returns the places of the outputs that [`posterior`](Self::posterior) takes.
    pub(crate) fn places(self) -> Vec<usize> {
        match self {
            Self::Gaussian { mean, spread, .. } => vec![mean, spread],
            Self::Halves { output, .. } | Self::Point { output } | Self::Samples { output } => {
                vec![output]
            }
        }
    }

    /// Returns the shape of a latent if the rows of all outputs have these `shapes`; `None` if they
    /// do not fit.
    pub(crate) fn latent_shape(self, shapes: &[Vec<usize>]) -> Option<Vec<usize>> {
        match self {
            Self::Gaussian { mean, spread, .. } => {
                let is_same = shapes[mean] == shapes[spread];
                is_same.then(|| shapes[mean].clone())
            }
            Self::Point { output } => Some(shapes[output].clone()),
            Self::Samples { output } => without_draws(&shapes[output]),
            Self::Halves { output, .. } => half(&shapes[output]),
        }
    }

    /// Returns what the encoder's outputs are, as errors say it.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Gaussian { .. } => "mean and spread of one shape",
            Self::Halves { .. } => "two halves",
            Self::Point { .. } => "points",
            Self::Samples { .. } => "draws, `[draws, latent]` a row",
        }
    }

    /// Returns the posteriors that the outputs at [`places`](Self::places) describe, each
    /// `[rows, output]`, over latents of `dim` numbers.
    ///
    /// # Errors
    /// [`ShapeError::NotFinite`] with the row of a number that is not finite, or of a negative σ.
    pub(crate) fn posterior(
        self,
        outputs: Vec<Array2<f32>>,
        dim: usize,
    ) -> Result<Posterior, ShapeError> {
        match self {
            Self::Gaussian { kind, .. } => {
                let [mean, spread] = exactly(outputs);
                gaussian(mean, spread, kind)
            }
            Self::Halves { kind, .. } => {
                let [halves] = exactly(outputs);
                let (mean, spread) = halves.view().split_at(Axis(1), dim);
                gaussian(mean.to_owned(), spread.to_owned(), kind)
            }
            // A point is a draw without others.
            Self::Point { .. } | Self::Samples { .. } => {
                let [draws] = exactly(outputs);
                samples(draws, dim)
            }
        }
    }
}

/// Returns the shape of one of several draws, `[draws, latent..]`.
fn without_draws(shape: &[usize]) -> Option<Vec<usize>> {
    let (_draws, latent) = shape.split_first()?;
    Some(latent.to_vec())
}

/// Returns the shape with half as many channels, which are the first dimension.
fn half(shape: &[usize]) -> Option<Vec<usize>> {
    let mut half = shape.to_vec();
    let channels = half.first_mut()?;
    let is_even = channels.is_multiple_of(2);
    *channels /= 2;
    is_even.then_some(half)
}

fn exactly<const N: usize>(outputs: Vec<Array2<f32>>) -> [Array2<f32>; N] {
    // Networks are run for the places of these outputs and no others.
    let outputs: Result<[_; N], _> = outputs.try_into();
    outputs.expect("one output for each place")
}

fn gaussian(
    mean: Array2<f32>,
    mut spread: Array2<f32>,
    kind: Spread,
) -> Result<Posterior, ShapeError> {
    for ((row, column), value) in spread.indexed_iter_mut() {
        let log_variance = kind.log_variance(*value);
        *value = log_variance.ok_or(ShapeError::NotFinite {
            row,
            column,
            value: *value,
        })?;
    }
    Ok(DiagonalGaussian::new(Latents::new(mean)?, Latents::new(spread)?)?.into())
}

/// Returns the posteriors that are known by these draws, `[rows, draws · dim]`.
fn samples(draws: Array2<f32>, dim: usize) -> Result<Posterior, ShapeError> {
    let count = draws.ncols() / dim;
    let points = draws.into_raw_vec_and_offset().0;
    let points = Latents::from_vec(points, dim)?;
    Ok(PosteriorSamples::new(points, count)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    const SPREADS: [Spread; 4] = [
        Spread::LogVariance,
        Spread::Variance,
        Spread::StandardDeviation,
        Spread::LogStandardDeviation,
    ];

    #[test]
    fn every_spread_states_the_same_gaussian() {
        let sd = 0.3f32;
        for kind in SPREADS {
            let stated = match kind {
                Spread::LogVariance => 2.0 * sd.ln(),
                Spread::Variance => sd * sd,
                Spread::StandardDeviation => sd,
                Spread::LogStandardDeviation => sd.ln(),
            };
            let outputs = EncoderOutputs::Halves { output: 0, kind };
            let posterior = outputs
                .posterior(vec![array![[5.0, stated], [6.0, stated]]], 1)
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
        let outputs = EncoderOutputs::Gaussian {
            mean: 0,
            spread: 1,
            kind: Spread::StandardDeviation,
        };
        let spread = array![[0.1, 0.1], [0.1, -0.1]];
        let error = outputs
            .posterior(vec![Array2::zeros((2, 2)), spread], 2)
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
    fn the_draws_of_a_row_lie_side_by_side() {
        let outputs = EncoderOutputs::Samples { output: 0 };
        assert_eq!(outputs.latent_shape(&[vec![3, 2]]), Some(vec![2]));
        let posterior = outputs.posterior(vec![Array2::zeros((2, 6))], 2).unwrap();
        assert_eq!((posterior.rows(), posterior.dim()), (2, 2));
    }
}
