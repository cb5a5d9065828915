//! The commands that measure whole experiments, in quick forms. They need MNIST, and one of them
//! spoken digits; without them they say that they are skipped.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

mod program;

use program::{data_folder, json, run};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Checks that a command has written a page, its JSON, and pictures, and returns the page.
fn page(folder: &TempDir, name: &str) -> String {
    let folder = folder.path().join(name);
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"), "{name}");
    page
}

/// Returns a page without the pictures in it, whose base64 can hold any letters in a row.
fn without_pictures(page: &str) -> String {
    const BASE64: &str = ";base64,";
    let mut parts = page.split(BASE64);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(['"', '\'', ')']).unwrap_or(part.len());
        text.push_str(&part[end..]);
    }
    text
}

#[test]
fn reproduce_in_its_quick_form_makes_every_figure_and_table() {
    let Some(mnist) = data_folder("ZBRIDGE_DATA", "mnist") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = run(
        &folder,
        &["--json", "reproduce", "--quick", "--data", &mnist],
    );
    assert_eq!(code, 0, "{err}");
    // Progress is lines where standard error is a pipe.
    assert!(err.lines().count() >= 3, "{err}");
    assert!(!err.contains('\u{1b}'), "no escapes in a pipe: {err}");
    let results: serde_json::Value = serde_json::from_str(&out).unwrap();
    let page = page(&folder, "zbridge-reproduction");
    // What too few rows cannot tell is said in words or left out.
    assert!(!without_pictures(&page).contains("NaN"));
    let file = folder.path().join("zbridge-reproduction/results.json");
    for json in [out, fs::read_to_string(file).unwrap()] {
        assert!(!json.contains("NaN"), "{json}");
    }
    for figure in 1..=5 {
        let picture = format!("zbridge-reproduction/figure-{figure}.png");
        assert!(folder.path().join(picture).exists(), "figure {figure}");
    }
    let few = &results["bridges"][0];
    assert_eq!(few["pairs"], 256, "{few}");
}

#[test]
fn a_learning_curve_of_two_numbers_goes_on_where_it_was() {
    let Some(mnist) = data_folder("ZBRIDGE_DATA", "mnist") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let quick = [
        "learning-curve",
        "--data",
        &mnist,
        "--pairs",
        "64,256",
        "--seeds",
        "1",
        "--recipe",
        "paper",
        "--unpaired",
        "0",
        "--images",
        "0",
        "--shuffled-pairs",
        "256",
    ];
    let first = json(&folder, &quick);
    page(&folder, "zbridge-learning-curve");
    let begin = std::time::Instant::now();
    let second = json(&folder, &quick);
    let points = |curve: &serde_json::Value| curve["points"].clone();
    assert_eq!(points(&first), points(&second));
    assert!(begin.elapsed().as_secs() < 60, "points are taken over");
}

#[test]
fn compare_measures_likelihoods_and_accuracies() {
    let Some(mnist) = data_folder("ZBRIDGE_DATA", "mnist") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let quick = [
        "compare",
        "--data",
        &mnist,
        "--seeds",
        "1",
        "--budget",
        "1s",
        "--unpaired",
        "500",
        "--images",
        "20",
        "--gain-images",
        "5",
        "--draws",
        "20",
    ];
    json(&folder, &quick);
    let page = page(&folder, "zbridge-standing");
    assert!(page.contains("MVAE"), "published figures stand beside ours");
}

#[test]
fn an_experiment_joins_labels_and_speech() {
    let (Some(_), Some(speech)) = (
        data_folder("ZBRIDGE_DATA", "mnist"),
        data_folder("ZBRIDGE_SPEECH", "fsdd/recordings"),
    ) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let quick = [
        "experiment",
        "label-speech",
        "--speech",
        &speech,
        "--models",
        models.to_str().unwrap(),
        "--pairs",
        "64",
        "--seeds",
        "1",
        "--no-shuffled",
        "--recipe",
        "linear-gaussian",
        "--budget",
        "1s",
    ];
    let report = json(&folder, &quick);
    let point = &report["settings"][0]["points"][0];
    assert_eq!(point["pairs"], 64, "{report}");
    page(&folder, "zbridge-label-speech");
}
