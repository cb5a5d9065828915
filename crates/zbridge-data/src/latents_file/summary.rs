use super::LatentsKind;
use super::ids::{IdSource, RowNames};
use super::ids_table::IdsTable;
use super::roles::IDS_KEY;
use super::roles::Roles;
use crate::container::{ArrayFile, Container, RowFile};
use crate::files::read_bytes;
use crate::{DataError, printable};
use std::collections::BTreeMap;
use std::path::Path;

/// What the headers of a latents file say; its latents are not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LatentsSummary {
    /// The kind of file.
    pub container: Container,
    /// The form of the latents.
    pub kind: LatentsKind,
    /// The number of rows.
    pub rows: usize,
    /// Draws of each row; 1 for Gaussians and points.
    pub draws: usize,
    /// Augmented views of each row; 0 if the file has none.
    pub views: usize,
    /// The shape of one latent.
    pub latent_shape: Vec<usize>,
    /// Where the ids come from.
    pub ids: IdSource,
    /// Where the labels come from; `None` if there are none.
    pub labels: Option<IdSource>,
    /// Texts about the file, such as its model, with [control characters escaped](printable).
    pub metadata: BTreeMap<String, String>,
}

impl LatentsSummary {
    /// Returns the summary of the latents file at `path`. Of safetensors and `.npy` files, whatever
    /// their size, only headers are read.
    ///
    /// # Errors
    /// As [`LatentsFile::read`](crate::LatentsFile::read), except for faults of the latents, ids
    /// and labels themselves.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        // Headers of archives and tables are spread over the file: those are read whole.
        if let Some(file) = RowFile::open(path)? {
            return Self::of(&ArrayFile::of_headers(path, &file));
        }
        let bytes = read_bytes(path)?;
        Self::of(&ArrayFile::open(path, &bytes)?)
    }

    fn of(file: &ArrayFile<'_>) -> Result<Self, DataError> {
        let roles = Roles::of(file)?;
        let table = IdsTable::of(file)?;
        let names = RowNames::new(file, table, roles.layout.rows);
        Ok(Self {
            container: file.container,
            kind: roles.latents.kind(),
            rows: roles.layout.rows,
            draws: roles.layout.draws,
            // The shape of views is [rows, views, …].
            views: roles.views.map_or(0, |views| file.shape(views.mean)[1]),
            ids: names.id_source(),
            labels: names.label_source(),
            latent_shape: roles.layout.latent_shape,
            metadata: printable_metadata(&file.metadata),
        })
    }

    /// Returns the number of dimensions of a latent.
    pub fn dim(&self) -> usize {
        self.latent_shape.iter().product()
    }

    /// Returns the name of the model that encoded the latents; `None` if the file does not say.
    pub fn model(&self) -> Option<&str> {
        self.metadata.get("model").map(String::as_str)
    }
}

/// Returns the metadata without ids, as it can be shown on a terminal.
pub(super) fn printable_metadata(metadata: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    for (key, value) in metadata.iter().filter(|(key, _)| *key != IDS_KEY) {
        shown.insert(printable(key), printable(value));
    }
    shown
}
