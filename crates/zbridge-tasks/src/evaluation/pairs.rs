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

impl HeldOutSource {
    fn of_x<'s>(&'s self, files: &'s PairedFiles) -> SideSource<'s> {
        SideSource {
            side: Side::X,
            file: &files.x,
            rows: &files.x_rows,
            model: self.x_model.as_deref(),
            data: self.x_data.as_deref(),
        }
    }

    fn of_y<'s>(&'s self, files: &'s PairedFiles) -> SideSource<'s> {
        SideSource {
            side: Side::Y,
            file: &files.y,
            rows: &files.y_rows,
            model: self.y_model.as_deref(),
            data: self.y_data.as_deref(),
        }
    }
}

/// Held-out pairs with all that is known of them.
pub(crate) struct HeldOutPairs {
    pub(crate) bridge: Bridge,
    pub(crate) x: SideOfPairs,
    pub(crate) y: SideOfPairs,
    /// The class of each pair, if a latents file has classes.
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
        let (x, y) = (source.of_x(&files), source.of_y(&files));
        Ok(Self {
            x: SideOfPairs::read(&x, of_file, source.split, labels.as_deref())?,
            y: SideOfPairs::read(&y, of_file, source.split, labels.as_deref())?,
            bridge,
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
        // Either side may be the images: the names x and y mean nothing here.
        Direction::BOTH.into_iter().find(|&direction| {
            let (source, target) = self.sides(direction);
            let is_image = source.given.as_ref().is_some_and(GivenModel::is_image);
            let classes = target.given.as_ref().and_then(GivenModel::classes);
            is_image && classes.is_some()
        })
    }

    /// Returns why no direction is from images to classes.
    pub(crate) fn why_not_image_to_class(&self) -> String {
        for (name, side) in [("x", &self.x), ("y", &self.y)] {
            if side.given.is_none() {
                return format!("the model of {name} is not known: name it");
            }
        }
        "the sides are not images and classes".to_owned()
    }
}

fn labels_of(file: &LatentsFile, rows: &[usize]) -> Option<Vec<u8>> {
    let labels = file.labels.as_ref()?;
    Some(rows.iter().map(|&row| labels[row]).collect())
}
