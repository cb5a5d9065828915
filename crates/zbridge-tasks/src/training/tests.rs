//! Trainings of seconds on digits that are no digits: bright bars, one place for each class.

use super::*;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use zbridge_core::{EventKind, Observer, Progress, RandomStream};
use zbridge_data::Idx;
use zbridge_datasets::{Mnist, Split};
use zbridge_models::{Objective, Vae, VaeArchitecture};
use zbridge_nn::{Layer, Likelihood, Network};

const ROWS: usize = 70;
const IMAGE: EventKind = EventKind::Image {
    channels: 1,
    height: 28,
    width: 28,
};

fn data_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (split, rows) in [(Split::Train, ROWS), (Split::Test, 30)] {
        let [images, labels] = split.file_names();
        let classes: Vec<u8> = (0..rows).map(|row| (row % 10) as u8).collect();
        let bytes = classes.iter().flat_map(|&class| image(class)).collect();
        write_idx(&folder.path().join(images), vec![rows, 28, 28], bytes);
        write_idx(&folder.path().join(labels), vec![rows], classes);
    }
    folder
}

fn image(class: u8) -> Vec<u8> {
    (0..784)
        .map(|pixel| {
            if pixel / 28 / 2 == usize::from(class) {
                250
            } else {
                3
            }
        })
        .collect()
}

fn write_idx(path: &Path, shape: Vec<usize>, bytes: Vec<u8>) {
    fs::write(path, Idx { shape, bytes }.to_bytes()).unwrap();
}

fn linear(sizes: [usize; 3]) -> Network {
    let [inputs, width, outputs] = sizes;
    let (first, last) = (
        Layer::Linear {
            inputs,
            outputs: width,
        },
        Layer::Linear {
            inputs: width,
            outputs,
        },
    );
    Network::new(vec![first, Layer::BatchNorm { width }, Layer::Silu, last]).unwrap()
}

fn small(name: &str, model: RecipeModel) -> Recipe {
    let label = Recipe::named("mnist-label").unwrap();
    Recipe {
        name: name.into(),
        model,
        batch: 32,
        epochs: 3,
        stop_after: 3,
        ..label
    }
}

fn recipes() -> [Recipe; 3] {
    let plain = |sizes: [usize; 2]| {
        Network::new(vec![Layer::Linear {
            inputs: sizes[0],
            outputs: sizes[1],
        }])
        .unwrap()
    };
    let architecture = VaeArchitecture {
        name: "bars".into(),
        event: IMAGE,
        likelihood: Likelihood::Bernoulli,
        latent_dim: 2,
        encoder: plain([784, 4]),
        decoder: plain([2, 784]),
    };
    [
        small("labels", Recipe::named("mnist-label").unwrap().model),
        small("bars", RecipeModel::Vae(architecture, Objective::elbo())),
        small("judge", RecipeModel::Classifier(linear([784, 8, 10]))),
    ]
}

fn request(recipe: Recipe, data: &TempDir, out: &TempDir) -> TrainRequest {
    let out = out.path().join(format!("{}.safetensors", recipe.name));
    TrainRequest {
        data: Some(data.path().to_owned()),
        likelihood_images: 5,
        likelihood_draws: 20,
        ..TrainRequest::new(recipe, out)
    }
}

/// Records what it is told, and interrupts the training after the steps of `stop`.
#[derive(Default)]
struct Recorder {
    stop: Option<Position>,
    position: Mutex<Option<Position>>,
    steps: AtomicUsize,
    epochs: Mutex<Vec<usize>>,
    images: Mutex<Vec<u64>>,
}

