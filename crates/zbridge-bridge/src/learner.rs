use ndarray::ArrayView2;
use zbridge_core::{ConditionalDensity, RandomStream};

/// A conditional density whose parameters follow a gradient: what a fit needs of a family.
///
/// The objective is −log q(target|source) where that can be computed. Its mean over draws from the
/// posteriors of pairs is the divergence KL(p ‖ q) but for a constant, for every family and every
/// kind of posterior.
pub(crate) trait Learner: ConditionalDensity + Clone + Send + Sync {
    /// Working memory that is reused from step to step.
    type Tape: Default + Send;

    /// Returns everything that is learned, as one vector.
    fn parameters(&self) -> &[f32];

    /// Returns the same, to change.
    fn parameters_mut(&mut self) -> &mut [f32];

    /// Returns Σ_i objective(source_i, target_i) in nats over the rows of a batch, and adds `scale`
    /// times its gradient by the parameters to `gradients`. A family whose objective is itself an
    /// expectation draws from `stream`.
    ///
    /// # Shapes
    /// `source` `[rows, source dim]`, `target` `[rows, target dim]`, both in row-major layout.
    fn backward(
        &self,
        source: ArrayView2<'_, f32>,
        target: ArrayView2<'_, f32>,
        scale: f32,
        stream: &mut RandomStream,
        gradients: &mut [f32],
        tape: &mut Self::Tape,
    ) -> f64;
}
