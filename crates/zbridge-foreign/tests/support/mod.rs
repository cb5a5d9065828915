//! What the tests share: fixtures, and folders made of them.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use tempfile::TempDir;
use zbridge_core::{DiagonalGaussian, EventKind, LatentModel, Latents, Observations, Posterior};
use zbridge_foreign::{ForeignModel, StateDict};

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A folder with copies of fixtures under other names, and a manifest where it is not empty.
pub fn folder(files: &[(&str, &str)], manifest: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in files {
        std::fs::copy(fixture(from), folder.path().join(to)).unwrap();
    }
    if !manifest.is_empty() {
        std::fs::write(folder.path().join("model.toml"), manifest).unwrap();
    }
    folder
}

/// (shape, values) of a tensor in a fixture.
pub fn expected(file: &str, name: &str) -> (Vec<usize>, Vec<f32>) {
    let file = StateDict::read(fixture(file)).unwrap();
    let tensor = file.tensor(name).unwrap();
    let values = tensor.to_f32().unwrap();
    (tensor.shape().to_vec(), values.into_iter().collect())
}

pub fn observations(model: &ForeignModel, values: Vec<f32>) -> Observations {
    Observations::new(values, model.event().clone()).unwrap()
}

pub fn gaussian(posterior: &Posterior) -> &DiagonalGaussian {
    posterior.as_diagonal().expect("a Gaussian")
}

pub fn latents(model: &ForeignModel, values: Vec<f32>) -> Latents {
    Latents::from_vec(values, model.latent_dim()).unwrap()
}

/// Relative to the largest expected value, as a network's rounding is.
pub fn close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected
        .iter()
        .fold(1.0f32, |scale, value| scale.max(value.abs()));
    let worst = found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs() / scale)
        .fold(0.0, f32::max);
    assert!(worst <= 1e-4, "{what}: off by {worst}");
}

/// The bytes of `[height, width, channels]` images as `[channels, height, width]`.
pub fn channels_first(values: &[f32], [height, width, channels]: [usize; 3]) -> Vec<f32> {
    let rows = values.chunks_exact(height * width * channels);
    let place = |i: usize| i % (height * width) * channels + i / (height * width);
    rows.flat_map(|row| (0..row.len()).map(move |i| row[place(i)]))
        .collect()
}

pub fn grey(side: usize) -> EventKind {
    EventKind::Image {
        channels: 1,
        height: side,
        width: side,
    }
}
