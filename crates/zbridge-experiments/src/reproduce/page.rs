//! The report of a reproduction: the verdict in words, then what it rests on.

use super::experiment::Experiment;
use super::results::{BridgeResult, Results};
use super::{figures, tables};
use zbridge_core::Estimate;
use zbridge_report::{Block, KeyFigure, Page, Section, Verdict};
use zbridge_tasks::Error;
use zbridge_tasks::words::nats;

pub(super) fn page(experiment: &Experiment, results: &Results) -> Result<Page, Error> {
    let fits = Section::new("Section 5.1: the fit")
        .paragraph("Both directions, the same number of steps for every N. The last values differ between N because fewer pairs are fitted more closely; they are not held-out figures.")
        .illustration(
            "figure-1",
            "Figure 1. Objective (equation 4, per pair) during the fit, for each N and direction.",
            "Two line charts of the divergence over optimiser steps, three lines each; all fall and flatten.",
            figures::objective(experiment),
        );
    let images = Section::new("Section 5.2: images from labels")
        .illustration(
            "figure-2",
            "Figure 2. Images made from each label for each N; beside them the image VAE's own draws for real images of that label, and those images.",
            "A grid of digits, a row for each label: generated ones are recognisable but alike, real ones vary.",
            figures::images_from_labels(experiment)?,
        )
        .table(tables::images(results))
        .table(tables::coherence(results))
        .warning(variety(results))
        .warning(effective_draws(results))
        .paragraph("The naive estimate compares an image with other images of its class. It rewards blurred means and is not a likelihood of the image; it is shown because the paper's table 1 behaves like it.");
    let labels = Section::new("Section 5.3: labels from images")
        .illustration(
            "figure-3",
            "Figure 3. Label latents told from held-out images, coloured by true label, for each N; last, the label VAE's own.",
            "Four scatter plots with ten clusters each.",
            figures::label_planes(experiment)?,
        )
        .table(tables::labels(results));
    let early = Section::new("Section 5.4: an under-trained image model")
        .illustration(
            "figure-4",
            "Figure 4. Images from labels across the image VAE of 3 epochs, N = 1024.",
            "A grid of digits, a row for each label: made from labels, redrawn by the image VAE of 3 epochs, and real.",
            figures::images_from_labels_3_epochs(experiment)?,
        )
        .illustration(
            "figure-5",
            "Figure 5. Label latents told from held-out images, N = 1024: image VAE of 3 epochs and fully trained.",
            "Two scatter plots of ten clusters each, one for each image VAE.",
            figures::label_planes_3_epochs(experiment)?,
        )
        .paragraph(early_verdict(results));
    let sections = vec![
        Section::new("Verdict").verdict(verdict(results)),
        fits,
        images,
        labels,
        early,
        provenance(results),
    ];
    Ok(Page {
        title: "Images ↔ labels across two given models: the paper, reproduced".into(),
        sections,
    })
}

fn verdict(results: &Results) -> Verdict {
    let figures = results.bridges.iter().flat_map(|bridge| {
        let read = bridge.over_seeds(|seed| 100.0 * seed.image_to_label.accuracy);
        let made = bridge.over_seeds(|seed| 100.0 * seed.label_to_image.coherence);
        let key = |way: &str, found: &Estimate, reading: &str| {
            let key = KeyFigure::new(format!("{way}, {} pairs", bridge.pairs), found.mean, 1)
                .with_unit("%");
            let (low, high) = found.interval();
            let key = if found.count > 1 {
                key.with_interval(low, high)
            } else {
                key
            };
            key.with_reading(reading)
        };
        let both = [
            key("image → label", &read, "of held-out images get their label"),
            key(
                "label → image",
                &made,
                "of images made from labels are read as theirs by a separate classifier",
            ),
        ];
        // The first and the last number of pairs say enough.
        let ends = [results.bridges.first(), results.bridges.last()];
        let shown = ends.iter().flatten().any(|end| end.pairs == bridge.pairs);
        both.into_iter().filter(move |_| shown)
    });
    let text = format!(
        "With shuffled pairs these fall to {:.1} % and {:.1} %, where chance is 10 %. {}",
        100.0
            * results
                .shuffled
                .over_seeds(|seed| seed.image_to_label.accuracy)
                .mean,
        100.0
            * results
                .shuffled
                .over_seeds(|seed| seed.label_to_image.coherence)
                .mean,
        reading(results)
    );
    let headline = "The paper's recipe works in both directions from 256 pairs on, and makes images that are blurred and alike.";
    figures.fold(Verdict::new(headline).with_text(text), Verdict::figure)
}

