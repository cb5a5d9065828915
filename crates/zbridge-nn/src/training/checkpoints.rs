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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NnError, Schedule, StepContext, Trainee, Trainer, TrainingPlan};
    use zbridge_core::{Progress, Stage};

    struct Nothing;

    impl Trainee for Nothing {
        fn step(&mut self, _: &[usize], _: StepContext) -> Result<f64, NnError> {
            Ok(0.0)
        }
    }

    /// Returns the positions at which checkpoints are written if the training is interrupted after
    /// some of its six steps, three in an epoch.
    fn written(steps: u64) -> Vec<Position> {
        let plan = TrainingPlan {
            rows: 6,
            batch: 2,
            epochs: 2,
            stop_after: 2,
            schedule: Schedule::constant(1.0),
            seed: 1,
        };
        let mut positions = vec![];
        let mut checkpoints = Checkpoints::new(|_: &Nothing, position| {
            positions.push(position);
            Ok::<(), NnError>(())
        });
        let interrupt = |progress: &Progress<'_>| match progress.done < steps {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        };
        let stage = Stage::new(&interrupt, "training", 6);
        let mut trainer = Trainer::of_epochs(&plan);
        let result = trainer.run(&mut Nothing, &stage, &mut [&mut checkpoints]);
        assert_eq!(result.is_err(), steps <= 6);
        positions
    }

    #[test]
    fn a_checkpoint_is_written_after_each_epoch_and_where_a_training_is_interrupted() {
        let at = |epoch, step| Position { epoch, step };
        assert_eq!(written(7), [at(1, 0), at(2, 0)]);
        assert_eq!(written(5), [at(1, 0), at(1, 2)]);
        assert_eq!(written(3), [at(1, 0)], "once");
    }

    #[test]
    fn an_error_of_the_writer_ends_the_training() {
        let plan = TrainingPlan {
            rows: 2,
            batch: 2,
            epochs: 2,
            stop_after: 2,
            schedule: Schedule::constant(1.0),
            seed: 1,
        };
        let mut checkpoints =
            Checkpoints::new(|_: &Nothing, _| Err(NnError::weights("disk".as_ref(), "is full")));
        let stage = Stage::new(&zbridge_core::Unobserved, "training", 2);
        let mut trainer = Trainer::of_epochs(&plan);
        assert!(
            trainer
                .run(&mut Nothing, &stage, &mut [&mut checkpoints])
                .is_err()
        );
        assert_eq!(trainer.steps_done(), 1);
    }
}
