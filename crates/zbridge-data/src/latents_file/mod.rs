//! Latents files: arrays of several containers, and what they mean.
//!
//! `container` tells containers apart, `contents` opens one as arrays with names, `roles` says
//! which array is what, `posterior` and `ids` make values of them. `write` and `generated` go the
//! other way, `examination` looks at everything.

mod array;
mod array_rows;
mod blocks;
mod container;
mod contents;
mod examination;
mod generated;
mod ids;
mod ids_table;
mod npy_array;
mod npy_layout;
mod npz_arrays;
mod parquet_columns;
mod posterior;
mod roles;
mod row_file;
mod safetensors_tensors;
mod stored;
mod stream;
#[cfg(test)]
mod tests;
mod write;

pub use array_rows::ArrayRows;
pub use container::Container;
pub use examination::{Examination, ExaminedArray, NotFinite, RepeatedId};
pub use generated::GeneratedLatents;
pub use ids::Source;
pub use stored::Precision;
pub use stream::LatentsStream;

use crate::{DataError, read_bytes};
use contents::Contents;
use ids::{IDS_KEY, Naming, expect_different, row_numbers, table_of};
use ids_table::IdsTable;
use roles::Roles;
use std::collections::BTreeMap;
use std::path::Path;
use zbridge_core::Posterior;

/// Posteriors of many observations, with the ids that pair them and, where known, their classes.
///
/// On the disk: a safetensors, `.npy`, `.npz` or Parquet file, told by its content. It has `mean`
/// and `log_var`, `[n, d]`; or `samples`, `[n, draws, d]`; or, of an encoder without spread, `z`,
/// `[n, d]`. Latents of more than one axis, such as `[n, 4, 32, 32]`, are read as flat ones, whose
/// shape is kept. Beside them may stand `labels` and `ids`, `[n]`, and posteriors of augmented
/// observations, `view_mean` and `view_log_var`, `[n, views, d]`.
#[derive(Debug, Clone, PartialEq)]
pub struct LatentsFile {
    /// The id of each row, all different.
    pub ids: Vec<String>,
    /// p(z|x) of each row, `[n, d]`.
    pub posterior: Posterior,
    /// The shape of one latent, of `d` elements: `[d]` unless the file has more axes.
    pub latent_shape: Vec<usize>,
    /// p(z|x′) of other looks x′ at each row's observation, `[n · views, d]`, those of a row side
    /// by side.
    pub views: Option<Posterior>,
    /// The class of each row, if known.
    pub labels: Option<Vec<u8>>,
    /// What else is said about the file: the model, the data's digest; all keys but `ids`. Only
    /// safetensors has it.
    pub metadata: BTreeMap<String, String>,
}

/// Whether an id may come twice: rows that somebody chose may.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeats {
    Allowed,
    Refused,
}

impl LatentsFile {
    /// The posteriors with their row numbers as ids, without labels or metadata.
    pub fn numbered(posterior: Posterior) -> Self {
        let (ids, latent_shape) = (row_numbers(0..posterior.rows()), vec![posterior.dim()]);
        Self {
            ids,
            posterior,
            latent_shape,
            views: None,
            labels: None,
            metadata: BTreeMap::new(),
        }
    }

    /// The views of the rows named, in that order.
    pub fn views_of(&self, rows: &[usize]) -> Option<Posterior> {
        let views = self.views.as_ref()?;
        let each = views.rows() / self.posterior.rows().max(1);
        let of_row = |row: &usize| row * each..(row + 1) * each;
        Some(views.select(&rows.iter().flat_map(of_row).collect::<Vec<_>>()))
    }

    /// The contents of the safetensors, `.npy`, `.npz` or Parquet file at `path`.
    ///
    /// Beside the names that [`write`](Self::write) uses, `mu` is read as `mean`; `logvar`, `std`
    /// or `scale` (a standard deviation) as `log_var`; `z` or `latents`, one point a row, as one
    /// draw each; `id` and `label` as `ids` and `labels`. The array of an `.npy` file is `z`.
    /// Floats of 16, 32 and 64 bits are read. Ids that the file does not hold come from a table
    /// beside it, `x.ids.csv` for `x.npy`: a line `id`, or `id,label`, and one for each row.
    /// Without ids, rows are numbered from 0.
    ///
    /// # Errors
    /// [`DataError`] with the file, the array, and what was expected and found there: dtype, shape,
    /// the row and column of a NaN, both rows of an id that comes twice; with the arrays there are
    /// when one is missing.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = read_bytes(path)?;
        let contents = Contents::open(path, &bytes)?;
        let table = table_of(&contents)?;
        Self::of(contents, table, Repeats::Refused)
    }

    /// The contents of a file that lies in memory.
    ///
    /// # Errors
    /// As [`read`](Self::read); the path is then `<bytes in memory>`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DataError> {
        Self::of(
            Contents::open(Path::new("<bytes in memory>"), bytes)?,
            None,
            Repeats::Refused,
        )
    }

    fn of(
        contents: Contents<'_>,
        table: Option<IdsTable>,
        repeats: Repeats,
    ) -> Result<Self, DataError> {
        let roles = Roles::of(&contents)?;
        let (posterior, views) = (roles.posterior(&contents)?, roles.views(&contents)?);
        let naming = Naming::new(&contents, table, roles.layout.rows);
        let labels = naming.labels()?.map(|(_, labels)| labels);
        let (_, ids) = naming.ids()?;
        if repeats == Repeats::Refused {
            expect_different(&contents.path, &ids)?;
        }
        let mut metadata = contents.metadata;
        metadata.remove(IDS_KEY);
        Ok(Self {
            ids,
            posterior,
            latent_shape: roles.layout.latent_shape,
            views,
            labels,
            metadata,
        })
    }
}
