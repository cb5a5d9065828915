//! The standing as tables.

use super::PAIRS;
use super::published::{BINARY, GREY, M1_TSVM, Published};
use super::results::{BridgeLikelihood, ImageLikelihoods, LabelPoint, Standing};
use crate::pages::key_figure;
use zbridge_core::Estimate;
use zbridge_plot::{Figure, IntervalPlot, IntervalRow, Panel, Reference};
use zbridge_report::{Block, Cell, Column, KeyFigure, Page, Section, Table, Verdict};
use zbridge_tasks::measures::ImageToLabel;
use zbridge_tasks::words::{estimate, nats};

/// Likelihoods of one kind of image, ours beside published ones.
struct Kind<'s> {
    name: &'static str,
    ours: &'s ImageLikelihoods,
    published: &'static [Published],
}

impl Kind<'_> {
    /// Ours from the smallest number of pairs.
    fn fewest_pairs(&self) -> Option<&BridgeLikelihood> {
        self.ours.bridges.first()
    }
}

/// Every kind of image that there are figures for.
fn kinds(standing: &Standing) -> Vec<Kind<'_>> {
    let mut kinds = vec![Kind {
        name: "grey",
        ours: &standing.grey,
        published: &GREY,
    }];
    if let Some(ours) = &standing.binary {
        kinds.push(Kind {
            name: "black and white",
            ours,
            published: &BINARY,
        });
    }
    kinds
}

pub(super) fn page(standing: &Standing) -> Page {
    Page {
        title: "zbridge beside published figures".into(),
        sections: vec![
            Section::new("Verdict").verdict(verdict(standing)),
            images_given_labels(standing),
            labels_from_images(standing),
            provenance(standing),
        ],
    }
}

fn images_given_labels(standing: &Standing) -> Section {
    let section = Section::new("Likelihood of images given labels")
        .paragraph(
            "log p(x|label) of test images in nats; higher is better. The others were trained on \
             60,000 pairs; zbridge joins an image VAE and a label VAE that never saw a pair, with \
             the pairs that the table says. Its images are held out of everything, theirs are the \
             10,000 test images. Ten balanced labels can tell 2.30 nats; what a bridge gains \
             beyond that mends the given prior, which is not what the image posteriors fill: its \
             flow learned that from the training images without labels.",
        )
        .illustration(
            "standing",
            "Likelihood of images given their label, with 95 % intervals where the images are \
             ours.",
            "Estimates with intervals below one another.",
            plots(standing),
        )
        .table(likelihoods(standing))
        .paragraph(
            "Grey values count as fractional outcomes of Bernoulli distributions, as in the \
             published figures. Black and white images are one fixed draw of each image with its \
             grey values as probabilities; the image VAE of that column was trained on fresh draws \
             of its training images. What others drew may differ, so that the last tenth of a nat \
             means nothing.",
        );
    warnings(standing)
        .into_iter()
        .fold(section, Section::warning)
}

fn labels_from_images(standing: &Standing) -> Section {
    Section::new("Labels told from images")
        .paragraph(
            "Test images that get their label, by the number of labelled images. M1+TSVM is a \
             transductive support vector machine on the latents of a VAE that is given, so the \
             nearest relative of a bridge; it, too, saw all training images without labels. Its \
             labelled images are balanced over the ten digits and come from the training half, \
             ours are drawn at random from the test half and the other test images are judged.",
        )
        .table(labels(standing))
}

/// log p(x|label) of everybody.
pub(super) fn likelihoods(standing: &Standing) -> Table {
    let mut columns = vec![Column::words("system"), Column::numbers("pairs")];
    let mut rows = systems();
    for kind in kinds(standing) {
        let headings = [kind.name, "gain over log p(x)"];
        columns.extend(headings.map(Column::numbers));
        for (row, cells) in rows.iter_mut().zip(likelihood_cells(&kind)) {
            row.extend(cells);
        }
    }
    Table {
        caption: likelihoods_caption(&standing.grey),
        columns,
        rows,
    }
}

