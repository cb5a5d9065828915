//! Images from labels: what was made, how good it is, and whether it is copied.

use super::pictures;
use crate::Error;
use crate::evaluate::Evaluated;
use crate::evaluation::Generated;
use crate::words::percent;
use zbridge_core::Estimate;
use zbridge_eval::NearestTraining;
use zbridge_report::{Cell, Column, Section, Table};

/// The section, where there are images made from labels.
pub(super) fn made(evaluated: &Evaluated, seed: u64) -> Result<Option<Section>, Error> {
    let (Some(made), Some(gallery)) = (
        &evaluated.report.label_to_image,
        pictures::made(evaluated, seed)?,
    ) else {
        return Ok(None);
    };
    let mut section = Section::new("Images from labels").illustration(
        "made",
        "Images made from each label; beside them what the image model itself draws for held-out images of that label, and these.",
        "Rows of images, one for each label: made from it, drawn by the image model, and real.",
        gallery,
    );
    section = section.table(quality(made));
    if let Some(nearest) = &made.nearest_training {
        section = section
            .subheading("Are they copies?")
            .paragraph(copies(nearest));
        if let Some(grid) = pictures::neighbours(evaluated, nearest)? {
            section = section.illustration(
                "neighbours",
                "The generated images that are closest to an image of the fitted pairs, each above that one; below, their distance in pixels.",
                "Pairs of images, one above the other.",
                grid,
            );
        }
    }
    Ok(Some(section))
}

fn quality(made: &Generated) -> Table {
    let figures = &made.figures;
    let own = made.given_model.as_ref();
    let columns = vec![
        Column::words("figure"),
        Column::numbers("bridge"),
        Column::numbers("image model's own draws"),
        Column::words("what it is"),
    ];
    let share = |value: f64, [low, high]: [f64; 2]| {
        Cell::interval(100.0 * value, 100.0 * low, 100.0 * high, 1)
    };
    let mut rows = vec![
        vec![
            Cell::text("coherence, %"),
            share(figures.coherence, figures.coherence_interval),
            own.map_or(Cell::missing(), |own| {
                share(own.coherence, own.coherence_interval)
            }),
            Cell::text(format!(
                "images in which a separate classifier reads their label; it is right on {} of real ones",
                percent(made.judge_accuracy)
            )),
        ],
        vec![
            Cell::text("pixel sd"),
            Cell::number(figures.pixel_sd, 3),
            own.map_or(Cell::missing(), |own| Cell::number(own.pixel_sd, 3)),
            Cell::text("how much images of one label differ, pixel by pixel"),
        ],
    ];
    let mut more = |name: &str, value: Cell, what: String| {
        rows.push(vec![
            Cell::text(name),
            value,
            Cell::missing(),
            Cell::text(what),
        ]);
    };
    if let Some(found) = &made.feature_diversity {
        let what =
            "mean distance of features within a label, over that of real images; 1 is as diverse as reality".into();
        more(
            "feature diversity",
            Cell::estimate(found.ratio.mean, found.ratio.standard_error, 2),
            what,
        );
    }
    if let Some(distance) = made.frechet_distance {
        let what = "between the judge's features of generated and of held-out images; falls with their number".into();
        more("Fréchet distance", Cell::number(distance, 2), what);
    }
    if let Some(found) = &made.precision_recall {
        let percent =
            |found: &Estimate| Cell::estimate(100.0 * found.mean, 100.0 * found.standard_error, 1);
        let compared = format!(
            "{} images each, k = {}; compare equal numbers only",
            found.count, found.neighbours
        );
        more(
            "precision, %",
            percent(&found.precision),
            format!("generated images that look like real ones ({compared})"),
        );
        more(
            "recall, %",
            percent(&found.recall),
            "real images that look like generated ones".into(),
        );
        more(
            "density",
            Cell::estimate(found.density.mean, found.density.standard_error, 2),
            "precision that outliers do not raise; may exceed 1".into(),
        );
        more(
            "coverage, %",
            percent(&found.coverage),
            "real images with a generated one close by; about 87.5 for two samples of one distribution".into(),
        );
    }
    Table {
        caption: format!("Quality of {} generated images.", figures.images),
        columns,
        rows,
    }
}

fn copies(found: &NearestTraining) -> String {
    let (low, high) = found.close_share_interval_95;
    let verdict = match () {
        () if found.exact_copies > 0 => format!("{} generated images equal an image of the fitted pairs.", found.exact_copies),
        () if low > 0.01 => "Generated images lie closer to the fitted pairs than held-out ones do: look at the pairs below. Blurred or typical images are close to everything without being copies.".into(),
        () => "No sign of copies.".to_owned(),
    };
    format!(
        "{} of {} generated images ({} [{} to {}]) are closer to an image of the fitted pairs than 99 % of {} held-out images are; 1 % is to be expected of new images. {verdict}",
        found.close_count,
        found.generated_count,
        percent(found.close_share),
        percent(low),
        percent(high),
        found.held_out_count
    )
}
