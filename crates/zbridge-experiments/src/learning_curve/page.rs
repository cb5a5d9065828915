//! The curve as tables and charts.

use super::results::{Curve, Limits, Point, SeedPoint};
use crate::pages::{columns, key_figure};
use zbridge_plot::{BandPoint, Figure, LineChart, Panel, Scale, Series};
use zbridge_report::{Block, Cell, Column, KeyFigure, Page, Section, Table, Verdict};
use zbridge_tasks::words::estimate;

pub(super) fn page(curve: &Curve) -> Page {
    let sections = vec![
        Section::new("Verdict").verdict(verdict(curve)),
        Section::new("Figures over the number of pairs")
            .illustration(
                "learning-curve",
                "Mean over seeds; bands are ± two standard errors. Shuffled pairs are the \
                 negative control.",
                "Line charts over the number of pairs: accuracy, log p(y|x), calibration error, \
                 coherence, diversity and the gain in log p(x).",
                figure(curve),
            )
            .table(table(curve, false)),
        Section::new("What was chosen").table(choices(curve)),
        provenance(curve),
    ];
    let shuffled = curve.points.iter().any(|point| point.shuffled);
    let mut page = Page {
        title: "Learning curve: images ↔ labels across two given models".into(),
        sections,
    };
    if shuffled {
        let section = Section::new("Negative control")
            .paragraph("The same fits on shuffled pairs: chance is 10 %.")
            .table(table(curve, true));
        // After what was chosen, before how to make it again.
        page.sections.insert(3, section);
    }
    page
}

fn verdict(curve: &Curve) -> Verdict {
    let real: Vec<&Point> = curve
        .points
        .iter()
        .filter(|point| !point.shuffled)
        .collect();
    let verdict = Verdict::new(headline(&real)).with_text(limits_in_words(&curve.limits));
    // The number of pairs that a user is likely to have.
    let usual = real.iter().find(|point| point.pairs == 256);
    match usual.or(real.first()) {
        Some(point) => key_figures(point)
            .into_iter()
            .fold(verdict, Verdict::figure),
        None => verdict,
    }
}

fn headline(points: &[&Point]) -> String {
    let few = points.iter().min_by_key(|point| point.pairs);
    let many = points.iter().max_by_key(|point| point.pairs);
    let (Some(few), Some(many)) = (few, many) else {
        return "Nothing was measured.".to_owned();
    };
    format!(
        "From {} to {} pairs, the accuracy of labels of held-out images rises from {:.1} to {:.1} \
         %.",
        few.pairs,
        many.pairs,
        few.over_seeds(accuracy_percent).mean,
        many.over_seeds(accuracy_percent).mean
    )
}

fn limits_in_words(limits: &Limits) -> String {
    let own = limits.posterior_draws.label_to_image.as_ref();
    format!(
        "The judge of images made from labels is right on {:.1} % of real ones, and on {:.1} % of \
         the image VAE's own draws for real images, which no bridge can be expected to exceed.",
        100.0 * limits.judge_accuracy,
        100.0 * own.map_or(f64::NAN, |drawn| drawn.coherence)
    )
}

fn key_figures(point: &Point) -> [KeyFigure; 3] {
    let key = |name: &str, figure: fn(&SeedPoint) -> f64, digits: usize| {
        let name = format!("{name}, {} pairs", point.pairs);
        key_figure(name, &point.over_seeds(figure), digits)
    };
    [
        key("image → label", accuracy_percent, 1)
            .with_unit("%")
            .with_reading("of held-out images get their label"),
        key("label → image", coherence_percent, 1)
            .with_unit("%")
            .with_reading("of images made from labels are read as theirs"),
        key("log p(x|y) − log p(x)", gain_nats, 2)
            .with_unit("nats")
            .with_reading("gained by knowing the label"),
    ]
}

/// Returns the table of all figures: a row for each number of pairs, and in the last rows the given
/// models' own figures, which no bridge can be expected to exceed.
pub(super) fn table(curve: &Curve, shuffled: bool) -> Table {
    let mut rows = vec![];
    for point in &curve.points {
        if point.shuffled == shuffled {
            rows.push(point_row(curve, point));
        }
    }
    if !shuffled {
        rows.extend(limit_rows(&curve.limits));
    }
    Table {
        caption: table_caption(curve, shuffled),
        columns: table_columns(),
        rows,
    }
}

