use ndarray::ArrayView2;
use zbridge_core::{ConditionalDensity, RandomStream};

/// A conditional density whose parameters follow a gradient: what the one fitting loop needs of a
/// family.
///
/// The objective is −log q(target|source) wherever that is tractable: minimised on draws from the
/// posteriors of pairs, it is the divergence KL(p ‖ q) up to a constant, for every family and every
/// kind of posterior.
pub(crate) trait Learner: ConditionalDensity + Clone + Send + Sync {
    /// Working space kept from step to step.
    type Tape: Default + Send;

    /// Everything that is learned, in one vector.
    fn parameters(&self) -> &[f32];

    /// The same, to move.
    fn parameters_mut(&mut self) -> &mut [f32];

    /// Σ_i objective(source_i, target_i) in nats over the rows of a batch; adds `scale` times its
    /// gradient by the parameters to `gradients`. A family whose objective is itself an expectation
    /// draws from `stream`.
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
