//! Steps of a VAE's training against values that PyTorch computed in double precision.
//! `peers/goldens.py` writes the fixture; its metadata has the version.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

use std::path::Path;
use zbridge_core::{EventKind, Observations, RandomStream};
use zbridge_models::{Objective, VaeArchitecture, VaeTrainer};
use zbridge_nn::{Likelihood, StepContext, Trainee, WeightsFile};

const LATENT_DIM: usize = 2;
const ROWS: usize = 4;
const STEPS: usize = 3;
const EVENT: EventKind = EventKind::Image {
    channels: 1,
    height: 2,
    width: 3,
};

fn fixture() -> WeightsFile {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/vae.safetensors");
    WeightsFile::read(Path::new(path)).unwrap()
}

/// Compares to 1e-5 of the largest entry.
fn assert_close(what: &str, ours: &[f32], theirs: &[f32]) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let largest = theirs.iter().fold(0.0f32, |a, b| a.max(b.abs()));
    for (place, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert!(
            (ours - theirs).abs() <= 1e-5 * largest,
            "{what} [{place}]: {ours}, PyTorch {theirs}"
        );
    }
}

fn architecture(fixture: &WeightsFile) -> VaeArchitecture {
    let network = |name: &str| fixture.parsed_metadata(name, Path::new("goldens")).unwrap();
    VaeArchitecture {
        name: "golden".into(),
        event: EVENT,
        likelihood: Likelihood::Bernoulli,
        latent_dim: LATENT_DIM,
        encoder: network("encoder"),
        decoder: network("decoder"),
    }
}

/// The parameters of both networks: tensors whose names end like those of a checkpoint.
fn parameter_names(file: &WeightsFile) -> Vec<String> {
    let of_networks = |name: &&String| name.starts_with("encoder") || name.starts_with("decoder");
    file.tensors.keys().filter(of_networks).cloned().collect()
}

/// Takes the steps of the fixture, and compares objectives, the first gradients and the parameters
/// in the end.
fn assert_training_agrees(bound: &str, objective: Objective) {
    let fixture = fixture();
    let x = Observations::new(fixture.tensors["x"].values.clone(), EVENT).unwrap();
    let mut trainer = VaeTrainer::new(architecture(&fixture), objective, &x, 1);
    let mut start = trainer.checkpoint();
    let names = parameter_names(&start);
    for name in &names {
        start
            .tensors
            .insert(name.clone(), fixture.tensors[name].clone());
    }
    trainer.restore(&start, Path::new("goldens")).unwrap();

    let rows: Vec<usize> = (0..ROWS).collect();
    let mut objectives = Vec::new();
    for step in 0..STEPS {
        let context = StepContext {
            step,
            learning_rate: 1e-2,
            done: 0.5,
            stream: RandomStream::named(3, "golden").child(step as u64),
        };
        objectives.push(trainer.step(&rows, context).unwrap() as f32);
        if step == 0 {
            assert_first_gradients_agree(bound, &trainer, &fixture, &names);
        }
    }
    let golden = &fixture.tensors[&format!("{bound}.objectives")].values;
    assert_close("objectives", &objectives, golden);
    let trained = trainer.checkpoint();
    for name in &names {
        let golden = &fixture.tensors[&format!("{bound}.trained.{name}")].values;
        assert_close(name, &trained.tensors[name].values, golden);
    }
}

/// After the first step of Adam, its first moments are a tenth of the gradients.
fn assert_first_gradients_agree(
    bound: &str,
    trainer: &VaeTrainer<'_>,
    fixture: &WeightsFile,
    names: &[String],
) {
    let checkpoint = trainer.checkpoint();
    let mut gradients = checkpoint.tensors["adam.first"]
        .values
        .iter()
        .map(|moment| moment / 0.1);
    // Storage order: the encoder's parameters, then the decoder's, layer by layer.
    let of_encoder = names.iter().filter(|name| name.starts_with("encoder"));
    let of_decoder = names.iter().filter(|name| name.starts_with("decoder"));
    for network in [of_encoder.collect::<Vec<_>>(), of_decoder.collect()] {
        for name in in_storage_order(network) {
            let golden = &fixture.tensors[&format!("{bound}.gradient.{name}")].values;
            let ours: Vec<f32> = gradients.by_ref().take(golden.len()).collect();
            assert_close(&format!("gradient of {name}"), &ours, golden);
        }
    }
}

/// Names of weights come before those of biases.
fn in_storage_order(mut names: Vec<&String>) -> Vec<&String> {
    names.sort_by_key(|name| {
        let layer: String = name.chars().filter(char::is_ascii_digit).collect();
        (layer.parse::<usize>().unwrap(), name.ends_with("bias"))
    });
    names
}

#[test]
fn the_noise_of_the_fixture_is_that_of_the_trainer() {
    for (step, noise) in fixture().tensors["noise"].values.chunks(24).enumerate() {
        let mut draws = vec![0.0; noise.len()];
        RandomStream::named(3, "golden")
            .child(step as u64)
            .child(0)
            .fill_standard_normal(&mut draws);
        assert_eq!(draws, noise, "step {step}");
    }
}

#[test]
fn training_by_the_evidence_lower_bound_agrees() {
    let objective = Objective {
        kl_weight: 0.7,
        ..Objective::elbo()
    };
    assert_training_agrees("elbo", objective);
}

#[test]
fn training_by_the_importance_weighted_bound_agrees() {
    let objective = Objective {
        importance_after: 0.0,
        importance_draws: 3,
        ..Objective::elbo()
    };
    assert_training_agrees("importance", objective);
}
