//! The curve as tables and charts.

use super::results::{Curve, Point, SeedPoint};
use zbridge_core::Estimate;
use zbridge_plot::{BandPoint, Figure, LineChart, Panel, Scale, Series};
use zbridge_report::{Block, Cell, Column, KeyFigure, Page, Section, Table, Verdict};
use zbridge_tasks::words::estimate;

pub(super) fn page(curve: &Curve) -> Page {
    let sections = vec![
        Section::new("Verdict").verdict(verdict(curve)),
        Section::new("Figures over the number of pairs")
            .illustration(
                "learning-curve",
                "Mean over seeds; bands are ± two standard errors. Shuffled pairs are the negative control.",
                "Line charts over the number of pairs: accuracy, log p(y|x), calibration error, coherence, diversity and the gain in log p(x).",
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
    let own = curve
        .limits
        .posterior_draws
        .label_to_image
        .as_ref()
        .map_or(f64::NAN, |drawn| drawn.coherence);
    let text = format!(
        "The judge of images made from labels is right on {:.1} % of real ones, and on {:.1} % of the image VAE's own draws for real images, which no bridge can be expected to exceed.",
        100.0 * curve.limits.judge_accuracy,
        100.0 * own
    );
    let headline = match (
        real.iter().min_by_key(|point| point.pairs),
        real.iter().max_by_key(|point| point.pairs),
    ) {
        (Some(few), Some(many)) => {
            let read =
                |point: &Point| 100.0 * point.over_seeds(|seed| seed.image_to_label.accuracy).mean;
            format!(
                "From {} to {} pairs, labels told rightly from held-out images rise from {:.1} to {:.1} %.",
                few.pairs,
                many.pairs,
                read(few),
                read(many)
            )
        }
        _ => "Nothing was measured.".to_owned(),
    };
    // The number of pairs that a user is likely to have.
    let usual = real
        .iter()
        .find(|point| point.pairs == 256)
        .or(real.first());
    let figures = usual.into_iter().flat_map(|point| {
        let key = |name: &str, found: Estimate, (unit, digits, reading): (&str, usize, &str)| {
            let key = KeyFigure::new(format!("{name}, {} pairs", point.pairs), found.mean, digits)
                .with_unit(unit);
            let (low, high) = found.interval();
            let key = if found.count > 1 {
                key.with_interval(low, high)
            } else {
                key
            };
            key.with_reading(reading)
        };
        let gain =
            point.over_seeds(|seed| seed.gain_over_prior_nats.map_or(f64::NAN, |gain| gain.mean));
        [
            key(
                "image → label",
                point.over_seeds(|seed| 100.0 * seed.image_to_label.accuracy),
                ("%", 1, "of held-out images get their label"),
            ),
            key(
                "label → image",
                point.over_seeds(|seed| 100.0 * seed.label_to_image.coherence),
                ("%", 1, "of images made from labels are read as theirs"),
            ),
            key(
                "log p(x|y) − log p(x)",
                gain,
                ("nats", 2, "gained by knowing the label"),
            ),
        ]
    });
    figures.fold(Verdict::new(headline).with_text(text), Verdict::figure)
}

/// Every figure, a row for each number of pairs, and the given models' own in the last rows.
pub(super) fn table(curve: &Curve, shuffled: bool) -> Table {
    let columns = vec![
        Column::words("pairs"),
        Column::numbers("accuracy, %"),
        Column::numbers("log p(y|x)"),
        Column::numbers("calibration error"),
        Column::numbers("log p(x|y) − log p(x)"),
        Column::numbers("coherence, %"),
        Column::numbers("pixel sd"),
        Column::numbers("Fréchet distance"),
        Column::numbers("direction gap"),
        Column::numbers("fit, core-s"),
    ];
    let points = curve
        .points
        .iter()
        .filter(|point| point.shuffled == shuffled);
    let row = |point: &Point| -> Vec<Cell> {
        let over = |figure: &dyn Fn(&SeedPoint) -> f64, digits| {
            estimate(&point.over_seeds(figure), digits)
        };
        let gain = |seed: &SeedPoint| seed.gain_over_prior_nats.map_or(f64::NAN, |gain| gain.mean);
        vec![
            Cell::text(point.pairs.to_string()),
            over(&|seed| 100.0 * seed.image_to_label.accuracy, 1),
            over(&|seed| seed.image_to_label.log_p_nats, 3),
            over(&|seed| seed.image_to_label.expected_calibration_error, 3),
            if curve.images == 0 {
                Cell::missing()
            } else {
                over(&gain, 2)
            },
            over(&|seed| 100.0 * seed.label_to_image.coherence, 1),
            over(&|seed| seed.label_to_image.pixel_sd, 3),
            over(&|seed| seed.frechet_distance, 2),
            over(&|seed| seed.direction_gap.gap_nats.mean, 2),
            over(&|seed| seed.fit_core_seconds, 0),
        ]
    };
    let mut rows: Vec<Vec<Cell>> = points.map(row).collect();
    if !shuffled {
        let limits = &curve.limits;
        let posterior = limits.posterior_draws.label_to_image.as_ref();
        let given = |name: &str,
                     coherence: Option<f64>,
                     sd: Option<f64>,
                     distance: Option<f64>|
         -> Vec<Cell> {
            let cell = |value: Option<f64>, digits| {
                value.map_or(Cell::missing(), |value| Cell::number(value, digits))
            };
            let mut row = vec![Cell::text(name)];
            row.extend((0..4).map(|_| Cell::missing()));
            row.extend([
                cell(coherence, 1),
                cell(sd, 3),
                cell(distance, 2),
                Cell::missing(),
                Cell::missing(),
            ]);
            row
        };
        rows.push(given(
            "VAE, posterior draws",
            posterior.map(|drawn| 100.0 * drawn.coherence),
            posterior.map(|drawn| drawn.pixel_sd),
            Some(limits.posterior_draws.frechet_distance),
        ));
        rows.push(given(
            "VAE, prior draws",
            None,
            None,
            Some(limits.prior_draws.frechet_distance),
        ));
        rows.push(given(
            "real images",
            Some(100.0 * limits.judge_accuracy),
            Some(limits.real_pixel_sd),
            None,
        ));
    }
    let seeds = curve.points.first().map_or(0, |point| point.by_seed.len());
    let caption = format!(
        "MNIST, recipe “{}”, budget {:.0} s, {} unpaired images without labels{}; mean ± standard error over {seeds} seeds. Likelihoods in nats, importance-sampled on {} held-out images × {} draws; Fréchet distance of 5,000 images in the features of the judge.",
        curve.recipe,
        curve.budget_seconds,
        curve.unpaired,
        if shuffled { ", pairs shuffled" } else { "" },
        curve.images,
        curve.draws,
    );
    Table {
        caption,
        columns,
        rows,
    }
}

fn figure(curve: &Curve) -> Figure {
    let panel = |title: &str, unit: &str, figure: &dyn Fn(&SeedPoint) -> f64| {
        let line = |shuffled: bool, name: &str| {
            let points: Vec<(f64, Estimate)> = curve
                .points
                .iter()
                .filter(|point| point.shuffled == shuffled)
                .map(|point| (point.pairs as f64, point.over_seeds(figure)))
                .collect();
            let band = points.iter().map(|(n, found)| {
                let error = if found.count > 1 {
                    2.0 * found.standard_error
                } else {
                    0.0
                };
                BandPoint {
                    x: *n,
                    low: found.mean - error,
                    high: found.mean + error,
                }
            });
            Series::new(
                name,
                points.iter().map(|(n, found)| (*n, found.mean)).collect(),
            )
            .with_band(band.collect())
        };
        let mut series = vec![line(false, "pairs")];
        if curve.points.iter().any(|point| point.shuffled) {
            series.push(line(true, "shuffled pairs"));
        }
        Panel::from(LineChart {
            title: title.into(),
            x_label: "pairs".into(),
            y_label: unit.into(),
            series,
            x_scale: Scale::Log,
            ..LineChart::default()
        })
    };
    let mut panels = vec![
        panel("image → label: accuracy", "%", &|seed| {
            100.0 * seed.image_to_label.accuracy
        }),
        panel("image → label: log p(y|x)", "nats", &|seed| {
            seed.image_to_label.log_p_nats
        }),
        panel("image → label: calibration error", "", &|seed| {
            seed.image_to_label.expected_calibration_error
        }),
        panel("label → image: coherence", "%", &|seed| {
            100.0 * seed.label_to_image.coherence
        }),
        panel("label → image: pixel sd", "", &|seed| {
            seed.label_to_image.pixel_sd
        }),
    ];
    if curve.images > 0 {
        let gain = |seed: &SeedPoint| seed.gain_over_prior_nats.map_or(f64::NAN, |gain| gain.mean);
        panels.push(panel("log p(x|y) − log p(x)", "nats", &gain));
    }
    Figure {
        title: "Figures over the number of pairs".into(),
        panels,
        columns: 2,
        shared_axes: false,
    }
}

fn choices(curve: &Curve) -> Table {
    let columns = vec![
        Column::words("pairs"),
        Column::words("image → label"),
        Column::words("label → image"),
    ];
    let row = |point: &Point| -> Option<Vec<Cell>> {
        let first = point.by_seed.first()?;
        let pairs = if point.shuffled {
            format!("{} shuffled", point.pairs)
        } else {
            point.pairs.to_string()
        };
        let choices = [&first.image_to_label_choice, &first.label_to_image_choice];
        Some(
            std::iter::once(pairs)
                .chain(choices.map(ToString::to_string))
                .map(Cell::text)
                .collect(),
        )
    };
    let caption =
        "What the first seed's fits chose and why, by pairs that the compared fits did not see."
            .into();
    Table {
        caption,
        columns,
        rows: curve.points.iter().filter_map(row).collect(),
    }
}

fn provenance(curve: &Curve) -> Section {
    Section::new("How to make this again")
        .code(curve.command.clone())
        .paragraph("The first N rows of a seeded order of the 10,000 test images are pairs, all others are held out; unpaired images are training images, whose labels are never used.")
        .with(Block::Facts(vec![
            ("version".into(), format!("zbridge {}", curve.version)),
            ("seconds".into(), format!("{:.0}", curve.seconds)),
        ]))
}
