use super::{BatchSampler, Hook, LearningRate, OptimiserPlan, Position, StepContext, StepReport};
use super::{Trainee, TrainingPlan};
use crate::NnError;
use std::ops::ControlFlow;
use zbridge_core::{Interrupted, RandomStream, Stage, Unobserved};

/// Takes the steps of a training, one batch after the other.
///
/// The rows and the random stream of a step depend on its number only. A training that is resumed
/// from a checkpoint therefore takes the same steps as one that was never interrupted.
///
/// ```
/// use zbridge_nn::{NnError, Schedule, StepContext, Trainee, Trainer, TrainingPlan};
///
/// /// Learns the mean of its data by steps along the gradient of −(x − mean)² / 2.
/// struct Mean<'d> { data: &'d [f32], mean: f32 }
///
/// impl Trainee for Mean<'_> {
///     fn step(&mut self, rows: &[usize], context: StepContext) -> Result<f64, NnError> {
///         let gap: f32 = rows.iter().map(|&row| self.data[row] - self.mean).sum();
///         let gap = gap / rows.len() as f32;
///         self.mean += context.learning_rate * gap;
///         Ok(f64::from(-0.5 * gap * gap))
///     }
/// }
///
/// let data = [1.0, 2.0, 3.0, 6.0];
/// let plan = TrainingPlan {
///     rows: 4, batch: 4, epochs: 200, stop_after: 200, schedule: Schedule::constant(0.1), seed: 1,
/// };
/// let mut trainee = Mean { data: &data, mean: 0.0 };
/// Trainer::of_epochs(&plan).run_to_end(&mut trainee)?;
/// assert!((trainee.mean - 3.0).abs() < 1e-3);
/// # Ok::<(), NnError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Trainer {
    sampler: BatchSampler,
    learning_rate: LearningRate,
    /// Steps of the whole schedule.
    steps: usize,
    /// Steps after which this run ends.
    end: usize,
    step_streams: RandomStream,
    /// The stream of step 0 is the child of this number.
    first_stream: u64,
    epoch: EpochTotal,
    epoch_objectives: Vec<f64>,
}

/// How a training ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How far the training is.
    pub position: Position,
    /// Why it ended.
    pub ending: Ending,
    /// Mean objective of a row in each epoch that this run ended, in nats.
    pub objective_nats: Vec<f64>,
}

/// Why a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All its steps are done.
    Completed,
    /// A hook ended it.
    Stopped,
}

/// The objective of an epoch so far.
#[derive(Debug, Clone, Copy, Default)]
struct EpochTotal {
    nats: f64,
    rows: usize,
}

impl Trainer {
    /// Returns the trainer of a model on its data.
    ///
    /// # Panics
    /// If the plan's batch is 0.
    pub fn of_epochs(plan: &TrainingPlan) -> Self {
        let sampler = plan.sampler();
        let per_epoch = sampler.batches_per_epoch();
        Self {
            learning_rate: LearningRate::Schedule(plan.schedule),
            steps: plan.epochs * per_epoch,
            end: plan.stop_after.min(plan.epochs) * per_epoch,
            step_streams: RandomStream::named(plan.seed, "train/step"),
            first_stream: 0,
            epoch: EpochTotal::default(),
            epoch_objectives: Vec::new(),
            sampler,
        }
    }

    /// Returns the trainer of a fit of a given number of steps, on batches of `sampler`. Step `i`
    /// draws from child `reserved + i` of `streams`: the first children serve other purposes.
    pub fn of_steps(
        plan: &OptimiserPlan,
        sampler: BatchSampler,
        streams: &RandomStream,
        reserved: u64,
    ) -> Self {
        Self {
            sampler,
            learning_rate: plan.learning_rate(),
            steps: plan.steps,
            end: plan.steps,
            step_streams: streams.clone(),
            first_stream: reserved,
            epoch: EpochTotal::default(),
            epoch_objectives: Vec::new(),
        }
    }

    /// Returns the trainer at `position`, where an earlier run was interrupted.
    #[must_use]
    pub fn resumed_at(mut self, position: Position) -> Self {
        self.sampler.seek(position);
        self
    }

