use crate::ForeignError;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The largest file that is taken into memory as a whole: above the 2 GiB that an ONNX file can
/// have.
const MOST_BYTES: u64 = 16 << 30;

/// The bytes of a file.
///
/// # Errors
/// [`ForeignError::Read`]; [`ForeignError::TooLarge`]; [`ForeignError::Unknown`] for a folder or a
/// device.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ForeignError> {
    let metadata = fs::metadata(path).map_err(|reason| unreadable(path, reason))?;
    if !metadata.is_file() {
        let (path, found) = (path.to_path_buf(), "not a file".to_string());
        return Err(ForeignError::Unknown {
            path,
            found,
            expected: "a file",
        });
    }
    within(path, "the file", metadata.len(), MOST_BYTES)?;
    fs::read(path).map_err(|reason| unreadable(path, reason))
}

/// The text of a file of at most `most` bytes.
///
/// # Errors
/// As [`read`], and [`ForeignError::Damaged`] where it is no UTF-8.
pub(crate) fn read_text(path: &Path, most: u64) -> Result<String, ForeignError> {
    let bytes = read(path)?;
    within(path, "the file", bytes.len() as u64, most)?;
    String::from_utf8(bytes).map_err(|error| {
        let place = format!("byte {}", error.utf8_error().valid_up_to());
        ForeignError::Damaged {
            path: path.into(),
            place,
            why: "no UTF-8 text".into(),
        }
    })
}

/// Errors when a part of a file is larger than is read.
pub(crate) fn within(path: &Path, place: &str, found: u64, most: u64) -> Result<(), ForeignError> {
    if found <= most {
        return Ok(());
    }
    Err(ForeignError::TooLarge {
        path: path.into(),
        place: place.into(),
        found,
        most,
    })
}

pub(crate) fn unreadable(path: &Path, reason: std::io::Error) -> ForeignError {
    ForeignError::Read {
        path: path.into(),
        reason,
    }
}

/// The file `location` in `folder`, once it is seen to lie in it, also where links lead; otherwise
/// why not.
pub(crate) fn inside(folder: &Path, location: &str) -> Result<PathBuf, &'static str> {
    let relative = Path::new(location);
    if relative.is_absolute() {
        return Err("an absolute path");
    }
    let plain = |component| matches!(component, Component::Normal(_) | Component::CurDir);
    if location.is_empty() || !relative.components().all(plain) {
        return Err("a path that leaves the model's folder");
    }
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let real = |path: &Path| path.canonicalize().map_err(|_| "which is not there");
    let (root, file) = (real(folder)?, real(&folder.join(relative))?);
    if file.starts_with(&root) {
        Ok(file)
    } else {
        Err("a link that leads out of the model's folder")
    }
}