/// Name and pairs of each system: ours, our given model, the published ones.
fn systems() -> Vec<Vec<Cell>> {
    let system = |name: &str, pairs| vec![Cell::text(name), Cell::count(pairs)];
    let mut systems = Vec::new();
    for pairs in PAIRS {
        systems.push(system("zbridge", pairs));
    }
    systems.push(system("zbridge's given image VAE: log p(x)", 0));
    // The same systems were published for every kind of image.
    for other in GREY {
        systems.push(system(other.system, other.pairs));
    }
    systems
}

/// log p(x|label) and the gain of each system, in the order of [`systems`].
fn likelihood_cells(kind: &Kind<'_>) -> Vec<[Cell; 2]> {
    let mut cells = Vec::new();
    for bridge in &kind.ours.bridges {
        cells.push([
            estimate(&bridge.log_p_x_given_y_nats, 2),
            estimate(&bridge.gain_over_prior_nats, 2),
        ]);
    }
    cells.push([estimate(&kind.ours.log_p_x.nats, 2), Cell::missing()]);
    // They have no log p(x) that a gain could be taken from.
    for other in kind.published {
        cells.push([Cell::number(other.figure, 2), Cell::missing()]);
    }
    cells
}

fn likelihoods_caption(grey: &ImageLikelihoods) -> String {
    let (draws, count) = (grey.log_p_x.draws, grey.log_p_x.nats.count);
    let first = grey.bridges.first();
    let gained = first.map_or(0, |bridge| bridge.gain_over_prior_nats.count);
    format!(
        "log p(x|label) in nats, ± standard error between images: log p(x), importance-sampled \
         with K = {draws} on {count} held-out images, plus the gain log p(x|y) − log p(x), image \
         by image from the same draws on {gained} of them. CVAE, MVAE and JMVAE: Wu and Goodman \
         (2018), table 2."
    )
}

/// A plot for each kind of image: ours with intervals, theirs without.
fn plots(standing: &Standing) -> Figure {
    Figure {
        title: "Likelihood of images given labels".into(),
        panels: kinds(standing).iter().map(plot).collect(),
        columns: 1,
        shared_axes: false,
    }
}

fn plot(kind: &Kind<'_>) -> Panel {
    let ours = kind.ours.bridges.iter().map(our_row);
    let theirs = kind.published.iter().map(published_row);
    let given = Reference::new("log p(x) of the given VAE", kind.ours.log_p_x.nats.mean);
    Panel::from(IntervalPlot {
        title: format!("{} images", kind.name),
        x_label: "log p(x|label), nats".into(),
        rows: ours.chain(theirs).collect(),
        references: vec![given],
        digits: 2,
        ..IntervalPlot::default()
    })
}

fn our_row(bridge: &BridgeLikelihood) -> IntervalRow {
    let name = format!("zbridge, {} pairs", bridge.pairs);
    let (low, high) = bridge.log_p_x_given_y_nats.interval();
    IntervalRow::new(name, bridge.log_p_x_given_y_nats.mean)
        .with_interval(low, high)
        .of_group("zbridge")
}

fn published_row(other: &Published) -> IntervalRow {
    let name = format!("{}, {} pairs", other.system, other.pairs);
    IntervalRow::new(name, other.figure).of_group("published")
}

/// Accuracies beside those of M1+TSVM.
pub(super) fn labels(standing: &Standing) -> Table {
    let mut rows = Vec::new();
    for (point, published) in standing.labels.iter().zip(&M1_TSVM) {
        rows.push(label_row(point, published));
    }
    Table {
        caption: labels_caption(standing),
        columns: [
            "labelled images",
            "zbridge, %",
            "M1+TSVM, %",
            "log p(y|x)",
            "calibration error",
        ]
        .map(Column::numbers)
        .to_vec(),
        rows,
    }
}

fn label_row(point: &LabelPoint, published: &Published) -> Vec<Cell> {
    vec![
        Cell::count(point.pairs),
        estimate(&over_seeds(point, accuracy_percent), 1),
        Cell::number(100.0 * published.figure, 1),
        estimate(&over_seeds(point, |found| found.log_p_nats), 3),
        estimate(
            &over_seeds(point, |found| found.expected_calibration_error),
            3,
        ),
    ]
}

