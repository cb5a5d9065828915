//! Reading files up to a size, and only from inside a model's folder.

use crate::ForeignError;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The largest file that is read into memory: above the 2 GiB that an ONNX file can have.
const LARGEST_FILE: u64 = 16 << 30;

/// Returns the bytes of a file.
///
/// # Errors
/// [`ForeignError::Read`]; [`ForeignError::TooLarge`]; [`ForeignError::Unknown`] for a folder or a
/// device.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ForeignError> {
    let metadata = fs::metadata(path).map_err(|reason| unreadable(path, reason))?;
    if !metadata.is_file() {
        return Err(ForeignError::Unknown {
            path: path.into(),
            found: "not a file".into(),
            expected: "a file",
        });
    }
    // Before it is read: a sparse file could be larger than memory.
    check_size(path, "the file", metadata.len(), LARGEST_FILE)?;
    fs::read(path).map_err(|reason| unreadable(path, reason))
}

/// Returns the text of a file of at most `limit` bytes.
///
/// # Errors
/// As [`read`], and [`ForeignError::Damaged`] with the byte if the file is not UTF-8.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String, ForeignError> {
    let bytes = read(path)?;
    check_size(path, "the file", bytes.len() as u64, limit)?;
    String::from_utf8(bytes).map_err(|error| {
        let byte = error.utf8_error().valid_up_to();
        ForeignError::damaged(path, format!("byte {byte}"), "no UTF-8 text")
    })
}

/// Checks that a part of a file has at most `limit` bytes.
///
/// # Errors
/// [`ForeignError::TooLarge`] otherwise.
pub(crate) fn check_size(
    path: &Path,
    place: &str,
    found: u64,
    limit: u64,
) -> Result<(), ForeignError> {
    if found <= limit {
        return Ok(());
    }
    Err(ForeignError::TooLarge {
        path: path.into(),
        place: place.into(),
        found,
        limit,
    })
}

pub(crate) fn unreadable(path: &Path, reason: io::Error) -> ForeignError {
    ForeignError::Read {
        path: path.into(),
        reason,
    }
}

/// Returns the folder of a file; the current one for a bare name.
pub(crate) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Returns the real path of the file that `location` names in `folder`; as an error, why nothing is
/// read from there.
///
/// What is read may appear in a model's outputs, so a stranger's model must not name files outside
/// of its own folder, neither directly nor through a link.
pub(crate) fn inside(folder: &Path, location: &str) -> Result<PathBuf, &'static str> {
    let relative = Path::new(location);
    if relative.is_absolute() {
        return Err("an absolute path");
    }
    let stays_inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if location.is_empty() || !relative.components().all(stays_inside) {
        return Err("a path that leaves the model's folder");
    }
    // Links are followed before the comparison.
    let real = |path: &Path| path.canonicalize().map_err(|_| "which does not exist");
    let file = real(&folder.join(relative))?;
    if file.starts_with(real(folder)?) {
        Ok(file)
    } else {
        Err("a link that leads out of the model's folder")
    }
}
