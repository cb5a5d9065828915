use crate::EvalError;
use crate::checks::checked_log_densities;
use std::ops::Range;
use zbridge_core::{DiagonalGaussian, Latents, RandomStream};

/// A density over latents for each observation: p(z), or a bridge's q(z|context of the
/// observation).
pub trait TargetDensity: Sync {
    /// Returns the name of the estimate under this target in reports: `"log p(x)"`.
    fn name(&self) -> &str;

    /// Returns the log density of each of `points` in nats, for observation `row`. −∞ is allowed,
    /// NaN and +∞ are not.
    ///
    /// # Shapes
    /// `points` `[k, dim]`, result `[k]`.
    ///
    /// # Errors
    /// [`EvalError`] if the shapes do not belong together or the row does not exist.
    fn log_prob(&self, row: usize, points: &Latents) -> Result<Vec<f64>, EvalError>;
}

/// Draws of latents for each observation: from p(z|x), or from a bridge's q(z|context of the
/// observation).
pub trait LatentSampler: Sync {
    /// Returns the draws with these numbers for observation `row`, `[draws.len(), dim]`.
    ///
    /// Draws 0..2 and then 2..5 from one stream must give the same five points as draws 0..5 at
    /// once, so that results do not depend on the size of chunks.
    ///
    /// # Errors
    /// [`EvalError`] if the row does not exist or a draw is not finite.
    fn draw(
        &self,
        row: usize,
        draws: Range<usize>,
        stream: &mut RandomStream,
    ) -> Result<Latents, EvalError>;
}

/// A density that can be evaluated and drawn from, for each observation: a part of a mixture of
/// proposals, or the start of annealing.
pub trait DrawableDensity: TargetDensity + LatentSampler {}

impl<T: TargetDensity + LatentSampler + ?Sized> DrawableDensity for T {}

/// Row `i` of the batch is the distribution of observation `i`.
impl LatentSampler for DiagonalGaussian {
    fn draw(
        &self,
        row: usize,
        draws: Range<usize>,
        stream: &mut RandomStream,
    ) -> Result<Latents, EvalError> {
        expect_row(self, row)?;
        Ok(self.select(&[row]).sample_each(draws.len(), stream))
    }
}

/// Returns the log densities of points that are draws `first …` of observation `row`, in nats.
///
/// # Errors
/// Those of the density; [`EvalError::NotALogDensity`] for NaN and +∞.
pub(crate) fn checked_log_prob<D: TargetDensity + ?Sized>(
    density: &D,
    row: usize,
    first: usize,
    points: &Latents,
) -> Result<Vec<f64>, EvalError> {
    let nats = density.log_prob(row, points)?;
    checked_log_densities(density.name(), row, first..first + points.rows(), nats)
}

/// Checks that the batch has a distribution for observation `row`.
///
/// # Errors
/// [`EvalError::UnknownRow`] otherwise.
pub(crate) fn expect_row(gaussians: &DiagonalGaussian, row: usize) -> Result<(), EvalError> {
    let available = gaussians.rows();
    if row < available {
        return Ok(());
    }
    Err(EvalError::UnknownRow {
        what: "a batch of Gaussians",
        row,
        available,
    })
}
