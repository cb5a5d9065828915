//! The report as a page: verdict first, then what it rests on.

use super::latents::DIRECTIONS;
use super::{ReportRequest, decoded_means, fit, images_made, labels_read, latents, likelihoods};
use crate::Error;
use crate::evaluate::{EvaluateReport, Evaluated};
use crate::evaluation::{Generated, Likelihoods};
use crate::measures::ImageToLabel;
use crate::words::{nats, percent};
use zbridge_bridge::Bridge;
use zbridge_core::Estimate;
use zbridge_eval::Retrieval;
use zbridge_report::{Block, KeyFigure, Page, Section, Verdict};

pub(super) fn page(evaluated: &Evaluated, request: &ReportRequest) -> Result<Page, Error> {
    let (report, seed) = (&evaluated.report, request.evaluate.seed);
    let mut opening = Section::new("").verdict(verdict(report));
    for warning in &report.warnings {
        opening = opening.warning(warning);
    }
    let mut sections = vec![opening];
    sections.extend(images_made::made(evaluated, seed)?);
    sections.extend(labels_read::read(evaluated)?);
    sections.extend(report.decoded_means.as_ref().map(decoded_means::errors));
    sections.push(latents::latent(evaluated, seed)?);
    sections.push(latents::calibration(evaluated));
    sections.extend(report.likelihoods.as_ref().map(likelihoods::likelihoods));
    sections.push(fit::fit(&evaluated.pairs.bridge));
    sections.extend(left_out(report));
    sections.push(provenance(evaluated, request));
    Ok(Page {
        title: title(&evaluated.pairs.bridge),
        sections,
    })
}

fn title(bridge: &Bridge) -> String {
    let name = |side: &str| bridge.provenance().get(&format!("{side}.model")).cloned();
    match (name("x"), name("y")) {
        (Some(x), Some(y)) => format!("{x} ↔ {y}: a bridge from {} pairs", bridge.pairs()),
        _ => format!("A bridge from {} pairs", bridge.pairs()),
    }
}

fn verdict(report: &EvaluateReport) -> Verdict {
    let gap = &report.direction_gap;
    let text = format!(
        "Measured on {} held-out pairs. The latents of a pair tell {} nats of each other by x → y \
         and {} by y → x; the two directions differ by {:.2} nats a pair.",
        report.pairs,
        nats(gap.x_to_y_information_nats.mean, 2),
        nats(gap.y_to_x_information_nats.mean, 2),
        gap.gap_nats.mean
    );
    let verdict = Verdict::new(headline(report)).with_text(text);
    key_figures(report)
        .into_iter()
        .fold(verdict, Verdict::figure)
}

fn headline(report: &EvaluateReport) -> String {
    if let (Some(read), Some(made)) = (&report.image_to_label, &report.label_to_image) {
        return format!(
            "{} of held-out images get their label, and {} of the images made from labels are read \
             as theirs.",
            percent(read.accuracy),
            percent(made.figures.coherence)
        );
    }
    let works = DIRECTIONS.map(|(direction, _)| {
        let (low, _) = report
            .direction(direction)
            .gain_over_marginal_nats
            .interval();
        low > 0.0
    });
    let headline = match works {
        [true, true] => {
            "Held-out pairs are more probable with the bridge than without it, in both directions."
        }
        [true, false] => "Knowing x helps to tell y; knowing y does not help to tell x.",
        [false, true] => "Knowing y helps to tell x; knowing x does not help to tell y.",
        [false, false] => "On held-out pairs this bridge tells nothing of one side from the other.",
    };
    headline.to_owned()
}

/// Key figures that fit beside the verdict.
const MOST_KEY_FIGURES: usize = 5;
/// Key figures above which gains in latent space are left to the tables.
const ENOUGH_KEY_FIGURES: usize = 3;