impl Observer for Recorder {
    fn progress(&self, progress: &Progress<'_>) -> ControlFlow<()> {
        if progress.stage == "importance sampling" && progress.done > 0 {
            self.images.lock().unwrap().push(progress.done);
        }
        let reached = *self.position.lock().unwrap();
        if progress.stage == "training" && reached.is_some() && reached == self.stop {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

impl TrainingObserver for Recorder {
    fn step(&self, report: &StepReport) {
        self.steps.fetch_add(1, Ordering::Relaxed);
        *self.position.lock().unwrap() = Some(report.position);
    }

    fn epoch(&self, report: &StepReport, _: &HeldOut) {
        self.epochs.lock().unwrap().push(report.position.epoch);
    }
}

/// Trains, and interrupts the training at this position if there is one.
fn run(request: &TrainRequest, stop: Option<Position>) -> Result<TrainReport, Error> {
    let recorder = Recorder {
        stop,
        ..Recorder::default()
    };
    train_model(request, &recorder)
}

#[test]
fn a_resumed_training_makes_the_same_file_as_one_that_never_stopped() {
    let data = data_folder();
    for recipe in recipes() {
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let whole = run(&request(recipe.clone(), &data, &whole), None)
            .map(|report| fs::read(report.out).unwrap());
        let mut request = request(recipe, &data, &parts);
        for (epoch, step) in [(1, 2), (2, 0)] {
            let stopped = run(&request, Some(Position { epoch, step })).unwrap_err();
            assert!(
                matches!(stopped, Error::TrainingInterrupted { .. }),
                "{stopped}"
            );
            assert!(stopped.to_string().contains("resume"), "{stopped}");
            assert!(request.checkpoint.exists() && !request.out.exists());
            request.resume = true;
        }
        let report = run(&request, None).unwrap();
        assert!(
            fs::read(&request.out).unwrap() == whole.unwrap(),
            "{} differs",
            report.recipe
        );
        assert_eq!(report.epochs, 3);
        assert!(!request.checkpoint.exists());
    }
}

#[test]
fn a_file_holds_the_figures_of_its_own_numbers() {
    let (data, out) = (data_folder(), tempfile::tempdir().unwrap());
    let [_, bars, _] = recipes();
    let report = run(&request(bars, &data, &out), None).unwrap();
    let bytes = fs::read(&report.out).unwrap();
    assert_eq!((report.bytes, report.sha256.len()), (bytes.len(), 64));
    let file = WeightsFile::from_bytes(&bytes, &report.out).unwrap();
    let vae = Vae::from_weights(&file, &report.out).unwrap();
    let test = Mnist::load(data.path(), Split::Test)
        .unwrap()
        .images_observations();
    let elbo = vae
        .elbo(&test, &mut RandomStream::named(1, "held-out/elbo"))
        .unwrap();
    let HeldOut::Vae {
        elbo: told,
        log_p_x: Some(log_p_x),
    } = report.held_out
    else {
        panic!("a VAE of images")
    };
    assert_eq!(told, elbo);
    assert_eq!((log_p_x.nats.count, log_p_x.draws), (5, 20));
    assert_eq!(
        file.parsed_metadata::<HeldOut>("held_out", &report.out)
            .unwrap(),
        report.held_out
    );
    assert_eq!(file.parsed_metadata::<u64>("seed", &report.out).unwrap(), 1);
    assert_eq!(file.metadata["made_by"], "zbridge train bars");
}

#[test]
fn every_epoch_is_examined_and_every_image_counted() {
    let (data, out) = (data_folder(), tempfile::tempdir().unwrap());
    let [_, bars, _] = recipes();
    let recorder = Recorder::default();
    train_model(&request(bars, &data, &out), &recorder).unwrap();
    let (epochs, mut images) = (
        recorder.epochs.into_inner().unwrap(),
        recorder.images.into_inner().unwrap(),
    );
    images.sort_unstable();
    images.dedup();
    assert_eq!((epochs, images), (vec![1, 2, 3], vec![1, 2, 3, 4, 5]));
}

#[test]
fn a_checkpoint_of_another_training_is_refused_and_kept() {
    let (data, out) = (data_folder(), tempfile::tempdir().unwrap());
    let [labels, ..] = recipes();
    let request = request(labels, &data, &out);
    run(&request, Some(Position { epoch: 0, step: 1 })).unwrap_err();
    let kept = fs::read(&request.checkpoint).unwrap();
    let refused = |request: TrainRequest, because: &str| {
        let error = run(&request, None).unwrap_err();
        assert!(
            matches!(error, Error::Usage { .. }) && error.to_string().contains(because),
            "{error}"
        );
        assert_eq!(fs::read(&request.checkpoint).unwrap(), kept);
    };
    refused(request.clone(), "resume it");
    refused(
        TrainRequest {
            seed: 2,
            resume: true,
            ..request.clone()
        },
        "plan.seed is 1 there and 2 here",
    );
    refused(
        TrainRequest {
            epochs: Some(9),
            resume: true,
            ..request.clone()
        },
        "plan.epochs is 3 there and 9 here",
    );
    let shorter = run(
        &TrainRequest {
            stop_after: Some(1),
            resume: true,
            ..request
        },
        None,
    )
    .unwrap();
    assert_eq!(shorter.epochs, 1);
}

#[test]
fn a_damaged_checkpoint_is_bad_data() {
    let (data, out) = (data_folder(), tempfile::tempdir().unwrap());
    let [labels, ..] = recipes();
    let request = TrainRequest {
        resume: true,
        ..request(labels, &data, &out)
    };
    assert_eq!(run(&request, None).unwrap_err().failure().exit_code(), 3);
    fs::write(&request.checkpoint, b"not a checkpoint").unwrap();
    assert_eq!(run(&request, None).unwrap_err().failure().exit_code(), 3);
}

#[test]
fn what_cannot_work_fails_before_the_first_step() {
    let (data, out) = (data_folder(), tempfile::tempdir().unwrap());
    let [labels, ..] = recipes();
    let request = request(labels, &data, &out);
    let code = |request: TrainRequest| {
        let recorder = Recorder::default();
        let error = train_model(&request, &recorder).unwrap_err();
        assert_eq!(recorder.steps.into_inner(), 0, "a step was done");
        error.failure().exit_code()
    };
    let absent = out.path().join("absent");
    assert_eq!(
        code(TrainRequest {
            checkpoint: absent.join("c"),
            ..request.clone()
        }),
        1
    );
    assert_eq!(
        code(TrainRequest {
            out: absent.join("o"),
            ..request.clone()
        }),
        1
    );
    assert_eq!(
        code(TrainRequest {
            out: out.path().to_owned(),
            ..request.clone()
        }),
        2
    );
    assert_eq!(
        code(TrainRequest {
            data: Some(absent),
            ..request.clone()
        }),
        3
    );
    assert_eq!(
        code(TrainRequest {
            stop_after: Some(4),
            ..request.clone()
        }),
        2
    );
}
