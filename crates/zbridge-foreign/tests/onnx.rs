//! Networks that PyTorch exported give the numbers that PyTorch gives.

#![allow(clippy::unwrap_used)]

mod support;

use support::{
    channels_first, close, expected, fixture, folder, gaussian, grey, latents, observations,
};
use zbridge_core::{
    EventKind, LatentModel, LatentModelError, Observations, RandomStream, ShapeError,
};
use zbridge_foreign::{ForeignModel, open};

fn opened(files: &[(&str, &str)], manifest: &str) -> ForeignModel {
    let folder = folder(files, manifest);
    open(folder.path()).unwrap()
}

fn guess<'a>(model: &'a ForeignModel, what: &str) -> &'a str {
    let guess = model.guesses().iter().find(|guess| guess.what == what);
    &guess
        .unwrap_or_else(|| panic!("no guess of {what}: {:?}", model.guesses()))
        .value
}

const CONV: [(&str, &str); 2] = [
    ("onnx/conv-encoder.dynamo.onnx", "encoder.onnx"),
    ("onnx/conv-decoder.dynamo.onnx", "decoder.onnx"),
];

const PIXELS: [(&str, &str); 2] = [
    ("onnx/pixel-encoder.dynamo.onnx", "encoder.onnx"),
    ("onnx/upsample-decoder.dynamo.onnx", "decoder.onnx"),
];

#[test]
fn a_folder_of_two_networks_needs_no_manifest() {
    let model = opened(&CONV, "");
    assert_eq!((model.event(), model.latent_dim()), (&grey(28), 6));
    assert_eq!(guess(&model, "encoder.halves"), "\"moments\"");
    assert_eq!(guess(&model, "likelihood.outputs"), "\"logits\"");
    let (_, images) = expected("onnx/conv-encoder.safetensors", "input");
    let (_, moments) = expected("onnx/conv-encoder.safetensors", "output.0");
    let posterior = model.posterior(&observations(&model, images)).unwrap();
    for (row, moments) in moments.chunks_exact(12).enumerate() {
        close(
            "means",
            gaussian(&posterior).mean().row_values(row),
            &moments[..6],
        );
        close(
            "log-variances",
            gaussian(&posterior).log_var().row_values(row),
            &moments[6..],
        );
    }
    let (_, z) = expected("onnx/conv-decoder.safetensors", "input");
    let (_, logits) = expected("onnx/conv-decoder.safetensors", "output.0");
    let probabilities: Vec<f32> = logits
        .iter()
        .map(|logit| 1.0 / (1.0 + (-logit).exp()))
        .collect();
    close(
        "means of pixels",
        model.decode(&latents(&model, z)).unwrap().values(),
        &probabilities,
    );
}

#[test]
fn the_likelihood_of_logits_is_the_sum_over_pixels() {
    let model = opened(&CONV, "");
    let (_, z) = expected("onnx/conv-decoder.safetensors", "input");
    let (_, logits) = expected("onnx/conv-decoder.safetensors", "output.0");
    let x = observations(&model, vec![0.25; 784]);
    let found = model.log_likelihood_nats(&x, &latents(&model, z)).unwrap();
    for (found, logits) in found.iter().zip(logits.chunks_exact(784)) {
        let by_hand: f64 = logits
            .iter()
            .map(|&l| f64::from(0.25 * l - l.max(0.0) - (-l.abs()).exp().ln_1p()))
            .sum();
        assert!(
            (f64::from(*found) - by_hand).abs() < 1e-2 + 1e-5 * by_hand.abs(),
            "{found} against {by_hand}"
        );
    }
}

#[test]
fn a_fixed_batch_is_filled_up_and_both_exporters_agree() {
    let files = [
        ("onnx/conv-encoder.torchscript.onnx", "encoder.onnx"),
        ("onnx/conv-decoder.fixed.onnx", "decoder.onnx"),
    ];
    let (fixed, free) = (opened(&files, ""), opened(&CONV, ""));
    assert_eq!(guess(&fixed, "batch of the decoder"), "3");
    let z = free
        .posterior(&observations(&free, vec![0.5; 784 * 7]))
        .unwrap()
        .sample(&mut RandomStream::named(1, "z"));
    close(
        "decoded",
        fixed.decode(&z).unwrap().values(),
        free.decode(&z).unwrap().values(),
    );
    let one = z.select(&[4]);
    close(
        "one row",
        fixed.decode(&one).unwrap().values(),
        free.decode(&z).unwrap().row(4),
    );
    assert_eq!(fixed.decode(&z.select(&[])).unwrap().rows(), 0);
}

