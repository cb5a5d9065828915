//! The paper's two tables beside ours, and what they leave out.

use super::results::{BridgeResult, GivenResult, Likelihoods, Results};
use zbridge_core::Estimate;
use zbridge_report::{Cell, Column, Table};
use zbridge_tasks::training::LogMarginal;
use zbridge_tasks::words::estimate;

/// Table 1 of the paper, in nats: N = 256, 1024, 8192, the given VAE.
const PAPER_TABLE_1: [f64; 4] = [-351.52, -354.59, -355.56, -89.99];
/// Table 2 of the paper, in nats.
const PAPER_TABLE_2: [f64; 4] = [-0.0456, -0.0456, -0.0457, -0.0456];

fn percent(share: &Estimate) -> Cell {
    let Estimate {
        mean,
        standard_error,
        count,
    } = *share;
    estimate(
        &Estimate {
            mean: 100.0 * mean,
            standard_error: 100.0 * standard_error,
            count,
        },
        1,
    )
}

fn name(bridge: &BridgeResult) -> String {
    format!("N = {}", bridge.pairs)
}

/// Table 1: images given labels.
pub(super) fn images(results: &Results) -> Table {
    let columns = vec![
        Column::words("model"),
        Column::numbers("paper, “log p(x)”"),
        Column::numbers("naive E log p(x|z)"),
        Column::numbers("naive log E p(x|z)"),
        Column::numbers("log p(x|y)"),
        Column::numbers("log p(x|y) − log p(x)"),
        Column::numbers("median ESS"),
        Column::numbers("ESS < 10, %"),
        Column::numbers("images"),
    ];
    let bridge = |name: String, paper: Option<f64>, found: &Likelihoods| -> Vec<Cell> {
        let mut row = vec![
            Cell::text(name),
            paper.map_or(Cell::missing(), |paper| Cell::number(paper, 2)),
        ];
        row.push(estimate(&found.naive_log_likelihood_nats, 1));
        row.push(estimate(&found.naive_log_mean_nats, 1));
        row.push(estimate(&found.log_p_x_given_y.nats, 2));
        row.push(estimate(&found.gain_over_prior_nats, 2));
        row.extend(sizes(&found.log_p_x_given_y));
        row
    };
    let given = |name: &str, paper: Option<f64>, found: &GivenResult| -> Vec<Cell> {
        let mut row = vec![
            Cell::text(name),
            paper.map_or(Cell::missing(), |paper| Cell::number(paper, 2)),
        ];
        row.extend([Cell::missing(), Cell::missing()]);
        row.push(estimate(&found.log_marginal.nats, 2));
        row.push(Cell::missing());
        row.extend(sizes(&found.log_marginal));
        row
    };
    let numbered = results.bridges.iter().zip(PAPER_TABLE_1);
    let mut rows: Vec<Vec<Cell>> = numbered
        .filter_map(|(result, paper)| {
            Some(bridge(
                name(result),
                Some(paper),
                result.likelihoods.as_ref()?,
            ))
        })
        .collect();
    rows.push(given(
        "given image VAE: log p(x)",
        Some(PAPER_TABLE_1[3]),
        &results.image_vae,
    ));
    let early = results.bridge_3_epochs.likelihoods.as_ref();
    rows.extend(early.map(|found| bridge("N = 1024, image VAE of 3 epochs".into(), None, found)));
    rows.push(given(
        "image VAE of 3 epochs: log p(x)",
        None,
        &results.image_vae_3_epochs,
    ));
    let caption = format!(
        "Table 1. Likelihood of held-out images in nats, ± standard error between images. log p(x|y) and log p(x) by importance sampling from p(z|x) with K = {}; ESS = effective sample size.",
        results.importance_draws
    );
    Table {
        caption,
        columns,
        rows,
    }
}

fn sizes(found: &LogMarginal) -> [Cell; 3] {
    [
        Cell::number(found.effective_sample_size.median, 1),
        Cell::number(100.0 * found.effective_sample_size.low_share, 1),
        Cell::count(found.nats.count),
    ]
}

/// Table 2: labels given images.
pub(super) fn labels(results: &Results) -> Table {
    let columns = vec![
        Column::words("model"),
        Column::numbers("paper, “log p(y)”"),
        Column::numbers("E log p(y|z)"),
        Column::numbers("log p(y|x)"),
        Column::numbers("accuracy, %"),
        Column::numbers("calibration error"),
    ];
    let bridge = |name: String, paper: Option<f64>, result: &BridgeResult| -> Vec<Cell> {
        let likelihoods = result.likelihoods.as_ref();
        vec![
            Cell::text(name),
            paper.map_or(Cell::missing(), |paper| Cell::number(paper, 4)),
            likelihoods.map_or(Cell::missing(), |found| {
                estimate(&found.label_log_likelihood_nats, 3)
            }),
            estimate(&result.over_seeds(|seed| seed.image_to_label.log_p_nats), 3),
            percent(&result.over_seeds(|seed| seed.image_to_label.accuracy)),
            estimate(
                &result.over_seeds(|seed| seed.image_to_label.expected_calibration_error),
                3,
            ),
        ]
    };
    let numbered = results.bridges.iter().zip(PAPER_TABLE_2);
    let mut rows: Vec<Vec<Cell>> = numbered
        .map(|(result, paper)| bridge(name(result), Some(paper), result))
        .collect();
    rows.push(vec![
        Cell::text("given label VAE: reconstruction term"),
        Cell::number(PAPER_TABLE_2[3], 4),
        estimate(&results.label_vae.elbo.reconstruction_nats, 4),
        Cell::missing(),
        Cell::missing(),
        Cell::missing(),
    ]);
    rows.push(bridge(
        "N = 1024, image VAE of 3 epochs".into(),
        None,
        &results.bridge_3_epochs,
    ));
    rows.push(bridge(
        "N = 1024, pairs shuffled (control)".into(),
        None,
        &results.shuffled,
    ));
    let caption = format!(
        "Table 2. Labels told from held-out images, in nats; ± standard error between images for E log p(y|z), over {} seeds elsewhere. The label VAE's own log p(y) is −{:.3}: no model of ten balanced labels can exceed −ln 10 = −2.303 on average, so the paper's −0.0456 must be a reconstruction term.",
        results.shuffled.by_seed.len(),
        results.label_vae.log_marginal.nats.mean.abs()
    );
    Table {
        caption,
        columns,
        rows,
    }
}

