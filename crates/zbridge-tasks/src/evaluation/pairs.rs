use crate::Error;
use crate::encode::{BINARISED, binarised};
use crate::input::Input;
use crate::models::{expect_dim, known_model_of};
use crate::paired_files::PairedFiles;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use zbridge::GivenModel;
use zbridge_bridge::{Bridge, Direction};
use zbridge_core::{Observations, Posterior};
use zbridge_data::LatentsFile;
use zbridge_datasets::Split;

/// Where held-out pairs lie.
#[derive(Debug, Clone)]
pub struct HeldOutSource {
    /// The bridge file.
    pub bridge: PathBuf,
    /// Held-out latents of x.
    pub x: PathBuf,
    /// Held-out latents of y.
    pub y: PathBuf,
    /// CSV that pairs them; without it, equal ids are pairs.
    pub pairs: Option<PathBuf>,
    /// Model of x, where the bridge file does not name it.
    pub x_model: Option<String>,
    /// Model of y, likewise.
    pub y_model: Option<String>,
    /// What the latents of x were encoded from: joined to them by id.
    pub x_data: Option<PathBuf>,
    /// The same for y.
    pub y_data: Option<PathBuf>,
    /// Which part of a dataset the two are.
    pub split: Split,
}

/// Held-out pairs with all that is known of them.
pub(crate) struct HeldOutPairs {
    pub(crate) bridge: Bridge,
    pub(crate) x: SideOfPairs,
    pub(crate) y: SideOfPairs,
    /// The class of each pair, where a latents file has classes.
    pub(crate) labels: Option<Vec<u8>>,
}

/// One side of the pairs, row by row.
pub(crate) struct SideOfPairs {
    pub(crate) posterior: Posterior,
    /// The given model, if somebody named it and zbridge can open it.
    pub(crate) given: Option<GivenModel>,
    /// What the posteriors are of.
    pub(crate) observations: Option<Observations>,
    /// Observations of the pairs that the bridge was fitted on, where they can be found.
    pub(crate) fitted: Option<Observations>,
}

impl HeldOutPairs {
    /// # Errors
    /// [`Error`] when a file cannot be read, ids do not join, or dimensions do not belong together.
    pub(crate) fn read(source: &HeldOutSource) -> Result<Self, Error> {
        let bridge = Bridge::read(&source.bridge)?;
        let PairedFiles {
            x: x_file,
            y: y_file,
            x_rows,
            y_rows,
        } = PairedFiles::read(&source.x, &source.y, source.pairs.as_deref())?;
        expect_dim(&source.x, "x", x_file.posterior.dim(), bridge.dims().0)?;
        expect_dim(&source.y, "y", y_file.posterior.dim(), bridge.dims().1)?;
        let labels = labels_of(&x_file, &x_rows).or_else(|| labels_of(&y_file, &y_rows));
        let (x_dim, y_dim) = bridge.dims();
        let x_given = known_model_of(&bridge, "x", source.x_model.as_deref(), x_dim)?;
        let y_given = known_model_of(&bridge, "y", source.y_model.as_deref(), y_dim)?;
        let side = |name: &str,
                    file: &LatentsFile,
                    rows: &[usize],
                    given: Option<GivenModel>,
                    data: Option<&PathBuf>| {
            SideOfPairs::read(
                &bridge,
                name,
                (file, rows),
                given,
                (data.map(PathBuf::as_path), source.split),
                labels.as_deref(),
            )
        };
        let x = side("x", &x_file, &x_rows, x_given, source.x_data.as_ref())?;
        let y = side("y", &y_file, &y_rows, y_given, source.y_data.as_ref())?;
        Ok(Self {
            bridge,
            x,
            y,
            labels,
        })
    }

    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.x.posterior.rows()
    }

    /// (source, target) of a direction.
    pub(crate) fn sides(&self, direction: Direction) -> (&SideOfPairs, &SideOfPairs) {
        match direction {
            Direction::XToY => (&self.x, &self.y),
            Direction::YToX => (&self.y, &self.x),
        }
    }

    /// The direction from images to classes, where one side is images and the other classes.
    pub(crate) fn image_to_class(&self) -> Option<Direction> {
        let directions = [Direction::XToY, Direction::YToX];
        directions.into_iter().find(|&direction| {
            let (source, target) = self.sides(direction);
            let image = source.given.as_ref().is_some_and(GivenModel::is_image);
            image
                && target
                    .given
                    .as_ref()
                    .is_some_and(|given| given.classes().is_some())
        })
    }
}

