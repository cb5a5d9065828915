//! The paper's two tables beside ours, and what they leave out.

use super::results::{BridgeResult, GivenResult, Likelihoods, Results};
use crate::pages::columns;
use zbridge_core::Estimate;
use zbridge_report::{Cell, Table};
use zbridge_tasks::training::LogMarginal;
use zbridge_tasks::words::estimate;

/// Table 1 of the paper, in nats: N = 256, 1024, 8192, the given VAE.
const PAPER_TABLE_1: [f64; 4] = [-351.52, -354.59, -355.56, -89.99];
/// Table 2 of the paper, in nats.
const PAPER_TABLE_2: [f64; 4] = [-0.0456, -0.0456, -0.0457, -0.0456];

const THREE_EPOCHS: &str = "N = 1024, image VAE of 3 epochs";
const SHUFFLED: &str = "N = 1024, pairs shuffled (control)";

fn name(bridge: &BridgeResult) -> String {
    format!("N = {}", bridge.pairs)
}

fn percent(share: &Estimate) -> Cell {
    let percent = Estimate {
        mean: 100.0 * share.mean,
        standard_error: 100.0 * share.standard_error,
        count: share.count,
    };
    estimate(&percent, 1)
}

/// A dash where the paper has no such figure.
fn paper(nats: Option<f64>, digits: usize) -> Cell {
    nats.map_or(Cell::missing(), |nats| Cell::number(nats, digits))
}

/// Table 1: images given labels.
pub(super) fn images(results: &Results) -> Table {
    let mut rows = Vec::new();
    for (bridge, paper_nats) in results.bridges.iter().zip(PAPER_TABLE_1) {
        if let Some(found) = &bridge.likelihoods {
            rows.push(image_row(name(bridge), Some(paper_nats), found));
        }
    }
    let given = "given image VAE: log p(x)";
    rows.push(given_image_row(
        given,
        Some(PAPER_TABLE_1[3]),
        &results.image_vae,
    ));
    if let Some(found) = &results.bridge_3_epochs.likelihoods {
        rows.push(image_row(THREE_EPOCHS, None, found));
    }
    let given = "image VAE of 3 epochs: log p(x)";
    rows.push(given_image_row(given, None, &results.image_vae_3_epochs));
    Table {
        caption: format!(
            "Table 1. Likelihood of held-out images in nats, ± standard error between images. log \
             p(x|y) and log p(x) by importance sampling from p(z|x) with K = {}; ESS = effective \
             sample size.",
            results.importance_draws
        ),
        columns: columns(
            "model",
            [
                "paper, “log p(x)”",
                "naive E log p(x|z)",
                "naive log E p(x|z)",
                "log p(x|y)",
                "log p(x|y) − log p(x)",
                "median ESS",
                "ESS < 10, %",
                "images",
            ],
        ),
        rows,
    }
}

fn image_row(name: impl Into<String>, paper_nats: Option<f64>, found: &Likelihoods) -> Vec<Cell> {
    let mut row = vec![
        Cell::text(name),
        paper(paper_nats, 2),
        estimate(&found.naive_log_likelihood_nats, 1),
        estimate(&found.naive_log_mean_nats, 1),
        estimate(&found.log_p_x_given_y.nats, 2),
        estimate(&found.gain_over_prior_nats, 2),
    ];
    row.extend(sample_sizes(&found.log_p_x_given_y));
    row
}

fn given_image_row(name: &str, paper_nats: Option<f64>, found: &GivenResult) -> Vec<Cell> {
    let mut row = vec![
        Cell::text(name),
        paper(paper_nats, 2),
        // Naive estimates draw from a bridge, and there is none.
        Cell::missing(),
        Cell::missing(),
        estimate(&found.log_marginal.nats, 2),
        Cell::missing(),
    ];
    row.extend(sample_sizes(&found.log_marginal));
    row
}

fn sample_sizes(found: &LogMarginal) -> [Cell; 3] {
    [
        Cell::number(found.effective_sample_size.median, 1),
        Cell::number(100.0 * found.effective_sample_size.low_share, 1),
        Cell::count(found.nats.count),
    ]
}

/// Table 2: labels given images.
pub(super) fn labels(results: &Results) -> Table {
    let mut rows = Vec::new();
    for (bridge, paper_nats) in results.bridges.iter().zip(PAPER_TABLE_2) {
        rows.push(label_row(name(bridge), Some(paper_nats), bridge));
    }
    // The term that the paper's table 2 agrees with, though it is no likelihood.
    rows.push(vec![
        Cell::text("given label VAE: reconstruction term"),
        Cell::number(PAPER_TABLE_2[3], 4),
        estimate(&results.label_vae.elbo.reconstruction_nats, 4),
        Cell::missing(),
        Cell::missing(),
        Cell::missing(),
    ]);
    rows.push(label_row(THREE_EPOCHS, None, &results.bridge_3_epochs));
    rows.push(label_row(SHUFFLED, None, &results.shuffled));
    Table {
        caption: labels_caption(results),
        columns: columns(
            "model",
            [
                "paper, “log p(y)”",
                "E log p(y|z)",
                "log p(y|x)",
                "accuracy, %",
                "calibration error",
            ],
        ),
        rows,
    }
}

