//! What is embedded is what was trained: its digests, its size, its recorded figures.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

use std::path::{Path, PathBuf};
use zbridge::{EventKind, LatentModel, Observations, RandomStream};
use zbridge_assets::{ALL, Asset, MNIST_IMAGE, MNIST_IMAGE_3_EPOCHS, MNIST_JUDGE, MNIST_LABEL};
use zbridge_datasets::{Mnist, MnistSplit, Split, locate_mnist};
use zbridge_eval::{ImportanceSettings, PriorTarget, importance_sampled};
use zbridge_tasks::measures::Judge;
use zbridge_tasks::training::HeldOut;

/// MNIST's test half where it is at hand; says so where it is not.
fn mnist() -> Option<MnistSplit> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/mnist");
    let folder: Option<PathBuf> = locate_mnist(None)
        .ok()
        .or_else(|| locate_mnist(Some(&beside)).ok());
    if folder.is_none() {
        eprintln!("skipped: no MNIST; set ZBRIDGE_DATA to its folder");
    }
    Some(Mnist::load(&folder?, Split::Test).expect("MNIST is intact"))
}

fn recorded(asset: Asset) -> HeldOut {
    asset
        .weights()
        .unwrap()
        .parsed_metadata("held_out", Path::new(asset.name))
        .unwrap()
}

fn seed(asset: Asset) -> u64 {
    asset
        .weights()
        .unwrap()
        .parsed_metadata("seed", Path::new(asset.name))
        .unwrap()
}

#[test]
fn all_assets_together_stay_within_eight_megabytes() {
    let bytes: usize = ALL.iter().map(|asset| asset.bytes.len()).sum();
    assert!(bytes <= 8_000_000, "{bytes} bytes");
}

#[test]
fn every_asset_is_listed_with_its_digest() {
    let listed = include_str!("../../../assets/README.md");
    for asset in ALL {
        assert!(
            listed.contains(&asset.digest()),
            "assets/README.md lacks {}: {}",
            asset.name,
            asset.digest()
        );
    }
}

#[test]
fn every_model_says_what_made_it() {
    for asset in [MNIST_IMAGE, MNIST_IMAGE_3_EPOCHS, MNIST_LABEL, MNIST_JUDGE] {
        let metadata = asset.weights().unwrap().metadata;
        let command = metadata.get("made_by").unwrap();
        assert!(
            command.starts_with(&format!("zbridge train {}", asset.name)),
            "{}: {command}",
            asset.name
        );
        assert!(metadata.contains_key("data_digest") && metadata.contains_key("version"));
    }
}

#[test]
fn the_recorded_figures_meet_what_was_asked_of_the_models() {
    let HeldOut::Vae { elbo, .. } = recorded(MNIST_LABEL) else {
        panic!("the label model is a VAE")
    };
    assert!(elbo.reconstruction_nats.mean >= -0.05, "{elbo:?}");
    let HeldOut::Vae {
        log_p_x: Some(log_p_x),
        ..
    } = recorded(MNIST_IMAGE)
    else {
        panic!("no likelihood recorded")
    };
    assert!(
        log_p_x.draws >= 1000 && log_p_x.nats.mean >= -89.99,
        "{log_p_x:?}"
    );
    assert!(Judge::embedded().unwrap().accuracy.share >= 0.99);
}

#[test]
fn embedded_vaes_still_have_their_recorded_bounds() {
    let Some(test) = mnist() else { return };
    for asset in [MNIST_IMAGE, MNIST_IMAGE_3_EPOCHS, MNIST_LABEL] {
        let model = asset.vae().unwrap();
        let observations = match model.event().size() {
            10 => Observations::one_hot(test.labels(), 10).unwrap(),
            _ => test.images_observations(),
        };
        let elbo = model
            .elbo(
                &observations,
                &mut RandomStream::named(seed(asset), "held-out/elbo"),
            )
            .unwrap();
        let HeldOut::Vae { elbo: then, .. } = recorded(asset) else {
            panic!("a VAE")
        };
        for (now, then) in [
            (elbo.elbo_nats, then.elbo_nats),
            (elbo.reconstruction_nats, then.reconstruction_nats),
        ] {
            assert!(
                (now.mean - then.mean).abs() < 2e-3,
                "{}: {} then, {} now",
                asset.name,
                then.mean,
                now.mean
            );
        }
    }
}

