use super::LatentsFile;
use super::ids::{RowNames, expect_different};
use super::ids_table::IdsTable;
use super::roles::IDS_KEY;
use super::roles::Roles;
use crate::DataError;
use crate::container::ArrayFile;
use crate::files::read_bytes;
use std::path::Path;

/// Whether an id may occur more than once: it does where a caller selects a row again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DuplicateIds {
    Allowed,
    Refused,
}

impl LatentsFile {
    /// Returns the contents of the safetensors, `.npy`, `.npz` or Parquet file at `path`.
    ///
    /// Besides the names that [`write`](Self::write) uses, `mu` is read as `mean`; `logvar`, and
    /// `std` or `scale` (a standard deviation), as `log_var`; `z` or `latents`, one point a row,
    /// as one draw each; `id` and `label` as `ids` and `labels`. The array of an `.npy` file is
    /// `z`. Floats of 16, 32 and 64 bits are read. If the file has no ids, they come from a table
    /// beside it, `x.ids.csv` for `x.npy`: a line `id`, or `id,label`, and one line for each row.
    /// Without a table, rows are numbered from 0.
    ///
    /// # Errors
    /// [`DataError`] with the file, the array, and what was expected and found there: the type, the
    /// shape, the row and column of a NaN, both rows of an id that occurs twice; if an array is
    /// missing, the arrays of the file.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = read_bytes(path)?;
        let file = ArrayFile::open(path, &bytes)?;
        let table = IdsTable::of(&file)?;
        Self::of(&file, table, DuplicateIds::Refused)
    }

    /// Returns the contents of a file that is in memory.
    ///
    /// # Errors
    /// As [`read`](Self::read); the path is `<bytes in memory>`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DataError> {
        let file = ArrayFile::open(Path::new("<bytes in memory>"), bytes)?;
        Self::of(&file, None, DuplicateIds::Refused)
    }

    pub(super) fn of(
        file: &ArrayFile<'_>,
        table: Option<IdsTable>,
        duplicate_ids: DuplicateIds,
    ) -> Result<Self, DataError> {
        let roles = Roles::of(file)?;
        let posterior = roles.posterior(file)?;
        let views = roles.views(file)?;
        let names = RowNames::new(file, table, roles.layout.rows);
        let labels = names.labels()?;
        let ids = names.ids()?;
        if duplicate_ids == DuplicateIds::Refused {
            expect_different(&file.path, &ids)?;
        }
        let mut metadata = file.metadata.clone();
        // The ids are a field of their own, and would be written twice.
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
