//! The report as a page: verdict first, then what it rests on.

use super::{ReportRequest, fit, images_made, labels_read, latents, likelihoods};
use crate::Error;
use crate::evaluate::{EvaluateReport, Evaluated};
use crate::evaluation::Generated;
use crate::measures::ImageToLabel;
use crate::words::{nats, percent};
use zbridge_bridge::{Bridge, Direction};
use zbridge_core::Estimate;
use zbridge_report::{Block, KeyFigure, Page, Section, Verdict};

/// Both directions with their names.
pub(super) const DIRECTIONS: [(Direction, &str); 2] =
    [(Direction::XToY, "x → y"), (Direction::YToX, "y → x")];

pub(super) fn page(evaluated: &Evaluated, request: &ReportRequest) -> Result<Page, Error> {
    let (report, seed) = (&evaluated.report, request.evaluate.seed);
    let mut opening = Section::new("").verdict(verdict(report));
    for warning in &report.warnings {
        opening = opening.warning(warning);
    }
    let mut sections = vec![opening];
    sections.extend(images_made::made(evaluated, seed)?);
    sections.extend(labels_read::read(evaluated)?);
    sections.push(latents::latent(evaluated, seed)?);
    sections.push(latents::calibration(evaluated));
    sections.extend(report.likelihoods.as_ref().map(likelihoods::likelihoods));
    sections.push(fit::fit(&evaluated.pairs.bridge));
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
    let gains =
        DIRECTIONS.map(|(direction, _)| report.direction(direction).gain_over_marginal_nats);
    let works = gains.map(|gain| gain.interval().0 > 0.0);
    let headline = match (&report.image_to_label, &report.label_to_image) {
        (Some(read), Some(made)) => format!(
            "{} of held-out images get their label, and {} of the images made from labels are read as theirs.",
            percent(read.accuracy),
            percent(made.figures.coherence)
        ),
        _ => match works {
            [true, true] => {
                "Held-out pairs are more probable with the bridge than without it, in both directions.".into()
            }
            [true, false] => "Knowing x helps to tell y; knowing y does not help to tell x.".into(),
            [false, true] => "Knowing y helps to tell x; knowing x does not help to tell y.".into(),
            [false, false] => "On held-out pairs this bridge tells nothing of one side from the other.".to_owned(),
        },
    };
    let gap = &report.direction_gap;
    let text = format!(
        "Measured on {} held-out pairs. The latents of a pair tell {} nats of each other by x → y and {} by y → x; the two directions differ by {:.2} nats a pair.",
        report.pairs,
        nats(gap.x_to_y_information_nats.mean, 2),
        nats(gap.y_to_x_information_nats.mean, 2),
        gap.gap_nats.mean
    );
    key_figures(report)
        .into_iter()
        .fold(Verdict::new(headline).with_text(text), Verdict::figure)
}

fn key_figures(report: &EvaluateReport) -> Vec<KeyFigure> {
    let mut figures = Vec::new();
    if let Some(ImageToLabel {
        accuracy,
        accuracy_interval: [low, high],
        ..
    }) = &report.image_to_label
    {
        figures.push(
            KeyFigure::new("image → label", 100.0 * accuracy, 1)
                .with_unit("%")
                .with_interval(100.0 * low, 100.0 * high)
                .with_reading("of held-out images get their label"),
        );
    }
    if let Some(Generated {
        figures: made,
        judge_accuracy,
        ..
    }) = &report.label_to_image
    {
        let [low, high] = made.coherence_interval;
        figures.push(
            KeyFigure::new("label → image", 100.0 * made.coherence, 1)
                .with_unit("%")
                .with_interval(100.0 * low, 100.0 * high)
                .with_reading(format!(
                    "of images made from labels are read as theirs, by a judge that reads {} of real ones rightly",
                    percent(*judge_accuracy)
                )),
        );
    }
    if let Some(found) = &report.likelihoods {
        for (name, gain) in [
            ("log p(x|y) − log p(x)", found.x_gain_nats),
            ("log p(y|x) − log p(y)", found.y_gain_nats),
        ] {
            figures.push(
                key_of(name, &gain)
                    .with_reading("gained by knowing the other side, importance-sampled"),
            );
        }
    }
    if figures.len() < 3 {
        for (direction, name) in DIRECTIONS {
            let gain = report.direction(direction).gain_over_marginal_nats;
            figures
                .push(key_of(name, &gain).with_reading(
                    "log density of held-out latents over the bridge's own marginal",
                ));
        }
    }
    if figures.len() < 5 && report.image_to_label.is_none() {
        for (direction, name) in DIRECTIONS {
            let found = &report.direction(direction).retrieval;
            figures.push(
                KeyFigure::new(format!("{name}, median rank"), found.median_rank, 0).with_reading(
                    format!(
                        "of the true target among {} held-out ones; chance {:.0}",
                        found.candidates, found.chance_median_rank
                    ),
                ),
            );
        }
    }
    figures.truncate(5);
    figures
}

fn key_of(name: &str, found: &Estimate) -> KeyFigure {
    let (low, high) = found.interval();
    KeyFigure::new(name, found.mean, 2)
        .with_unit("nats")
        .with_interval(low, high)
}

fn provenance(evaluated: &Evaluated, request: &ReportRequest) -> Section {
    let bridge = &evaluated.pairs.bridge;
    let mut facts = vec![
        (
            "version".to_owned(),
            format!("zbridge {}", env!("CARGO_PKG_VERSION")),
        ),
        (
            "seed of the draws".to_owned(),
            request.evaluate.seed.to_string(),
        ),
        (
            "bridge".to_owned(),
            request.evaluate.held_out.bridge.display().to_string(),
        ),
        (
            "seed of the fit".to_owned(),
            bridge.config().seed.to_string(),
        ),
    ];
    facts.extend(
        bridge
            .provenance()
            .iter()
            .map(|(key, value)| (format!("bridge: {key}"), value.clone())),
    );
    Section::new("How to make this again")
        .command(request.command.clone())
        .with(Block::Details {
            summary: "Versions, seeds and digests".into(),
            blocks: vec![Block::Facts(facts)],
        })
}
