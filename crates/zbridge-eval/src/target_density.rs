use crate::EvalError;
use zbridge_core::{DiagonalGaussian, Latents, RandomStream};

/// A density over latents for each observation: p(z), or a bridge's q(z|context of the
/// observation).
pub trait TargetDensity: Sync {
    /// What the estimate under this target is called in reports: `"log p(x)"`.
    fn name(&self) -> &str;

    /// log density of each of `points` in nats, for observation `row`; −∞ is allowed, NaN and +∞
    /// are not.
    ///
    /// # Shapes
    /// `points` `[k, dim]`, result `[k]`.
    ///
    /// # Errors
    /// [`EvalError`] when the shapes do not belong together or there is no such row.
    fn log_prob(&self, row: usize, points: &Latents) -> Result<Vec<f64>, EvalError>;
}

/// Draws of latents for each observation: from p(z|x), or from a bridge's q(z|context of the
/// observation).
pub trait LatentSampler: Sync {
    /// Draws number `first … first + count − 1` for observation `row`.
    ///
    /// Drawing 2 and then 3 from one stream must give the same five points as drawing 5 at once, so
    /// that results do not depend on the size of chunks.
    ///
    /// # Shapes
    /// Result `[count, dim]`.
    ///
    /// # Errors
    /// [`EvalError`] when there is no such row or a draw is not finite.
    fn draw(
        &self,
        row: usize,
        first: usize,
        count: usize,
        stream: &mut RandomStream,
    ) -> Result<Latents, EvalError>;
}

/// Row `i` of the batch is the distribution of observation `i`.
impl LatentSampler for DiagonalGaussian {
    fn draw(
        &self,
        row: usize,
        _first: usize,
        count: usize,
        stream: &mut RandomStream,
    ) -> Result<Latents, EvalError> {
        if row >= self.rows() {
            return Err(EvalError::UnknownRow {
                what: "a batch of Gaussians",
                row,
                available: self.rows(),
            });
        }
        Ok(self.select(&[row]).sample_each(count, stream))
    }
}
