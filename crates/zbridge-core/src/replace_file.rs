use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// The file at `path`, whole or not at all: `write` fills a temporary file in the same folder,
/// which is flushed to the disk and then renamed over `path`. The one way in which zbridge writes
/// files.
///
/// # Errors
/// What the system says when the folder cannot be written, the disk is full, or `write` itself
/// fails; then `path` is as it was and nothing is left beside it.
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

/// The same where `write` goes to and fro in the file.
///
/// # Errors
/// As [`replace_file`].
pub fn replace_file_anywhere(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let folder = folder_of(path);
    let mut file = temporary_in(folder)?;
    write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_folder(folder);
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// A temporary file with the permissions that the user's umask gives to ordinary files, not the
/// private ones of temporary files: it becomes the user's file.
fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".zbridge-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Makes the rename itself last through a power cut, where the system can; the file is whole either
/// way.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}
