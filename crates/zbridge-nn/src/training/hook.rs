use super::Position;
use std::ops::ControlFlow;

/// Is called by a [`Trainer`](super::Trainer) after each step of a trainee `T`; `E` is the error of
/// the training.
pub trait Hook<T: ?Sized, E> {
    /// Is called after each step; `ControlFlow::Break` ends the training, as a success.
    ///
    /// # Errors
    /// Any error ends the training as a failure.
    fn after_step(&mut self, trainee: &T, report: &StepReport) -> Result<ControlFlow<()>, E>;

    /// Is called after `after_step` if the observer of the training has interrupted it. Does
    /// nothing by default.
    ///
    /// # Errors
    /// Any error; it takes the place of the interruption.
    fn interrupted(&mut self, _trainee: &T, _report: &StepReport) -> Result<(), E> {
        Ok(())
    }

    /// Is called once at the end of a training that succeeded. Does nothing by default.
    fn finished(&mut self, _trainee: &mut T) {}
}

/// What a hook is told about a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// How far the training is after the step.
    pub position: Position,
    /// Steps done since the start of the training, those of interrupted runs among them.
    pub steps_done: usize,
    /// Steps in an epoch.
    pub steps_per_epoch: usize,
    /// Steps of the whole schedule.
    pub steps: usize,
    /// Rows of the batch.
    pub rows: usize,
    /// The learning rate of the step.
    pub learning_rate: f32,
    /// Mean objective of a row of the batch before the step, in nats.
    pub objective_nats: f64,
    /// Mean objective of a row since this run began the epoch, in nats.
    pub epoch_objective_nats: f64,
}

impl StepReport {
    /// Returns whether the step was the last one of an epoch.
    pub fn epoch_ended(&self) -> bool {
        self.position.step == 0
    }
}
