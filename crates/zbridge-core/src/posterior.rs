use crate::{DiagonalGaussian, LatentDistribution, Latents, RandomStream};

/// A batch of distributions over latents as an encoder gives them: p(z|x_i) for row `i`.
///
/// The family matters: the paper's bridge gives its target the family of the target's posterior (eq. 1).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Posterior {
    /// A Gaussian with diagonal covariance: what a VAE's encoder gives.
    DiagonalGaussian(DiagonalGaussian),
}

impl Posterior {
    /// How many distributions.
    pub fn rows(&self) -> usize {
        self.as_diagonal().rows()
    }

    /// Dimensions of the latent space.
    pub fn dim(&self) -> usize {
        self.as_diagonal().dim()
    }

    /// The posteriors named by `rows`, in that order.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self::DiagonalGaussian(self.as_diagonal().select(rows))
    }

    /// One draw from each posterior, `[batch, dim]`: step 1 of the paper's section 3.1.
    pub fn sample(&self, stream: &mut RandomStream) -> Latents {
        self.as_diagonal().sample_each(1, stream)
    }

    /// The Gaussians behind a diagonal-Gaussian posterior.
    pub fn as_diagonal(&self) -> &DiagonalGaussian {
        match self {
            Self::DiagonalGaussian(gaussian) => gaussian,
        }
    }
}

impl From<DiagonalGaussian> for Posterior {
    fn from(gaussian: DiagonalGaussian) -> Self {
        Self::DiagonalGaussian(gaussian)
    }
}
