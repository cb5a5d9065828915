use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file that takes the place of another one once it is complete.
///
/// The content is written to a temporary file in the same folder. [`commit`](Self::commit) flushes
/// it to the disk and renames it, so that a reader finds the old file or all of the new one. A
/// replacement that is dropped without `commit` changes nothing and leaves nothing behind.
///
/// [`replace_file`] does all of this in one call, for writers that can only fail with an I/O error.
///
/// ```
/// use std::io::Write;
/// use zbridge_core::FileReplacement;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("latents.npy");
/// let mut replacement = FileReplacement::begin(&path)?;
/// replacement.file().write_all(b"content")?;
/// replacement.commit()?;
/// assert_eq!(std::fs::read(&path)?, b"content");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FileReplacement {
    path: PathBuf,
    temporary: NamedTempFile,
}

impl FileReplacement {
    /// Returns a replacement for the file at `path`, which need not exist yet.
    ///
    /// # Errors
    /// The error of the system if no file can be created in the folder of `path`.
    pub fn begin(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let temporary = temporary_file_in(folder_of(&path))?;
        Ok(Self { path, temporary })
    }

    /// Returns the temporary file, to be written and sought in. It is not buffered.
    pub fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// Puts the new content in the place of the old file.
    ///
    /// # Errors
    /// The error of the system if the content cannot be flushed or renamed; the old file is then as
    /// it was.
    pub fn commit(self) -> io::Result<()> {
        // The content must be on the disk before the name is: after a crash between the two, the
        // name would belong to an empty file.
        self.temporary.as_file().sync_all()?;
        self.temporary.persist(&self.path)?;
        sync_folder(folder_of(&self.path));
        Ok(())
    }
}

/// Replaces the file at `path` by what `write` writes; a reader finds the old file or the new one.
///
/// This and [`FileReplacement`], which it uses, are the only ways in which zbridge writes files.
///
/// # Errors
/// The error of the system if the folder cannot be written or the disk is full, or the error of
/// `write`; then `path` is as it was and no other file is left beside it.
pub fn replace_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    replace_file_anywhere(path, |file| {
        let mut buffered = BufWriter::new(file);
        write(&mut buffered)?;
        buffered.flush()
    })
}

/// Does the same for a `write` that seeks in the file.
///
/// # Errors
/// As [`replace_file`].
pub fn replace_file_anywhere(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let mut replacement = FileReplacement::begin(path)?;
    write(replacement.file())?;
    replacement.commit()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn temporary_file_in(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".zbridge-");
    // The file becomes an ordinary file of the user. Temporary files are private by default; with
    // this the user's umask decides, as for every other file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Makes the rename itself last through a power failure, on systems where folders can be synced.
fn sync_folder(folder: &Path) {
    // An error is ignored: the new file is complete and in its place either way.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        replace_file(&path, |file| file.write_all(b"old")).unwrap();
        let error = replace_file(&path, |file| {
            file.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn a_replacement_without_commit_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut replacement = FileReplacement::begin(folder.path().join("a.txt")).unwrap();
        replacement.file().write_all(b"half").unwrap();
        assert_eq!(names(folder.path()).len(), 1);
        drop(replacement);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_folder_in_the_place_of_the_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        assert!(replace_file(&taken, |_| Ok(())).is_err());
        assert!(replace_file(&folder.path().join("absent").join("a"), |_| Ok(())).is_err());
        assert_eq!(names(folder.path()), ["taken"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_has_the_permissions_of_an_ordinary_one() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, ordinary) = (folder.path().join("ours"), folder.path().join("ordinary"));
        replace_file(&ours, |_| Ok(())).unwrap();
        fs::write(&ordinary, b"").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&ordinary));
    }
}