fn reading(results: &Results) -> String {
    let gap = results.bridges[0]
        .likelihoods
        .as_ref()
        .map_or(f64::NAN, |found| found.gain_over_prior_nats.mean);
    format!(
        "The given image VAE reaches log p(x) = {} nats on held-out images (the paper's: −89.99). Knowing the label should raise that by up to 2.3 nats; the paper's recipe changes it by {} nats with 256 pairs, because its divergence loses the spread between images of a label.",
        nats(results.image_vae.log_marginal.nats.mean, 2),
        nats(gap, 1)
    )
}

fn variety(results: &Results) -> String {
    let own = results.bridges[0]
        .over_seeds(|seed| seed.label_to_image.pixel_sd)
        .mean;
    format!(
        "Images of one label are nearly alike: their pixels vary by {own:.3} where real ones vary by {:.3}. That is the recipe's doing, not the given model's: its own posterior draws vary by {:.3}.",
        results.real_pixel_sd, results.ceiling.pixel_sd
    )
}

fn effective_draws(results: &Results) -> String {
    let share = |found: &zbridge_tasks::training::LogMarginal| {
        100.0 * found.effective_sample_size.low_share
    };
    let bridge = results.bridges[0]
        .likelihoods
        .as_ref()
        .map_or(f64::NAN, |found| share(&found.log_p_x_given_y));
    format!(
        "Few of the {} draws carry the importance-sampled figures: fewer than ten for {:.0} % of the images in log p(x), and for {bridge:.0} % in log p(x|y) with 256 pairs, whose q(z|y) is far narrower than p(z|x). With few effective draws these estimates are too low on average, log p(x|y) by an unknown amount; that it lies far below log p(x) is beyond doubt, how far is not.",
        results.importance_draws,
        share(&results.image_vae.log_marginal),
    )
}

fn early_verdict(results: &Results) -> String {
    let (early, full) = (&results.bridge_3_epochs, &results.bridges[1]);
    let read =
        |bridge: &BridgeResult| 100.0 * bridge.over_seeds(|seed| seed.image_to_label.accuracy).mean;
    let made = |bridge: &BridgeResult| {
        100.0 * bridge.over_seeds(|seed| seed.label_to_image.coherence).mean
    };
    format!(
        "The image VAE of 3 epochs has log p(x) = {} nats (fully trained: {}). Across it, with 1024 pairs, {:.1} % of held-out images get their label and {:.1} % of the images made from labels are read as theirs; across the fully trained one, {:.1} % and {:.1} %. The paper saw a slight loss in both.",
        nats(results.image_vae_3_epochs.log_marginal.nats.mean, 2),
        nats(results.image_vae.log_marginal.nats.mean, 2),
        read(early),
        made(early),
        read(full),
        made(full)
    )
}

fn provenance(results: &Results) -> Section {
    let mut facts = vec![
        ("version".to_owned(), format!("zbridge {}", results.version)),
        (
            "seeds".to_owned(),
            format!(
                "{} … {}",
                results.seed,
                results.seed + results.shuffled.by_seed.len() as u64 - 1
            ),
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
    facts.extend(
        results
            .digests
            .iter()
            .map(|(name, digest)| (format!("SHA-256 of {name}"), digest.clone())),
    );
    Section::new("How to make this again")
        .code(results.command.clone())
        .paragraph("The first N rows of a seeded order of the 10,000 test images are pairs, all others are held out. Likelihoods and figures are the first seed's; the likelihoods' rows are the last of that order, less the pairs of the bridge in question.")
        .with(Block::Details { summary: "Versions, seeds and digests".into(), blocks: vec![Block::Facts(facts)] })
}
