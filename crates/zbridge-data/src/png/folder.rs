use crate::error::{AtPath, IoAtPath};
use crate::{DataError, ImageError, RowsError};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// The `.png` files of a folder, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PngFolder {
    /// The files; at least one.
    pub paths: Vec<PathBuf>,
    /// The names of the files without the extension, all different.
    pub ids: Vec<String>,
}

impl PngFolder {
    /// Lists the files in `folder`.
    ///
    /// # Errors
    /// [`FileError::Read`](crate::FileError::Read); [`ImageError::EmptyFolder`];
    /// [`RowsError::DuplicateId`] for names that differ only in `.png` and `.PNG`.
    pub fn list(folder: &Path) -> Result<Self, DataError> {
        let paths = png_files(folder).read_at(folder)?;
        if paths.is_empty() {
            return Err(ImageError::EmptyFolder).at(folder);
        }
        let ids = ids(&paths).at(folder)?;
        Ok(Self { paths, ids })
    }
}

fn png_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension();
        if extension.is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
            paths.push(path);
        }
    }
    // The order of a folder is not defined, and differs between file systems.
    paths.sort();
    Ok(paths)
}

fn ids(paths: &[PathBuf]) -> Result<Vec<String>, RowsError> {
    let mut ids = Vec::with_capacity(paths.len());
    let mut rows = HashMap::new();
    for (second, path) in paths.iter().enumerate() {
        // A file with an extension has a name before it.
        let stem = path.file_stem().unwrap_or_default();
        let id = stem.to_string_lossy().into_owned();
        if let Some(first) = rows.insert(id.clone(), second) {
            return Err(RowsError::DuplicateId { id, first, second });
        }
        ids.push(id);
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FileError;

    #[test]
    fn files_are_sorted_and_have_different_names() {
        let folder = tempfile::tempdir().unwrap();
        let error = PngFolder::list(folder.path()).unwrap_err();
        assert!(matches!(
            error.fault(),
            Some(FileError::Image(ImageError::EmptyFolder))
        ));
        for name in ["b.png", "a.PNG", "notes.txt"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        assert_eq!(PngFolder::list(folder.path()).unwrap().ids, ["a", "b"]);
        let twice = ids(&["b.PNG".into(), "b.png".into()]);
        assert!(matches!(
            twice,
            Err(RowsError::DuplicateId {
                first: 0,
                second: 1,
                ..
            })
        ));
    }
}
