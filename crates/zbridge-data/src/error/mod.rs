//! What can be wrong with a file, grouped by what it is wrong with.

mod array;
mod format;
mod image;
mod join;
mod latents;
mod text;

pub use array::ArrayError;
pub use format::FormatError;
pub(crate) use format::hexadecimal;
pub use image::ImageError;
pub use join::JoinError;
pub use latents::{LatentsError, RowsError};
pub use text::{PairsError, TextError};

use std::io;
use std::path::{Path, PathBuf};

/// Why a file could not be read or written, or why the rows of two files could not be joined.
///
/// Rows, columns, bytes and ids count from 0; lines of text files count from 1, as editors do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder could not be read or written.
    #[error("{}: {fault}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        fault: FileError,
    },
    /// The rows of two files could not be joined.
    #[error(transparent)]
    Join(#[from] JoinError),
}

/// What is wrong with a file or folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file or folder cannot be opened or read.
    #[error("cannot be read: {0}; check the path and its permissions")]
    Read(#[source] io::Error),
    /// The file cannot be written.
    #[error(
        "cannot be written: {0}; nothing was written; check that the folder exists, that you may \
         write there, and that there is space"
    )]
    Write(#[source] io::Error),
    /// The values do not fit the format of the file that should be written.
    #[error("cannot be stored: {0}; nothing was written")]
    Unstorable(String),
    /// The bytes are not those of the format.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// An array has the wrong type, shape or values.
    #[error(transparent)]
    Array(#[from] ArrayError),
    /// The arrays of a latents file are not latents.
    #[error(transparent)]
    Latents(#[from] LatentsError),
    /// The ids or labels of the rows are wrong.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// An image cannot be used.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A text cannot be used.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A file of pairs is wrong.
    #[error(transparent)]
    Pairs(#[from] PairsError),
}

impl FileError {
    /// Returns the error with the path of the file that it is about.
    pub fn at(self, path: &Path) -> DataError {
        DataError::File {
            path: path.to_owned(),
            fault: self,
        }
    }
}

impl DataError {
    /// Returns the error `fault` of the file at `path`.
    pub fn of_file(path: &Path, fault: impl Into<FileError>) -> Self {
        fault.into().at(path)
    }

    /// Returns whether a file that was read, or the request, is at fault; false if a file could
    /// not be written.
    pub fn is_bad_input(&self) -> bool {
        !matches!(self.fault(), Some(FileError::Write(_)))
    }

    /// Returns what is wrong with the file; `None` if the error is not about a single file.
    pub fn fault(&self) -> Option<&FileError> {
        match self {
            Self::File { fault, .. } => Some(fault),
            Self::Join(_) => None,
        }
    }
}

/// Adds the path of a file to the error of a result.
pub(crate) trait AtPath<T> {
    fn at(self, path: &Path) -> Result<T, DataError>;
}

impl<T, E: Into<FileError>> AtPath<T> for Result<T, E> {
    fn at(self, path: &Path) -> Result<T, DataError> {
        self.map_err(|fault| DataError::of_file(path, fault))
    }
}

/// Adds the path of a file to the error of the system when it is read or written.
pub(crate) trait IoAtPath<T> {
    fn read_at(self, path: &Path) -> Result<T, DataError>;
    fn written_at(self, path: &Path) -> Result<T, DataError>;
}

impl<T> IoAtPath<T> for io::Result<T> {
    fn read_at(self, path: &Path) -> Result<T, DataError> {
        self.map_err(FileError::Read).at(path)
    }

    fn written_at(self, path: &Path) -> Result<T, DataError> {
        self.map_err(FileError::Write).at(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failed_writes_are_not_the_fault_of_the_input() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let path = Path::new("a");
        assert!(!FileError::Write(denied()).at(path).is_bad_input());
        assert!(FileError::Read(denied()).at(path).is_bad_input());
    }
}