impl SideOfPairs {
    fn read(
        bridge: &Bridge,
        name: &str,
        (file, rows): (&LatentsFile, &[usize]),
        given: Option<GivenModel>,
        (data, split): (Option<&Path>, Split),
        labels: Option<&[u8]>,
    ) -> Result<Self, Error> {
        let posterior = file.posterior.select(rows);
        let (observations, fitted) = match (&given, data) {
            (Some(given), Some(data)) => {
                let mut input = Input::read(data, split, given)?;
                if let Some(seed) = file
                    .metadata
                    .get(BINARISED)
                    .and_then(|seed| seed.parse().ok())
                {
                    input.observations = binarised(&input.observations, seed, 0);
                }
                let ids: Vec<&String> = rows.iter().map(|&row| &file.ids[row]).collect();
                let held_out = observed(&input, data, &ids)?;
                expect_encoded(given, &held_out, &posterior, data)?;
                (Some(held_out), fitted(bridge, name, (file, rows), &input))
            }
            // The class itself is what a model of classes observes.
            (Some(given), None) => match (given.classes(), labels) {
                (Some(classes), Some(labels)) => {
                    (Some(Observations::one_hot(labels, classes)?), None)
                }
                _ => (None, None),
            },
            (None, Some(data)) => {
                let reason = format!(
                    "no model of {name} is known that could read it: name one with --{name}-model"
                );
                return Err(Error::bad_file(data, reason));
            }
            (None, None) => (None, None),
        };
        Ok(Self {
            posterior,
            given,
            observations,
            fitted,
        })
    }
}

/// The row of each id.
fn places(ids: &[String]) -> HashMap<&String, usize> {
    ids.iter().enumerate().map(|(row, id)| (id, row)).collect()
}

/// The observations of these ids, in their order.
fn observed(input: &Input, path: &Path, ids: &[&String]) -> Result<Observations, Error> {
    let place = places(&input.ids);
    let row = |id: &&String| {
        place.get(id).copied().ok_or_else(|| {
            let reason = format!("has no observation with the id {id:?} of the held-out latents; give what they were encoded from (and the right --split)");
            Error::bad_file(path, reason)
        })
    };
    Ok(input
        .observations
        .select(&ids.iter().map(row).collect::<Result<Vec<_>, _>>()?))
}

/// Errors when the observations are not those that the latents were encoded from: the first few are
/// encoded again.
fn expect_encoded(
    given: &GivenModel,
    observations: &Observations,
    posterior: &Posterior,
    path: &Path,
) -> Result<(), Error> {
    const LOOKED_AT: usize = 16;
    let rows: Vec<usize> = (0..observations.rows().min(LOOKED_AT)).collect();
    let again = given.model.posterior(&observations.select(&rows))?;
    let (again, before) = (
        again.moments().into_owned(),
        posterior.select(&rows).moments().into_owned(),
    );
    let gap = |a: &zbridge_core::Latents, b: &zbridge_core::Latents| {
        a.values()
            .iter()
            .zip(b.values())
            .map(|(a, b)| (a - b).abs())
            .fold(0.0f32, f32::max)
    };
    // Files of 16-bit floats are off in the third digit.
    if gap(again.mean(), before.mean()) < 0.05 && gap(again.log_var(), before.log_var()) < 0.1 {
        return Ok(());
    }
    let reason = format!(
        "is not what the held-out latents were encoded from: encoded again by {}, row by row, it gives other posteriors; check --split and the order of rows",
        given.name
    );
    Err(Error::bad_file(path, reason))
}

/// Observations of the pairs that the bridge was fitted on: when the latents it was fitted on are
/// still where they were, came from the same data, and are those of its pairs and of nothing else,
/// held-out rows left out.
fn fitted(
    bridge: &Bridge,
    side: &str,
    (held_out, rows): (&LatentsFile, &[usize]),
    input: &Input,
) -> Option<Observations> {
    let same = |key: &str| {
        let remembered = bridge.provenance().get(&format!("{side}.{key}"));
        remembered.is_some() && remembered == held_out.metadata.get(key)
    };
    if !same("data_digest") || !same("data") {
        return None;
    }
    let file = LatentsFile::read(Path::new(
        bridge.provenance().get(&format!("{side}.latents"))?,
    ))
    .ok()?;
    let held_out: HashSet<&String> = rows.iter().map(|&row| &held_out.ids[row]).collect();
    let place = places(&input.ids);
    let seen = file.ids.iter().filter(|id| !held_out.contains(id));
    let rows: Vec<usize> = seen
        .map(|id| place.get(id).copied())
        .collect::<Option<_>>()?;
    (rows.len() == bridge.pairs()).then(|| input.observations.select(&rows))
}

fn labels_of(file: &LatentsFile, rows: &[usize]) -> Option<Vec<u8>> {
    file.labels
        .as_ref()
        .map(|labels| rows.iter().map(|&row| labels[row]).collect())
}