fn table_columns() -> Vec<Column> {
    let figures = [
        "accuracy, %",
        "log p(y|x)",
        "calibration error",
        "log p(x|y) − log p(x)",
        "coherence, %",
        "pixel sd",
        "Fréchet distance",
        "direction gap",
        "fit, core-s",
    ];
    columns("pairs", figures)
}

/// Returns the figures at one number of pairs, with their standard errors over seeds.
fn point_row(curve: &Curve, point: &Point) -> Vec<Cell> {
    let cell = |figure: fn(&SeedPoint) -> f64, digits| estimate(&point.over_seeds(figure), digits);
    let gain = match curve.images {
        0 => Cell::missing(),
        _ => cell(gain_nats, 2),
    };
    vec![
        Cell::text(point.pairs.to_string()),
        cell(accuracy_percent, 1),
        cell(log_p_nats, 3),
        cell(calibration_error, 3),
        gain,
        cell(coherence_percent, 1),
        cell(pixel_sd, 3),
        cell(|seed| seed.frechet_distance, 2),
        cell(|seed| seed.direction_gap.gap_nats.mean, 2),
        cell(|seed| seed.fit_core_seconds, 0),
    ]
}

fn accuracy_percent(seed: &SeedPoint) -> f64 {
    100.0 * seed.image_to_label.accuracy
}

fn log_p_nats(seed: &SeedPoint) -> f64 {
    seed.image_to_label.log_p_nats
}

fn calibration_error(seed: &SeedPoint) -> f64 {
    seed.image_to_label.expected_calibration_error
}

fn pixel_sd(seed: &SeedPoint) -> f64 {
    seed.label_to_image.pixel_sd
}

fn coherence_percent(seed: &SeedPoint) -> f64 {
    100.0 * seed.label_to_image.coherence
}

/// Returns log p(x|y) − log p(x); NaN if it was not measured.
fn gain_nats(seed: &SeedPoint) -> f64 {
    seed.gain_over_prior_nats.map_or(f64::NAN, |gain| gain.mean)
}

/// Figures of the given models' own images.
#[derive(Default)]
struct OwnFigures {
    coherence: Option<f64>,
    pixel_sd: Option<f64>,
    frechet_distance: Option<f64>,
}

fn limit_rows(limits: &Limits) -> [Vec<Cell>; 3] {
    let posterior = limits.posterior_draws.label_to_image.as_ref();
    let posterior_draws = OwnFigures {
        coherence: posterior.map(|drawn| drawn.coherence),
        pixel_sd: posterior.map(|drawn| drawn.pixel_sd),
        frechet_distance: Some(limits.posterior_draws.frechet_distance),
    };
    let prior_draws = OwnFigures {
        frechet_distance: Some(limits.prior_draws.frechet_distance),
        ..OwnFigures::default()
    };
    let real_images = OwnFigures {
        coherence: Some(limits.judge_accuracy),
        pixel_sd: Some(limits.real_pixel_sd),
        frechet_distance: None,
    };
    [
        limit_row("VAE, posterior draws", &posterior_draws),
        limit_row("VAE, prior draws", &prior_draws),
        limit_row("real images", &real_images),
    ]
}

fn limit_row(name: &str, figures: &OwnFigures) -> Vec<Cell> {
    let cell = |value: Option<f64>, digits| match value {
        Some(value) => Cell::number(value, digits),
        None => Cell::missing(),
    };
    let mut row = vec![Cell::text(name)];
    // Images alone have no accuracy, calibration or likelihood given a label.
    row.extend((0..4).map(|_| Cell::missing()));
    row.push(cell(figures.coherence.map(|share| 100.0 * share), 1));
    row.push(cell(figures.pixel_sd, 3));
    row.push(cell(figures.frechet_distance, 2));
    // There is no bridge, so no direction gap and no fit.
    row.extend([Cell::missing(), Cell::missing()]);
    row
}

