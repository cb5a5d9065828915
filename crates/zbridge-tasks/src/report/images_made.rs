//! Images from labels: what was made, how good it is, and whether it is copied.

use super::pictures;
use crate::Error;
use crate::evaluate::Evaluated;
use crate::evaluation::Generated;
use crate::measures::LabelToImage;
use crate::words::percent;
use zbridge_core::Estimate;
use zbridge_eval::{NearestTraining, PrecisionRecall};
use zbridge_report::{Cell, Column, Section, Table};

/// Returns the section; `None` if no images are made from labels.
pub(super) fn made(evaluated: &Evaluated, seed: u64) -> Result<Option<Section>, Error> {
    let (Some(made), Some(gallery)) = (
        &evaluated.report.label_to_image,
        pictures::made(evaluated, seed)?,
    ) else {
        return Ok(None);
    };
    let mut section = Section::new("Images from labels").illustration(
        "made",
        "Images made from each label; beside them what the image model itself draws for held-out \
         images of that label, and these.",
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
                "The generated images that are closest to an image of the fitted pairs, each \
                 above that one; below, their distance in pixels.",
                "Pairs of images, one above the other.",
                grid,
            );
        }
    }
    Ok(Some(section))
}

fn quality(made: &Generated) -> Table {
    let mut rows = vec![coherence(made), pixel_sd(made)];
    if let Some(found) = &made.feature_diversity {
        rows.push(bridge_only(
            "feature diversity",
            Cell::estimate(found.ratio.mean, found.ratio.standard_error, 2),
            "mean distance of features within a label, over that of real images; 1 is as diverse \
             as reality",
        ));
    }
    if let Some(distance) = made.frechet_distance {
        rows.push(bridge_only(
            "Fréchet distance",
            Cell::number(distance, 2),
            "between the judge's features of generated and of held-out images; falls with their \
             number",
        ));
    }
    if let Some(found) = &made.precision_recall {
        rows.extend(precision_recall(found));
    }
    Table {
        caption: format!("Quality of {} generated images.", made.figures.images),
        columns: vec![
            Column::words("figure"),
            Column::numbers("bridge"),
            Column::numbers("image model's own draws"),
            Column::words("what it is"),
        ],
        rows,
    }
}

fn coherence(made: &Generated) -> Vec<Cell> {
    let cell = |figures: &LabelToImage| {
        let [low, high] = figures.coherence_interval;
        Cell::interval(100.0 * figures.coherence, 100.0 * low, 100.0 * high, 1)
    };
    let judge = percent(made.judge_accuracy);
    vec![
        Cell::text("coherence, %"),
        cell(&made.figures),
        made.given_model.as_ref().map_or(Cell::missing(), cell),
        Cell::text(format!(
            "images in which a separate classifier reads their label; it is right on {judge} of \
             real ones"
        )),
    ]
}

fn pixel_sd(made: &Generated) -> Vec<Cell> {
    let cell = |figures: &LabelToImage| Cell::number(figures.pixel_sd, 3);
    vec![
        Cell::text("pixel sd"),
        cell(&made.figures),
        made.given_model.as_ref().map_or(Cell::missing(), cell),
        Cell::text("how much images of one label differ, pixel by pixel"),
    ]
}

/// Returns the row of a figure that the image model's own draws do not have.
fn bridge_only(name: &str, value: Cell, what: &str) -> Vec<Cell> {
    let (name, what) = (Cell::text(name), Cell::text(what));
    vec![name, value, Cell::missing(), what]
}

fn precision_recall(found: &PrecisionRecall) -> [Vec<Cell>; 4] {
    let percent =
        |found: &Estimate| Cell::estimate(100.0 * found.mean, 100.0 * found.standard_error, 1);
    let density = Cell::estimate(found.density.mean, found.density.standard_error, 2);
    let precision = format!(
        "generated images that look like real ones ({} images each, k = {}; compare equal numbers \
         only)",
        found.count, found.neighbours
    );
    [
        bridge_only("precision, %", percent(&found.precision), &precision),
        bridge_only(
            "recall, %",
            percent(&found.recall),
            "real images that look like generated ones",
        ),
        bridge_only(
            "density",
            density,
            "precision that outliers do not raise; may exceed 1",
        ),
        bridge_only(
            "coverage, %",
            percent(&found.coverage),
            "real images with a generated one close by; about 87.5 for two samples of one \
             distribution",
        ),
    ]
}

/// The least share of close images, by its interval, that is a sign of copies: 1 % is expected.
const EXPECTED_CLOSE_SHARE: f64 = 0.01;

fn copies(found: &NearestTraining) -> String {
    let (low, high) = found.close_share_interval_95;
    let verdict = if found.exact_copies > 0 {
        format!(
            "{} generated images equal an image of the fitted pairs.",
            found.exact_copies
        )
    } else if low > EXPECTED_CLOSE_SHARE {
        "Generated images lie closer to the fitted pairs than held-out ones do: look at the pairs \
         below. Blurred or typical images are close to everything without being copies."
            .to_owned()
    } else {
        "No sign of copies.".to_owned()
    };
    format!(
        "{} of {} generated images ({} [{} to {}]) are closer to an image of the fitted pairs than \
         99 % of {} held-out images are; 1 % is to be expected of new images. {verdict}",
        found.close_count,
        found.generated_count,
        percent(found.close_share),
        percent(low),
        percent(high),
        found.held_out_count
    )
}
