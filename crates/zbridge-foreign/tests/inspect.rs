//! What a file is, in words and as JSON.

#![allow(clippy::unwrap_used)]

mod support;

use support::{fixture, folder};
use zbridge_foreign::{FileFormat, Found, Verdict, inspect};

#[test]
fn a_network_is_told_with_its_inputs_operators_and_guesses() {
    let inspection = inspect(fixture("onnx/mlp-encoder.torchscript.onnx")).unwrap();
    let text = inspection.to_string();
    for part in [
        "written by pytorch",
        "takes input float32 [batch, 144]",
        "× Gemm",
        "encoder runs on zbridge's own kernel\n",
        "guessed encoder.mean = \"mu\": its name",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let json = serde_json::to_value(&inspection).unwrap();
    assert_eq!(json["found"]["kind"], "networks");
    assert_eq!(
        json["found"]["networks"][0]["graph"]["inputs"][0]["shape"],
        serde_json::json!(["batch", 144])
    );
    assert_eq!(json["model"]["latent_shape"], serde_json::json!([8]));
    assert_eq!(json["model"]["encoder_engine"], "chain");
    assert!(json["model"]["decoder_engine"].is_null());
    let general = inspect(fixture("onnx/gru-encoder.dynamo.onnx")).unwrap();
    assert!(
        general.to_string().contains("encoder runs on rten\n"),
        "{general}"
    );
}

#[test]
fn weights_are_lists_of_tensors() {
    for (name, format) in [
        ("state-dicts/plain.pt", FileFormat::Torch),
        ("state-dicts/plain.safetensors", FileFormat::Safetensors),
    ] {
        let inspection = inspect(fixture(name)).unwrap();
        assert!(
            matches!(&inspection.found, Found::Tensors { format: found, tensors } if *found == format && tensors.len() > 5)
        );
        assert!(inspection.usage().is_none());
    }
    let text = inspect(fixture("state-dicts/plain.pt"))
        .unwrap()
        .to_string();
    assert!(
        text.contains("a file of torch.save, 9 tensors") && text.contains("brain bfloat16 [3, 4]"),
        "{text}"
    );
}

#[test]
fn an_autoencoder_and_a_manifest_are_told_apart() {
    let inspection = inspect(fixture("autoencoder-kl/plain")).unwrap();
    assert!(
        matches!(inspection.found, Found::AutoencoderKl { .. }),
        "{inspection}"
    );
    let folder = folder(
        &[("onnx/conv-encoder.dynamo.onnx", "encoder.onnx")],
        "[encoder]\nhalves = 3\n",
    );
    let broken = inspect(folder.path()).unwrap();
    assert!(
        broken.usage().is_none() && broken.to_string().contains("cannot be used"),
        "{broken}"
    );
}

#[test]
fn weights_are_no_model_and_no_problem() {
    let inspection = inspect(fixture("state-dicts/plain.pt")).unwrap();
    assert_eq!(inspection.verdict, Verdict::WeightsOnly);
    let json = serde_json::to_value(&inspection).unwrap();
    assert_eq!(json["verdict"], "weights-only");
    assert!(json["model"].is_null() && json["problem"].is_null());
}

#[test]
fn files_that_cannot_be_used_are_a_verdict_with_the_cure() {
    let cures = [
        (
            "state-dicts/legacy.pth",
            "torch.save(torch.load(f, weights_only=True), g)",
        ),
        ("state-dicts/whole-module.pt", "model.state_dict()"),
    ];
    for (name, cure) in cures {
        let inspection = inspect(fixture(name)).unwrap();
        let Verdict::Unusable { problem } = &inspection.verdict else {
            panic!("{inspection}");
        };
        assert!(problem.contains(cure), "{problem}");
        assert_eq!(
            inspection.found,
            Found::Unreadable {
                format: FileFormat::Torch
            }
        );
        let json = serde_json::to_value(&inspection).unwrap();
        assert_eq!(
            (&json["verdict"], &json["problem"]),
            (&"unusable".into(), &problem[..].into())
        );
        assert_eq!(json["found"]["format"], "torch");
    }
    let cut = tempfile::tempdir().unwrap();
    let path = cut.path().join("encoder.onnx");
    let whole = std::fs::read(fixture("onnx/mlp-encoder.torchscript.onnx")).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let inspection = inspect(&path).unwrap();
    assert!(
        matches!(inspection.verdict, Verdict::Unusable { .. }),
        "{inspection}"
    );
}

#[test]
fn a_generator_without_an_encoder_is_told_with_its_route() {
    let inspection = inspect(fixture("onnx/conv-decoder.dynamo.onnx")).unwrap();
    let usage = inspection.usage().unwrap();
    let route = usage.route.unwrap();
    for step in ["prior", "decode", "label", "fit"] {
        assert!(route.contains(step), "{step} in {route}");
    }
    assert!(inspection.to_string().contains(route), "{inspection}");
    let encoder = inspect(fixture("onnx/conv-encoder.dynamo.onnx")).unwrap();
    assert_eq!(encoder.usage().unwrap().route, None);
}