fn table_caption(curve: &Curve, shuffled: bool) -> String {
    let seeds = curve.points.first().map_or(0, |point| point.by_seed.len());
    let pairs = if shuffled { ", pairs shuffled" } else { "" };
    format!(
        "MNIST, recipe “{}”, budget {:.0} s, {} unpaired images without labels{pairs}; mean ± \
         standard error over {seeds} seeds. Likelihoods in nats, importance-sampled on {} held-out \
         images × {} draws; Fréchet distance of 5,000 images in the features of the judge.",
        curve.recipe, curve.budget_seconds, curve.unpaired, curve.images, curve.draws,
    )
}

/// Returns a line chart for each figure over the number of pairs.
fn figure(curve: &Curve) -> Figure {
    let mut panels = vec![
        panel(curve, "image → label: accuracy", "%", accuracy_percent),
        panel(curve, "image → label: log p(y|x)", "nats", log_p_nats),
        panel(
            curve,
            "image → label: calibration error",
            "",
            calibration_error,
        ),
        panel(curve, "label → image: coherence", "%", coherence_percent),
        panel(curve, "label → image: pixel sd", "", pixel_sd),
    ];
    if curve.images > 0 {
        panels.push(panel(curve, "log p(x|y) − log p(x)", "nats", gain_nats));
    }
    Figure {
        title: "Figures over the number of pairs".into(),
        panels,
        columns: 2,
        shared_axes: false,
    }
}

fn panel(curve: &Curve, title: &str, unit: &str, figure: fn(&SeedPoint) -> f64) -> Panel {
    let mut series = vec![line(curve, false, figure)];
    if curve.points.iter().any(|point| point.shuffled) {
        series.push(line(curve, true, figure));
    }
    Panel::from(LineChart {
        title: title.into(),
        x_label: "pairs".into(),
        y_label: unit.into(),
        series,
        x_scale: Scale::Log,
        ..LineChart::default()
    })
}

/// Returns a figure over the number of pairs, with a band of two standard errors over seeds.
fn line(curve: &Curve, shuffled: bool, figure: fn(&SeedPoint) -> f64) -> Series {
    let name = if shuffled { "shuffled pairs" } else { "pairs" };
    let (mut points, mut band) = (vec![], vec![]);
    for point in &curve.points {
        if point.shuffled != shuffled {
            continue;
        }
        let (x, found) = (point.pairs as f64, point.over_seeds(figure));
        points.push((x, found.mean));
        // A single seed has no standard error.
        let half = if found.count > 1 {
            2.0 * found.standard_error
        } else {
            0.0
        };
        band.push(BandPoint {
            x,
            low: found.mean - half,
            high: found.mean + half,
        });
    }
    Series::new(name, points).with_band(band)
}

fn choices(curve: &Curve) -> Table {
    let mut rows = Vec::new();
    for point in &curve.points {
        if let Some(first) = point.by_seed.first() {
            rows.push(choices_row(point, first));
        }
    }
    Table {
        caption: "What the first seed's fits chose and why, by pairs that the compared fits did \
                  not see."
            .into(),
        columns: ["pairs", "image → label", "label → image"]
            .map(Column::words)
            .to_vec(),
        rows,
    }
}

fn choices_row(point: &Point, first: &SeedPoint) -> Vec<Cell> {
    let shuffled = if point.shuffled { " shuffled" } else { "" };
    vec![
        Cell::text(format!("{}{shuffled}", point.pairs)),
        Cell::text(first.image_to_label_choice.to_string()),
        Cell::text(first.label_to_image_choice.to_string()),
    ]
}

fn provenance(curve: &Curve) -> Section {
    Section::new("How to make this again")
        .code(curve.command.clone())
        .paragraph(
            "The first N rows of a seeded order of the 10,000 test images are pairs, all others \
             are held out; unpaired images are training images, whose labels are never used.",
        )
        .with(Block::Facts(vec![
            ("version".into(), format!("zbridge {}", curve.version)),
            ("seconds".into(), format!("{:.0}", curve.seconds)),
        ]))
}
