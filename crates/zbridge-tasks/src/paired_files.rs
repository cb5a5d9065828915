//! Pairs out of two latents files of any size.

use crate::Error;
use std::path::Path;
use zbridge_data::{DataError, LatentsFile, LatentsStream, PairedRows, Pairs};

/// Latents in memory: more than this, and only those that are asked for are read.
const MOST_ROWS: usize = 1 << 17;

/// Two latents files, and which rows of them are pairs.
pub(crate) struct PairedFiles {
    pub(crate) x: LatentsFile,
    pub(crate) y: LatentsFile,
    pub(crate) x_rows: Vec<usize>,
    pub(crate) y_rows: Vec<usize>,
}

impl PairedFiles {
    /// The files, whole where they are small, else the rows that are pairs.
    ///
    /// # Errors
    /// [`Error`] when a file cannot be read or ids do not join.
    pub(crate) fn read(x: &Path, y: &Path, pairs: Option<&Path>) -> Result<Self, Error> {
        let (x, y) = (LatentsStream::open(x)?, LatentsStream::open(y)?);
        let (x_rows, y_rows) = paired_rows(&x.ids(0..x.rows())?, &y.ids(0..y.rows())?, pairs)?;
        let (x, x_rows) = as_many_as_needed(&x, x_rows)?;
        let (y, y_rows) = as_many_as_needed(&y, y_rows)?;
        Ok(Self {
            x,
            y,
            x_rows,
            y_rows,
        })
    }
}

/// The file, and where in it the rows are.
fn as_many_as_needed(
    stream: &LatentsStream,
    rows: Vec<usize>,
) -> Result<(LatentsFile, Vec<usize>), Error> {
    if stream.rows() <= MOST_ROWS {
        return Ok((stream.read(0..stream.rows())?, rows));
    }
    let chosen = stream.select(&rows)?;
    // The chosen rows now follow each other.
    Ok((chosen, (0..rows.len()).collect()))
}

/// The latents at `path`, or, where they are too many for memory, some of them, evenly over the
/// file.
pub(crate) fn read_some(path: &Path) -> Result<LatentsFile, Error> {
    let stream = LatentsStream::open(path)?;
    // Evenly over the file: neighbours are often alike.
    let step = stream.rows().div_ceil(MOST_ROWS).max(1);
    Ok(stream.select(&(0..stream.rows()).step_by(step).collect::<Vec<_>>())?)
}

/// Rows of x and of y that are pairs: as the CSV says, else by equal ids.
pub(crate) fn paired_rows(
    x_ids: &[String],
    y_ids: &[String],
    pairs: Option<&Path>,
) -> Result<(Vec<usize>, Vec<usize>), Error> {
    let rows = match pairs {
        Some(path) => Pairs::read(path)?.join(x_ids, y_ids),
        None => PairedRows::of_common_ids(x_ids, y_ids),
    };
    let PairedRows { x, y } = rows.map_err(DataError::from)?;
    Ok((x, y))
}
