//! Latents of held-out pairs: what can be said without any given model.

use super::planes;
use crate::Error;
use crate::evaluate::{EvaluateReport, Evaluated};
use crate::evaluation::DirectionFigures;
use zbridge_bridge::Direction;
use zbridge_core::Estimate;
use zbridge_eval::{MeanAccuracy, PitCalibration, Retrieval, Uniformity};
use zbridge_plot::{ExpectedBand, Figure, Histogram, Panel};
use zbridge_report::{Cell, Column, Section, Table};

/// Both directions with their names.
pub(super) const DIRECTIONS: [(Direction, &str); 2] =
    [(Direction::XToY, "x → y"), (Direction::YToX, "y → x")];

/// How probable held-out targets are, and where latents lie.
pub(super) fn latent(evaluated: &Evaluated, seed: u64) -> Result<Section, Error> {
    let report = &evaluated.report;
    let mut section = Section::new("Latents of held-out pairs").table(latent_figures(report));
    if let Some(figure) = planes::figure(&evaluated.pairs, seed)? {
        section = section.illustration(
            "planes",
            "Latents told from the source (strong), over the target's own latents (pale), in the plane \
             of the target's two latents, or in that of the two principal components that the axes \
             name.",
            "Scatter plots of latents.",
            figure,
        );
    }
    Ok(section)
}

/// A row of a table: its name, the cell of a direction, and what it is.
struct Row {
    name: &'static str,
    cell: fn(&DirectionFigures) -> Cell,
    what: String,
}

impl Row {
    fn of(self, report: &EvaluateReport) -> Vec<Cell> {
        vec![
            Cell::text(self.name),
            (self.cell)(&report.x_to_y),
            (self.cell)(&report.y_to_x),
            Cell::text(self.what),
        ]
    }
}

fn estimate(found: &Estimate, digits: usize) -> Cell {
    Cell::estimate(found.mean, found.standard_error, digits)
}

fn latent_figures(report: &EvaluateReport) -> Table {
    let mut rows = vec![
        Row {
            name: "log density, nats",
            cell: |figures| estimate(&figures.log_density_nats, 2),
            what: "log q(target|source) of posterior draws".into(),
        },
        Row {
            name: "gain over the marginal, nats",
            cell: |figures| estimate(&figures.gain_over_marginal_nats, 2),
            what: format!(
                "what knowing the source is worth; cannot exceed {:.2} with so many pairs",
                report.x_to_y.gain_ceiling_nats
            ),
        },
    ];
    rows.extend(ranks(&report.x_to_y.retrieval));
    rows.extend(recalls(&report.x_to_y.retrieval));
    rows.extend(means(&report.x_to_y.means));
    let has_divergence = |figures: &DirectionFigures| figures.reverse_kl_nats.is_some();
    if has_divergence(&report.x_to_y) || has_divergence(&report.y_to_x) {
        rows.push(Row {
            name: "KL(q ‖ p), nats",
            cell: |figures| match &figures.reverse_kl_nats {
                Some(found) => estimate(found, 2),
                None => Cell::missing(),
            },
            what: "the paper's objective, on held-out pairs".into(),
        });
    }
    Table {
        caption: format!(
            "Figures of {} held-out pairs in latent space.",
            report.pairs
        ),
        columns: vec![
            Column::words("figure"),
            Column::numbers("x → y"),
            Column::numbers("y → x"),
            Column::words("what it is"),
        ],
        rows: rows.into_iter().map(|row| row.of(report)).collect(),
    }
}

fn ranks(retrieval: &Retrieval) -> [Row; 2] {
    [
        Row {
            name: "median rank of the target",
            cell: |figures| Cell::number(figures.retrieval.median_rank, 0),
            what: format!(
                "among {} held-out ones; chance {:.0}",
                retrieval.candidates, retrieval.chance_median_rank
            ),
        },
        Row {
            name: "mean reciprocal rank",
            cell: |figures| estimate(&figures.retrieval.mean_reciprocal_rank, 3),
            what: format!("chance {:.3}", retrieval.chance_mean_reciprocal_rank),
        },
    ]
}

/// Returns the shares of targets among the first 1, 5 and 10.
fn recalls(retrieval: &Retrieval) -> [Row; 3] {
    let chance = |place: usize| {
        let chance = retrieval.recall.get(place).map_or(f64::NAN, |at| at.chance);
        format!("chance {:.1}", 100.0 * chance)
    };
    [
        Row {
            name: "target ranked first, %",
            cell: |figures| recall(figures, 0),
            what: chance(0),
        },
        Row {
            name: "target among the first 5, %",
            cell: |figures| recall(figures, 1),
            what: chance(1),
        },
        Row {
            name: "target among the first 10, %",
            cell: |figures| recall(figures, 2),
            what: chance(2),
        },
    ]
}

fn recall(figures: &DirectionFigures, place: usize) -> Cell {
    match figures.retrieval.recall.get(place) {
        Some(at) => share(&at.share),
        None => Cell::missing(),
    }
}

