//! Grids of images: what the bridge makes beside the given model's own and real ones, and what it
//! reads.

use crate::Error;
use crate::evaluate::Evaluated;
use crate::pictures::tiles;
use zbridge_core::{Observations, RandomStream};
use zbridge_eval::NearestTraining;
use zbridge_plot::{Gallery, ImageGrid, Neighbour, Tile};

/// Images of a label in each part of the gallery.
const IN_A_ROW: usize = 6;
/// Images that are read, in a row and in all.
const READ_IN_A_ROW: usize = 8;
const READ: usize = 16;
/// Mistakes that are shown.
const MISTAKES: usize = 16;

/// Images made from each label, beside the given model's own draws for held-out images of the
/// label, and these.
pub(super) fn made(evaluated: &Evaluated, seed: u64) -> Result<Option<Gallery>, Error> {
    let (Some(generated), Some(direction)) =
        (&evaluated.generated, evaluated.pairs.image_to_class())
    else {
        return Ok(None);
    };
    let (image_side, _) = evaluated.pairs.sides(direction);
    let Some(image) = &image_side.given else {
        return Ok(None);
    };
    let classes = generated.labels.iter().max().map_or(0, |&most| most + 1);
    let of_class = |labels: &[u8], class: u8| -> Vec<usize> {
        (0..labels.len())
            .filter(|&row| labels[row] == class)
            .take(IN_A_ROW)
            .collect()
    };
    let grid = |images: &Observations, labels: &[u8]| -> Result<ImageGrid, Error> {
        let row = |class: u8| tiles(&images.select(&of_class(labels, class)));
        let rows: Vec<Vec<Tile>> = (0..classes).map(row).collect::<Result<_, _>>()?;
        // Three grids share the width of a page: a larger scale would be shrunk again, and the
        // captions with it.
        Ok(ImageGrid {
            row_captions: (0..classes).map(|class| class.to_string()).collect(),
            scale: 2,
            ..ImageGrid::new(rows)
        })
    };
    let mut gallery = Gallery::default().with(
        "made from labels",
        grid(&generated.images, &generated.labels)?,
    );
    if let Some(labels) = &evaluated.pairs.labels {
        let shown: Vec<usize> = (0..classes)
            .flat_map(|class| of_class(labels, class))
            .collect();
        let truth: Vec<u8> = shown.iter().map(|&row| labels[row]).collect();
        let mut stream = RandomStream::named(seed, "report/own");
        let own = image
            .model
            .decode(&image_side.posterior.select(&shown).sample(&mut stream))?;
        gallery = gallery.with("the image model's own draws", grid(&own, &truth)?);
        if let Some(real) = &image_side.observations {
            gallery = gallery.with("real, held out", grid(&real.select(&shown), &truth)?);
        }
    }
    Ok(Some(gallery))
}

/// The first held-out images with the label that is read and its probability.
pub(super) fn read(evaluated: &Evaluated) -> Result<Option<ImageGrid>, Error> {
    let Some(readings) = Readings::of(evaluated) else {
        return Ok(None);
    };
    let rows: Vec<usize> = (0..readings.images.rows().min(READ)).collect();
    readings.grid(&rows, |truth, taken, p| {
        if truth == taken {
            format!("{taken} · {p:.2}")
        } else {
            format!("{taken} not {truth} · {p:.2}")
        }
    })
}

/// The mistakes that the bridge is surest of.
pub(super) fn mistakes(evaluated: &Evaluated) -> Result<Option<ImageGrid>, Error> {
    let Some(readings) = Readings::of(evaluated) else {
        return Ok(None);
    };
    let mut wrong: Vec<usize> = (0..readings.images.rows())
        .filter(|&row| readings.taken[row] != usize::from(readings.labels[row]))
        .collect();
    wrong.sort_by(|&a, &b| readings.confidence(b).total_cmp(&readings.confidence(a)));
    wrong.truncate(MISTAKES);
    if wrong.is_empty() {
        return Ok(None);
    }
    readings.grid(&wrong, |truth, taken, p| {
        format!("{taken} not {truth} · {p:.2}")
    })
}

/// Held-out images with what was read from them.
struct Readings<'e> {
    images: &'e Observations,
    labels: &'e [u8],
    probabilities: &'e Observations,
    taken: Vec<usize>,
}

impl<'e> Readings<'e> {
    fn of(evaluated: &'e Evaluated) -> Option<Self> {
        let (image_side, _) = evaluated.pairs.sides(evaluated.pairs.image_to_class()?);
        let probabilities = &evaluated.readings.as_ref()?.probabilities;
        Some(Self {
            images: image_side.observations.as_ref()?,
            labels: evaluated.pairs.labels.as_deref()?,
            probabilities,
            taken: probabilities.argmax(),
        })
    }

    fn confidence(&self, row: usize) -> f32 {
        self.probabilities.row(row)[self.taken[row]]
    }

    fn grid(
        &self,
        rows: &[usize],
        caption: impl Fn(usize, usize, f32) -> String,
    ) -> Result<Option<ImageGrid>, Error> {
        let tiles = tiles(&self.images.select(rows))?;
        let captions: Vec<String> = rows
            .iter()
            .map(|&row| {
                caption(
                    usize::from(self.labels[row]),
                    self.taken[row],
                    self.confidence(row),
                )
            })
            .collect();
        let in_rows = tiles.chunks(READ_IN_A_ROW).map(<[Tile]>::to_vec).collect();
        let tile_captions = captions
            .chunks(READ_IN_A_ROW)
            .map(<[String]>::to_vec)
            .collect();
        Ok(Some(ImageGrid {
            tile_captions,
            ..ImageGrid::new(in_rows)
        }))
    }
}

/// The generated images that are closest to an image of the fitted pairs, each above that one.
pub(super) fn neighbours(
    evaluated: &Evaluated,
    found: &NearestTraining,
) -> Result<Option<ImageGrid>, Error> {
    let (Some(generated), Some(direction)) =
        (&evaluated.generated, evaluated.pairs.image_to_class())
    else {
        return Ok(None);
    };
    let (image_side, _) = evaluated.pairs.sides(direction);
    let Some(fitted) = &image_side.fitted else {
        return Ok(None);
    };
    let made = tiles(
        &generated.images.select(
            &found
                .closest
                .iter()
                .map(|pair| pair.generated)
                .collect::<Vec<_>>(),
        ),
    )?;
    let near = tiles(
        &fitted.select(
            &found
                .closest
                .iter()
                .map(|pair| pair.training)
                .collect::<Vec<_>>(),
        ),
    )?;
    let pairs: Vec<Neighbour> = made
        .into_iter()
        .zip(near)
        .zip(&found.closest)
        .map(|((made, near), pair)| Neighbour::new(made, near, format!("{:.1}", pair.distance)))
        .collect();
    Ok(Some(ImageGrid::of_neighbours(&pairs)))
}
