//! The one training loop: epochs of shuffled batches, a learning-rate schedule, progress, and a
//! clean stop.

use crate::NnError;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use zbridge_core::RandomStream;

/// Something that learns from batches of rows of its data.
pub trait Trainee {
    /// One optimiser step on these rows; comes back with the mean objective of a row, in nats.
    ///
    /// # Errors
    /// [`NnError`] when a step fails.
    fn step(&mut self, rows: &[usize], context: StepContext) -> Result<f64, NnError>;
}

/// What a step may depend on besides its rows.
pub struct StepContext {
    /// Learning rate of this step.
    pub learning_rate: f32,
    /// Share of the whole training done, in 0..1.
    pub done: f32,
    /// The step's own stream of random numbers.
    pub stream: RandomStream,
}

/// Learning rate over a training: linear warm-up, then a half cosine down to the floor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Highest rate.
    pub peak: f32,
    /// Steps until it is reached.
    pub warm_up_steps: usize,
    /// Rate at the end, as a share of the peak; 1 keeps the rate constant.
    pub floor: f32,
}

impl Schedule {
    /// The same rate throughout.
    pub fn constant(rate: f32) -> Self {
        Self {
            peak: rate,
            warm_up_steps: 0,
            floor: 1.0,
        }
    }

    /// The rate at `step` of `steps`.
    pub fn rate(&self, step: usize, steps: usize) -> f32 {
        if step < self.warm_up_steps {
            return self.peak * (step + 1) as f32 / self.warm_up_steps as f32;
        }
        let position =
            (step - self.warm_up_steps) as f32 / (steps - self.warm_up_steps).max(1) as f32;
        let cosine = 0.5 * (1.0 + (std::f32::consts::PI * position.min(1.0)).cos());
        self.peak * (self.floor + (1.0 - self.floor) * cosine)
    }
}

/// How long and in which portions to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingPlan {
    /// Rows of the data.
    pub rows: usize,
    /// Rows of a batch; the last batch of an epoch may be smaller, but never a single row.
    pub batch: usize,
    /// Epochs of the whole schedule.
    pub epochs: usize,
    /// Epochs to run before stopping, at most `epochs`.
    pub stop_after: usize,
    /// Learning rate over the steps of all `epochs`.
    pub schedule: Schedule,
    /// Seed of the order of batches and of every step's stream.
    pub seed: u64,
}

impl TrainingPlan {
    /// The ranges of the shuffled order that form an epoch's batches. A last batch of one row joins
    /// the one before it: a single row has no batch statistics.
    fn batches(&self) -> Vec<std::ops::Range<usize>> {
        let mut ends: Vec<usize> = (1..=self.rows / self.batch)
            .map(|i| i * self.batch)
            .collect();
        match self.rows - ends.last().copied().unwrap_or(0) {
            0 => {}
            1 if !ends.is_empty() => *ends.last_mut().unwrap_or(&mut 0) = self.rows,
            _ => ends.push(self.rows),
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts
            .zip(ends.iter().copied())
            .map(|(start, end)| start..end)
            .collect()
    }
}

/// Where a training stands: what a checkpoint must remember besides weights and moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// Whole epochs done.
    pub epoch: usize,
    /// Steps done in the current epoch.
    pub step: usize,
}

/// What the observer of a training is told after each step.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Where the training stands now.
    pub position: Position,
    /// Epochs this run goes to.
    pub epochs: usize,
    /// Steps of an epoch.
    pub steps_per_epoch: usize,
    /// Mean objective of a row since the epoch began, in nats.
    pub objective_nats: f64,
    /// Rows a second since the run began.
    pub rows_per_second: f64,
    /// Time left at this pace.
    pub time_left: Duration,
    /// Whether this step ended an epoch.
    pub epoch_ended: bool,
}

/// The observer's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Continue,
    /// Stop cleanly after this step.
    Stop,
}

/// How a training ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Where it stands.
    pub position: Position,
    /// Whether the observer stopped it before its end.
    pub interrupted: bool,
    /// Mean objective of a row in each epoch of this run, in nats.
    pub objective_nats: Vec<f64>,
}

