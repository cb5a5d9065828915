use super::{FlatParameters, Hook, StepReport};
use crate::NnError;
use std::ops::ControlFlow;

/// Ends a training when an objective on held-out rows no longer improves, and puts back the
/// parameters at which it was best (Prechelt 1998).
///
/// `objective` is called with the trainee and returns the mean objective of a held-out row in nats,
/// where less is better: −log q, for example.
#[derive(Debug)]
pub struct EarlyStopping<F> {
    every: usize,
    patience: usize,
    objective: F,
    best: Option<Best>,
    evaluations_since_best: usize,
}

#[derive(Debug)]
struct Best {
    held_out_nats: f64,
    steps_done: usize,
    parameters: Vec<f32>,
}

impl<F> EarlyStopping<F> {
    /// Returns the hook that evaluates `objective` after each `every` steps, and ends the training
    /// after `patience` evaluations in a row without a new best value.
    ///
    /// # Panics
    /// If `every` or `patience` is 0.
    pub fn new<T: ?Sized, E>(every: usize, patience: usize, objective: F) -> Self
    where
        F: FnMut(&T) -> Result<f64, E>,
    {
        assert!(
            every > 0 && patience > 0,
            "at least one step and one evaluation"
        );
        Self {
            every,
            patience,
            objective,
            best: None,
            evaluations_since_best: 0,
        }
    }

    /// Keeps the parameters if they are the best so far; ends the training if none have been for
    /// too long.
    fn compare(
        &mut self,
        held_out_nats: f64,
        steps_done: usize,
        parameters: &[f32],
    ) -> ControlFlow<()> {
        // +∞ is a value, and never better than another.
        if self.best().is_none_or(|(best, _)| held_out_nats < best) {
            self.best = Some(Best {
                held_out_nats,
                steps_done,
                parameters: parameters.to_vec(),
            });
            self.evaluations_since_best = 0;
            return ControlFlow::Continue(());
        }
        self.evaluations_since_best += 1;
        match self.evaluations_since_best < self.patience {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }

    /// Returns the best held-out objective so far, in nats, and the steps that were done then;
    /// `None` before the first evaluation.
    pub fn best(&self) -> Option<(f64, usize)> {
        let best = self.best.as_ref()?;
        Some((best.held_out_nats, best.steps_done))
    }
}

impl<T, E, F> Hook<T, E> for EarlyStopping<F>
where
    T: FlatParameters + ?Sized,
    E: From<NnError>,
    F: FnMut(&T) -> Result<f64, E>,
{
    fn after_step(&mut self, trainee: &T, report: &StepReport) -> Result<ControlFlow<()>, E> {
        let steps_done = report.steps_done;
        // The last parameters are evaluated as well: they may be the best ones.
        if !steps_done.is_multiple_of(self.every) && steps_done < report.steps {
            return Ok(ControlFlow::Continue(()));
        }
        let held_out_nats = (self.objective)(trainee)?;
        if held_out_nats.is_nan() {
            let diverged = NnError::Diverged {
                step: steps_done,
                value: held_out_nats,
            };
            return Err(diverged.into());
        }
        Ok(self.compare(held_out_nats, steps_done, trainee.parameters()))
    }

    fn finished(&mut self, trainee: &mut T) {
        if let Some(best) = &self.best {
            trainee.parameters_mut().copy_from_slice(&best.parameters);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ending, Schedule, StepContext, Trainee, Trainer, TrainingPlan};
    use zbridge_core::{Stage, Unobserved};

    /// Its only parameter grows by one at each step.
    struct Counter([f32; 1]);

    impl Trainee for Counter {
        fn step(&mut self, _: &[usize], _: StepContext) -> Result<f64, NnError> {
            self.0[0] += 1.0;
            Ok(0.0)
        }
    }

    impl FlatParameters for Counter {
        fn parameters(&self) -> &[f32] {
            &self.0
        }

        fn parameters_mut(&mut self) -> &mut [f32] {
            &mut self.0
        }
    }

    /// Trains for at most 40 steps; returns the parameter, the steps done, and the ending.
    fn train(
        every: usize,
        patience: usize,
        objective: fn(f32) -> f64,
    ) -> Result<(f32, usize, Ending), NnError> {
        let plan = TrainingPlan {
            rows: 2,
            batch: 2,
            epochs: 40,
            stop_after: 40,
            schedule: Schedule::constant(1.0),
            seed: 1,
        };
        let mut counter = Counter([0.0]);
        let held_out = |counter: &Counter| Ok::<_, NnError>(objective(counter.0[0]));
        let mut stopping = EarlyStopping::new(every, patience, held_out);
        let mut trainer = Trainer::of_epochs(&plan);
        let stage = Stage::new(&Unobserved, "training", 40);
        let outcome = trainer.run(&mut counter, &stage, &mut [&mut stopping])?;
        Ok((counter.0[0], trainer.steps_done(), outcome.ending))
    }

    #[test]
    fn the_training_ends_behind_its_best_parameters_and_returns_to_them() {
        // Best at 12; evaluated at 4, 8, 12, 16 and 20.
        let ended = train(4, 2, |at| f64::from((at - 12.0).abs())).unwrap();
        assert_eq!(ended, (12.0, 20, Ending::Stopped));
    }

    #[test]
    fn a_better_value_renews_the_patience() {
        // Better at every other evaluation.
        let zigzag = |at: f32| f64::from(-at) + if at % 2.0 == 0.0 { 0.0 } else { 10.0 };
        assert_eq!(train(1, 2, zigzag).unwrap(), (40.0, 40, Ending::Completed));
    }

    #[test]
    fn the_last_parameters_are_evaluated_too() {
        let ended = train(7, 3, |at| f64::from(-at)).unwrap();
        assert_eq!(ended, (40.0, 40, Ending::Completed));
    }

    #[test]
    fn a_held_out_objective_that_is_nan_is_an_error() {
        let result = train(1, 1, |_| f64::NAN);
        assert!(matches!(result, Err(NnError::Diverged { .. })));
    }
}
