/// Whether a pass is part of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Batch normalisation uses the statistics of the batch, and dropout draws.
    Training,
    /// Batch normalisation uses the running statistics, and dropout does nothing.
    Inference,
}
