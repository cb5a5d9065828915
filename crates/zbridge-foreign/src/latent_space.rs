use crate::shape::checked_size;
use ndarray::{Array1, Array2, CowArray, Ix2, Zip};
use zbridge_core::{DiagonalGaussian, Latents, Posterior, PosteriorSamples, ShapeError};

/// The way from the latents of a model's networks to those that users see: (z − shift) · scale,
/// column by column.
///
/// # Source
/// `shift_factor` and `scaling_factor`, `latents_mean` and `latents_std` of diffusers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LatentSpace {
    /// The shape of one latent in the networks.
    shape: Vec<usize>,
    /// `[dim]`.
    shift: Array1<f32>,
    /// `[dim]`.
    scale: Array1<f32>,
}

impl LatentSpace {
    /// Returns the space of latents of this shape. `shift` and `scale` have one number, or one for
    /// each channel, which is the first dimension.
    ///
    /// # Panics
    /// If they have another number of numbers.
    pub(crate) fn new(shape: Vec<usize>, shift: &[f32], scale: &[f32]) -> Self {
        Self {
            shift: by_column(&shape, shift),
            scale: by_column(&shape, scale),
            shape,
        }
    }

    /// Returns the shape of one latent in the networks.
    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the number of numbers of one latent.
    pub(crate) fn dim(&self) -> usize {
        self.shift.len()
    }

    /// Returns posteriors of the networks' latents as those of the latents that users see.
    pub(crate) fn posterior(&self, posterior: Posterior) -> Result<Posterior, ShapeError> {
        // Most models have no scale, and their numbers shall not be copied.
        if self.is_identity() {
            return Ok(posterior);
        }
        match posterior {
            Posterior::DiagonalGaussian(gaussian) => {
                let mean = self.seen(gaussian.mean())?;
                let log_var = self.seen_log_var(gaussian.log_var())?;
                Ok(DiagonalGaussian::new(mean, log_var)?.into())
            }
            Posterior::Samples(samples) => {
                let points = self.seen(samples.points())?;
                Ok(PosteriorSamples::new(points, samples.draws())?.into())
            }
            // Encoders have no other posteriors.
            other => Ok(other),
        }
    }

    /// Returns latents that users see as the networks have them, `[rows, dim]`.
    pub(crate) fn to_network<'a>(&self, latents: &'a Latents) -> CowArray<'a, f32, Ix2> {
        if self.is_identity() {
            return latents.view().into();
        }
        self.each(latents, |z, shift, scale| z / scale + shift)
            .into()
    }

    fn seen(&self, latents: &Latents) -> Result<Latents, ShapeError> {
        Latents::new(self.each(latents, |z, shift, scale| (z - shift) * scale))
    }

    fn seen_log_var(&self, log_var: &Latents) -> Result<Latents, ShapeError> {
        // The variance of a scaled number is scaled by the square.
        Latents::new(self.each(log_var, |log_var, _, scale| {
            log_var + 2.0 * scale.abs().ln()
        }))
    }

    /// Returns `work(value, shift, scale)` of each value.
    fn each(&self, latents: &Latents, work: impl Fn(f32, f32, f32) -> f32) -> Array2<f32> {
        let mut values = latents.view().to_owned();
        for row in values.outer_iter_mut() {
            Zip::from(row)
                .and(&self.shift)
                .and(&self.scale)
                .for_each(|value, &shift, &scale| *value = work(*value, shift, scale));
        }
        values
    }

    fn is_identity(&self) -> bool {
        self.shift.iter().all(|&shift| shift == 0.0) && self.scale.iter().all(|&scale| scale == 1.0)
    }
}

/// Returns the numbers of channels, or one number, for each column.
fn by_column(shape: &[usize], numbers: &[f32]) -> Array1<f32> {
    let dim = checked_size(shape).expect("the shape of a latent has a size");
    let columns_of_a_number = dim / numbers.len();
    assert_eq!(
        columns_of_a_number * numbers.len(),
        dim,
        "a number for each channel"
    );
    let mut columns = Array1::zeros(dim);
    let channels = columns.exact_chunks_mut(columns_of_a_number);
    for (mut channel, &number) in channels.into_iter().zip(numbers) {
        channel.fill(number);
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_undoes_the_way_there_and_densities_scale() {
        let space = LatentSpace::new(vec![2, 1, 2], &[0.5, -1.0], &[2.0, 0.25]);
        let mean = Latents::from_vec(vec![1.0, 2.0, 3.0, 4.0], 4).unwrap();
        let gaussian = DiagonalGaussian::new(mean.clone(), Latents::filled(1, 4, 0.0)).unwrap();
        let seen = space.posterior(gaussian.into()).unwrap();
        let seen = seen.as_diagonal().unwrap();
        assert_eq!(seen.mean().values(), [1.0, 3.0, 1.0, 1.25]);
        assert!((seen.log_var().values()[3] - 2.0 * 0.25f32.ln()).abs() < 1e-6);
        assert_eq!(space.to_network(seen.mean()), mean.view());
    }
}
