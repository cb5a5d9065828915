//! The binary in a folder of its own, and a small dataset in MNIST's form.
// The helpers of test files are tests too; not each file uses all.
#![allow(clippy::unwrap_used, dead_code)]

use assert_cmd::Command;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Runs to the end and returns (exit code, standard output, standard error).
pub fn run(folder: &TempDir, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("zbridge").unwrap();
    let output = command
        .current_dir(folder)
        .env_remove("ZBRIDGE_DATA")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// Returns the folder that an environment variable names, or else the folder `name` of the data
/// beside the checkout; `None`, with a line that says so, if there is neither.
pub fn data_folder(variable: &str, name: &str) -> Option<String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(name);
    let named = std::env::var(variable).ok();
    let folder = named.or_else(|| Some(beside.canonicalize().ok()?.display().to_string()));
    if folder.is_none() {
        eprintln!("skipped: no data; {variable} names their folder");
    }
    folder
}

/// Runs, expects success, and gives the JSON object printed.
pub fn json(folder: &TempDir, arguments: &[&str]) -> serde_json::Value {
    let (code, out, err) = run(folder, &[&["--json", "--quiet"], arguments].concat());
    assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}: {err}");
    serde_json::from_str(&out).unwrap()
}

/// Runs, expects this exit code, an empty standard output, and an error that holds every word in
/// `told`.
pub fn fails(folder: &TempDir, arguments: &[&str], expected: i32, told: &[&str]) {
    let (code, out, err) = run(folder, arguments);
    assert_eq!((code, out.as_str()), (expected, ""), "{arguments:?}: {err}");
    assert!(
        err.starts_with("error: ") && !err.contains("panicked"),
        "{arguments:?}: {err}"
    );
    for word in told {
        assert!(
            err.contains(word),
            "{arguments:?}: `{word}` is not in {err}"
        );
    }
}

pub fn write_idx(path: &Path, shape: &[usize], bytes: &[u8]) {
    let mut file = vec![0, 0, 8, shape.len() as u8];
    file.extend(shape.iter().flat_map(|&size| (size as u32).to_be_bytes()));
    file.extend(bytes);
    fs::write(path, file).unwrap();
}

/// A folder with `data/`: 300 images to train on and 100 to test on, of bars instead of digits.
pub fn folder_with_data() -> TempDir {
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

/// An `.npy` of f32, version 1.0.
pub fn write_npy(path: &Path, shape: &[usize], values: &[f32]) {
    let shape: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}",
        shape.join(", ")
    );
    let padded = format!("{header:<117}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((padded.len() as u16).to_le_bytes());
    file.extend(padded.as_bytes());
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    fs::write(path, file).unwrap();
}
