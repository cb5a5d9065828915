use super::array::{Element, Elements};
use super::contents::Arrays;
use super::row_file::RowFile;
use crate::{Array, DataError};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use zbridge_core::ShapeError;

/// The array in an `.npy` file of any size, read some rows at a time.
pub struct ArrayRows {
    path: PathBuf,
    file: RowFile,
}

impl ArrayRows {
    /// Opens the file: its header is looked at, its numbers are not. None when rows do not lie one
    /// behind the other, or the file is not quite what [`Array::read`] reads: that tells what is
    /// wrong.
    ///
    /// # Errors
    /// [`DataError::Read`].
    pub fn open(path: &Path) -> Result<Option<Self>, DataError> {
        let readable = |file: &RowFile| {
            let known = [
                Element::F16,
                Element::F32,
                Element::F64,
                Element::U8,
                Element::I32,
                Element::I64,
            ];
            matches!(&file.headers[..], [header] if file.is_npy() && known.contains(&header.element))
        };
        // Whatever is wrong with a header, reading the whole file says it better.
        let file = match RowFile::open(path) {
            Err(error @ DataError::Read { .. }) => return Err(error),
            other => other.ok().flatten(),
        };
        Ok(file.filter(readable).map(|file| Self {
            path: path.to_owned(),
            file,
        }))
    }

    /// The dimensions, slowest first; at least one.
    pub fn shape(&self) -> &[usize] {
        &self.file.headers[0].shape
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.shape()[0]
    }

    /// Those rows, as [`Array::read`] has them.
    ///
    /// # Errors
    /// [`DataError::Read`]; [`DataError::Value`] with the row, counted in the whole file, and
    /// column of the first number that is not finite.
    ///
    /// # Panics
    /// When the range ends beyond the last row.
    pub fn read(&self, rows: Range<usize>) -> Result<Array, DataError> {
        assert!(
            rows.end <= self.rows(),
            "row {} of {}",
            rows.end,
            self.rows()
        );
        let mut shape = self.shape().to_vec();
        shape[0] = rows.len();
        let window = self.file.window(rows.clone().collect(), self.rows());
        let elements = window.load(0)?;
        let whole = |elements: &Elements<'_>| {
            elements
                .integers()
                .map(|all| all.iter().map(|&n| n as f32).collect())
        };
        let values: Vec<f32> = elements
            .rounded()
            .or_else(|| whole(&elements))
            .unwrap_or_default();
        let width = shape.iter().skip(1).product::<usize>().max(1);
        if let Some(i) = values.iter().position(|value| !value.is_finite()) {
            let reason = ShapeError::NotFinite {
                row: rows.start + i / width,
                column: i % width,
                value: values[i],
            };
            return Err(DataError::Value {
                path: self.path.clone(),
                tensor: "the array".to_owned(),
                reason,
            });
        }
        Ok(Array { shape, values })
    }
}

impl fmt::Debug for ArrayRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArrayRows")
            .field("path", &self.path)
            .field("shape", &self.shape())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{write_f32, write_i64};

    #[test]
    fn rows_are_those_of_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (floats, integers) = (folder.path().join("f.npy"), folder.path().join("i.npy"));
        write_f32(
            &floats,
            &[5, 2, 3],
            &(0..30).map(|i| i as f32 * 0.5).collect::<Vec<_>>(),
        )
        .unwrap();
        write_i64(&integers, &[5, 6], &(0..30).collect::<Vec<_>>()).unwrap();
        for path in [floats, integers] {
            let (whole, rows) = (
                Array::read(&path).unwrap(),
                ArrayRows::open(&path).unwrap().unwrap(),
            );
            assert_eq!((rows.shape(), rows.rows()), (&whole.shape[..], 5));
            let part = rows.read(2..4).unwrap();
            assert_eq!((part.shape[0], &part.shape[1..]), (2, &whole.shape[1..]));
            assert_eq!(part.values, whole.values[12..24]);
            assert!(rows.read(5..5).unwrap().values.is_empty());
        }
    }

    #[test]
    fn a_number_that_is_none_is_found_in_its_row_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let mut values = vec![0.0; 20];
        values[13] = f32::NAN;
        write_f32(&path, &[10, 2], &values).unwrap();
        let rows = ArrayRows::open(&path).unwrap().unwrap();
        let error = rows.read(4..8).unwrap_err().to_string();
        assert!(
            error.contains("row 6") && error.contains("column 1"),
            "{error}"
        );
        assert!(rows.read(0..4).is_ok());
    }

    #[test]
    fn what_is_no_array_of_rows_is_left_to_whole_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        write_f32(&path, &[4], &[0.0; 4]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for content in [&bytes[..bytes.len() - 1], b"PK\x03\x04", b""] {
            std::fs::write(&path, content).unwrap();
            assert!(ArrayRows::open(&path).unwrap().is_none());
        }
        assert!(ArrayRows::open(&folder.path().join("absent.npy")).is_err());
    }
}
