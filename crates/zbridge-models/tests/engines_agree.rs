//! A VAE on the native engine against the same VAE on burn's.
#![cfg(feature = "flex")]
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

use std::path::Path;
use zbridge_core::{EventKind, LatentModel, Latents, Observations, RandomStream};
use zbridge_models::{BurnVaeTrainer, Objective, Vae, VaeArchitecture, VaeTrainer};
use zbridge_nn::{
    Convolution, Device, Layer, Likelihood, Network, StepContext, Trainee, WeightsFile,
};

/// More than one shard of the native engine, the last of them short.
const ROWS: usize = 150;

fn images() -> VaeArchitecture {
    let down = Convolution {
        input: [6, 6, 1],
        channels: 4,
        kernel: 4,
        stride: 2,
        padding: 1,
    };
    let up = Convolution {
        input: [3, 3, 4],
        channels: 1,
        kernel: 4,
        stride: 2,
        padding: 1,
    };
    let encoder = vec![
        Layer::Conv(down),
        Layer::Silu,
        Layer::Linear {
            inputs: 36,
            outputs: 6,
        },
    ];
    let decoder = vec![
        Layer::Linear {
            inputs: 3,
            outputs: 36,
        },
        Layer::Silu,
        Layer::ConvTranspose(up),
    ];
    let architecture = VaeArchitecture {
        name: "images".into(),
        event: EventKind::Image {
            channels: 1,
            height: 6,
            width: 6,
        },
        likelihood: Likelihood::Bernoulli,
        latent_dim: 3,
        encoder: Network::new(encoder).unwrap(),
        decoder: Network::new(decoder).unwrap(),
    };
    architecture.checked().unwrap()
}

fn labels() -> VaeArchitecture {
    let network = |inputs, outputs| {
        let layers = vec![
            Layer::Linear {
                inputs,
                outputs: 16,
            },
            Layer::Silu,
            Layer::Linear {
                inputs: 16,
                outputs,
            },
        ];
        Network::new(layers).unwrap()
    };
    let architecture = VaeArchitecture {
        name: "labels".into(),
        event: EventKind::Class { classes: 5 },
        likelihood: Likelihood::Categorical,
        latent_dim: 2,
        encoder: network(5, 4),
        decoder: network(2, 5),
    };
    architecture.checked().unwrap()
}

fn observations(event: &EventKind) -> Observations {
    let mut stream = RandomStream::named(3, "observations");
    match event {
        EventKind::Class { classes } => {
            let labels: Vec<u8> = (0..ROWS).map(|_| stream.below(*classes) as u8).collect();
            Observations::one_hot(&labels, *classes).unwrap()
        }
        _ => {
            let values = (0..ROWS * event.size()).map(|_| stream.uniform()).collect();
            Observations::new(values, event.clone()).unwrap()
        }
    }
}

fn objectives() -> [Objective; 3] {
    let warm_up = Objective {
        kl_weight: 0.5,
        kl_warm_up: 0.5,
        ..Objective::elbo()
    };
    let binarised = Objective {
        binarised: true,
        ..Objective::elbo()
    };
    [
        warm_up,
        Objective {
            importance_after: 0.0,
            importance_draws: 5,
            ..Objective::elbo()
        },
        binarised,
    ]
}

fn context(step: usize) -> StepContext {
    let stream = RandomStream::named(4, "step").child(step as u64);
    StepContext {
        learning_rate: 1e-2,
        done: step as f32 / 10.0,
        stream,
    }
}

/// Burn on the processor, and on whatever else this build and this machine have.
fn devices() -> Vec<Device> {
    let others = [Device::Cuda(0), Device::Wgpu(0)]
        .into_iter()
        .filter(|device| device.available().is_ok());
    std::iter::once(Device::Flex).chain(others).collect()
}

fn assert_close(what: &str, native: &[f32], burn: &[f32], tolerance: f32) {
    assert_eq!(native.len(), burn.len(), "{what}");
    for (i, (native, burn)) in native.iter().zip(burn).enumerate() {
        let close = (native - burn).abs() <= tolerance * native.abs().max(1.0);
        assert!(close, "{what} [{i}]: native {native}, burn {burn}");
    }
}

fn assert_same_weights(native: &WeightsFile, burn: &WeightsFile) {
    assert_eq!(native.metadata, burn.metadata);
    assert!(native.tensors.keys().eq(burn.tensors.keys()));
    for (name, tensor) in &native.tensors {
        assert_close(name, &tensor.values, &burn.tensors[name].values, 1e-3);
    }
}