/// Trains from `start` to the end of the plan, or until `observe` says stop.
///
/// Every epoch's order and every step's random stream derive from the plan's seed and the position
/// alone, so a training resumed from a checkpoint goes on as if it had never stopped.
///
/// # Errors
/// [`NnError::Diverged`] when the objective is no longer finite; whatever the trainee's step
/// reports.
pub fn train<T: Trainee + ?Sized>(
    trainee: &mut T,
    plan: &TrainingPlan,
    start: Position,
    observe: &mut dyn FnMut(&T, &Progress) -> Verdict,
) -> Result<Outcome, NnError> {
    let batches = plan.batches();
    let (steps_per_epoch, epochs) = (batches.len(), plan.stop_after.min(plan.epochs));
    let orders = RandomStream::named(plan.seed, "train/order");
    let streams = RandomStream::named(plan.seed, "train/step");
    let clock = Pace::start();
    let mut outcome = Outcome {
        position: start,
        interrupted: false,
        objective_nats: vec![],
    };
    let mut rows_done = 0;
    for epoch in start.epoch..epochs {
        let order = orders.child(epoch as u64).permutation(plan.rows);
        let first = if epoch == start.epoch { start.step } else { 0 };
        let (mut total, mut seen) = (0.0, 0);
        for (index, range) in batches.iter().enumerate().skip(first) {
            let (step, steps) = (
                epoch * steps_per_epoch + index,
                plan.epochs * steps_per_epoch,
            );
            let context = StepContext {
                learning_rate: plan.schedule.rate(step, steps),
                done: step as f32 / steps as f32,
                stream: streams.child(step as u64),
            };
            let value = trainee.step(&order[range.clone()], context)?;
            if !value.is_finite() {
                return Err(NnError::Diverged { step, value });
            }
            total += value * range.len() as f64;
            seen += range.len();
            rows_done += range.len();
            let epoch_ended = index + 1 == steps_per_epoch;
            outcome.position = if epoch_ended {
                Position {
                    epoch: epoch + 1,
                    step: 0,
                }
            } else {
                Position {
                    epoch,
                    step: index + 1,
                }
            };
            let rows_left = (epochs - epoch) * plan.rows - range.end;
            let progress = Progress {
                position: outcome.position,
                epochs,
                steps_per_epoch,
                objective_nats: total / seen as f64,
                rows_per_second: clock.rate(rows_done),
                time_left: clock.time_for(rows_left, rows_done),
                epoch_ended,
            };
            if epoch_ended {
                outcome.objective_nats.push(progress.objective_nats);
            }
            if observe(trainee, &progress) == Verdict::Stop {
                outcome.interrupted = outcome.position.epoch < epochs;
                return Ok(outcome);
            }
        }
    }
    Ok(outcome)
}

/// Rows over time.
struct Pace(Instant);

impl Pace {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn rate(&self, rows: usize) -> f64 {
        rows as f64 / self.0.elapsed().as_secs_f64().max(1e-9)
    }

    fn time_for(&self, rows: usize, done: usize) -> Duration {
        self.0.elapsed().mul_f64(rows as f64 / done.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Recorder(Vec<(Vec<usize>, f32)>);

    impl Trainee for Recorder {
        fn step(&mut self, rows: &[usize], mut context: StepContext) -> Result<f64, NnError> {
            self.0.push((rows.to_vec(), context.stream.uniform()));
            Ok(if self.0.len() == 1000 { f64::NAN } else { 1.0 })
        }
    }

    fn plan(rows: usize, batch: usize) -> TrainingPlan {
        TrainingPlan {
            rows,
            batch,
            epochs: 3,
            stop_after: 3,
            schedule: Schedule::constant(1e-3),
            seed: 1,
        }
    }

    fn run(plan: &TrainingPlan, start: Position, stop_at: Option<Position>) -> (Recorder, Outcome) {
        let mut recorder = Recorder::default();
        let outcome = train(&mut recorder, plan, start, &mut |_, progress| {
            if Some(progress.position) == stop_at {
                Verdict::Stop
            } else {
                Verdict::Continue
            }
        });
        (recorder, outcome.unwrap())
    }

    #[test]
    fn every_row_comes_once_an_epoch_and_never_alone() {
        for (rows, batch) in [(257, 128), (256, 128), (2, 128), (130, 128), (129, 64)] {
            let (recorder, _) = run(&plan(rows, batch), Position::default(), None);
            assert!(
                recorder.0.iter().all(|(rows, _)| rows.len() >= 2),
                "{rows} rows in batches of {batch}"
            );
            let mut seen: Vec<usize> = recorder
                .0
                .iter()
                .flat_map(|(rows, _)| rows.clone())
                .collect();
            seen.sort_unstable();
            let expected: Vec<usize> = (0..rows).flat_map(|row| [row; 3]).collect();
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn a_resumed_training_goes_on_as_if_it_had_never_stopped() {
        let plan = plan(300, 100);
        let (whole, _) = run(&plan, Position::default(), None);
        let stop = Position { epoch: 1, step: 2 };
        let (first, outcome) = run(&plan, Position::default(), Some(stop));
        assert!(outcome.interrupted);
        let (second, _) = run(&plan, outcome.position, None);
        assert_eq!(whole.0, [first.0, second.0].concat());
    }

    #[test]
    fn an_objective_that_is_not_finite_stops_the_training() {
        let mut recorder = Recorder(vec![Default::default(); 999]);
        let result = train(
            &mut recorder,
            &plan(10, 5),
            Position::default(),
            &mut |_, _| Verdict::Continue,
        );
        assert!(matches!(result, Err(NnError::Diverged { step: 0, .. })));
    }

    #[test]
    fn the_schedule_warms_up_peaks_and_falls_to_its_floor() {
        let schedule = Schedule {
            peak: 1.0,
            warm_up_steps: 10,
            floor: 0.1,
        };
        assert!((schedule.rate(0, 100) - 0.1).abs() < 1e-6);
        assert!((schedule.rate(10, 100) - 1.0).abs() < 1e-6);
        assert!((schedule.rate(100, 100) - 0.1).abs() < 1e-6);
    }
}
