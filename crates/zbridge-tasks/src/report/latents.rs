//! Latents of held-out pairs: what can be said without any given model.

use super::page::DIRECTIONS;
use super::planes;
use crate::Error;
use crate::evaluate::{EvaluateReport, Evaluated};
use crate::evaluation::DirectionFigures;
use zbridge_bridge::Direction;
use zbridge_core::Estimate;
use zbridge_eval::Uniformity;
use zbridge_plot::{ExpectedBand, Figure, Histogram, Panel};
use zbridge_report::{Cell, Column, Section, Table};

/// How probable held-out targets are, and where latents lie.
pub(super) fn latent(evaluated: &Evaluated, seed: u64) -> Result<Section, Error> {
    let report = &evaluated.report;
    let mut section = Section::new("Latents of held-out pairs").table(latent_figures(report));
    if let Some(figure) = planes::figure(&evaluated.pairs, seed)? {
        section = section.illustration(
            "planes",
            "Latents told from the source (strong), over the target's own latents (pale), in the plane of the target's two latents, or in that of the two principal components that the axes name.",
            "Scatter plots of latents.",
            figure,
        );
    }
    Ok(section)
}

fn latent_figures(report: &EvaluateReport) -> Table {
    let columns = vec![
        Column::words("figure"),
        Column::numbers("x → y"),
        Column::numbers("y → x"),
        Column::words("what it is"),
    ];
    let [there, back] = [&report.x_to_y, &report.y_to_x];
    let estimate =
        |found: &Estimate, digits| Cell::estimate(found.mean, found.standard_error, digits);
    let row = |name: &str, of: &dyn Fn(&DirectionFigures) -> Cell, what: String| {
        vec![Cell::text(name), of(there), of(back), Cell::text(what)]
    };
    let mut rows = vec![
        row(
            "log density, nats",
            &|d| estimate(&d.log_density_nats, 2),
            "log q(target|source) of posterior draws".into(),
        ),
        row(
            "gain over the marginal, nats",
            &|d| estimate(&d.gain_over_marginal_nats, 2),
            format!(
                "what knowing the source is worth; cannot exceed {:.2} with so many pairs",
                there.gain_ceiling_nats
            ),
        ),
        row(
            "median rank of the target",
            &|d| Cell::number(d.retrieval.median_rank, 0),
            format!(
                "among {} held-out ones; chance {:.0}",
                there.retrieval.candidates, there.retrieval.chance_median_rank
            ),
        ),
        row(
            "mean reciprocal rank",
            &|d| estimate(&d.retrieval.mean_reciprocal_rank, 3),
            format!("chance {:.3}", there.retrieval.chance_mean_reciprocal_rank),
        ),
    ];
    if there.reverse_kl_nats.is_some() || back.reverse_kl_nats.is_some() {
        let divergence = |d: &DirectionFigures| {
            d.reverse_kl_nats
                .as_ref()
                .map_or(Cell::missing(), |found| estimate(found, 2))
        };
        rows.push(row(
            "KL(q ‖ p), nats",
            &divergence,
            "the paper's objective, on held-out pairs".into(),
        ));
    }
    Table {
        caption: format!(
            "Figures of {} held-out pairs in latent space.",
            report.pairs
        ),
        columns,
        rows,
    }
}

/// Whether targets fall where the densities say.
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
    let columns = vec![
        Column::words("direction"),
        Column::numbers("mean level"),
        Column::numbers("distance from uniform"),
        Column::numbers("p-value"),
        Column::numbers("dimension furthest from uniform"),
        Column::numbers("its distance"),
        Column::numbers("p-value over all dimensions"),
    ];
    let row = |(direction, name): (Direction, &str)| {
        let found = &report.direction(direction).calibration;
        let worst = found
            .per_dimension
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.ks_distance.total_cmp(&b.1.ks_distance));
        let (place, distance) = worst.map_or((0, f64::NAN), |(place, dimension)| {
            (place + 1, dimension.ks_distance)
        });
        vec![
            Cell::text(name),
            Cell::number(found.highest_density.mean, 3),
            Cell::number(found.highest_density.ks_distance, 3),
            Cell::number(found.highest_density.ks_p_value, 3),
            Cell::count(place),
            Cell::number(distance, 3),
            Cell::number(found.dimensions_p_value, 3),
        ]
    };
    let first = &report.x_to_y.calibration;
    let caption = format!(
        "Probability-integral transforms of {} held-out targets among {} draws each; distances and p-values by Kolmogorov and Smirnov.",
        first.count, first.draws
    );
    Section::new("Do targets fall where the densities say?")
        .paragraph("If a held-out target is one more draw from q(target|source), the share of draws that are less probable than it is uniform. Bars piled up at the left: the density is too narrow or misplaced; at the right: too wide. A density that ignores its source passes too, so read this beside the gain.")
        .illustration("levels", "Share of draws less probable than the held-out target.", "Two histograms with the band in which nineteen bars in twenty should end.", figure)
        .table(Table { caption, columns, rows: DIRECTIONS.map(row).into() })
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
