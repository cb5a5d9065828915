use zbridge_core::{DiagonalGaussian, Latents, Posterior, PosteriorSamples, ShapeError};

/// The latents that users see, against those of the networks: (z − shift) · scale, channel by
/// channel.
///
/// # Source
/// `shift_factor` and `scaling_factor`, `latents_mean` and `latents_std` of diffusers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LatentSpace {
    /// The shape of one latent in the networks.
    shape: Vec<usize>,
    shift: Vec<f32>,
    scale: Vec<f32>,
}

impl LatentSpace {
    /// Latents shifted and scaled; both are one number, or one for each channel (the first
    /// dimension).
    pub(crate) fn scaled(shape: Vec<usize>, shift: Vec<f32>, scale: Vec<f32>) -> Self {
        Self {
            shape,
            shift,
            scale,
        }
    }

    /// The shape of one latent.
    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Numbers of one latent.
    pub(crate) fn dim(&self) -> usize {
        self.shape.iter().product()
    }

    /// Posteriors of the networks' latents as those of the latents that users see.
    pub(crate) fn posterior(&self, posterior: Posterior) -> Result<Posterior, ShapeError> {
        if self.is_plain() {
            return Ok(posterior);
        }
        match posterior {
            Posterior::DiagonalGaussian(gaussian) => {
                let log_var = self.each(gaussian.log_var(), |value, _, scale| {
                    value + 2.0 * scale.abs().ln()
                })?;
                Ok(DiagonalGaussian::new(self.shown(gaussian.mean())?, log_var)?.into())
            }
            Posterior::Samples(samples) => {
                Ok(PosteriorSamples::new(self.shown(samples.points())?, samples.draws())?.into())
            }
            other => Ok(other),
        }
    }

    /// Latents that users see as the networks have them.
    pub(crate) fn to_network(&self, latents: &Latents) -> Vec<f32> {
        if self.is_plain() {
            return latents.values().to_vec();
        }
        let value = |(place, &value): (usize, &f32)| {
            let (shift, scale) = self.of(place % self.dim());
            value / scale + shift
        };
        latents.values().iter().enumerate().map(value).collect()
    }

    fn shown(&self, latents: &Latents) -> Result<Latents, ShapeError> {
        self.each(latents, |value, shift, scale| (value - shift) * scale)
    }

    fn each(
        &self,
        latents: &Latents,
        work: impl Fn(f32, f32, f32) -> f32,
    ) -> Result<Latents, ShapeError> {
        let dim = self.dim();
        let value = |(place, &value): (usize, &f32)| {
            let (shift, scale) = self.of(place % dim);
            work(value, shift, scale)
        };
        Latents::from_vec(
            latents.values().iter().enumerate().map(value).collect(),
            dim,
        )
    }

    /// (shift, scale) of a column.
    fn of(&self, column: usize) -> (f32, f32) {
        let inner: usize = self.shape.iter().skip(1).product();
        let at = |values: &[f32]| {
            values[if values.len() > 1 {
                column / inner.max(1)
            } else {
                0
            }]
        };
        (at(&self.shift), at(&self.scale))
    }

    fn is_plain(&self) -> bool {
        self.shift.iter().all(|&shift| shift == 0.0) && self.scale.iter().all(|&scale| scale == 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_undoes_the_way_there_and_densities_scale() {
        let space = LatentSpace::scaled(vec![2, 1, 2], vec![0.5, -1.0], vec![2.0, 0.25]);
        let mean = Latents::from_vec(vec![1.0, 2.0, 3.0, 4.0], 4).unwrap();
        let gaussian = DiagonalGaussian::new(mean.clone(), Latents::filled(1, 4, 0.0)).unwrap();
        let shown = space.posterior(gaussian.into()).unwrap();
        let shown = shown.as_diagonal().unwrap();
        assert_eq!(shown.mean().values(), [1.0, 3.0, 1.0, 1.25]);
        assert!((shown.log_var().values()[3] - 2.0 * 0.25f32.ln()).abs() < 1e-6);
        assert_eq!(space.to_network(shown.mean()), mean.values());
    }
}
