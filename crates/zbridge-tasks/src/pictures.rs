//! Sheets of images as PNG files.

use crate::Error;
use ndarray::ArrayView3;
use std::path::{Path, PathBuf};
use zbridge_core::{EventKind, Observations};
use zbridge_plot::{ImageGrid, Tile};
use zbridge_report::write_atomically;

/// Tiles of all images, in order.
///
/// # Errors
/// [`Error::Usage`] when the observations are not images.
pub fn tiles(images: &Observations) -> Result<Vec<Tile>, Error> {
    let &EventKind::Image {
        channels,
        height,
        width,
    } = images.kind()
    else {
        return Err(Error::usage(
            "a picture needs images; write classes to .npy or .safetensors",
        ));
    };
    let tile = |row| {
        let planes = ArrayView3::from_shape((channels, height, width), images.row(row))
            .expect("a row has a value for each channel and pixel");
        Ok(Tile::new(planes.permuted_axes([1, 2, 0]))?)
    };
    (0..images.rows()).map(tile).collect()
}

/// Writes `labels-to-images.png` into `folder`: ten images a row, rows = labels; comes back with
/// its path.
///
/// # Errors
/// [`Error`] when the folder cannot be written.
pub fn write_labels_to_images(
    folder: &Path,
    images: &Observations,
    per_label: usize,
) -> Result<PathBuf, Error> {
    let tiles = tiles(images)?;
    let rows: Vec<Vec<Tile>> = tiles
        .chunks(per_label)
        .map(|row| row.iter().take(10).cloned().collect())
        .collect();
    let captions = (0..rows.len()).map(|label| label.to_string()).collect();
    write_grid(
        &folder.join("labels-to-images.png"),
        &ImageGrid {
            row_captions: captions,
            ..ImageGrid::new(rows)
        },
    )
}

/// Writes images in rows of `columns` to `path`; comes back with the path.
///
/// # Errors
/// [`Error`] when the observations are not images or the file cannot be written.
pub fn write_sheet(path: &Path, images: &Observations, columns: usize) -> Result<PathBuf, Error> {
    let rows = tiles(images)?
        .chunks(columns)
        .map(<[Tile]>::to_vec)
        .collect();
    write_grid(path, &ImageGrid::new(rows))
}

fn write_grid(path: &Path, grid: &ImageGrid) -> Result<PathBuf, Error> {
    write_atomically(path, &grid.to_png()?)?;
    Ok(path.to_owned())
}
