//! Autoencoders of diffusers give the numbers that diffusers gives.

#![allow(clippy::unwrap_used)]

mod support;

use support::{close, expected, fixture, folder, gaussian, observations};
use zbridge_core::{EventKind, LatentModel};
use zbridge_foreign::{ForeignError, open};

fn agrees(form: &str) {
    let data = format!("autoencoder-kl/{form}/expected.safetensors");
    let model = open(fixture(&format!("autoencoder-kl/{form}"))).unwrap();
    assert_eq!(
        model.event(),
        &EventKind::Image {
            channels: 3,
            height: 16,
            width: 16
        }
    );
    assert_eq!((model.name(), model.latent_shape()), (form, &[4, 8, 8][..]));
    let images = observations(&model, expected(&data, "images").1);
    let posterior = model.posterior(&images).unwrap();
    close(
        "means",
        gaussian(&posterior).mean().values(),
        &expected(&data, "mean").1,
    );
    let sd: Vec<f32> = gaussian(&posterior)
        .log_var()
        .values()
        .iter()
        .map(|v| (0.5 * v).exp())
        .collect();
    close("standard deviations", &sd, &expected(&data, "std").1);
    let decoded = model.decode(gaussian(&posterior).mean()).unwrap();
    let clamped: Vec<f32> = expected(&data, "decoded")
        .1
        .iter()
        .map(|value| value.clamp(0.0, 1.0))
        .collect();
    close("decoded images", decoded.values(), &clamped);
}

#[test]
fn half_precision_weights_with_the_old_names_of_attention() {
    agrees("plain");
}

#[test]
fn weights_of_torch_save_without_quantisation_layers_and_a_shift() {
    agrees("shifted");
}

#[test]
fn means_and_deviations_of_latents_without_attention() {
    agrees("standardised");
}

const FILES: [(&str, &str); 2] = [
    ("autoencoder-kl/plain/config.json", "config.json"),
    (
        "autoencoder-kl/plain/diffusion_pytorch_model.safetensors",
        "diffusion_pytorch_model.safetensors",
    ),
];

#[test]
fn a_manifest_gives_other_sizes_and_a_likelihood() {
    let event = "[event]\nkind = \"image\"\nchannels = 3\nheight = 24\nwidth = 8\n";
    let manifest = format!(
        "name = \"wide\"\nautoencoder = \".\"\n{event}[likelihood]\nkind = \"gaussian\"\nsd = 0.1\n"
    );
    let model = open(folder(&FILES, &manifest).path()).unwrap();
    assert_eq!(
        (model.name(), model.latent_shape()),
        ("wide", &[4, 12, 4][..])
    );
    let posterior = model
        .posterior(&observations(&model, vec![0.5; 3 * 24 * 8]))
        .unwrap();
    let x = model.decode(gaussian(&posterior).mean()).unwrap();
    assert!(
        model
            .log_likelihood_nats(&x, gaussian(&posterior).mean())
            .unwrap()[0]
            .is_finite()
    );
    let odd = manifest.replace("24", "23");
    let error = open(folder(&FILES, &odd).path()).unwrap_err();
    assert!(matches!(error, ForeignError::Manifest { .. }), "{error}");
}

#[test]
fn configurations_and_weights_that_do_not_fit_are_named() {
    let edited = |from: &str, to: &str| {
        let folder = folder(&FILES, "");
        let path = folder.path().join("config.json");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
        open(folder.path()).unwrap_err()
    };
    let class = edited("\"AutoencoderKL\"", "\"AutoencoderTiny\"");
    assert!(
        matches!(&class, ForeignError::Configuration { key, .. } if key == "_class_name"),
        "{class}"
    );
    let groups = edited("\"norm_num_groups\": 4", "\"norm_num_groups\": 3");
    assert!(
        matches!(&groups, ForeignError::Configuration { key, .. } if key == "norm_num_groups"),
        "{groups}"
    );
    let missing = edited("\"layers_per_block\": 1", "\"layers_per_block\": 2");
    assert!(
        matches!(&missing, ForeignError::NoTensor { tensor, .. } if tensor.contains("resnets.1")),
        "{missing}"
    );
    let shape = edited("\"latent_channels\": 4", "\"latent_channels\": 3");
    assert!(matches!(&shape, ForeignError::Shape { .. }), "{shape}");
    let huge = edited(
        "\"latent_channels\": 4",
        "\"latent_channels\": 400000000000",
    );
    assert!(
        matches!(&huge, ForeignError::Configuration { .. }),
        "{huge}"
    );
    let bare = open(folder(&FILES[..1], "").path()).unwrap_err();
    assert!(matches!(&bare, ForeignError::Unknown { .. }), "{bare}");
}
