//! Files as a whole: reading one, and replacing one whole or not at all.

use crate::DataError;
use crate::error::IoAtPath;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use zbridge_core::{replace_file, replace_file_anywhere};

/// Returns the bytes of the file at `path`.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, DataError> {
    std::fs::read(path).read_at(path)
}

/// Replaces the file at `path` by what `write` writes, whole or not at all.
///
/// `write` fills a temporary file in the same folder, which is flushed to the disk and then
/// renamed.
///
/// # Errors
/// [`FileError::Write`](crate::FileError::Write) if the folder cannot be written, the disk is full,
/// or `write` fails; then `path` is as it was and no other file is left in the folder.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), DataError> {
    replace_file(path, write).written_at(path)
}

/// [`write_atomically`] for a `write` that has other errors than those of writing.
pub(crate) fn replace_with<E: From<DataError>>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), E> {
    replace_with_seeks(path, |file| {
        let mut buffered = BufWriter::new(file);
        write(&mut buffered)?;
        Ok(buffered.flush().written_at(path)?)
    })
}

/// [`replace_with`] for a `write` that moves to and fro in the file.
pub(crate) fn replace_with_seeks<E: From<DataError>>(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    // `replace_file_anywhere` knows errors of the system only; others are kept aside.
    let mut outcome = Ok(());
    let replaced = replace_file_anywhere(path, |file| {
        outcome = write(file);
        // An error here keeps the file from appearing; the caller gets the one in `outcome`.
        match outcome {
            Ok(()) => Ok(()),
            Err(_) => Err(io::ErrorKind::Other.into()),
        }
    });
    outcome?;
    Ok(replaced.written_at(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FileError;
    use std::fs;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomically(&path, |file| file.write_all(b"old")).unwrap();
        let error = write_atomically(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        });
        assert!(matches!(
            error.unwrap_err().fault(),
            Some(FileError::Write(_))
        ));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent").join("a.txt");
        let error = write_atomically(&path, |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("absent"), "{error}");
        assert!(!error.is_bad_input());
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        assert!(write_atomically(&taken, |_| Ok(())).is_err());
        assert_eq!(names(folder.path()), ["taken"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_written_file_has_the_permissions_of_an_ordinary_one() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, ordinary) = (folder.path().join("ours"), folder.path().join("ordinary"));
        write_atomically(&ours, |_| Ok(())).unwrap();
        fs::write(&ordinary, b"").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&ordinary));
    }
}
