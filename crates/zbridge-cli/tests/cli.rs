//! The binary from outside: exit codes, what it prints, and the files it leaves.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

use assert_cmd::Command;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn zbridge(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("zbridge").unwrap();
    command
        .current_dir(folder)
        .env_remove("ZBRIDGE_DATA")
        .args(arguments);
    command
}

/// Runs to the end; comes back with (exit code, standard output, standard error).
fn run(folder: &TempDir, arguments: &[&str]) -> (i32, String, String) {
    let output = zbridge(folder, arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn write_idx(path: &Path, shape: &[usize], bytes: &[u8]) {
    let mut file = vec![0, 0, 8, shape.len() as u8];
    file.extend(shape.iter().flat_map(|&size| (size as u32).to_be_bytes()));
    file.extend(bytes);
    fs::write(path, file).unwrap();
}

/// A folder with `data/`: 300 images to train on and 100 to test on, of bars instead of digits.
fn folder_with_data() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    for (name, rows) in [("train", 300), ("t10k", 100)] {
        let labels: Vec<u8> = (0..rows).map(|row| (row % 10) as u8).collect();
        let pixel = |label: u8, at: usize| {
            if at / 56 == usize::from(label) {
                255
            } else {
                0
            }
        };
        let images: Vec<u8> = labels
            .iter()
            .flat_map(|&label| (0..784).map(move |at| pixel(label, at)))
            .collect();
        write_idx(
            &data.join(format!("{name}-images-idx3-ubyte")),
            &[rows, 28, 28],
            &images,
        );
        write_idx(
            &data.join(format!("{name}-labels-idx1-ubyte")),
            &[rows],
            &labels,
        );
    }
    folder
}

#[test]
fn help_lists_commands_and_global_flags() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = run(&folder, &["--help"]);
    assert_eq!(code, 0);
    for word in ["train", "--json", "--seed", "--quiet"] {
        assert!(out.contains(word), "{word} is not in\n{out}");
    }
    assert_eq!(run(&folder, &["train", "--help"]).0, 0);
    assert_eq!(run(&folder, &["--version"]).0, 0);
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, told) in [
        (&["train", "mnist-imago"][..], "mnist-image, "),
        (&["train"], "RECIPE"),
        (&["train", "mnist-label", "--epochs", "0"], "--epochs"),
        (&["trian"], "train"),
    ] {
        let (code, out, err) = run(&folder, arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(
            err.starts_with("error: ") && err.contains(told),
            "{arguments:?}: {err}"
        );
    }
}

#[test]
fn recipes_are_listed_as_text_and_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = run(&folder, &["train", "--list"]);
    assert_eq!(
        (
            code,
            out.lines().any(|line| line.starts_with("mnist-judge "))
        ),
        (0, true),
        "{out}"
    );
    let (code, out, err) = run(&folder, &["--json", "train", "--list"]);
    let list: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(list["recipes"][0]["name"], "mnist-image");
}

#[test]
fn data_that_is_missing_or_damaged_exits_with_3() {
    let folder = folder_with_data();
    let (code, _, err) = run(&folder, &["train", "mnist-label", "--data", "absent"]);
    assert_eq!(code, 3, "{err}");
    assert!(
        err.starts_with("error: absent (the data folder): not a folder with MNIST"),
        "{err}"
    );
    let images = folder.path().join("data/train-images-idx3-ubyte");
    let whole = fs::read(&images).unwrap();
    fs::write(&images, &whole[..5000]).unwrap();
    let (code, out, err) = run(&folder, &["train", "mnist-label", "--data", "data"]);
    assert_eq!((code, out.as_str()), (3, ""), "{err}");
    assert!(err.contains("ends too early"), "{err}");
}

#[test]
fn a_folder_that_cannot_be_written_exits_with_1_before_training() {
    let folder = folder_with_data();
    let (code, _, err) = run(
        &folder,
        &[
            "train",
            "mnist-label",
            "--data",
            "data",
            "--out",
            "absent/label.safetensors",
        ],
    );
    assert_eq!(code, 1, "{err}");
    assert!(
        err.contains("absent/label.safetensors") && !err.contains("epoch"),
        "{err}"
    );
}

#[test]
fn a_tiny_training_writes_a_model_that_loads() {
    let folder = folder_with_data();
    let arguments = [
        "train",
        "mnist-label",
        "--data",
        "data",
        "--epochs",
        "1",
        "--seed",
        "7",
        "--json",
    ];
    let (code, out, err) = run(&folder, &arguments);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("epoch 1/1  objective −"), "{err}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["seed"], &report["rows"]), (&7.into(), &300.into()));
    assert_eq!(report["held_out"]["elbo_nats"]["count"], 100);
    let path = folder.path().join("mnist-label.safetensors");
    let file = zbridge_nn::WeightsFile::read(&path).unwrap();
    assert_eq!(
        file.metadata["made_by"],
        format!("zbridge {}", arguments.join(" "))
    );
    assert_eq!(
        zbridge_models::Vae::from_weights(&file, &path)
            .unwrap()
            .architecture()
            .latent_dim,
        2
    );
    assert!(
        !folder
            .path()
            .join("mnist-label.safetensors.checkpoint")
            .exists()
    );
}

#[test]
fn quiet_keeps_standard_error_empty_and_text_names_the_digest() {
    let folder = folder_with_data();
    let arguments = [
        "train",
        "mnist-label",
        "--data",
        "data",
        "--epochs",
        "1",
        "--quiet",
        "--out",
        "l.safetensors",
    ];
    let (code, out, err) = run(&folder, &arguments);
    assert_eq!((code, err.as_str()), (0, ""));
    for part in [
        "l.safetensors: mnist-label after epoch 1, 300 rows, seed 1",
        "held-out ELBO",
        "SHA-256",
    ] {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
}

/// Ctrl-C as a terminal sends it, then `--resume`.
#[cfg(unix)]
#[test]
fn an_interrupted_training_exits_with_130_and_goes_on_with_resume() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let folder = folder_with_data();
    let arguments = [
        "train",
        "mnist-label",
        "--data",
        "data",
        "--epochs",
        "20000",
        "--stop-after",
        "20000",
    ];
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("zbridge"))
        .current_dir(&folder)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap);
    lines.find(|line| line.starts_with("epoch 1/")).unwrap();
    assert!(
        Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    assert!(rest.last().unwrap().contains("--resume`"), "{rest:?}");
    assert!(
        folder
            .path()
            .join("mnist-label.safetensors.checkpoint")
            .exists()
    );
    let (code, _, err) = run(
        &folder,
        &[
            "train",
            "mnist-label",
            "--data",
            "data",
            "--epochs",
            "20000",
            "--resume",
            "--seed",
            "3",
        ],
    );
    assert_eq!(
        (code, err.contains("plan.seed is 1 there and 3 here")),
        (2, true),
        "{err}"
    );
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_is_no_error() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("zbridge"))
        .args(["train", "--list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}
