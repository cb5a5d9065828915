//! What a training shows while it runs: a bar or lines, and curves for TensorBoard.

use super::training_curves::TrainingCurves;
use crate::figures;
use crate::interrupt::Interrupt;
use crate::progress::{ProgressDisplay, StageObserver, in_words};
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};
use zbridge_core::{Observer, Progress};
use zbridge_report::ReportError;
use zbridge_tasks::training::{
    HeldOut, Position, StepReport, TrainReport, TrainRequest, TrainingObserver,
};

/// Shows a training on standard error, writes its curves, and stops it on Ctrl-C.
pub struct TrainingDisplay<'d> {
    display: &'d ProgressDisplay,
    stages: StageObserver<'d>,
    epochs: usize,
    last_epoch: usize,
    curves: Mutex<Option<TrainingCurves>>,
    pace: Mutex<Pace>,
}

/// The speed of a training since it began.
struct Pace {
    begin: Instant,
    rows: usize,
    steps: usize,
}

impl<'d> TrainingDisplay<'d> {
    /// Returns the display of what `request` asks for; it writes `curves` if there are any.
    pub fn new(
        display: &'d ProgressDisplay,
        interrupt: &'d Interrupt,
        request: &TrainRequest,
        curves: Option<TrainingCurves>,
    ) -> Self {
        if let Some(curves) = &curves {
            let path = curves.path().display();
            display.line(format!("curves for TensorBoard go to {path}"));
        }
        let epochs = request.epochs.unwrap_or(request.recipe.epochs);
        let stop_after = request.stop_after.or(request.epochs);
        Self {
            display,
            stages: display.observer(interrupt),
            epochs,
            last_epoch: stop_after.unwrap_or(request.recipe.stop_after),
            curves: Mutex::new(curves),
            pace: Mutex::new(Pace {
                begin: Instant::now(),
                rows: 0,
                steps: 0,
            }),
        }
    }

    /// Writes the last figures of a training that ended with `report`.
    ///
    /// # Errors
    /// The first [`ReportError`] of the curves since they were begun.
    pub fn end(self, report: Option<&TrainReport>) -> Result<(), ReportError> {
        let curves = self.curves.into_inner();
        match curves.unwrap_or_else(|poisoned| poisoned.into_inner()) {
            Some(curves) => curves.end(report),
            None => Ok(()),
        }
    }

    fn curves(&self) -> MutexGuard<'_, Option<TrainingCurves>> {
        lock(&self.curves)
    }

    /// Returns rows per second, and the time until the last epoch ends.
    fn speed(&self, report: &StepReport) -> (f64, Duration) {
        let pace = lock(&self.pace);
        let elapsed = pace.begin.elapsed();
        let left = (self.last_epoch * report.steps_per_epoch).saturating_sub(report.steps_done);
        let step = elapsed.as_secs_f64() / pace.steps.max(1) as f64;
        let rows_per_second = pace.rows as f64 / elapsed.as_secs_f64().max(1e-9);
        (rows_per_second, Duration::from_secs_f64(step * left as f64))
    }
}

impl Observer for TrainingDisplay<'_> {
    fn progress(&self, progress: &Progress<'_>) -> ControlFlow<()> {
        if self.curves().as_ref().is_some_and(TrainingCurves::failed) {
            return ControlFlow::Break(());
        }
        // Lines about a training are those of its epochs.
        match self.display {
            ProgressDisplay::Lines => self.stages.interrupted(),
            _ => self.stages.progress(progress),
        }
    }
}

impl TrainingObserver for TrainingDisplay<'_> {
    fn started(&self, rows: usize, position: Position) {
        let from = match position {
            Position { epoch: 0, step: 0 } => String::new(),
            Position { epoch, step } => {
                format!("; going on at step {} of epoch {}", step + 1, epoch + 1)
            }
        };
        self.display.line(format!("{rows} rows{from}"));
        lock(&self.pace).begin = Instant::now();
        if let Some(curves) = &mut *self.curves() {
            curves.started(rows, position);
        }
    }

    fn step(&self, report: &StepReport) {
        let mut pace = lock(&self.pace);
        pace.rows += report.rows;
        pace.steps += 1;
        drop(pace);
        let (rows_per_second, _) = self.speed(report);
        if let Some(curves) = &mut *self.curves() {
            curves.step(report, rows_per_second);
        }
    }

    fn epoch(&self, report: &StepReport, held_out: &HeldOut) {
        let (rows_per_second, left) = self.speed(report);
        self.display.line(format!(
            "epoch {}/{}  objective {} nats  {}  {rows_per_second:.0} rows/s  {} left",
            report.position.epoch,
            self.epochs,
            figures::number(report.epoch_objective_nats, 2),
            figures::headline(held_out),
            in_words(left),
        ));
        if let Some(curves) = &mut *self.curves() {
            curves.epoch(report, held_out);
        }
    }
}

/// Locks a value of which every state is valid, also after another thread panicked.
fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