#[test]
fn trainings_follow_the_same_path() {
    for (architecture, device) in [images(), labels()]
        .iter()
        .flat_map(|a| devices().into_iter().map(move |d| (a, d)))
    {
        objectives()
            .into_iter()
            .for_each(|objective| train_both(architecture, objective, device));
    }
}

/// Three steps on both engines, which must agree in objective and weights.
fn train_both(architecture: &VaeArchitecture, objective: Objective, device: Device) {
    let data = observations(&architecture.event);
    let mut native = VaeTrainer::new(architecture.clone(), objective, &data, 1);
    let mut burn = BurnVaeTrainer::new(architecture.clone(), objective, &data, 1, device).unwrap();
    for step in 0..3 {
        let rows: Vec<usize> = (0..ROWS).map(|row| (row * 7 + step) % ROWS).collect();
        let native = native.step(&rows, context(step)).unwrap();
        let burn = burn.step(&rows, context(step)).unwrap();
        assert!(
            (native - burn).abs() < 1e-4 * native.abs(),
            "step {step} on {device}: native {native}, burn {burn}"
        );
    }
    assert_same_weights(&native.checkpoint(), &burn.checkpoint().unwrap());
}

#[test]
fn a_checkpoint_of_either_engine_continues_on_the_other() {
    let (architecture, path) = (images(), Path::new("checkpoint"));
    let data = observations(&architecture.event);
    let rows: Vec<usize> = (0..ROWS).collect();
    let [_, objective, _] = objectives();
    let mut native = VaeTrainer::new(architecture.clone(), objective, &data, 1);
    let mut burn = BurnVaeTrainer::new(architecture, objective, &data, 2, Device::Flex).unwrap();
    native.step(&rows, context(0)).unwrap();
    burn.restore(&native.checkpoint(), path).unwrap();
    assert_eq!(burn.checkpoint().unwrap(), native.checkpoint());
    burn.step(&rows, context(1)).unwrap();
    native.restore(&burn.checkpoint().unwrap(), path).unwrap();
    assert_eq!(burn.checkpoint().unwrap(), native.checkpoint());
}

#[test]
fn inference_agrees_block_by_block() {
    for (architecture, device) in [images(), labels()]
        .iter()
        .flat_map(|a| devices().into_iter().map(move |d| (a, d)))
    {
        let data = observations(&architecture.event);
        let native = VaeTrainer::new(architecture.clone(), Objective::elbo(), &data, 5).model();
        infer_on_both(&native, &native.clone().on(device).unwrap(), &data);
    }
}

fn infer_on_both(native: &Vae, burn: &Vae, data: &Observations) {
    let (expected, found) = (
        native.posterior(data).unwrap(),
        burn.posterior(data).unwrap(),
    );
    let (expected, found) = (
        expected.as_diagonal().unwrap(),
        found.as_diagonal().unwrap(),
    );
    assert_close(
        "mean",
        expected.mean().values(),
        found.mean().values(),
        1e-4,
    );
    assert_close(
        "log-variance",
        expected.log_var().values(),
        found.log_var().values(),
        1e-4,
    );
    // More rows than pass at once, so that a block ends inside an observation's draws.
    let draws = 31;
    let mut latents = vec![0.0; ROWS * draws * native.latent_dim()];
    RandomStream::named(6, "latents").fill_standard_normal(&mut latents);
    let latents = Latents::new(latents, native.latent_dim()).unwrap();
    let (expected, found) = (
        native.decode(&latents).unwrap(),
        burn.decode(&latents).unwrap(),
    );
    assert_close("decoded", expected.values(), found.values(), 1e-4);
    let [expected, found] =
        [native, burn].map(|model| model.log_likelihood_nats(data, &latents).unwrap());
    assert_close("log-likelihood", &expected, &found, 1e-4);
    assert_ne!(
        expected, found,
        "equal to the last bit: the native engine stepped in for burn"
    );
}

#[test]
fn a_model_comes_back_to_the_native_engine() {
    let data = observations(&labels().event);
    let native = VaeTrainer::new(labels(), Objective::elbo(), &data, 5).model();
    let back = native
        .clone()
        .on(Device::Flex)
        .unwrap()
        .on(Device::Cpu)
        .unwrap();
    let means = |model: &Vae| {
        model
            .posterior(&data)
            .unwrap()
            .as_diagonal()
            .unwrap()
            .mean()
            .values()
            .to_vec()
    };
    assert_eq!(means(&native), means(&back));
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_device_that_was_not_built_is_refused() {
    let data = observations(&labels().event);
    let model = VaeTrainer::new(labels(), Objective::elbo(), &data, 5).model();
    let error = model.on(Device::Cuda(0)).unwrap_err().to_string();
    assert!(error.contains("--features cuda"), "{error}");
}