#[test]
fn many_rows_are_the_rows_one_by_one() {
    let model = opened(&CONV, "");
    let values = (0..784 * 45)
        .map(|i| ((i * 37 % 101) as f32) / 101.0)
        .collect();
    let all = observations(&model, values);
    let together = model.posterior(&all).unwrap();
    for row in [0, 9, 10, 44] {
        let alone = model.posterior(&all.select(&[row])).unwrap();
        close(
            "a row",
            gaussian(&together).mean().row_values(row),
            gaussian(&alone).mean().values(),
        );
    }
}

#[test]
fn names_shapes_and_first_layers_tell_ranges_layouts_and_spreads() {
    let model = opened(&PIXELS, "");
    assert_eq!(
        model.event(),
        &EventKind::Image {
            channels: 3,
            height: 16,
            width: 16
        }
    );
    assert_eq!(
        (
            guess(&model, "encoder.range"),
            guess(&model, "decoder.range")
        ),
        ("\"0..255\"", "\"-1..1\"")
    );
    assert_eq!(guess(&model, "encoder.standard-deviation"), "\"std\"");
    assert_eq!(guess(&model, "likelihood.kind"), "\"none\"");
    let (_, pixels) = expected("onnx/pixel-encoder.safetensors", "input");
    let (_, mean) = expected("onnx/pixel-encoder.safetensors", "output.0");
    let (_, sd) = expected("onnx/pixel-encoder.safetensors", "output.1");
    let images: Vec<f32> = channels_first(&pixels, [16, 16, 3])
        .iter()
        .map(|pixel| pixel / 255.0)
        .collect();
    let posterior = model.posterior(&observations(&model, images)).unwrap();
    close("means", gaussian(&posterior).mean().values(), &mean);
    let found: Vec<f32> = gaussian(&posterior)
        .log_var()
        .values()
        .iter()
        .map(|v| (0.5 * v).exp())
        .collect();
    close("standard deviations", &found, &sd);
    let (_, z) = expected("onnx/upsample-decoder.safetensors", "input");
    let (_, images) = expected("onnx/upsample-decoder.safetensors", "output.0");
    let images: Vec<f32> = images.iter().map(|value| (value + 1.0) / 2.0).collect();
    close(
        "images",
        model.decode(&latents(&model, z)).unwrap().values(),
        &images,
    );
}

#[test]
fn what_has_no_likelihood_says_so_and_a_manifest_gives_one() {
    let model = opened(&PIXELS, "");
    let (x, z) = (
        observations(&model, vec![0.5; 768]),
        latents(&model, vec![0.1; 5]),
    );
    let error = model.log_likelihood_nats(&x, &z).unwrap_err();
    assert!(
        matches!(
            error,
            LatentModelError::Absent {
                part: "likelihood",
                ..
            }
        ),
        "{error}"
    );
    let manifest =
        "name = \"pixels\"\n[likelihood]\nkind = \"gaussian\"\nsd = 0.2\n[latent]\nscale = 2.0\n";
    let stated = opened(&PIXELS, manifest);
    assert_eq!(
        (
            stated.name(),
            model.has_likelihood(),
            stated.has_likelihood()
        ),
        ("pixels", false, true)
    );
    let log_p = stated
        .log_likelihood_nats(&x, &latents(&stated, vec![0.2; 5]))
        .unwrap()[0];
    let gaps = model
        .decode(&z)
        .unwrap()
        .values()
        .iter()
        .map(|v| f64::from((v - 0.5) * (v - 0.5)))
        .sum::<f64>();
    let by_hand = -gaps / 0.08 - 768.0 * (0.5 * std::f64::consts::TAU.ln() + 0.2f64.ln());
    assert!(
        (f64::from(log_p) - by_hand).abs() < 0.05,
        "{log_p} against {by_hand}"
    );
}

