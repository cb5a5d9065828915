//! What a training tells while it runs.

use super::checkpointed::Checkpointed;
use super::held_out::{HeldOut, TestRows};
use crate::Error;
use std::ops::ControlFlow;
use zbridge_core::{Observer, Unobserved};
use zbridge_nn::{Hook, Position, StepReport};

/// Is told about a training besides its progress.
pub trait TrainingObserver: Observer {
    /// Is called once before the first step, with the number of rows and the position at which the
    /// training begins: a later one than the first if it is resumed. Does nothing by default.
    fn started(&self, _rows: usize, _position: Position) {}

    /// Is called after every step. Does nothing by default.
    fn step(&self, _report: &StepReport) {}

    /// Is called after every epoch, with figures on the test rows. Does nothing by default.
    fn epoch(&self, _report: &StepReport, _held_out: &HeldOut) {}
}

impl TrainingObserver for Unobserved {}

/// A hook that passes steps and epochs to a [`TrainingObserver`].
pub(super) struct EpochReports<'t> {
    observer: &'t dyn TrainingObserver,
    test: &'t TestRows,
    seed: u64,
}

impl<'t> EpochReports<'t> {
    pub(super) fn new(observer: &'t dyn TrainingObserver, test: &'t TestRows, seed: u64) -> Self {
        Self {
            observer,
            test,
            seed,
        }
    }
}

impl<T: Checkpointed> Hook<T, Error> for EpochReports<'_> {
    fn after_step(&mut self, trainee: &T, report: &StepReport) -> Result<ControlFlow<()>, Error> {
        self.observer.step(report);
        if report.epoch_ended() {
            let held_out = trainee.examine(self.test, self.seed)?;
            self.observer.epoch(report, &held_out);
        }
        Ok(ControlFlow::Continue(()))
    }
}
