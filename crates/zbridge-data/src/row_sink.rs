//! Files that are written some rows at a time, whole or not at all: more rows than memory holds.

use crate::DataError;
use npyz::{WriteOptions, WriterBuilder};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use zbridge_core::replace_file_anywhere;

/// Where the rows of a file go, one block after the other.
pub struct RowSink<'w> {
    path: PathBuf,
    put: &'w mut dyn FnMut(&[f32]) -> io::Result<()>,
    /// Numbers that are still to come.
    left: usize,
}

impl<'w> RowSink<'w> {
    pub(crate) fn new(
        path: &Path,
        numbers: usize,
        put: &'w mut dyn FnMut(&[f32]) -> io::Result<()>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            put,
            left: numbers,
        }
    }

    /// Writes the next rows.
    ///
    /// # Errors
    /// [`DataError::Write`]; [`DataError::Unstorable`] when there are more than the file was
    /// announced to have.
    pub fn put(&mut self, values: &[f32]) -> Result<(), DataError> {
        self.left = self
            .left
            .checked_sub(values.len())
            .ok_or_else(|| self.wrong("more"))?;
        (self.put)(values).map_err(|reason| DataError::Write {
            path: self.path.clone(),
            reason,
        })
    }

    /// What `fill` gives, once it has put everything.
    pub(crate) fn filled<E: From<DataError>>(
        mut self,
        fill: impl FnOnce(&mut RowSink<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        fill(&mut self)?;
        if self.left == 0 {
            Ok(())
        } else {
            Err(self.wrong("fewer").into())
        }
    }

    fn wrong(&self, how_many: &str) -> DataError {
        let why = format!("there were {how_many} values than its shape says");
        DataError::Unstorable {
            path: self.path.clone(),
            why,
        }
    }
}

/// Writes an f32 `.npy` file of this shape, its rows as `fill` puts them.
///
/// # Errors
/// Those of `fill`; [`DataError::Write`]; [`DataError::Unstorable`] when the values do not fill the
/// shape. Then there is no file.
pub fn write_npy_rows<E: From<DataError>>(
    path: &Path,
    shape: &[usize],
    fill: impl FnOnce(&mut RowSink<'_>) -> Result<(), E>,
) -> Result<(), E> {
    atomically(path, |file| {
        let dims: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
        let failed = |reason| DataError::Write {
            path: path.to_owned(),
            reason,
        };
        let mut writer = WriteOptions::new()
            .default_dtype()
            .shape(&dims)
            .writer(file)
            .begin_nd()
            .map_err(failed)?;
        let mut put = |values: &[f32]| writer.extend(values.iter().copied());
        RowSink::new(path, shape.iter().product(), &mut put).filled(fill)?;
        Ok(writer.finish().map_err(failed)?)
    })
}

/// [`write_atomically`](crate::write_atomically) for what can fail in more ways than writing.
pub(crate) fn atomically<E: From<DataError>>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), E> {
    atomically_anywhere(path, |file| {
        let mut buffered = BufWriter::new(file);
        write(&mut buffered)?;
        Ok(buffered.flush().map_err(|reason| DataError::Write {
            path: path.to_owned(),
            reason,
        })?)
    })
}

/// The same where `write` goes to and fro in the file.
pub(crate) fn atomically_anywhere<E: From<DataError>>(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    let mut outcome = Ok(());
    let written = replace_file_anywhere(path, |file| {
        outcome = write(file);
        // An error here keeps the file from appearing; what is reported is the one behind it.
        if outcome.is_ok() {
            Ok(())
        } else {
            Err(io::ErrorKind::Other.into())
        }
    });
    outcome?;
    Ok(written.map_err(|reason| DataError::Write {
        path: path.to_owned(),
        reason,
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Array;

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
        assert_eq!(
            Array::read(&path).unwrap(),
            Array {
                shape: vec![3, 2],
                values: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
            }
        );
    }

    #[test]
    fn too_few_or_too_many_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        for blocks in [&[&[0.0][..]][..], &[&[0.0; 7][..]]] {
            assert!(matches!(
                write(&path, blocks),
                Err(DataError::Unstorable { .. })
            ));
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
