use super::array::{Elements, Header};
use super::container::Container;
use super::npy_array::NpyArray;
use super::npz_arrays::NpzArrays;
use super::parquet_columns::ParquetColumns;
use super::row_file::RowFile;
use super::safetensors_tensors::SafetensorsTensors;
use crate::DataError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use zbridge_core::ShapeError;

/// Where arrays with names come from: the one thing that the reader of latents knows of a
/// container.
pub(super) trait Arrays {
    fn headers(&self) -> &[Header];

    /// The elements of `headers()[index]`, as many as its shape says.
    fn load(&self, index: usize) -> Result<Elements<'_>, DataError>;

    /// Texts beside the arrays.
    fn metadata(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

/// A file that was opened: its container, its arrays, not yet what they mean.
pub(super) struct Contents<'a> {
    pub(super) path: PathBuf,
    pub(super) container: Container,
    pub(super) metadata: BTreeMap<String, String>,
    /// Which rows of the file these are, where they are not all.
    rows: Option<Vec<usize>>,
    arrays: Box<dyn Arrays + 'a>,
}

impl<'a> Contents<'a> {
    pub(super) fn open(path: &Path, bytes: &'a [u8]) -> Result<Self, DataError> {
        let container = Container::of(path, bytes)?;
        let arrays: Box<dyn Arrays + 'a> = match container {
            Container::Safetensors => Box::new(SafetensorsTensors::open(path, bytes)?),
            Container::Npy => Box::new(NpyArray::open(path, bytes)?),
            Container::Npz => Box::new(NpzArrays::open(path, bytes)?),
            Container::Parquet => Box::new(ParquetColumns::open(path, bytes)?),
        };
        Ok(Self {
            path: path.to_owned(),
            container,
            metadata: arrays.metadata(),
            rows: None,
            arrays,
        })
    }

    /// Some rows of those arrays that have as many as `all`.
    pub(super) fn of_rows(path: &Path, file: &'a RowFile, rows: Vec<usize>, all: usize) -> Self {
        let (path, window) = (path.to_owned(), file.window(rows.clone(), all));
        let metadata = window.metadata();
        Self {
            path,
            container: file.container,
            metadata,
            rows: Some(rows),
            arrays: Box::new(window),
        }
    }

    /// The number in the file of a row here.
    pub(super) fn row(&self, row: usize) -> usize {
        self.rows.as_ref().map_or(row, |rows| rows[row])
    }

    pub(super) fn headers(&self) -> &[Header] {
        self.arrays.headers()
    }

    /// The place of the first of these names that the file holds.
    pub(super) fn find(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| {
            self.headers()
                .iter()
                .position(|header| header.name == *name)
        })
    }

    pub(super) fn header(&self, index: usize) -> &Header {
        &self.headers()[index]
    }

    pub(super) fn name(&self, index: usize) -> &str {
        &self.headers()[index].name
    }

    pub(super) fn shape(&self, index: usize) -> &[usize] {
        &self.headers()[index].shape
    }

    pub(super) fn load(&self, index: usize) -> Result<Elements<'_>, DataError> {
        self.arrays.load(index)
    }

    /// The array as floats, rounded to f32.
    pub(super) fn rounded(&self, index: usize) -> Result<Vec<f32>, DataError> {
        self.expect_floats(index)?;
        self.load(index)?
            .rounded()
            .ok_or_else(|| self.wrong_type(index, FLOATS))
    }

    pub(super) fn floats(&self, index: usize) -> Result<Vec<f64>, DataError> {
        self.expect_floats(index)?;
        self.load(index)?
            .floats()
            .ok_or_else(|| self.wrong_type(index, FLOATS))
    }

    /// An error before the elements are read, which may be many, when they are of another type.
    fn expect_floats(&self, index: usize) -> Result<(), DataError> {
        if self.header(index).element.is_float() {
            Ok(())
        } else {
            Err(self.wrong_type(index, FLOATS))
        }
    }

    /// The arrays of the file, as a person describes them: `name` f32 [3, 2].
    pub(super) fn listing(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.headers().iter().map(Header::to_string).collect();
        lines.sort();
        lines
    }

    /// The array as a person calls it: tensor `mean`.
    pub(super) fn named(&self, index: usize) -> String {
        format!("{} `{}`", self.container.part(), self.name(index))
    }

    pub(super) fn wrong_value(&self, index: usize, reason: ShapeError) -> DataError {
        let reason = match reason {
            ShapeError::NotFinite { row, column, value } => ShapeError::NotFinite {
                row: self.row(row),
                column,
                value,
            },
            reason => reason,
        };
        DataError::Value {
            path: self.path.clone(),
            tensor: self.named(index),
            reason,
        }
    }

    pub(super) fn wrong_type(&self, index: usize, expected: &'static str) -> DataError {
        let found = self.header(index).element.to_string();
        DataError::NumberType {
            path: self.path.clone(),
            tensor: self.named(index),
            expected,
            found,
        }
    }

    pub(super) fn wrong_shape(&self, index: usize, expected: String) -> DataError {
        let found = self.shape(index).to_vec();
        DataError::Shape {
            path: self.path.clone(),
            tensor: self.named(index),
            expected,
            found,
        }
    }
}

const FLOATS: &str = "f16, bf16, f32 or f64";
