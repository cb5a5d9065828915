//! Faults that were found once and stay away.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

use std::path::{Path, PathBuf};
use tempfile::TempDir;
use zbridge::{
    BridgeConfig, DiagonalGaussian, Latents, LatentsFile, Observations, Precision, RandomStream,
    Unobserved,
};
use zbridge_datasets::Split;
use zbridge_tasks::evaluation::HeldOutSource;
use zbridge_tasks::{
    EvaluateRequest, FitReport, FitRequest, GenerateRequest, GenerateSource, Shard, Side, evaluate,
    fit, generate, open_model,
};

const ROWS: usize = 120;

/// Writes latents of which row `i` is row `row_of(i)` of the same standard normals.
fn write_latents(path: &Path, row_of: impl Fn(usize) -> usize, model: Option<&str>) {
    let z = DiagonalGaussian::standard(ROWS, 2).sample(&mut RandomStream::named(1, "z"));
    let rows: Vec<usize> = (0..ROWS).map(row_of).collect();
    let narrow = Latents::filled(ROWS, 2, -6.0);
    let posterior = DiagonalGaussian::new(z.select(&rows), narrow).unwrap();
    let mut file = LatentsFile::numbered(posterior.into());
    if let Some(model) = model {
        file.metadata.insert("model".into(), model.into());
    }
    file.write(path, Precision::F32).unwrap();
}

fn paths(folder: &TempDir) -> [PathBuf; 3] {
    ["x.safetensors", "y.safetensors", "pairs.bridge"].map(|name| folder.path().join(name))
}

fn fitted(folder: &TempDir, prior_draws: usize) -> FitReport {
    let [x, y, out] = paths(folder);
    let config = BridgeConfig::family("linear-gaussian".parse().unwrap());
    let request = FitRequest {
        x,
        y,
        pairs: None,
        x_unpaired: None,
        y_unpaired: None,
        prior_draws,
        config: config.check().unwrap(),
        out,
    };
    fit(&request, &Unobserved).unwrap()
}

#[test]
fn a_fit_warns_of_partners_that_are_shifted_by_one_row() {
    let folder = tempfile::tempdir().unwrap();
    let [x, y, _] = paths(&folder);
    write_latents(&x, |row| row, None);
    write_latents(&y, |row| (row + 1) % ROWS, None);
    let notes = fitted(&folder, 0).notes;
    assert!(
        notes.iter().any(|note| note.contains("shifted by one row")),
        "{notes:?}"
    );
    write_latents(&y, |row| row, None);
    assert!(fitted(&folder, 0).notes.is_empty());
}

#[test]
fn a_model_that_is_gone_is_told_of_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let [x, y, bridge] = paths(&folder);
    write_latents(&x, |row| row, Some("gone/vae.onnx"));
    write_latents(&y, |row| row, None);
    let notes = fitted(&folder, 100).notes;
    assert!(
        notes.iter().any(|note| note.contains("gone/vae.onnx")),
        "{notes:?}"
    );
    let request = GenerateRequest {
        bridge,
        from: GenerateSource::Latents(y),
        to: Side::X,
        count: 1,
        mean_draws: None,
        x_model: None,
        y_model: None,
        seed: 1,
        shard: Shard::WHOLE,
        latents: false,
        out: folder.path().join("made.npy"),
    };
    let error = generate(&request, &Unobserved).unwrap_err().to_string();
    assert!(
        error.contains("name the model of x") && !error.contains("--"),
        "{error}"
    );
}

#[test]
fn figures_that_are_left_out_are_listed_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let [x, y, bridge] = paths(&folder);
    write_latents(&x, |row| row, None);
    write_latents(&y, |row| row, None);
    fitted(&folder, 0);
    let request = EvaluateRequest {
        held_out: HeldOutSource {
            bridge,
            x,
            y,
            pairs: None,
            x_model: None,
            y_model: Some("mnist-label".into()),
            x_data: None,
            y_data: None,
            split: Split::Test,
        },
        judge: None,
        likelihood_pairs: 10,
        draws: 10,
        seed: 1,
    };
    let report = evaluate(&request, &Unobserved).unwrap();
    let found: Vec<String> = report.left_out.iter().map(ToString::to_string).collect();
    let unknown = "the model of x is not known: name it";
    // Labels could be told: their model is known, but they are not.
    assert_eq!(
        found,
        [
            "labels told from the other side: neither latents file has labels, and no classes are \
             given as data"
                .to_owned(),
            format!("images from labels: {unknown}"),
            format!("y → x: error of decoded means: {unknown}"),
            format!("likelihoods: {unknown}"),
        ]
    );
}

#[test]
fn labels_are_told_without_the_model_of_the_other_side() {
    let folder = tempfile::tempdir().unwrap();
    let [x, y, bridge] = paths(&folder);
    let given = open_model("mnist-label").unwrap();
    let labels: Vec<u8> = (0..ROWS).map(|row| (row % 10) as u8).collect();
    let classes = Observations::one_hot(&labels, 10).unwrap();
    let y_file = LatentsFile {
        labels: Some(labels.clone()),
        ..LatentsFile::numbered(given.model.posterior(&classes).unwrap())
    };
    y_file.write(&y, Precision::F32).unwrap();
    // The latents of x are a corner of a ten-dimensional cube for each label, of a model that is
    // gone.
    let corner =
        |row: usize, column: usize| f32::from(u8::from(usize::from(labels[row]) == column));
    let corners = (0..ROWS * 10)
        .map(|i| 3.0 * corner(i / 10, i % 10))
        .collect();
    let noise = DiagonalGaussian::standard(ROWS, 10).sample(&mut RandomStream::named(2, "noise"));
    let corners = Latents::from_vec(corners, 10).unwrap();
    let means = Latents::new(&corners.view() + &(&noise.view() * 0.1)).unwrap();
    let posterior = DiagonalGaussian::new(means, Latents::filled(ROWS, 10, -6.0)).unwrap();
    let mut x_file = LatentsFile::numbered(posterior.into());
    let gone = "gone/vae.onnx".to_owned();
    x_file.metadata.insert("model".into(), gone);
    x_file.write(&x, Precision::F32).unwrap();
    fitted(&folder, 0);
    let request = EvaluateRequest {
        held_out: HeldOutSource {
            bridge,
            x,
            y,
            pairs: None,
            x_model: None,
            y_model: Some("mnist-label".into()),
            x_data: None,
            y_data: None,
            split: Split::Test,
        },
        judge: None,
        likelihood_pairs: 10,
        draws: 10,
        seed: 1,
    };
    let report = evaluate(&request, &Unobserved).unwrap();
    assert_eq!(report.image_to_label.as_ref().unwrap().images, ROWS);
    let found: Vec<String> = report.left_out.iter().map(ToString::to_string).collect();
    let figures = ["images from labels", "y → x: error", "likelihoods"];
    assert_eq!(found.len(), figures.len(), "{found:?}");
    for (left_out, figures) in found.iter().zip(figures) {
        assert!(
            left_out.starts_with(figures) && left_out.contains("`gone/vae.onnx`"),
            "{left_out}"
        );
        assert!(!left_out.contains('\n'), "{left_out}");
    }
    // A model that is asked for by name is needed.
    let mut asked = request;
    asked.held_out.x_model = Some("gone/vae.onnx".into());
    assert!(evaluate(&asked, &Unobserved).is_err());
}
