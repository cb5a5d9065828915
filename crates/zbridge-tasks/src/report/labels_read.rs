//! Labels from images: what was read, how often rightly, and whether it was as sure as it was
//! right.

use super::pictures;
use crate::Error;
use crate::evaluate::Evaluated;
use crate::measures::{ImageToLabel, LabelReadings};
use zbridge_eval::Accuracy;
use zbridge_plot::{ConfidenceBin, Figure, ReliabilityDiagram};
use zbridge_report::{Cell, Column, Section, Table};

/// Returns the section; `None` if no labels are told.
pub(super) fn read(evaluated: &Evaluated) -> Result<Option<Section>, Error> {
    let (Some(read), Some(readings)) = (&evaluated.report.image_to_label, &evaluated.readings)
    else {
        return Ok(None);
    };
    let title = match evaluated.pairs.image_to_class() {
        Some(_) => "Labels from images",
        None => "Labels from the other side",
    };
    let mut section = Section::new(title);
    if let Some(grid) = pictures::read(evaluated)? {
        section = section.illustration(
            "read",
            "Held-out images with the label that is told and its probability.",
            "Images with a digit and a probability below each.",
            grid,
        );
    }
    if let Some(grid) = pictures::mistakes(evaluated)? {
        section = section.illustration(
            "mistakes",
            "The mistakes that the bridge is surest of.",
            "Images with the label told, the true one and a probability below each.",
            grid,
        );
    }
    Ok(Some(section.table(reading_figures(read)).illustration(
        "reliability",
        "How often labels told with a confidence are right; on the diagonal, stated probabilities \
         are true.",
        "A reliability diagram above a histogram of confidences.",
        Figure::from(reliability(readings)),
    )))
}

fn reading_figures(read: &ImageToLabel) -> Table {
    let row = |name: &str, value: Cell, what: &str| vec![Cell::text(name), value, Cell::text(what)];
    let mut rows = vec![
        row(
            "accuracy, %",
            accuracy(read),
            "the most probable label is the true one",
        ),
        row(
            "log p(y|x), nats",
            Cell::estimate(read.log_p_nats, read.log_p_standard_error_nats, 3),
            "of the true label; chance among ten is −2.303",
        ),
        row(
            "calibration error",
            Cell::number(read.expected_calibration_error, 3),
            "mean distance of stated probabilities from what comes true, 15 bins",
        ),
    ];
    if let Some(brier) = &read.brier_score {
        let score = Cell::estimate(brier.mean, brier.standard_error, 3);
        rows.push(row(
            "Brier score",
            score,
            "0 is sure and right, 2 sure and wrong",
        ));
    }
    Table {
        caption: format!("Labels told of {} held-out pairs.", read.images),
        columns: vec![
            Column::words("figure"),
            Column::numbers("value"),
            Column::words("what it is"),
        ],
        rows,
    }
}

fn accuracy(read: &ImageToLabel) -> Cell {
    let [low, high] = read.accuracy_interval;
    Cell::interval(100.0 * read.accuracy, 100.0 * low, 100.0 * high, 1)
}

fn reliability(readings: &LabelReadings) -> ReliabilityDiagram {
    let bins = readings.classification.calibration.bins.iter().map(|bin| {
        let right = (bin.accuracy * bin.count as f64).round() as usize;
        let interval = (bin.count > 0)
            .then(|| Accuracy::from_counts(right, bin.count - right.min(bin.count)).interval_95);
        ConfidenceBin {
            low: bin.low,
            high: bin.high,
            confidence: bin.mean_confidence,
            accuracy: bin.accuracy,
            interval,
            count: bin.count,
        }
    });
    ReliabilityDiagram {
        title: "Confidence and accuracy".into(),
        bins: bins.collect(),
        ..ReliabilityDiagram::default()
    }
}