#[test]
fn the_image_models_likelihood_is_the_recorded_one() {
    let Some(test) = mnist() else { return };
    let images = test
        .images_observations()
        .select(&(0..10_000).step_by(100).collect::<Vec<_>>());
    let model = MNIST_IMAGE.vae().unwrap();
    let posterior = model.posterior(&images).unwrap();
    let settings = ImportanceSettings {
        draws: 300,
        chunk: 100,
        seed: 5,
    };
    let target = PriorTarget::new("log p(x)");
    let estimates = importance_sampled(
        &model,
        &images,
        posterior.as_diagonal().unwrap(),
        &[&target],
        &settings,
        &zbridge::Unobserved,
    )
    .unwrap();
    let HeldOut::Vae {
        log_p_x: Some(then),
        ..
    } = recorded(MNIST_IMAGE)
    else {
        panic!("no likelihood recorded")
    };
    let (now, allowed) = (
        estimates[0].mean,
        4.0 * (estimates[0].mean.standard_error + then.nats.standard_error),
    );
    assert!(
        (now.mean - then.nats.mean).abs() < allowed,
        "{} then, {} now",
        then.nats.mean,
        now.mean
    );
}

#[test]
fn the_judge_is_as_good_as_recorded() {
    let Some(test) = mnist() else { return };
    let judge = Judge::embedded().unwrap();
    let read = judge.classes_of(&test.images_observations()).unwrap();
    let right = read.iter().zip(test.labels());
    let right = right.filter(|(read, label)| **read == usize::from(**label));
    assert_eq!(right.count(), judge.accuracy.correct);
}

#[test]
fn a_judge_of_ones_own_is_tried_on_real_images() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("judge.safetensors");
    let weights = MNIST_JUDGE.weights().unwrap();
    weights.write(&own, zbridge_nn::Precision::Single).unwrap();
    let embedded = Judge::embedded().unwrap();
    let image = |channels, side| EventKind::Image {
        channels,
        height: side,
        width: side,
    };
    let noise = |rows: usize, kind: EventKind| {
        let mut stream = RandomStream::named(1, "noise");
        let values = (0..rows * kind.size()).map(|_| stream.uniform()).collect();
        Observations::new(values, kind).unwrap()
    };
    let grey = noise(20, image(1, 28));
    let read = embedded.classes_of(&grey).unwrap();
    let mut classes: Vec<u8> = read.iter().map(|class| *class as u8).collect();
    classes[0] = (classes[0] + 1) % 10;
    assert_eq!(
        Judge::open(&own, &grey, &classes).unwrap().accuracy.correct,
        19
    );

    let colour = noise(6, image(3, 16));
    let network = "../zbridge-foreign/tests/fixtures/onnx/transformer-encoder.dynamo.onnx";
    let network = Path::new(env!("CARGO_MANIFEST_DIR")).join(network);
    let judge = Judge::open(&network, &colour, &[0, 1, 2, 3, 4, 6]).unwrap();
    assert_eq!(judge.features(&colour).unwrap().dim(), 7);
    assert!(
        judge
            .classes_of(&colour)
            .unwrap()
            .iter()
            .all(|class| *class < 7)
    );
    for (path, real, classes, told) in [
        (
            &network,
            &colour,
            [7; 6],
            "a judge gives one for each class",
        ),
        (
            &network,
            &grey.select(&[0, 1, 2, 3, 4, 5]),
            [0; 6],
            "does not read",
        ),
        (&own, &colour, [0; 6], "does not read"),
    ] {
        let error = Judge::open(path, real, &classes).err().unwrap().to_string();
        assert!(error.contains(told), "{error}");
    }
}
