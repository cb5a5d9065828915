use super::*;
use crate::Schedule;
use zbridge_core::{Observer, Progress, Unobserved};

/// Records the rows and the first random number of each step.
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

fn run(
    trainer: &mut Trainer,
    trainee: &mut Recorder,
    observer: &dyn Observer,
    hooks: &mut [&mut dyn Hook<Recorder, NnError>],
) -> Result<Outcome, NnError> {
    trainer.run(trainee, &Stage::new(observer, "training", 0), hooks)
}

#[test]
fn a_resumed_training_goes_on_as_if_it_had_never_been_interrupted() {
    let mut whole = Recorder::default();
    let mut trainer = Trainer::of_epochs(&plan(300, 100));
    run(&mut trainer, &mut whole, &Unobserved, &mut []).unwrap();

    let mut parts = Recorder::default();
    let mut trainer = Trainer::of_epochs(&plan(300, 100));
    let five_steps = |progress: &Progress<'_>| match progress.done {
        0..5 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    };
    let interrupted = run(&mut trainer, &mut parts, &five_steps, &mut []);
    assert!(matches!(interrupted, Err(NnError::Interrupted(_))));
    let position = trainer.position();
    assert_eq!(position, Position { epoch: 1, step: 2 });
    let mut trainer = Trainer::of_epochs(&plan(300, 100)).resumed_at(position);
    let outcome = run(&mut trainer, &mut parts, &Unobserved, &mut []).unwrap();
    assert_eq!(whole.0, parts.0);
    assert_eq!(outcome.position, Position { epoch: 3, step: 0 });
    assert_eq!(outcome.objective_nats, [1.0; 2], "of the epochs that ended");
}

#[test]
fn an_objective_that_is_not_finite_ends_the_training() {
    let mut recorder = Recorder(vec![Default::default(); 999]);
    let mut trainer = Trainer::of_epochs(&plan(10, 5));
    let result = run(&mut trainer, &mut recorder, &Unobserved, &mut []);
    assert!(matches!(result, Err(NnError::Diverged { step: 0, .. })));
}

/// Ends the training after a number of steps, and counts its calls.
struct StopAfter {
    steps: usize,
    interruptions: usize,
    ends: usize,
}

impl Hook<Recorder, NnError> for StopAfter {
    fn after_step(
        &mut self,
        _: &Recorder,
        report: &StepReport,
    ) -> Result<ControlFlow<()>, NnError> {
        Ok(match report.steps_done < self.steps {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        })
    }

    fn interrupted(&mut self, _: &Recorder, _: &StepReport) -> Result<(), NnError> {
        self.interruptions += 1;
        Ok(())
    }

    fn finished(&mut self, _: &mut Recorder) {
        self.ends += 1;
    }
}

#[test]
fn a_hook_ends_a_training_and_is_told_of_its_end() {
    let mut recorder = Recorder::default();
    let mut hook = StopAfter {
        steps: 4,
        interruptions: 0,
        ends: 0,
    };
    let mut trainer = Trainer::of_epochs(&plan(300, 100));
    let outcome = run(&mut trainer, &mut recorder, &Unobserved, &mut [&mut hook]).unwrap();
    assert_eq!((recorder.0.len(), outcome.ending), (4, Ending::Stopped));
    assert_eq!((hook.interruptions, hook.ends), (0, 1));
}

#[test]
fn hooks_are_called_when_a_training_is_interrupted() {
    let mut hook = StopAfter {
        steps: 9,
        interruptions: 0,
        ends: 0,
    };
    let at_once = |_: &Progress<'_>| ControlFlow::Break(());
    let mut trainer = Trainer::of_epochs(&plan(300, 100));
    let mut recorder = Recorder::default();
    assert!(run(&mut trainer, &mut recorder, &at_once, &mut [&mut hook]).is_err());
    assert_eq!((hook.interruptions, hook.ends), (1, 0));
}

#[test]
fn steps_have_streams_behind_the_reserved_ones_and_the_last_rate_is_small() {
    let plan = OptimiserPlan {
        steps: 40,
        batch: 4,
        learning_rate: 1.0,
        weight_decay: 0.0,
    };
    let streams = RandomStream::named(2, "fit");
    let sampler = BatchSampler::full_batches(10, plan.batch, streams.child(0));
    let mut trainer = Trainer::of_steps(&plan, sampler, &streams, 3);
    let mut recorder = Recorder::default();
    run(&mut trainer, &mut recorder, &Unobserved, &mut []).unwrap();
    assert_eq!(recorder.0.len(), 40);
    assert_eq!(recorder.0[7].1, streams.child(10).uniform());
}

#[test]
fn a_training_ends_within_an_epoch_where_it_is_told_to() {
    let mut recorder = Recorder::default();
    let mut trainer = Trainer::of_epochs(&plan(300, 100)).ending_after(4);
    let outcome = run(&mut trainer, &mut recorder, &Unobserved, &mut []).unwrap();
    assert_eq!(outcome.ending, Ending::Completed);
    assert_eq!(outcome.position, Position { epoch: 1, step: 1 });
}