fn over_seeds(point: &LabelPoint, figure: fn(&ImageToLabel) -> f64) -> Estimate {
    Estimate::of(point.by_seed.iter().map(figure))
}

fn accuracy_percent(found: &ImageToLabel) -> f64 {
    100.0 * found.accuracy
}

fn labels_caption(standing: &Standing) -> String {
    let first = standing.labels.first();
    let seeds = first.map_or(0, |point| point.by_seed.len());
    format!(
        "Held-out images that get their label; mean ± standard error over {seeds} seeds, {} \
         training images without labels. M1+TSVM: Kingma et al. (2014), table 1.",
        standing.unpaired
    )
}

fn verdict(standing: &Standing) -> Verdict {
    let (mut sentences, mut figures) = (Vec::new(), Vec::new());
    for kind in kinds(standing) {
        if let Some(bridge) = kind.fewest_pairs() {
            let ours = &bridge.log_p_x_given_y_nats;
            sentences.push(sentence(&kind, ours));
            figures.push(likelihood_figure(kind.name, ours));
        }
    }
    figures.extend(standing.labels.first().map(accuracy_figure));
    let verdict = Verdict::new(sentences.join(" "));
    figures.into_iter().fold(verdict, Verdict::figure)
}

fn sentence(kind: &Kind<'_>, ours: &Estimate) -> String {
    let rank = rank(ours, kind.published);
    format!(
        "On {} images, 256 pairs give log p(x|label) = {} ± {:.2} nats: {rank}.",
        kind.name,
        nats(ours.mean, 2),
        ours.standard_error
    )
}

fn rank(ours: &Estimate, published: &[Published]) -> String {
    // Published figures have no errors, so that only ours can make a difference certain.
    let (low, _) = ours.interval();
    let surpassed = published.iter().filter(|other| low > other.figure);
    let surpassed: Vec<&str> = surpassed.map(|other| other.system).collect();
    match surpassed.len() {
        0 => "behind or level with all of the published systems".into(),
        all if all == published.len() => {
            "ahead of every published system beyond its 95 % interval".into()
        }
        _ => format!(
            "ahead of {} beyond its 95 % interval",
            surpassed.join(" and ")
        ),
    }
}

fn likelihood_figure(kind: &str, ours: &Estimate) -> KeyFigure {
    key_figure(format!("log p(x|label), {kind}"), ours, 2)
        .with_unit("nats")
        .with_reading("from 256 pairs; the published systems had 60,000")
}

fn accuracy_figure(point: &LabelPoint) -> KeyFigure {
    let name = format!("image → label, {} labels", point.pairs);
    // Rows of both are in order of labels, so that the first ones have equally many.
    let published = 100.0 * M1_TSVM[0].figure;
    key_figure(name, &over_seeds(point, accuracy_percent), 1)
        .with_unit("%")
        .with_reading(format!("of held-out images; M1+TSVM {published:.1} %"))
}

fn warnings(standing: &Standing) -> Vec<String> {
    let kinds = kinds(standing);
    kinds.iter().filter_map(low_sample_sizes).collect()
}

/// A warning where few draws carry the likelihoods of many images.
fn low_sample_sizes(kind: &Kind<'_>) -> Option<String> {
    let own = kind.ours.log_p_x.effective_sample_size;
    let given = kind.fewest_pairs()?.effective_sample_size;
    // Above one image in twenty, the bias of the mean is worth a warning.
    if own.low_share <= 0.05 && given.low_share <= 0.05 {
        return None;
    }
    Some(format!(
        "{name}: fewer than ten of the {draws} draws carry log p(x) for {:.0} % of the images \
         (median {:.0}), and log p(x|y) with 256 pairs for {:.0} % (median {:.0}). Such estimates \
         are too low on average, so the true figures are, if anything, higher.",
        100.0 * own.low_share,
        own.median,
        100.0 * given.low_share,
        given.median,
        name = kind.name,
        draws = kind.ours.log_p_x.draws,
    ))
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