fn label_row(name: impl Into<String>, paper_nats: Option<f64>, bridge: &BridgeResult) -> Vec<Cell> {
    let log_p_nats = bridge.over_seeds(|seed| seed.image_to_label.log_p_nats);
    let accuracy = bridge.over_seeds(|seed| seed.image_to_label.accuracy);
    let calibration = bridge.over_seeds(|seed| seed.image_to_label.expected_calibration_error);
    vec![
        Cell::text(name),
        paper(paper_nats, 4),
        match &bridge.likelihoods {
            Some(found) => estimate(&found.label_log_likelihood_nats, 3),
            None => Cell::missing(),
        },
        estimate(&log_p_nats, 3),
        percent(&accuracy),
        estimate(&calibration, 3),
    ]
}

fn labels_caption(results: &Results) -> String {
    format!(
        "Table 2. Labels told from held-out images, in nats; ± standard error between images for \
         E log p(y|z), over {} seeds elsewhere. The label VAE's own log p(y) is −{:.3}: no model \
         of ten balanced labels can exceed −ln 10 = −2.303 on average, so the paper's \
         −0.0456 must be a reconstruction term.",
        results.shuffled.by_seed.len(),
        results.label_vae.log_marginal.nats.mean.abs()
    )
}

/// What the paper's tables leave out: whether the images are the right ones, and how much they
/// differ.
pub(super) fn coherence(results: &Results) -> Table {
    let mut rows = Vec::new();
    for bridge in &results.bridges {
        rows.push(coherence_row(name(bridge), bridge));
    }
    rows.push(coherence_row(THREE_EPOCHS, &results.bridge_3_epochs));
    rows.push(coherence_row(SHUFFLED, &results.shuffled));
    rows.push(reference_row(
        "ceiling: the image VAE's own posterior draws",
        results.ceiling.coherence,
        results.ceiling.pixel_sd,
    ));
    rows.push(reference_row(
        "real held-out images",
        results.judge_accuracy,
        results.real_pixel_sd,
    ));
    Table {
        caption: format!(
            "Table 3. Images made from labels, as a separate classifier reads them (it is right on \
             {:.2} % of real test images); ± standard error over {} seeds. Pixel sd: mean over \
             labels and pixels of the standard deviation within a label.",
            100.0 * results.judge_accuracy,
            results.shuffled.by_seed.len()
        ),
        columns: columns(
            "model",
            ["coherence, %", "worst label, %", "pixel sd", "fit, s"],
        ),
        rows,
    }
}

fn coherence_row(name: impl Into<String>, bridge: &BridgeResult) -> Vec<Cell> {
    let coherence = bridge.over_seeds(|seed| seed.label_to_image.coherence);
    // The worst label may be another one under each seed.
    let worst = bridge.over_seeds(|seed| lowest(&seed.label_to_image.coherence_by_label));
    let pixel_sd = bridge.over_seeds(|seed| seed.label_to_image.pixel_sd);
    vec![
        Cell::text(name),
        percent(&coherence),
        percent(&worst),
        estimate(&pixel_sd, 3),
        match bridge.fit_seconds {
            Some(seconds) => Cell::number(seconds, 2),
            None => Cell::missing(),
        },
    ]
}

fn lowest(shares: &[f64]) -> f64 {
    shares.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Images that no bridge has made, so that there is no fit.
fn reference_row(name: &str, coherence: f64, pixel_sd: f64) -> Vec<Cell> {
    vec![
        Cell::text(name),
        Cell::number(100.0 * coherence, 1),
        Cell::missing(),
        Cell::number(pixel_sd, 3),
        Cell::missing(),
    ]
}

/// The figures that matter most, for the README.
pub(super) fn summary(results: &Results) -> Table {
    let mut rows = Vec::new();
    for (bridge, paper_nats) in results.bridges.iter().zip(PAPER_TABLE_1) {
        if let Some(found) = &bridge.likelihoods {
            rows.push(summary_row(bridge, paper_nats, found));
        }
    }
    rows.push(given_summary_row(results));
    Table {
        caption: format!(
            "MNIST, recipe “paper”, likelihoods in nats; ± standard error over {} seeds, for \
             likelihoods between {} held-out images.",
            results.shuffled.by_seed.len(),
            results.importance_images
        ),
        columns: columns(
            "pairs",
            [
                "image → label accuracy, %",
                "log p(y|x)",
                "label → image coherence, %",
                "pixel sd",
                "naive E log p(x|z)",
                "paper's table 1",
                "log p(x|y)",
            ],
        ),
        rows,
    }
}

fn summary_row(bridge: &BridgeResult, paper_nats: f64, found: &Likelihoods) -> Vec<Cell> {
    let accuracy = bridge.over_seeds(|seed| seed.image_to_label.accuracy);
    let log_p_nats = bridge.over_seeds(|seed| seed.image_to_label.log_p_nats);
    let coherence = bridge.over_seeds(|seed| seed.label_to_image.coherence);
    let pixel_sd = bridge.over_seeds(|seed| seed.label_to_image.pixel_sd);
    vec![
        Cell::count(bridge.pairs),
        percent(&accuracy),
        estimate(&log_p_nats, 2),
        percent(&coherence),
        estimate(&pixel_sd, 3),
        estimate(&found.naive_log_likelihood_nats, 1),
        Cell::number(paper_nats, 2),
        estimate(&found.log_p_x_given_y.nats, 1),
    ]
}

fn given_summary_row(results: &Results) -> Vec<Cell> {
    vec![
        Cell::text("given image VAE"),
        Cell::missing(),
        Cell::missing(),
        // Its own draws for real images, which no bridge can be expected to exceed.
        Cell::number(100.0 * results.ceiling.coherence, 1),
        Cell::number(results.ceiling.pixel_sd, 3),
        Cell::missing(),
        Cell::number(PAPER_TABLE_1[3], 2),
        estimate(&results.image_vae.log_marginal.nats, 2),
    ]
}