/// Returns a share in per cent with its error.
fn share(found: &Estimate) -> Cell {
    Cell::estimate(100.0 * found.mean, 100.0 * found.standard_error, 1)
}

fn means(found: &MeanAccuracy) -> [Row; 3] {
    [
        Row {
            name: "R² of means",
            cell: |figures| existing_estimate(&figures.means.r2),
            what: format!(
                "of the mean of {} draws against the mean of the target's posterior; mean over \
                 active dimensions",
                found.draws
            ),
        },
        Row {
            name: "R² of means, by variance",
            cell: |figures| existing_estimate(&figures.means.r2_variance_weighted),
            what: "the same, each dimension as much as it varies".into(),
        },
        Row {
            name: "FOSCTTM",
            cell: |figures| existing_estimate(&figures.means.foscttm),
            what: "share of others that are closer to a mean than its own target; chance 0.5"
                .into(),
        },
    ]
}

/// Returns an estimate; a dash if it does not exist.
fn existing_estimate(found: &Estimate) -> Cell {
    match found.mean.is_nan() {
        true => Cell::missing(),
        false => estimate(found, 3),
    }
}

const CALIBRATION_READING: &str = "If a held-out target is one more draw from q(target|source), the share of draws that are less \
     probable than it is uniform. Bars piled up at the left: the density is too narrow or \
     misplaced; at the right: too wide. A density that ignores its source passes too, so read this \
     beside the gain.";

/// Returns whether targets fall where the densities say.
pub(super) fn calibration(evaluated: &Evaluated) -> Section {
    let report = &evaluated.report;
    let panels = DIRECTIONS.map(|(direction, name)| {
        let found = &report.direction(direction).calibration.highest_density;
        Panel::from(levels(
            &format!("{name}: level of the target among draws"),
            found,
        ))
    });
    let figure = Figure {
        title: "Where targets stand among draws".into(),
        panels: panels.into(),
        columns: 2,
        shared_axes: false,
    };
    Section::new("Do targets fall where the densities say?")
        .paragraph(CALIBRATION_READING)
        .illustration(
            "levels",
            "Share of draws less probable than the held-out target.",
            "Two histograms with the band in which nineteen bars in twenty should end.",
            figure,
        )
        .table(transforms(report))
}

/// Returns the distances of probability-integral transforms from uniform.
fn transforms(report: &EvaluateReport) -> Table {
    let numbers = [
        "mean level",
        "in 50 % regions, %",
        "in 90 % regions, %",
        "in 90 % intervals, %",
        "distance from uniform",
        "p-value",
        "dimension furthest from uniform",
        "its distance",
        "p-value over all dimensions",
    ];
    let mut columns = vec![Column::words("direction")];
    columns.extend(numbers.map(Column::numbers));
    let first = &report.x_to_y.calibration;
    let rows = DIRECTIONS
        .map(|(direction, name)| transforms_row(name, &report.direction(direction).calibration));
    Table {
        caption: format!(
            "Probability-integral transforms of {} held-out targets among {} draws each; the share \
             of targets in the regions of highest density, and in the central intervals of single \
             dimensions; distances and p-values by Kolmogorov and Smirnov.",
            first.count, first.draws
        ),
        columns,
        rows: rows.into(),
    }
}

fn transforms_row(name: &str, found: &PitCalibration) -> Vec<Cell> {
    let dimensions = found.per_dimension.iter().enumerate();
    let worst = dimensions.max_by(|(_, a), (_, b)| a.ks_distance.total_cmp(&b.ks_distance));
    let [place, distance] = match worst {
        Some((index, dimension)) => [
            Cell::count(index + 1),
            Cell::number(dimension.ks_distance, 3),
        ],
        None => [Cell::missing(), Cell::missing()],
    };
    let level = &found.highest_density;
    vec![
        Cell::text(name),
        Cell::estimate(level.mean, level.standard_error, 3),
        share(&found.coverage_50.region),
        share(&found.coverage_90.region),
        share(&found.coverage_90.intervals),
        Cell::number(level.ks_distance, 3),
        Cell::number(level.ks_p_value, 3),
        place,
        distance,
        Cell::number(found.dimensions_p_value, 3),
    ]
}

fn levels(title: &str, found: &Uniformity) -> Histogram {
    let (count, bins) = (found.count as f64, found.bins.len() as f64);
    let (expected, share) = (count / bins, 1.0 / bins);
    let half = 1.96 * (count * share * (1.0 - share)).sqrt();
    Histogram {
        title: title.into(),
        x_label: "share of draws less probable than the target".into(),
        y_label: "held-out pairs".into(),
        band: Some(ExpectedBand {
            name: "95 % of bars, were they uniform".into(),
            expected,
            low: (expected - half).max(0.0),
            high: expected + half,
        }),
        ..Histogram::of_equal_bins(0.0, 1.0, &found.bins)
    }
}
