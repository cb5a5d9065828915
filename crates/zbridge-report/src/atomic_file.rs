//! Files that are either as they were or complete.

use std::path::Path;

use crate::ReportError;

/// Writes a file so that a reader finds either the old content or all of the new content.
///
/// The content goes to a temporary file in the same folder, is flushed to the disk, and gets the
/// file's name in one step. Missing folders are created.
///
/// # Errors
/// [`ReportError::Write`] names the path, the step and the error of the operating system; the file
/// is then as it was before.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<(), ReportError> {
    // Called with the step and then with the error, so that each step below stays one line.
    let failed = |step| {
        move |source| ReportError::Write {
            path: path.to_owned(),
            step,
            source,
        }
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        // A bare file name is in the current folder.
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).map_err(failed("making its folder"))?;
    zbridge_core::replace_file(path, |file| file.write_all(content)).map_err(failed("writing it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/page.html");
        write_atomically(&path, b"first").unwrap();
        write_atomically(&path, b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
    }

    #[test]
    fn an_error_names_path_and_reason_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        std::fs::create_dir(&taken).unwrap();
        let message = write_atomically(&taken, b"x").unwrap_err().to_string();
        assert!(
            message.contains("taken") && message.contains("directory"),
            "{message}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
