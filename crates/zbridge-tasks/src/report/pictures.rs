//! Grids of images: what the bridge makes beside the given model's own and real ones, and what it
//! reads.

use crate::Error;
use crate::evaluate::Evaluated;
use crate::evaluation::{GeneratedImages, SideOfPairs};
use crate::pictures::tiles;
use zbridge::GivenModel;
use zbridge_core::{Observations, RandomStream};
use zbridge_eval::NearestTraining;
use zbridge_plot::{Gallery, ImageGrid, Neighbour, Tile};

/// Images of a label in each part of the gallery.
const IN_A_ROW: usize = 6;
/// Images that are read, in a row and in total.
const READ_IN_A_ROW: usize = 8;
const READ: usize = 16;
/// Mistakes that are shown.
const MISTAKES: usize = 16;

/// Returns images made from each label, beside the given model's own draws for held-out images of
/// the label, and these.
pub(super) fn made(evaluated: &Evaluated, seed: u64) -> Result<Option<Gallery>, Error> {
    let Some((generated, image_side)) = generated_and_real(evaluated) else {
        return Ok(None);
    };
    let Some(image) = &image_side.given else {
        return Ok(None);
    };
    let rows = ClassRows::of(&generated.labels);
    let grid = rows.grid(&generated.images, &generated.labels)?;
    let gallery = Gallery::default().with("made from labels", grid);
    Ok(Some(match &evaluated.pairs.labels {
        Some(labels) => with_held_out(gallery, &rows, image, image_side, labels, seed)?,
        None => gallery,
    }))
}

/// Adds the image model's own draws for held-out images of each label, and these.
fn with_held_out(
    mut gallery: Gallery,
    rows: &ClassRows,
    image: &GivenModel,
    image_side: &SideOfPairs,
    labels: &[u8],
    seed: u64,
) -> Result<Gallery, Error> {
    let shown = rows.shown(labels);
    let truth: Vec<u8> = shown.iter().map(|&row| labels[row]).collect();
    let mut stream = RandomStream::named(seed, "report/own");
    let latents = image_side.posterior.select(&shown).sample(&mut stream);
    let own = rows.grid(&image.model.decode(&latents)?, &truth)?;
    gallery = gallery.with("the image model's own draws", own);
    if let Some(real) = &image_side.observations {
        let real = rows.grid(&real.select(&shown), &truth)?;
        gallery = gallery.with("real, held out", real);
    }
    Ok(gallery)
}

/// Returns the generated images and the side of the pairs that is images.
fn generated_and_real(evaluated: &Evaluated) -> Option<(&GeneratedImages, &SideOfPairs)> {
    let direction = evaluated.pairs.image_to_class()?;
    let (image_side, _) = evaluated.pairs.sides(direction);
    Some((evaluated.generated.as_ref()?, image_side))
}

/// Grids with a row of images for each class.
struct ClassRows {
    classes: u8,
}

impl ClassRows {
    fn of(labels: &[u8]) -> Self {
        Self {
            classes: labels.iter().max().map_or(0, |&most| most + 1),
        }
    }

    fn grid(&self, images: &Observations, labels: &[u8]) -> Result<ImageGrid, Error> {
        let mut rows: Vec<Vec<Tile>> = vec![];
        for class in 0..self.classes {
            rows.push(tiles(&images.select(&of_class(labels, class)))?);
        }
        // Three grids share the width of a page: a larger scale would be shrunk again, and the
        // captions with it.
        Ok(ImageGrid {
            row_captions: (0..self.classes).map(|class| class.to_string()).collect(),
            scale: 2,
            ..ImageGrid::new(rows)
        })
    }

    /// Returns the rows that are shown, class by class.
    fn shown(&self, labels: &[u8]) -> Vec<usize> {
        (0..self.classes)
            .flat_map(|class| of_class(labels, class))
            .collect()
    }
}

/// Returns the first few rows of a class.
fn of_class(labels: &[u8], class: u8) -> Vec<usize> {
    let rows = (0..labels.len()).filter(|&row| labels[row] == class);
    rows.take(IN_A_ROW).collect()
}

/// Returns the first held-out images with the label that is read and its probability.
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

/// Returns the mistakes that the bridge is surest of.
pub(super) fn mistakes(evaluated: &Evaluated) -> Result<Option<ImageGrid>, Error> {
    let Some(readings) = Readings::of(evaluated) else {
        return Ok(None);
    };
    let mut wrong: Vec<usize> = (0..readings.images.rows())
        .filter(|&row| readings.taken[row] != usize::from(readings.labels[row]))
        .collect();
    // The surest first: these say most about what the bridge has learned.
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
        let mut captions = vec![];
        for &row in rows {
            let truth = usize::from(self.labels[row]);
            captions.push(caption(truth, self.taken[row], self.confidence(row)));
        }
        let in_rows = tiles.chunks(READ_IN_A_ROW).map(<[Tile]>::to_vec);
        let captions = captions.chunks(READ_IN_A_ROW).map(<[String]>::to_vec);
        Ok(Some(ImageGrid {
            tile_captions: captions.collect(),
            ..ImageGrid::new(in_rows.collect())
        }))
    }
}

/// Returns the generated images that are closest to an image of the fitted pairs, each above that
/// one.
pub(super) fn neighbours(
    evaluated: &Evaluated,
    found: &NearestTraining,
) -> Result<Option<ImageGrid>, Error> {
    let Some((generated, image_side)) = generated_and_real(evaluated) else {
        return Ok(None);
    };
    let Some(fitted) = &image_side.fitted else {
        return Ok(None);
    };
    let closest = &found.closest;
    let made_rows: Vec<usize> = closest.iter().map(|pair| pair.generated).collect();
    let near_rows: Vec<usize> = closest.iter().map(|pair| pair.training).collect();
    let made = tiles(&generated.images.select(&made_rows))?;
    let near = tiles(&fitted.select(&near_rows))?;
    let mut pairs = vec![];
    for ((made, near), pair) in made.into_iter().zip(near).zip(closest) {
        pairs.push(Neighbour::new(made, near, format!("{:.1}", pair.distance)));
    }
    Ok(Some(ImageGrid::of_neighbours(&pairs)))
}
