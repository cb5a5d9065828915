use super::{Hook, Position, StepReport};
use std::ops::ControlFlow;

/// Calls a function with the trainee after each epoch and when the training is interrupted, to
/// write a checkpoint.
#[derive(Debug)]
pub struct Checkpoints<W> {
    write: W,
}

impl<W> Checkpoints<W> {
    /// Returns the hook that calls `write` with the trainee and its position.
    pub fn new<T: ?Sized, E>(write: W) -> Self
    where
        W: FnMut(&T, Position) -> Result<(), E>,
    {
        Self { write }
    }
}

impl<T: ?Sized, E, W: FnMut(&T, Position) -> Result<(), E>> Hook<T, E> for Checkpoints<W> {
    fn after_step(&mut self, trainee: &T, report: &StepReport) -> Result<ControlFlow<()>, E> {
        if report.epoch_ended() {
            (self.write)(trainee, report.position)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn interrupted(&mut self, trainee: &T, report: &StepReport) -> Result<(), E> {
        // After an epoch it was just written.
        if report.epoch_ended() {
            return Ok(());
        }
        (self.write)(trainee, report.position)
    }
}
