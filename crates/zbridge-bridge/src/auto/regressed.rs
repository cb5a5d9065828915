use crate::BridgeError;
use crate::families::{FittedMean, KernelMean, KernelRegression, shrunk};
use crate::frame::Frame;
use crate::linear_algebra::Cholesky;
use crate::maximum_likelihood::{PairBatch, Pairs};
use ndarray::{Array2, Axis};
use zbridge_core::{RandomStream, Stage};

/// Draws over which a closed-form fit takes its moments, at least.
pub(super) const MOMENT_DRAWS: usize = 4096;

/// A kernel regression, and what it says of its own pairs.
#[derive(Debug)]
pub(super) struct Regressed {
    pub(super) density: KernelRegression,
    /// The mean of each pair's target that was fitted without the pair, `[pairs, target]`.
    pub(super) left_out: Array2<f32>,
    /// Of draws of the targets around these.
    pub(super) covariance: Cholesky,
}

impl Regressed {
    /// Returns the regression on these pairs, whose sources are in the coordinates of a frame.
    ///
    /// # Errors
    /// [`BridgeError::NotPositiveDefinite`] if values overflow; [`BridgeError::Interrupted`].
    pub(super) fn on(
        pairs: &dyn Pairs,
        source: &Frame,
        stream: &mut RandomStream,
        stage: &Stage<'_>,
    ) -> Result<Self, BridgeError> {
        let rows: Vec<usize> = (0..pairs.count()).collect();
        let batch = pairs.with_target_means(&rows, stream);
        let (sources, targets) = (batch.source.view(), batch.target.view());
        let FittedMean { mean, left_out } =
            KernelMean::fit(sources, targets, source.spreads(), stream, stage)?;
        let residuals = residuals(pairs, &left_out, stream);
        let moments = residuals.mapv(f64::from);
        let covariance = moments.t().dot(&moments) / residuals.nrows() as f64;
        let covariance = shrunk(covariance, pairs.count());
        let covariance = Cholesky::of_nearly(covariance, stage)?.rounded();
        let whitened = covariance.whitened_f32(residuals.view());
        Ok(Self {
            density: KernelRegression::new(mean, covariance.clone(), whitened.view()),
            left_out,
            covariance,
        })
    }
}

/// Returns draws of the targets around the means that were fitted without them, as many of each
/// pair as make up [`MOMENT_DRAWS`], and at least one.
fn residuals(pairs: &dyn Pairs, left_out: &Array2<f32>, stream: &mut RandomStream) -> Array2<f32> {
    let count = pairs.count();
    let rows: Vec<usize> = (0..MOMENT_DRAWS.max(count)).map(|i| i % count).collect();
    let PairBatch { target, .. } = pairs.draw(&rows, stream);
    target - &left_out.select(Axis(0), &rows)
}
