use super::side_of_pairs::{SideOfPairs, SideSource};
use crate::Error;
use crate::models::{BridgeOfFile, expect_dim};
use crate::paired_files::PairedFiles;
use crate::side::Side;
use std::path::PathBuf;
use zbridge::GivenModel;
use zbridge_bridge::{Bridge, Direction};
use zbridge_data::LatentsFile;
use zbridge_datasets::Split;

/// Where held-out pairs are.
#[derive(Debug, Clone)]
pub struct HeldOutSource {
    /// The bridge file.
    pub bridge: PathBuf,
    /// Held-out latents of x.
    pub x: PathBuf,
    /// Held-out latents of y.
    pub y: PathBuf,
    /// CSV file of the pairs; without it, equal ids are pairs.
    pub pairs: Option<PathBuf>,
    /// Model of x, in place of the one that the bridge file names.
    pub x_model: Option<String>,
    /// Model of y, likewise.
    pub y_model: Option<String>,
    /// What the latents of x were encoded from: joined to them by id.
    pub x_data: Option<PathBuf>,
    /// The same for y.
    pub y_data: Option<PathBuf>,
    /// The part of a data set that the two are.
    pub split: Split,
}

/// Held-out pairs with all that is known of them.
pub(crate) struct HeldOutPairs {
    pub(crate) bridge: Bridge,
    pub(crate) x: SideOfPairs,
    pub(crate) y: SideOfPairs,
    /// The class of each pair, if a latents file has classes or the data of a side are classes.
    pub(crate) labels: Option<Vec<u8>>,
}

impl HeldOutPairs {
    /// # Errors
    /// [`Error`] if a file cannot be read, ids do not join, or dimensions do not belong together.
    pub(crate) fn read(source: &HeldOutSource) -> Result<Self, Error> {
        let bridge = Bridge::read(&source.bridge)?;
        let files = PairedFiles::read(&source.x, &source.y, source.pairs.as_deref())?;
        expect_dim(&source.x, Side::X, files.x.posterior.dim(), &bridge)?;
        expect_dim(&source.y, Side::Y, files.y.posterior.dim(), &bridge)?;
        let labels =
            labels_of(&files.x, &files.x_rows).or_else(|| labels_of(&files.y, &files.y_rows));
        let of_file = BridgeOfFile {
            bridge: &bridge,
            path: &source.bridge,
        };
        let x = SideSource {
            side: Side::X,
            file: &files.x,
            rows: &files.x_rows,
            model: source.x_model.as_deref(),
            data: source.x_data.as_deref(),
        };
        let y = SideSource {
            side: Side::Y,
            file: &files.y,
            rows: &files.y_rows,
            model: source.y_model.as_deref(),
            data: source.y_data.as_deref(),
        };
        let x = SideOfPairs::read(&x, of_file, source.split, labels.as_deref())?;
        let y = SideOfPairs::read(&y, of_file, source.split, labels.as_deref())?;
        let labels = labels.or_else(|| x.classes()).or_else(|| y.classes());
        Ok(Self {
            bridge,
            x,
            y,
            labels,
        })
    }

    /// Returns the number of pairs.
    pub(crate) fn count(&self) -> usize {
        self.x.posterior.rows()
    }

    /// Returns source and target of a direction.
    pub(crate) fn sides(&self, direction: Direction) -> (&SideOfPairs, &SideOfPairs) {
        match direction {
            Direction::XToY => (&self.x, &self.y),
            Direction::YToX => (&self.y, &self.x),
        }
    }

    /// Returns the direction from images to classes, if one side is images and the other classes.
    pub(crate) fn image_to_class(&self) -> Option<Direction> {
        Direction::BOTH.into_iter().find(|&direction| {
            let (source, target) = self.sides(direction);
            let is_image = source.given.as_ref().is_some_and(GivenModel::is_image);
            let classes = target.given.as_ref().and_then(GivenModel::classes);
            is_image && classes.is_some()
        })
    }

    /// Returns why no direction is from images to classes.
    pub(crate) fn why_not_image_to_class(&self) -> String {
        for side in [&self.x, &self.y] {
            if side.given.is_none() {
                return side.why_no_model();
            }
        }
        "the sides are not images and classes".to_owned()
    }

    /// Returns the direction to classes, if one side is classes and the other is not known to be
    /// classes as well: labels are told from latents, so that the model of the other side need not
    /// be known.
    pub(crate) fn to_classes(&self) -> Option<Direction> {
        Direction::BOTH.into_iter().find(|&direction| {
            let (source, target) = self.sides(direction);
            target.is_classes() == Some(true) && source.is_classes() != Some(true)
        })
    }

    /// Returns why no direction is to classes.
    pub(crate) fn why_not_to_classes(&self) -> String {
        for side in [&self.x, &self.y] {
            // One of the two must be classes: if one is known and is not, it is the other's model
            // that is needed.
            if side.given.is_none() {
                return side.why_no_model();
            }
        }
        "not exactly one of the sides is classes".to_owned()
    }
}

fn labels_of(file: &LatentsFile, rows: &[usize]) -> Option<Vec<u8>> {
    let labels = file.labels.as_ref()?;
    Some(rows.iter().map(|&row| labels[row]).collect())
}
