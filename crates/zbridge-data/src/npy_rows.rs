use crate::array::ArrayHeader;
use crate::container::{ArrayFile, Container, RowFile};
use crate::error::AtPath;
use crate::{ArrayError, DataError, FileError};
use ndarray::{ArrayD, IxDyn};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The array in an `.npy` file of any size, read some rows at a time.
pub struct NpyRows {
    path: PathBuf,
    file: RowFile,
    header: ArrayHeader,
}

impl NpyRows {
    /// Opens the file, of which only the header is read. Returns `None` if its rows are not
    /// contiguous, or if it is not an array of numbers: [`read_npy`](crate::read_npy) reads the
    /// former, and reports what is wrong with the latter.
    ///
    /// # Errors
    /// [`FileError::Read`].
    pub fn open(path: &Path) -> Result<Option<Self>, DataError> {
        let file = match RowFile::open(path) {
            Ok(Some(file)) if file.container == Container::Npy => file,
            Err(error) if matches!(error.fault(), Some(FileError::Read(_))) => return Err(error),
            _ => return Ok(None),
        };
        let header = file.headers().next().cloned();
        Ok(header.map(|header| Self {
            path: path.to_owned(),
            file,
            header,
        }))
    }

    /// Returns the dimensions, slowest first; at least one.
    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// Returns the number of rows: the first dimension.
    pub fn rows(&self) -> usize {
        self.shape()[0]
    }

    /// Returns these rows, rounded to f32, `[rows, …]`.
    ///
    /// # Errors
    /// [`FileError::Read`]; [`ArrayError::Value`] with the row, counted in the whole file, and
    /// column of the first number that is not finite.
    ///
    /// # Panics
    /// If the range ends after the last row.
    pub fn read(&self, rows: Range<usize>) -> Result<ArrayD<f32>, DataError> {
        let count = self.rows();
        assert!(rows.end <= count, "row {} of {count}", rows.end);
        let first = rows.start;
        let file = ArrayFile::of_rows(&self.path, &self.file, rows.collect(), count);
        let values = file.load(0)?.numbers_f32();
        let values = values.expect("an array with contiguous rows has numbers");
        let row_size = self.header.row_size();
        ArrayError::expect_finite("the array", &values, first, row_size).at(&self.path)?;
        let values = ArrayD::from_shape_vec(IxDyn(file.shape(0)), values);
        Ok(values.expect("a row has as many numbers as the shape says"))
    }
}

impl fmt::Debug for NpyRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NpyRows")
            .field("path", &self.path)
            .field("shape", &self.shape())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{read_npy, write_npy_f32, write_npy_i64};

    #[test]
    fn rows_are_those_of_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (floats, integers) = (folder.path().join("f.npy"), folder.path().join("i.npy"));
        let halves: Vec<f32> = (0..30).map(|i| i as f32 * 0.5).collect();
        write_npy_f32(&floats, &[5, 2, 3], &halves).unwrap();
        write_npy_i64(&integers, &[5, 6], &(0..30).collect::<Vec<_>>()).unwrap();
        for path in [floats, integers] {
            let whole = read_npy(&path).unwrap();
            let rows = NpyRows::open(&path).unwrap().unwrap();
            assert_eq!((rows.shape(), rows.rows()), (whole.shape(), 5));
            let part = rows.read(2..4).unwrap();
            assert_eq!(
                (part.shape()[0], &part.shape()[1..]),
                (2, &whole.shape()[1..])
            );
            assert_eq!(part.as_slice().unwrap(), &whole.as_slice().unwrap()[12..24]);
            assert!(rows.read(5..5).unwrap().is_empty());
        }
    }

    #[test]
    fn a_value_that_is_not_finite_is_found_in_its_row_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let mut values = vec![0.0; 20];
        values[13] = f32::NAN;
        write_npy_f32(&path, &[10, 2], &values).unwrap();
        let rows = NpyRows::open(&path).unwrap().unwrap();
        let error = rows.read(4..8).unwrap_err().to_string();
        assert!(
            error.contains("row 6") && error.contains("column 1"),
            "{error}"
        );
        assert!(rows.read(0..4).is_ok());
    }

    #[test]
    fn other_files_are_left_to_whole_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        write_npy_f32(&path, &[4], &[0.0; 4]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for content in [&bytes[..bytes.len() - 1], b"PK\x03\x04", b""] {
            std::fs::write(&path, content).unwrap();
            assert!(NpyRows::open(&path).unwrap().is_none());
        }
        assert!(NpyRows::open(&folder.path().join("absent.npy")).is_err());
    }
}
