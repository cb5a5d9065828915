use super::npy::NpyFile;
use super::npz::NpzFile;
use super::parquet::ParquetFile;
use super::safetensors::SafetensorsFile;
use super::{Container, NamedArrays, RowFile};
use crate::array::{ArrayHeader, Elements};
use crate::error::AtPath;
use crate::{ArrayError, DataError, FormatError, printable};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use zbridge_core::ShapeError;

const FLOATS: &str = "f16, bf16, f32 or f64";

/// A file of arrays that was opened: what it holds, not yet what that means.
pub(crate) struct ArrayFile<'a> {
    pub(crate) path: PathBuf,
    pub(crate) container: Container,
    pub(crate) metadata: BTreeMap<String, String>,
    /// The numbers in the file of the rows; `None` if these are all rows.
    row_numbers: Option<Vec<usize>>,
    arrays: Box<dyn NamedArrays + 'a>,
}

impl<'a> ArrayFile<'a> {
    /// Opens the bytes of the file at `path`.
    pub(crate) fn open(path: &Path, bytes: &'a [u8]) -> Result<Self, DataError> {
        let container = Container::of(bytes).at(path)?;
        let arrays = named_arrays(container, bytes).at(path)?;
        Ok(Self {
            path: path.to_owned(),
            container,
            metadata: arrays.metadata(),
            row_numbers: None,
            arrays,
        })
    }

    /// Opens some rows of those arrays of the file at `path` that have one element for each of its
    /// `row_count` rows.
    pub(crate) fn of_rows(
        path: &Path,
        file: &'a RowFile,
        rows: Vec<usize>,
        row_count: usize,
    ) -> Self {
        let window = file.window(rows.clone(), row_count);
        Self {
            path: path.to_owned(),
            container: file.container,
            metadata: window.metadata(),
            row_numbers: Some(rows),
            arrays: Box::new(window),
        }
    }

    /// Opens the arrays of the file at `path` so that their headers can be read.
    pub(crate) fn of_headers(path: &Path, file: &'a RowFile) -> Self {
        // No array has as many rows, so that all headers stay as they are.
        Self::of_rows(path, file, vec![], usize::MAX)
    }

    /// Returns the number in the file of a row.
    pub(crate) fn row_number(&self, row: usize) -> usize {
        self.row_numbers
            .as_ref()
            .map_or(row, |numbers| numbers[row])
    }

    pub(crate) fn headers(&self) -> &[ArrayHeader] {
        self.arrays.headers()
    }

    /// Returns the index of the first of these names that the file holds.
    pub(crate) fn find(&self, names: &[&str]) -> Option<usize> {
        for name in names {
            let index = self
                .headers()
                .iter()
                .position(|header| header.name == *name);
            if index.is_some() {
                return index;
            }
        }
        None
    }

    pub(crate) fn header(&self, index: usize) -> &ArrayHeader {
        &self.headers()[index]
    }

    pub(crate) fn name(&self, index: usize) -> &str {
        &self.header(index).name
    }

    pub(crate) fn shape(&self, index: usize) -> &[usize] {
        &self.header(index).shape
    }

    pub(crate) fn load(&self, index: usize) -> Result<Elements<'_>, DataError> {
        self.arrays.load(index).at(&self.path)
    }

    /// Returns the floats of an array, rounded to f32.
    pub(crate) fn floats_f32(&self, index: usize) -> Result<Vec<f32>, DataError> {
        self.expect_floats(index)?;
        let floats = self.load(index)?.floats_f32();
        floats.ok_or_else(|| self.wrong_type(index, FLOATS))
    }

    /// Returns the floats of an array.
    pub(crate) fn floats_f64(&self, index: usize) -> Result<Vec<f64>, DataError> {
        self.expect_floats(index)?;
        let floats = self.load(index)?.floats_f64();
        floats.ok_or_else(|| self.wrong_type(index, FLOATS))
    }

    /// Returns an error if the array is of another type, before its elements are read: there may
    /// be many.
    fn expect_floats(&self, index: usize) -> Result<(), DataError> {
        if self.header(index).element_type.is_float() {
            return Ok(());
        }
        Err(self.wrong_type(index, FLOATS))
    }

    /// Returns the arrays of the file as messages show them: `` `name` f32 [3, 2] ``.
    pub(crate) fn listing(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.headers().iter().map(ArrayHeader::to_string).collect();
        // Containers have their arrays in different orders; a message has one.
        lines.sort();
        lines
    }

    /// Returns the array as messages name it: ``tensor `mean` ``.
    pub(crate) fn named(&self, index: usize) -> String {
        format!(
            "{} `{}`",
            self.container.part(),
            printable(self.name(index))
        )
    }

    pub(crate) fn error(&self, fault: ArrayError) -> DataError {
        DataError::of_file(&self.path, fault)
    }

    /// Returns the error of values of an array, with the number of the row in the file.
    pub(crate) fn wrong_value(&self, index: usize, mut reason: ShapeError) -> DataError {
        if let ShapeError::NotFinite { row, .. } = &mut reason {
            *row = self.row_number(*row);
        }
        self.error(ArrayError::Value {
            array: self.named(index),
            reason,
        })
    }

    pub(crate) fn wrong_type(&self, index: usize, expected: &'static str) -> DataError {
        self.error(ArrayError::ElementType {
            array: self.named(index),
            expected,
            found: self.header(index).element_type.to_string(),
        })
    }

    pub(crate) fn wrong_shape(&self, index: usize, expected: String) -> DataError {
        self.error(ArrayError::Shape {
            array: self.named(index),
            expected,
            found: self.shape(index).to_vec(),
        })
    }
}

fn named_arrays(
    container: Container,
    bytes: &[u8],
) -> Result<Box<dyn NamedArrays + '_>, FormatError> {
    Ok(match container {
        Container::Safetensors => Box::new(SafetensorsFile::open(bytes)?),
        Container::Npy => Box::new(NpyFile::open(bytes)?),
        Container::Npz => Box::new(NpzFile::open(bytes)?),
        Container::Parquet => Box::new(ParquetFile::open(bytes)?),
    })
}
