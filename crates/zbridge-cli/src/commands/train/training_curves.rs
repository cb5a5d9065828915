//! The curves of a training, written for TensorBoard while it runs.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use zbridge_report::{EventFile, ReportError};
use zbridge_tasks::training::{
    HeldOut, Position, Recipe, StepReport, TextFigures, TrainReport, TrainRequest,
};

/// Time between two points of a step's curves: 20 a second are more than a screen can show.
const PAUSE: Duration = Duration::from_millis(50);

/// Writes the figures of a training into an event file.
#[derive(Debug)]
pub struct TrainingCurves {
    file: EventFile,
    recipe: Recipe,
    /// Steps done, those of an interrupted run among them; `None` before the training begins.
    step: Option<usize>,
    last_point: Option<Instant>,
    failure: Option<ReportError>,
}

impl TrainingCurves {
    /// Begins the curves of what `request` asks for in a new event file in `folder`.
    ///
    /// # Errors
    /// [`ReportError::EventFile`] if the folder cannot be made or written.
    pub fn create(folder: &Path, request: &TrainRequest) -> Result<Self, ReportError> {
        let file = EventFile::create(folder, SystemTime::now())?;
        let mut recipe = request.recipe.clone();
        recipe.epochs = request.epochs.unwrap_or(recipe.epochs);
        Ok(Self {
            file,
            recipe,
            step: None,
            last_point: None,
            failure: None,
        })
    }

    /// Returns the file that is being written.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Returns whether a write has failed.
    pub fn failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Begins the curves of a training over `rows` at `position`.
    pub fn started(&mut self, rows: usize, position: Position) {
        let step = position.steps_done(self.steps_per_epoch(rows));
        self.step = Some(step);
        let begun = self.file.begin_session(SystemTime::now(), step as u64 + 1);
        self.keep_failure(begun);
    }

    /// Adds a step, unless the last one was written a moment ago.
    pub fn step(&mut self, report: &StepReport, rows_per_second: f64) {
        self.step = Some(report.steps_done);
        if self.failed() || self.last_point.is_some_and(|last| last.elapsed() < PAUSE) {
            return;
        }
        self.last_point = Some(Instant::now());
        let figures = [
            ("step/objective_nats", report.epoch_objective_nats),
            ("step/learning_rate", report.learning_rate.into()),
            ("step/rows_per_second", rows_per_second),
        ];
        let written = self.write_figures(report.steps_done, &figures);
        self.keep_failure(written);
    }

    /// Adds an epoch with its held-out figures.
    pub fn epoch(&mut self, report: &StepReport, held_out: &HeldOut) {
        if self.failed() {
            return;
        }
        let mut figures = vec![("epoch/objective_nats", report.epoch_objective_nats)];
        figures.extend(of_an_epoch(held_out));
        let written = self.write_figures(report.steps_done, &figures);
        self.keep_failure(written);
    }

    fn keep_failure(&mut self, written: Result<(), ReportError>) {
        if let (None, Err(failure)) = (&self.failure, written) {
            self.failure = Some(failure);
        }
    }

    /// Writes the last figures of a training that ended with `report`. Without one the file stays
    /// as it is, or goes where no training began.
    ///
    /// # Errors
    /// The first [`ReportError`] of this file since it was made.
    pub fn end(mut self, report: Option<&TrainReport>) -> Result<(), ReportError> {
        match (self.failure.take(), self.step, report) {
            (Some(failure), ..) => Err(failure),
            (None, Some(step), Some(report)) => self.write_end(step, &report.held_out),
            (None, Some(_), None) => Ok(()),
            (None, None, _) => self.file.remove(),
        }
    }

    /// Adds the figure that is measured after the last epoch only.
    fn write_end(&mut self, step: usize, held_out: &HeldOut) -> Result<(), ReportError> {
        match held_out {
            HeldOut::Vae {
                log_p_x: Some(log_p_x),
                ..
            } => self.write_figures(step, &[("held_out/log_p_x_nats", log_p_x.nats.mean)]),
            _ => Ok(()),
        }
    }

    /// Returns the steps of an epoch over `rows`. A last batch of one row joins the one before it.
    fn steps_per_epoch(&self, rows: usize) -> usize {
        rows / self.recipe.batch + usize::from(rows % self.recipe.batch > 1)
    }

    fn write_figures(&mut self, step: usize, figures: &[(&str, f64)]) -> Result<(), ReportError> {
        self.file
            .write_scalars(SystemTime::now(), step as u64, figures)
    }
}

/// The figures that are measured after each epoch, with their names.
fn of_an_epoch(held_out: &HeldOut) -> Vec<(&'static str, f64)> {
    match held_out {
        HeldOut::Vae { elbo, .. } => vec![
            ("held_out/elbo_nats", elbo.elbo_nats.mean),
            (
                "held_out/reconstruction_nats",
                elbo.reconstruction_nats.mean,
            ),
            ("held_out/kl_nats", elbo.kl_nats.mean),
        ],
        HeldOut::Text(figures) => of_texts(figures),
        HeldOut::Ali {
            reconstruction_error,
            classes_kept,
        } => {
            let error = reconstruction_error.mean;
            let mut figures = vec![("held_out/reconstruction_error", error)];
            if let Some(kept) = classes_kept {
                figures.push(("held_out/classes_kept", kept.share));
            }
            figures
        }
        HeldOut::Judge {
            accuracy,
            log_p_true_class_nats,
        } => vec![
            ("held_out/accuracy", accuracy.share),
            ("held_out/log_p_true_class_nats", log_p_true_class_nats.mean),
        ],
    }
}

fn of_texts(figures: &TextFigures) -> Vec<(&'static str, f64)> {
    let active_dimensions = figures.active_dimensions as f64;
    vec![
        ("held_out/elbo_nats", figures.elbo.elbo_nats.mean),
        ("held_out/kl_nats", figures.elbo.kl_nats.mean),
        ("held_out/texts_kept", figures.texts_kept.mean),
        ("held_out/active_dimensions", active_dimensions),
    ]
}
