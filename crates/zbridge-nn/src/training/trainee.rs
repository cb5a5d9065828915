use crate::NnError;
use zbridge_core::RandomStream;

/// Something that learns from batches of rows of its data.
pub trait Trainee {
    /// Takes one optimiser step on these rows, and returns the mean objective of a row before the
    /// step, in nats.
    ///
    /// # Errors
    /// [`NnError`] if the step fails.
    fn step(&mut self, rows: &[usize], context: StepContext) -> Result<f64, NnError>;
}

/// What a step may depend on besides its rows.
#[derive(Debug)]
pub struct StepContext {
    /// Number of the step in the whole training, from 0.
    pub step: usize,
    /// Learning rate of this step.
    pub learning_rate: f32,
    /// Share of the whole training that is done, in 0..1.
    pub done: f32,
    /// The step's own stream of random numbers.
    pub stream: RandomStream,
}

/// A trainee whose learned numbers are one flat vector, which a hook can keep and put back.
pub trait FlatParameters {
    /// Returns everything that is learned.
    fn parameters(&self) -> &[f32];

    /// Returns the same, to change.
    fn parameters_mut(&mut self) -> &mut [f32];
}
