use crate::array::f32_bytes;
use crate::error::IoAtPath;
use crate::{DataError, FileError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Takes the values of a file some rows at a time, so that they need not be in memory together.
pub struct RowSink<'w> {
    path: PathBuf,
    file: &'w mut dyn Write,
    /// The number of values that are still missing.
    missing: usize,
}

impl<'w> RowSink<'w> {
    /// Begins `count` values, which are written to `file`; `path` is for errors.
    pub(crate) fn new(path: &Path, count: usize, file: &'w mut dyn Write) -> Self {
        Self {
            path: path.to_owned(),
            file,
            missing: count,
        }
    }

    /// Writes the next values, row by row.
    ///
    /// # Errors
    /// [`FileError::Write`]; [`FileError::Unstorable`] if there are more values than the shape of
    /// the file says.
    pub fn put(&mut self, values: &[f32]) -> Result<(), DataError> {
        // The header of the file is written: more values would make it wrong.
        let missing = self.missing.checked_sub(values.len());
        self.missing = missing.ok_or_else(|| self.wrong_count("more"))?;
        self.file
            .write_all(&f32_bytes(values))
            .written_at(&self.path)
    }

    /// Calls `fill` with the sink, and checks that it put all values.
    pub(crate) fn filled_by<E: From<DataError>>(
        mut self,
        fill: impl FnOnce(&mut RowSink<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        fill(&mut self)?;
        if self.missing > 0 {
            return Err(self.wrong_count("fewer").into());
        }
        Ok(())
    }

    fn wrong_count(&self, comparison: &str) -> DataError {
        let reason = format!("there are {comparison} values than its shape says");
        FileError::Unstorable(reason).at(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{read_npy, write_npy_rows};
    use ndarray::array;

    fn write(path: &Path, blocks: &[&[f32]]) -> Result<(), DataError> {
        write_npy_rows(path, &[3, 2], |sink| {
            blocks.iter().try_for_each(|block| sink.put(block))
        })
    }

    #[test]
    fn blocks_become_one_array() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        write(&path, &[&[0.0, 1.0], &[2.0, 3.0, 4.0, 5.0]]).unwrap();
        let expected = array![[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]];
        assert_eq!(read_npy(&path).unwrap(), expected.into_dyn());
    }

    #[test]
    fn too_few_or_too_many_values_leave_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        for blocks in [&[&[0.0][..]][..], &[&[0.0; 7][..]]] {
            assert!(matches!(
                write(&path, blocks).unwrap_err().fault(),
                Some(FileError::Unstorable(_))
            ));
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