#[test]
fn flat_images_and_data_beside_the_network_are_read() {
    let files = [
        (
            "onnx/mlp-encoder.external.onnx",
            "mlp-encoder.external.onnx",
        ),
        (
            "onnx/mlp-encoder.external.onnx.data",
            "mlp-encoder.external.onnx.data",
        ),
        ("onnx/mlp-decoder.torchscript.onnx", "decoder.onnx"),
    ];
    let model = opened(&files, "[encoder]\nfile = \"mlp-encoder.external.onnx\"\n");
    assert_eq!(model.event(), &grey(12));
    let (_, x) = expected("onnx/mlp-encoder.safetensors", "input");
    let (_, log_var) = expected("onnx/mlp-encoder.safetensors", "output.1");
    let posterior = model.posterior(&observations(&model, x)).unwrap();
    close(
        "log-variances",
        gaussian(&posterior).log_var().values(),
        &log_var,
    );
    let (_, z) = expected("onnx/mlp-decoder.safetensors", "input");
    let (_, probabilities) = expected("onnx/mlp-decoder.safetensors", "output.0");
    close(
        "means",
        model.decode(&latents(&model, z)).unwrap().values(),
        &probabilities,
    );
    assert_eq!(guess(&model, "likelihood.kind"), "\"bernoulli\"");
}

#[test]
fn attention_recurrence_and_sounds_run() {
    for (name, outputs) in [
        ("transformer-encoder", 1),
        ("gru-encoder", 2),
        ("sound-encoder", 2),
        ("kl-encoder", 0),
    ] {
        let model = open(fixture(&format!("onnx/{name}.dynamo.onnx"))).unwrap();
        let data = format!("onnx/{name}.safetensors");
        let (_, x) = expected(&data, "input");
        let posterior = model
            .posterior(&Observations::new(x, model.event().clone()).unwrap())
            .unwrap();
        let (shape, mean) = expected(&data, "output.0");
        match outputs {
            1 => close(
                name,
                posterior
                    .sample(&mut RandomStream::named(1, "point"))
                    .values(),
                &mean,
            ),
            2 => close(name, gaussian(&posterior).mean().values(), &mean),
            _ => {
                let row: usize = shape[1..].iter().product();
                let halves = mean
                    .chunks_exact(row)
                    .flat_map(|row| row[..row.len() / 2].to_vec());
                close(
                    name,
                    gaussian(&posterior).mean().values(),
                    &halves.collect::<Vec<_>>(),
                );
            }
        }
        assert!(matches!(
            model.decode(&latents(&model, vec![0.0; model.latent_dim()])),
            Err(LatentModelError::Absent {
                part: "decoder",
                ..
            })
        ));
    }
}

#[test]
fn a_decoder_alone_decodes() {
    let folder = folder(&[("onnx/conv-decoder.dynamo.onnx", "decoder.onnx")], "");
    let model = open(folder.path()).unwrap();
    assert_eq!(
        (model.encodes(), model.decodes(), model.event()),
        (false, true, &grey(28))
    );
    let error = model
        .posterior(&observations(&model, vec![0.0; 784]))
        .unwrap_err();
    assert!(
        matches!(
            error,
            LatentModelError::Absent {
                part: "encoder",
                ..
            }
        ),
        "{error}"
    );
    assert!(model.decode(&latents(&model, vec![0.0; 6])).is_ok());
}

#[test]
fn batches_of_other_shapes_are_errors() {
    let model = opened(&CONV, "");
    let other = Observations::new(vec![0.0; 16], grey(4)).unwrap();
    assert!(matches!(
        model.posterior(&other),
        Err(LatentModelError::Shape(ShapeError::Mismatch { .. }))
    ));
    let z = zbridge_core::Latents::filled(2, 5, 0.0);
    assert!(matches!(
        model.decode(&z),
        Err(LatentModelError::Shape(ShapeError::Mismatch { .. }))
    ));
    let (x, z) = (
        observations(&model, vec![0.0; 784 * 2]),
        zbridge_core::Latents::filled(3, 6, 0.0),
    );
    assert!(matches!(
        model.log_likelihood_nats(&x, &z),
        Err(LatentModelError::Shape(ShapeError::Mismatch { .. }))
    ));
}
