//! The report of a reproduction: the verdict in words, then what it rests on.

use super::experiment::Experiment;
use super::results::{BridgeResult, Results};
use super::{figures, tables};
use crate::pages::key_figure;
use zbridge_report::{Block, KeyFigure, Page, Section, Verdict};
use zbridge_tasks::Error;
use zbridge_tasks::training::LogMarginal;
use zbridge_tasks::words::nats;

pub(super) fn page(experiment: &Experiment, results: &Results) -> Result<Page, Error> {
    let sections = vec![
        Section::new("Verdict").verdict(verdict(results)),
        fits(experiment),
        images(experiment, results)?,
        labels(experiment, results)?,
        early(experiment, results)?,
        provenance(results),
    ];
    Ok(Page {
        title: "Images ↔ labels across two given models: the paper, reproduced".into(),
        sections,
    })
}

fn fits(experiment: &Experiment) -> Section {
    Section::new("Section 5.1: the fit")
        .paragraph(
            "Both directions, the same number of steps for every N. The last values differ between \
             N because fewer pairs are fitted more closely; they are not held-out figures.",
        )
        .illustration(
            "figure-1",
            "Figure 1. Objective (equation 4, per pair) during the fit, for each N and direction.",
            "Two line charts of the divergence over optimiser steps, three lines each; all fall \
             and flatten.",
            figures::objective(experiment),
        )
}

fn images(experiment: &Experiment, results: &Results) -> Result<Section, Error> {
    let section = Section::new("Section 5.2: images from labels")
        .illustration(
            "figure-2",
            "Figure 2. Images made from each label for each N; beside them the image VAE's own \
             draws for real images of that label, and those images.",
            "A grid of digits, a row for each label: generated ones are recognisable but alike, \
             real ones vary.",
            figures::images_from_labels(experiment)?,
        )
        .table(tables::images(results))
        .table(tables::coherence(results))
        .warning(variety(results))
        .warning(effective_draws(results))
        .paragraph(
            "The naive estimate compares an image with other images of its class. It rewards \
             blurred means and is not a likelihood of the image; it is shown because the paper's \
             table 1 behaves like it.",
        );
    Ok(section)
}

fn labels(experiment: &Experiment, results: &Results) -> Result<Section, Error> {
    let section = Section::new("Section 5.3: labels from images")
        .illustration(
            "figure-3",
            "Figure 3. Label latents told from held-out images, coloured by true label, for each \
             N; last, the label VAE's own.",
            "Four scatter plots with ten clusters each.",
            figures::label_planes(experiment)?,
        )
        .table(tables::labels(results));
    Ok(section)
}

fn early(experiment: &Experiment, results: &Results) -> Result<Section, Error> {
    let section = Section::new("Section 5.4: an under-trained image model")
        .illustration(
            "figure-4",
            "Figure 4. Images from labels across the image VAE of 3 epochs, N = 1024.",
            "A grid of digits, a row for each label: made from labels, redrawn by the image VAE of \
             3 epochs, and real.",
            figures::images_from_labels_3_epochs(experiment)?,
        )
        .illustration(
            "figure-5",
            "Figure 5. Label latents told from held-out images, N = 1024: image VAE of 3 epochs \
             and fully trained.",
            "Two scatter plots of ten clusters each, one for each image VAE.",
            figures::label_planes_3_epochs(experiment)?,
        )
        .paragraph(early_verdict(results));
    Ok(section)
}

fn verdict(results: &Results) -> Verdict {
    let text = format!(
        "With shuffled pairs these fall to {:.1} % and {:.1} %, where chance is 10 %. {}",
        accuracy_percent(&results.shuffled),
        coherence_percent(&results.shuffled),
        reading(results)
    );
    let headline = "The paper's recipe works in both directions from 256 pairs on, and makes \
                    images that are blurred and alike.";
    let mut verdict = Verdict::new(headline).with_text(text);
    // The first and the last number of pairs say enough.
    let ends = [results.bridges.first(), results.bridges.last()];
    for bridge in ends.into_iter().flatten() {
        for key in both_directions(bridge) {
            verdict = verdict.figure(key);
        }
    }
    verdict
}

fn both_directions(bridge: &BridgeResult) -> [KeyFigure; 2] {
    let read = bridge.over_seeds(|seed| 100.0 * seed.image_to_label.accuracy);
    let made = bridge.over_seeds(|seed| 100.0 * seed.label_to_image.coherence);
    let name = |way: &str| format!("{way}, {} pairs", bridge.pairs);
    [
        key_figure(name("image → label"), &read, 1)
            .with_unit("%")
            .with_reading("of held-out images get their label"),
        key_figure(name("label → image"), &made, 1)
            .with_unit("%")
            .with_reading("of images made from labels are read as theirs by a separate classifier"),
    ]
}