    /// Returns the trainer with an end after `steps` of the schedule's steps, or after all of them
    /// if there are fewer.
    #[must_use]
    pub fn ending_after(mut self, steps: usize) -> Self {
        self.end = self.end.min(steps);
        self
    }

    /// Returns how far the training is.
    pub fn position(&self) -> Position {
        self.sampler.position()
    }

    /// Returns the number of steps done since the start of the training.
    pub fn steps_done(&self) -> usize {
        self.position().steps_done(self.sampler.batches_per_epoch())
    }

    /// Returns the number of steps since the start of the training after which this run ends.
    pub fn steps_at_end(&self) -> usize {
        self.end
    }

    /// Trains until all steps are done, a hook ends the training, or the observer of `stage`
    /// interrupts it. `stage` counts steps.
    ///
    /// # Errors
    /// [`NnError::Diverged`] if the objective is NaN or infinite; [`Interrupted`]; errors of the
    /// trainee's steps and of the hooks.
    pub fn run<T, E>(
        &mut self,
        trainee: &mut T,
        stage: &Stage<'_>,
        hooks: &mut [&mut dyn Hook<T, E>],
    ) -> Result<Outcome, E>
    where
        T: Trainee + ?Sized,
        E: From<NnError> + From<Interrupted>,
    {
        let mut ending = Ending::Completed;
        while ending == Ending::Completed && self.steps_done() < self.end {
            let report = self.step(trainee)?;
            for hook in hooks.iter_mut() {
                if let ControlFlow::Break(()) = hook.after_step(trainee, &report)? {
                    ending = Ending::Stopped;
                }
            }
            // After the hooks: what they write belongs to the step that was done.
            if let Err(interrupted) = stage.advance(1) {
                for hook in hooks.iter_mut() {
                    hook.interrupted(trainee, &report)?;
                }
                return Err(interrupted.into());
            }
        }
        for hook in hooks.iter_mut() {
            hook.finished(trainee);
        }
        Ok(Outcome {
            position: self.position(),
            ending,
            objective_nats: self.epoch_objectives.clone(),
        })
    }

    /// Trains until all steps are done, without hooks and an observer.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_to_end<T: Trainee + ?Sized>(&mut self, trainee: &mut T) -> Result<Outcome, NnError> {
        let stage = Stage::new(&Unobserved, "training", self.end as u64);
        self.run(trainee, &stage, &mut [])
    }

    /// Takes one step.
    fn step<T: Trainee + ?Sized>(&mut self, trainee: &mut T) -> Result<StepReport, NnError> {
        let step = self.steps_done();
        let learning_rate = self.learning_rate.at(step, self.steps);
        let context = StepContext {
            step,
            learning_rate,
            done: step as f32 / self.steps as f32,
            // A stream of its own: how much a step draws does not change the next one.
            stream: self.step_streams.child(self.first_stream + step as u64),
        };
        let batch = self.sampler.next_batch();
        let rows = batch.len();
        let objective_nats = trainee.step(batch, context)?;
        // Parameters that are NaN stay NaN: there is nothing to continue with.
        if !objective_nats.is_finite() {
            return Err(NnError::Diverged {
                step,
                value: objective_nats,
            });
        }
        Ok(StepReport {
            position: self.position(),
            steps_done: step + 1,
            steps_per_epoch: self.sampler.batches_per_epoch(),
            steps: self.steps,
            rows,
            learning_rate,
            objective_nats,
            epoch_objective_nats: self.add_to_epoch(objective_nats, rows),
        })
    }

    /// Returns the mean objective of a row since this run began the epoch, this batch among them.
    fn add_to_epoch(&mut self, objective_nats: f64, rows: usize) -> f64 {
        let mean = self.epoch.add(objective_nats, rows);
        let epoch_ended = self.position().step == 0;
        if epoch_ended {
            self.epoch_objectives.push(mean);
            self.epoch = EpochTotal::default();
        }
        mean
    }
}

impl EpochTotal {
    /// Adds a batch, and returns the mean objective of a row so far.
    fn add(&mut self, nats: f64, rows: usize) -> f64 {
        self.nats += nats * rows as f64;
        self.rows += rows;
        self.nats / self.rows as f64
    }
}

#[cfg(test)]
mod tests;
