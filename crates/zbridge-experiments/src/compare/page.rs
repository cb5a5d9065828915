//! The standing as tables.

use super::PAIRS;
use super::published::{BINARY, GREY, M1_TSVM, Published};
use super::results::{ImageLikelihoods, Standing};
use zbridge_core::Estimate;
use zbridge_plot::{Figure, IntervalPlot, IntervalRow, Panel, Reference};
use zbridge_report::{Block, Cell, Column, KeyFigure, Page, Section, Table, Verdict};
use zbridge_tasks::training::LogMarginal;
use zbridge_tasks::words::estimate;

pub(super) fn page(standing: &Standing) -> Page {
    let mut likely = Section::new("Likelihood of images given labels")
        .paragraph("log p(x|label) of test images in nats; higher is better. The others were trained on 60,000 pairs; zbridge joins an image VAE and a label VAE that never saw a pair, with the pairs that the table says. Its images are held out of everything, theirs are the 10,000 test images. Ten balanced labels can tell 2.30 nats; what a bridge gains beyond that mends the given prior, which is not what the image posteriors fill: its flow learned that from the training images without labels.")
        .illustration(
            "standing",
            "Likelihood of images given their label, with 95 % intervals where the images are ours.",
            "Estimates with intervals below one another.",
            plots(standing),
        )
        .table(likelihoods(standing))
        .paragraph("Grey values count as fractional outcomes of Bernoulli distributions, as in the published figures. Black and white images are one fixed draw of each image with its grey values as probabilities; the image VAE of that column was trained on fresh draws of its training images. What others drew may differ, so that the last tenth of a nat means nothing.");
    for warning in warnings(standing) {
        likely = likely.warning(warning);
    }
    let read = Section::new("Labels told from images")
        .paragraph("Test images that get their label, by the number of labelled images. M1+TSVM is a transductive support vector machine on the latents of a VAE that is given, so the nearest relative of a bridge; it, too, saw all training images without labels. Its labelled images are balanced over the ten digits and come from the training half, ours are drawn at random from the test half and the other test images are judged.")
        .table(labels(standing));
    let sections = vec![
        Section::new("Verdict").verdict(verdict(standing)),
        likely,
        read,
        provenance(standing),
    ];
    Page {
        title: "zbridge beside published figures".into(),
        sections,
    }
}

/// log p(x|label) of everybody.
pub(super) fn likelihoods(standing: &Standing) -> Table {
    let mut columns = vec![Column::words("system"), Column::numbers("pairs")];
    let mut rows: Vec<Vec<Cell>> = PAIRS
        .iter()
        .map(|&pairs| vec![Cell::text("zbridge"), Cell::count(pairs)])
        .chain([vec![
            Cell::text("zbridge's given image VAE: log p(x)"),
            Cell::count(0),
        ]])
        .chain(
            GREY.iter()
                .map(|other| vec![Cell::text(other.system), Cell::count(other.pairs)]),
        )
        .collect();
    for (name, found, published) in kinds(standing) {
        columns.extend([Column::numbers(name), Column::numbers("gain over log p(x)")]);
        let ours = found
            .bridges
            .iter()
            .map(|bridge| [&bridge.log_p_x_given_y_nats, &bridge.gain_over_prior_nats].map(nats));
        let given = [nats(&found.log_p_x.nats), Cell::missing()];
        let others = published
            .iter()
            .map(|other| [Cell::number(other.figure, 2), Cell::missing()]);
        for (row, cells) in rows.iter_mut().zip(ours.chain([given]).chain(others)) {
            row.extend(cells);
        }
    }
    let LogMarginal {
        draws,
        nats: Estimate { count, .. },
        ..
    } = standing.grey.log_p_x;
    let gained = standing
        .grey
        .bridges
        .first()
        .map_or(0, |bridge| bridge.gain_over_prior_nats.count);
    let caption = format!(
        "log p(x|label) in nats, ± standard error between images: log p(x), importance-sampled with K = {draws} on {count} held-out images, plus the gain log p(x|y) − log p(x), image by image from the same draws on {gained} of them. CVAE, MVAE and JMVAE: Wu and Goodman (2018), table 2."
    );
    Table {
        caption,
        columns,
        rows,
    }
}

/// Every kind of image that there are figures for: its name, ours, theirs.
fn kinds(standing: &Standing) -> Vec<(&'static str, &ImageLikelihoods, &'static [Published])> {
    let binary = standing
        .binary
        .iter()
        .map(|found| ("black and white", found, &BINARY[..]));
    [("grey", &standing.grey, &GREY[..])]
        .into_iter()
        .chain(binary)
        .collect()
}

/// A plot for each kind of image: ours with intervals, theirs without.
fn plots(standing: &Standing) -> Figure {
    let panel = |(name, found, published): (&str, &ImageLikelihoods, &[Published])| {
        let ours = found.bridges.iter().map(|bridge| {
            let (low, high) = bridge.log_p_x_given_y_nats.interval();
            IntervalRow::new(
                format!("zbridge, {} pairs", bridge.pairs),
                bridge.log_p_x_given_y_nats.mean,
            )
            .with_interval(low, high)
            .of_group("zbridge")
        });
        let theirs = published.iter().map(|other| {
            IntervalRow::new(
                format!("{}, {} pairs", other.system, other.pairs),
                other.figure,
            )
            .of_group("published")
        });
        Panel::from(IntervalPlot {
            title: format!("{name} images"),
            x_label: "log p(x|label), nats".into(),
            rows: ours.chain(theirs).collect(),
            references: vec![Reference::new(
                "log p(x) of the given VAE",
                found.log_p_x.nats.mean,
            )],
            digits: 2,
            ..IntervalPlot::default()
        })
    };
    let panels: Vec<Panel> = kinds(standing).into_iter().map(panel).collect();
    Figure {
        title: "Likelihood of images given labels".into(),
        panels,
        columns: 1,
        shared_axes: false,
    }
}