/// What the paper's tables leave out: whether the images are the right ones, and how much they
/// differ.
pub(super) fn coherence(results: &Results) -> Table {
    let columns = vec![
        Column::words("model"),
        Column::numbers("coherence, %"),
        Column::numbers("worst label, %"),
        Column::numbers("pixel sd"),
        Column::numbers("fit, s"),
    ];
    let bridge = |name: String, result: &BridgeResult| -> Vec<Cell> {
        let worst = |labels: &[f64]| labels.iter().copied().fold(f64::INFINITY, f64::min);
        vec![
            Cell::text(name),
            percent(&result.over_seeds(|seed| seed.label_to_image.coherence)),
            percent(&result.over_seeds(|seed| worst(&seed.label_to_image.coherence_by_label))),
            estimate(&result.over_seeds(|seed| seed.label_to_image.pixel_sd), 3),
            if result.fit_seconds > 0.0 {
                Cell::number(result.fit_seconds, 2)
            } else {
                Cell::missing()
            },
        ]
    };
    let mut rows: Vec<Vec<Cell>> = results
        .bridges
        .iter()
        .map(|result| bridge(name(result), result))
        .collect();
    rows.push(bridge(
        "N = 1024, image VAE of 3 epochs".into(),
        &results.bridge_3_epochs,
    ));
    rows.push(bridge(
        "N = 1024, pairs shuffled (control)".into(),
        &results.shuffled,
    ));
    rows.push(vec![
        Cell::text("ceiling: the image VAE's own posterior draws"),
        Cell::number(100.0 * results.ceiling.coherence, 1),
        Cell::missing(),
        Cell::number(results.ceiling.pixel_sd, 3),
        Cell::missing(),
    ]);
    rows.push(vec![
        Cell::text("real held-out images"),
        Cell::number(100.0 * results.judge_accuracy, 1),
        Cell::missing(),
        Cell::number(results.real_pixel_sd, 3),
        Cell::missing(),
    ]);
    let caption = format!(
        "Table 3. Images made from labels, as a separate classifier reads them (it is right on {:.2} % of real test images); ± standard error over {} seeds. Pixel sd: mean over labels and pixels of the standard deviation within a label.",
        100.0 * results.judge_accuracy,
        results.shuffled.by_seed.len()
    );
    Table {
        caption,
        columns,
        rows,
    }
}

/// The figures that matter most, for the README.
pub(super) fn summary(results: &Results) -> Table {
    let columns = vec![
        Column::words("pairs"),
        Column::numbers("image → label accuracy, %"),
        Column::numbers("log p(y|x)"),
        Column::numbers("label → image coherence, %"),
        Column::numbers("pixel sd"),
        Column::numbers("naive E log p(x|z)"),
        Column::numbers("paper's table 1"),
        Column::numbers("log p(x|y)"),
    ];
    let row = |(result, paper): (&BridgeResult, f64)| -> Option<Vec<Cell>> {
        let likelihoods = result.likelihoods.as_ref()?;
        Some(vec![
            Cell::count(result.pairs),
            percent(&result.over_seeds(|seed| seed.image_to_label.accuracy)),
            estimate(&result.over_seeds(|seed| seed.image_to_label.log_p_nats), 2),
            percent(&result.over_seeds(|seed| seed.label_to_image.coherence)),
            estimate(&result.over_seeds(|seed| seed.label_to_image.pixel_sd), 3),
            estimate(&likelihoods.naive_log_likelihood_nats, 1),
            Cell::number(paper, 2),
            estimate(&likelihoods.log_p_x_given_y.nats, 1),
        ])
    };
    let mut rows: Vec<Vec<Cell>> = results
        .bridges
        .iter()
        .zip(PAPER_TABLE_1)
        .filter_map(row)
        .collect();
    rows.push(vec![
        Cell::text("given image VAE"),
        Cell::missing(),
        Cell::missing(),
        Cell::number(100.0 * results.ceiling.coherence, 1),
        Cell::number(results.ceiling.pixel_sd, 3),
        Cell::missing(),
        Cell::number(PAPER_TABLE_1[3], 2),
        estimate(&results.image_vae.log_marginal.nats, 2),
    ]);
    let caption = format!(
        "MNIST, recipe “paper”, likelihoods in nats; ± standard error over {} seeds, for likelihoods between {} held-out images.",
        results.shuffled.by_seed.len(),
        results.importance_images
    );
    Table {
        caption,
        columns,
        rows,
    }
}
