//! Files of other programs at every door: what is wrong with one leads to exit code 3, its name,
//! and nothing written.
#![allow(clippy::unwrap_used)]

mod program;

use program::{fails, json, run, write_npy};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Files that PyTorch wrote.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../zbridge-foreign/tests/fixtures")
        .join(name)
}

fn names(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn models_at_fault_exit_with_3_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let onnx = fs::read(fixture("onnx/mlp-encoder.torchscript.onnx")).unwrap();
    fs::write(at("cut.onnx"), &onnx[..onnx.len() / 2]).unwrap();
    fs::write(at("noise.onnx"), vec![0xa5; 4096]).unwrap();
    // Its weights lie in a second file, which is not here.
    fs::copy(fixture("onnx/mlp-encoder.external.onnx"), at("alone.onnx")).unwrap();
    let state = fs::read(fixture("state-dicts/plain.pt")).unwrap();
    fs::write(at("cut.pt"), &state[..state.len() / 2]).unwrap();
    fs::write(at("model.toml"), "[encoder]\nfile = \"absent.onnx\"\n").unwrap();
    write_npy(&at("images.npy"), &[1, 28, 28], &[0.5; 784]);
    let before = names(&folder);
    for (model, told) in [
        ("cut.onnx", "cut.onnx"),
        ("noise.onnx", "noise.onnx"),
        ("cut.pt", "cut.pt"),
        ("model.toml", "absent.onnx"),
    ] {
        // The report of what was found goes to standard output, why it is a fault to standard
        // error.
        let (code, _, err) = run(&folder, &["inspect", model]);
        assert_eq!(code, 3, "{model}: {err}");
        assert!(err.starts_with("error: ") && err.contains(told), "{err}");
        let encode = [
            "encode",
            "--model",
            model,
            "--data",
            "images.npy",
            "--out",
            "z.safetensors",
        ];
        fails(&folder, &encode, 3, &[told]);
    }
    let alone = [
        "encode",
        "--model",
        "alone.onnx",
        "--data",
        "images.npy",
        "--out",
        "z.safetensors",
    ];
    fails(
        &folder,
        &alone,
        3,
        &["body.0.weight", "mlp-encoder.external.onnx.data"],
    );
    let (code, out, _) = run(&folder, &["--json", "--quiet", "inspect", "alone.onnx"]);
    assert_eq!(code, 3, "{out}");
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(
        told["problem"]
            .as_str()
            .unwrap()
            .contains("mlp-encoder.external.onnx.data"),
        "{told}"
    );
    fails(&folder, &["inspect", "absent.onnx"], 3, &["absent.onnx"]);
    assert_eq!(names(&folder), before);
}

#[test]
fn latents_at_fault_exit_with_3_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_npy(
        &at("good.npy"),
        &[40, 3],
        &(0..120).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<_>>(),
    );
    write_npy(&at("lying.npy"), &[4_000_000, 3], &[0.0; 12]);
    let mut values = vec![0.25; 120];
    values[3 * 17 + 1] = f32::NAN;
    write_npy(&at("nan.npy"), &[40, 3], &values);
    fs::write(at("cut.npz"), b"PK\x03\x04 and no more").unwrap();
    fs::write(at("cut.parquet"), b"PAR1 and no end").unwrap();
    fs::write(at("latents.csv"), "1,2\n").unwrap();
    let before = names(&folder);
    for (file, told) in [
        ("lying.npy", &["lying.npy"][..]),
        ("nan.npy", &["nan.npy", "row 17"]),
        ("cut.npz", &["cut.npz"]),
        ("cut.parquet", &["cut.parquet"]),
        ("latents.csv", &["latents.csv", "not safetensors"]),
        ("absent.npz", &["absent.npz"]),
    ] {
        fails(
            &folder,
            &["fit", "--x", file, "--y", "good.npy", "--out", "new.bridge"],
            3,
            told,
        );
    }
    assert_eq!(names(&folder), before);
}

#[test]
fn what_pytorch_wrote_is_told_in_words_and_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = fixture("onnx/mlp-encoder.torchscript.onnx")
        .display()
        .to_string();
    let told = json(&folder, &["inspect", &path]);
    assert!(told["kind"].is_string(), "{told}");
    assert!(
        told["found"]["networks"][0]["graph"]["operator_sets"]["ai.onnx"].is_number(),
        "{told}"
    );
}