/// Accuracies beside those of M1+TSVM.
pub(super) fn labels(standing: &Standing) -> Table {
    let columns = vec![
        Column::numbers("labelled images"),
        Column::numbers("zbridge, %"),
        Column::numbers("M1+TSVM, %"),
        Column::numbers("log p(y|x)"),
        Column::numbers("calibration error"),
    ];
    let rows = standing
        .labels
        .iter()
        .zip(&M1_TSVM)
        .map(|(point, published)| {
            let over = |figure: &dyn Fn(&zbridge_tasks::measures::ImageToLabel) -> f64| {
                Estimate::of(point.by_seed.iter().map(figure))
            };
            vec![
                Cell::count(point.pairs),
                estimate(&over(&|found| 100.0 * found.accuracy), 1),
                Cell::number(100.0 * published.figure, 1),
                estimate(&over(&|found| found.log_p_nats), 3),
                estimate(&over(&|found| found.expected_calibration_error), 3),
            ]
        });
    let seeds = standing
        .labels
        .first()
        .map_or(0, |point| point.by_seed.len());
    let caption = format!(
        "Held-out images that get their label; mean ± standard error over {seeds} seeds, {} training images without labels. M1+TSVM: Kingma et al. (2014), table 1.",
        standing.unpaired
    );
    Table {
        caption,
        columns,
        rows: rows.collect(),
    }
}

fn nats(found: &Estimate) -> Cell {
    estimate(found, 2)
}

fn verdict(standing: &Standing) -> Verdict {
    let first = |found: &ImageLikelihoods| {
        found
            .bridges
            .first()
            .map(|bridge| bridge.log_p_x_given_y_nats)
    };
    let of = |name: &str, found: &ImageLikelihoods, published: &[Published]| -> String {
        let Some(ours) = first(found) else {
            return String::new();
        };
        let ahead: Vec<&str> = published
            .iter()
            .filter(|other| ours.interval().0 > other.figure)
            .map(|other| other.system)
            .collect();
        let standing = match ahead.len() {
            0 => "behind or level with all of the published systems".to_owned(),
            n if n == published.len() => {
                "ahead of every published system beyond its 95 % interval".to_owned()
            }
            _ => format!("ahead of {} beyond its 95 % interval", ahead.join(" and ")),
        };
        format!(
            "On {name} images, 256 pairs give log p(x|label) = {} nats: {standing}.",
            shown(&ours)
        )
    };
    let each = kinds(standing)
        .into_iter()
        .map(|(name, found, published)| of(name, found, published));
    let figures = kinds(standing).into_iter().filter_map(|(name, found, _)| {
        let ours = first(found)?;
        let (low, high) = ours.interval();
        let key = KeyFigure::new(format!("log p(x|label), {name}"), ours.mean, 2).with_unit("nats");
        Some(
            key.with_interval(low, high)
                .with_reading("from 256 pairs; the published systems had 60,000"),
        )
    });
    let read = standing.labels.first().map(|point| {
        let found = Estimate::of(point.by_seed.iter().map(|found| 100.0 * found.accuracy));
        let (low, high) = found.interval();
        let key = KeyFigure::new(
            format!("image → label, {} labels", point.pairs),
            found.mean,
            1,
        )
        .with_unit("%");
        let key = if found.count > 1 {
            key.with_interval(low, high)
        } else {
            key
        };
        key.with_reading(format!(
            "of held-out images; M1+TSVM {:.1} %",
            100.0 * M1_TSVM[0].figure
        ))
    });
    figures.chain(read).fold(
        Verdict::new(each.collect::<Vec<_>>().join(" ")),
        Verdict::figure,
    )
}

fn shown(found: &Estimate) -> String {
    format!("{:.2} ± {:.2}", found.mean, found.standard_error).replace('-', "−")
}

fn warnings(standing: &Standing) -> Vec<String> {
    let low = |name: &str, found: &ImageLikelihoods| -> Option<String> {
        let LogMarginal {
            draws,
            effective_sample_size: own,
            ..
        } = &found.log_p_x;
        let given = found.bridges.first()?.effective_sample_size;
        (own.low_share > 0.05 || given.low_share > 0.05).then(|| {
            format!(
                "{name}: fewer than ten of the {draws} draws carry log p(x) for {:.0} % of the images (median {:.0}), and log p(x|y) with 256 pairs for {:.0} % (median {:.0}). Such estimates are too low on average, so the true figures are, if anything, higher.",
                100.0 * own.low_share,
                own.median,
                100.0 * given.low_share,
                given.median
            )
        })
    };
    kinds(standing)
        .into_iter()
        .filter_map(|(name, found, _)| low(name, found))
        .collect()
}

fn provenance(standing: &Standing) -> Section {
    Section::new("How to make this again")
        .code(standing.command.clone())
        .with(Block::Facts(vec![
            ("version".into(), format!("zbridge {}", standing.version)),
            ("first seed".into(), standing.seed.to_string()),
            (
                "budget of a fit".into(),
                format!("{:.0} s", standing.budget_seconds),
            ),
            (
                "training images without labels".into(),
                standing.unpaired.to_string(),
            ),
        ]))
}