/// Returns the figures that matter most, those of observations before those of latents.
fn key_figures(report: &EvaluateReport) -> Vec<KeyFigure> {
    let mut figures = vec![];
    figures.extend(report.image_to_label.as_ref().map(labels_of_images));
    figures.extend(report.label_to_image.as_ref().map(images_of_labels));
    figures.extend(report.likelihoods.iter().flat_map(likelihood_gains));
    if figures.len() < ENOUGH_KEY_FIGURES {
        figures.extend(DIRECTIONS.map(|(direction, name)| {
            let gain = &report.direction(direction).gain_over_marginal_nats;
            key_of(name, gain)
                .with_reading("log density of held-out latents over the bridge's own marginal")
        }));
    }
    if figures.len() < MOST_KEY_FIGURES && report.image_to_label.is_none() {
        figures
            .extend(DIRECTIONS.map(|(direction, name)| {
                median_rank(name, &report.direction(direction).retrieval)
            }));
    }
    figures.truncate(MOST_KEY_FIGURES);
    figures
}

fn labels_of_images(read: &ImageToLabel) -> KeyFigure {
    let [low, high] = read.accuracy_interval;
    KeyFigure::new("labels told", 100.0 * read.accuracy, 1)
        .with_unit("%")
        .with_interval(100.0 * low, 100.0 * high)
        .with_reading("of held-out pairs get their label from the other side")
}

fn images_of_labels(made: &Generated) -> KeyFigure {
    let [low, high] = made.figures.coherence_interval;
    let judge = percent(made.judge_accuracy);
    KeyFigure::new("label → image", 100.0 * made.figures.coherence, 1)
        .with_unit("%")
        .with_interval(100.0 * low, 100.0 * high)
        .with_reading(format!(
            "of images made from labels are read as theirs, by a judge that reads {judge} of real \
             ones rightly"
        ))
}

fn likelihood_gains(found: &Likelihoods) -> [KeyFigure; 2] {
    let gains = [
        ("log p(x|y) − log p(x)", &found.x_gain_nats),
        ("log p(y|x) − log p(y)", &found.y_gain_nats),
    ];
    gains.map(|(name, gain)| {
        key_of(name, gain).with_reading("gained by knowing the other side, importance-sampled")
    })
}

fn median_rank(name: &str, found: &Retrieval) -> KeyFigure {
    KeyFigure::new(format!("{name}, median rank"), found.median_rank, 0).with_reading(format!(
        "of the true target among {} held-out ones; chance {:.0}",
        found.candidates, found.chance_median_rank
    ))
}

fn key_of(name: &str, found: &Estimate) -> KeyFigure {
    let (low, high) = found.interval();
    KeyFigure::new(name, found.mean, 2)
        .with_unit("nats")
        .with_interval(low, high)
}

/// Returns the figures that the page lacks, and why; `None` if it has all.
fn left_out(report: &EvaluateReport) -> Option<Section> {
    if report.left_out.is_empty() {
        return None;
    }
    let mut section = Section::new("What is left out");
    for found in &report.left_out {
        section = section.paragraph(found.to_string());
    }
    Some(section)
}

fn provenance(evaluated: &Evaluated, request: &ReportRequest) -> Section {
    let bridge = &evaluated.pairs.bridge;
    let bridge_path = request.evaluate.held_out.bridge.display().to_string();
    let mut facts = vec![
        fact("version", format!("zbridge {}", env!("CARGO_PKG_VERSION"))),
        fact("seed of the draws", request.evaluate.seed.to_string()),
        fact("bridge", bridge_path),
        fact("seed of the fit", bridge.config().seed.to_string()),
    ];
    for (key, value) in bridge.provenance() {
        facts.push((format!("bridge: {key}"), value.clone()));
    }
    Section::new("How to make this again")
        .command(request.command.clone())
        .with(Block::Details {
            summary: "Versions, seeds and digests".into(),
            blocks: vec![Block::Facts(facts)],
        })
}

fn fact(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}
