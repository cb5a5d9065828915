//! The curves of a training, written for TensorBoard while it runs.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use zbridge_report::{EventFile, ReportError};
use zbridge_tasks::training::{
    HeldOut, Position, Progress, Recipe, TrainEvent, TrainReport, TrainRequest, Verdict,
};

/// Time between two points of a step's curves: 20 a second are more than a screen can show.
const PAUSE: Duration = Duration::from_millis(50);

/// An observer of a training that writes what it hears into an event file.
#[derive(Debug)]
pub struct TrainingCurves {
    file: EventFile,
    recipe: Recipe,
    /// Steps done, those before a resumption among them; none before the training begins.
    step: Option<usize>,
    last_point: Option<Instant>,
    failure: Option<ReportError>,
}

impl TrainingCurves {
    /// Curves of what `request` asks for, in a new event file in `folder`.
    ///
    /// # Errors
    /// [`ReportError::EventFile`] where the folder cannot be made or written.
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

    /// The file that is being written.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Writes what this event adds to the curves; says stop once a write has failed.
    pub fn observe(&mut self, event: &TrainEvent<'_>) -> Verdict {
        if self.failure.is_none() {
            self.failure = self.write(event).err();
        }
        if self.failure.is_some() {
            Verdict::Stop
        } else {
            Verdict::Continue
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

    fn write(&mut self, event: &TrainEvent<'_>) -> Result<(), ReportError> {
        match event {
            TrainEvent::Started { rows, position } => {
                self.begin(steps_done(*position, self.steps_per_epoch(*rows)))
            }
            TrainEvent::Step(progress) => self.write_step(progress),
            TrainEvent::Epoch { progress, held_out } => self.write_epoch(progress, held_out),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, steps_done: usize) -> Result<(), ReportError> {
        self.step = Some(steps_done);
        self.file
            .begin_session(SystemTime::now(), steps_done as u64 + 1)
    }

    fn write_step(&mut self, progress: &Progress) -> Result<(), ReportError> {
        let step = steps_done(progress.position, progress.steps_per_epoch);
        self.step = Some(step);
        if self.last_point.is_some_and(|last| last.elapsed() < PAUSE) {
            return Ok(());
        }
        self.last_point = Some(Instant::now());
        let figures = [
            ("step/objective_nats", progress.objective_nats),
            ("step/learning_rate", self.learning_rate(step, progress)),
            ("step/rows_per_second", progress.rows_per_second),
        ];
        self.write_figures(step, &figures)
    }

    fn write_epoch(&mut self, progress: &Progress, held_out: &HeldOut) -> Result<(), ReportError> {
        let step = steps_done(progress.position, progress.steps_per_epoch);
        let mut figures = vec![("epoch/objective_nats", progress.objective_nats)];
        figures.extend(of_an_epoch(held_out));
        self.write_figures(step, &figures)
    }

    /// What no epoch has told.
    fn write_end(&mut self, step: usize, held_out: &HeldOut) -> Result<(), ReportError> {
        match held_out {
            HeldOut::Vae {
                log_p_x: Some(log_p_x),
                ..
            } => self.write_figures(step, &[("held_out/log_p_x_nats", log_p_x.nats.mean)]),
            _ => Ok(()),
        }
    }

    /// The rate with which the last of so many steps was made.
    fn learning_rate(&self, steps: usize, progress: &Progress) -> f64 {
        let of_all_epochs = self.recipe.epochs * progress.steps_per_epoch;
        self.recipe.schedule.rate(steps - 1, of_all_epochs).into()
    }

    /// Steps of an epoch over `rows`, before a step has told it: a last batch of one row joins the
    /// one before it.
    fn steps_per_epoch(&self, rows: usize) -> usize {
        rows / self.recipe.batch + usize::from(rows % self.recipe.batch > 1)
    }

    fn write_figures(&mut self, step: usize, figures: &[(&str, f64)]) -> Result<(), ReportError> {
        self.file
            .write_scalars(SystemTime::now(), step as u64, figures)
    }
}

fn steps_done(Position { epoch, step }: Position, steps_per_epoch: usize) -> usize {
    epoch * steps_per_epoch + step
}

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
        HeldOut::Text(figures) => vec![
            ("held_out/elbo_nats", figures.elbo.elbo_nats.mean),
            ("held_out/kl_nats", figures.elbo.kl_nats.mean),
            ("held_out/texts_kept", figures.texts_kept.mean),
            (
                "held_out/active_dimensions",
                figures.active_dimensions as f64,
            ),
        ],
        HeldOut::Ali {
            reconstruction_error,
            classes_kept,
        } => {
            let kept = classes_kept
                .as_ref()
                .map(|kept| ("held_out/classes_kept", kept.share));
            std::iter::once(("held_out/reconstruction_error", reconstruction_error.mean))
                .chain(kept)
                .collect()
        }
        HeldOut::Judge {
            accuracy,
            log_p_true_class_nats,
        } => {
            vec![
                ("held_out/accuracy", accuracy.share),
                ("held_out/log_p_true_class_nats", log_p_true_class_nats.mean),
            ]
        }
    }
}