/// Mean over seeds.
fn accuracy_percent(bridge: &BridgeResult) -> f64 {
    let accuracy = bridge.over_seeds(|seed| seed.image_to_label.accuracy);
    100.0 * accuracy.mean
}

/// Mean over seeds.
fn coherence_percent(bridge: &BridgeResult) -> f64 {
    let coherence = bridge.over_seeds(|seed| seed.label_to_image.coherence);
    100.0 * coherence.mean
}

fn reading(results: &Results) -> String {
    let likelihoods = results.fewest_pairs().likelihoods.as_ref();
    let change = match likelihoods.map(|found| found.gain_over_prior_nats.mean) {
        Some(gain) => format!(
            "the paper's recipe changes it by {} nats with 256 pairs, because its divergence loses \
             the spread between images of a label",
            nats(gain, 1)
        ),
        None => {
            "by how much the paper's recipe changes it, there are not enough rows to say".into()
        }
    };
    format!(
        "The given image VAE reaches log p(x) = {} nats on held-out images (the paper's: \
         −89.99). Knowing the label should raise that by up to 2.3 nats; {change}.",
        nats(results.image_vae.log_marginal.nats.mean, 2),
    )
}

fn variety(results: &Results) -> String {
    let own = results
        .fewest_pairs()
        .over_seeds(|seed| seed.label_to_image.pixel_sd)
        .mean;
    format!(
        "Images of one label are nearly alike: their pixels vary by {own:.3} where real ones vary \
         by {:.3}. That is the recipe's doing, not the given model's: its own posterior draws vary \
         by {:.3}.",
        results.real_pixel_sd, results.ceiling.pixel_sd
    )
}

fn effective_draws(results: &Results) -> String {
    let likelihoods = results.fewest_pairs().likelihoods.as_ref();
    let conditional = match likelihoods.map(|found| low_percent(&found.log_p_x_given_y)) {
        Some(low) => format!("for {low:.0} % in log p(x|y) with 256 pairs"),
        None => "there are not enough rows to say for how many in log p(x|y) with 256 pairs".into(),
    };
    format!(
        "Few of the {} draws carry the importance-sampled figures: fewer than ten for {:.0} % of \
         the images in log p(x), and {conditional}, whose q(z|y) is far narrower than p(z|x). With \
         few effective draws these estimates are too low on average, log p(x|y) by an unknown \
         amount; that it lies far below log p(x) is beyond doubt, how far is not.",
        results.importance_draws,
        low_percent(&results.image_vae.log_marginal),
    )
}

/// Images of which fewer than ten draws carry the estimate.
fn low_percent(found: &LogMarginal) -> f64 {
    100.0 * found.effective_sample_size.low_share
}

fn early_verdict(results: &Results) -> String {
    // Both have 1024 pairs, so that they differ by the image VAE only.
    let (early, full) = (&results.bridge_3_epochs, &results.bridges[1]);
    format!(
        "The image VAE of 3 epochs has log p(x) = {} nats (fully trained: {}). Across it, with \
         1024 pairs, {:.1} % of held-out images get their label and {:.1} % of the images made \
         from labels are read as theirs; across the fully trained one, {:.1} % and {:.1} %. The \
         paper saw a slight loss in both.",
        nats(results.image_vae_3_epochs.log_marginal.nats.mean, 2),
        nats(results.image_vae.log_marginal.nats.mean, 2),
        accuracy_percent(early),
        coherence_percent(early),
        accuracy_percent(full),
        coherence_percent(full)
    )
}

fn provenance(results: &Results) -> Section {
    let facts = Block::Details {
        summary: "Versions, seeds and digests".into(),
        blocks: vec![Block::Facts(facts(results))],
    };
    Section::new("How to make this again")
        .code(results.command.clone())
        .paragraph(
            "The first N rows of a seeded order of the 10,000 test images are pairs, all others \
             are held out. Likelihoods and figures are the first seed's; the likelihoods' rows are \
             the last of that order, less the pairs of the bridge in question.",
        )
        .with(facts)
}

fn facts(results: &Results) -> Vec<(String, String)> {
    let last_seed = results.seed + results.shuffled.by_seed.len() as u64 - 1;
    let mut facts = vec![
        ("version".to_owned(), format!("zbridge {}", results.version)),
        (
            "seeds".to_owned(),
            format!("{} … {last_seed}", results.seed),
        ),
        (
            "images × draws of the importance sampling".to_owned(),
            format!(
                "{} × {}",
                results.importance_images, results.importance_draws
            ),
        ),
        (
            "decoder evaluations per second".to_owned(),
            format!("{:.0}", results.decoder_evaluations_per_second),
        ),
    ];
    for (name, digest) in &results.digests {
        facts.push((format!("SHA-256 of {name}"), digest.clone()));
    }
    facts
}
