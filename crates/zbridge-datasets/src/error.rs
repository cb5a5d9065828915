use crate::mnist::NamedBy;
use std::io;
use std::path::{Path, PathBuf};
use zbridge_core::{Interrupted, ShapeError};
use zbridge_data::DataError;
use zbridge_sound::SoundError;

/// Why a data set could not be found, downloaded or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A file could not be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A sound could not be read.
    #[error(transparent)]
    Sound(#[from] SoundError),
    /// Observations do not have the shape that is needed.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A drawn digit cannot be used.
    #[error("{}: {fault}", path.display())]
    DigitImage {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: DigitImageError,
    },
    /// The name of a recording does not say who speaks which digit.
    #[error(
        "{}: this name is not DIGIT_SPEAKER_NUMBER.wav, as in 7_jackson_12.wav; give the folder of \
         spoken digits, or name the file so", path.display()
    )]
    RecordingName {
        /// The file.
        path: PathBuf,
    },
    /// The folder of a data set lacks files.
    #[error(
        "{} ({named_by}): not a folder with MNIST; looked there and in {} for {}",
        folder.display(), subfolders.join(", "), missing.join("; ")
    )]
    IncompleteFolder {
        /// The folder.
        folder: PathBuf,
        /// Where its name comes from.
        named_by: NamedBy,
        /// Subfolders that were looked into as well.
        subfolders: Vec<String>,
        /// For each missing file, the names that it may have.
        missing: Vec<String>,
    },
    /// No folder is named, and the cache has no data set.
    #[error("no MNIST in {}; give the data in one of three ways:\n{}", cache.display(), ways(cache))]
    NotInCache {
        /// The user's cache folder for the data set.
        cache: PathBuf,
    },
    /// The system names no cache folder.
    #[error(
        "no cache folder: the system names no home folder; name a folder with the four MNIST \
         files, or set the environment variable ZBRIDGE_DATA to it"
    )]
    NoCacheFolder,
    /// A file could not be downloaded.
    #[error(
        "{file} could not be downloaded: {fault}\ngive the data in one of three ways:\n{}",
        ways(cache)
    )]
    Download {
        /// The file.
        file: String,
        /// Why.
        fault: DownloadError,
        /// The folder of the file.
        cache: PathBuf,
    },
    /// The observer stopped the download.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Why a file could not be downloaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The program that downloads is not installed.
    #[error(
        "the program `curl` was not found; install it (it comes with macOS and Windows; on Linux \
         the package is called curl), or download by hand:\n  {}",
        addresses.join("\n  ")
    )]
    NoCurl {
        /// Addresses of the file.
        addresses: Vec<String>,
    },
    /// The program that downloads could not be run.
    #[error("the program `curl` could not be run: {0}")]
    Curl(#[source] io::Error),
    /// Another process downloads the file.
    #[error("another process is downloading it; wait for it to finish, then run again")]
    Busy,
    /// No mirror gave the file.
    #[error("no mirror gave it:\n  {}", reasons.join("\n  "))]
    NoMirror {
        /// For each mirror, what went wrong.
        reasons: Vec<String>,
    },
}

/// A drawn digit cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigitImageError {
    /// The image has too few pixels.
    #[error("{width}×{height} pixels; expected at least {least}×{least}")]
    TooSmall {
        /// Columns of pixels.
        width: usize,
        /// Rows of pixels.
        height: usize,
        /// The shortest side that is read.
        least: usize,
    },
    /// The image shows nothing.
    #[error("no ink: all pixels have nearly the same brightness (transparent ones are white)")]
    Blank,
}

impl DatasetError {
    /// Returns whether a file or the request is at fault; false if the network, curl, a file that
    /// could not be written, or an interruption is.
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::Data(error) => error.is_bad_input(),
            Self::Sound(error) => error.is_bad_input(),
            Self::Download { .. } | Self::NoCacheFolder | Self::Interrupted(_) => false,
            _ => true,
        }
    }
}

/// Returns the ways to give MNIST without a download, one a line.
fn ways(cache: &Path) -> String {
    format!(
        "  name a folder with the four MNIST files,\n  set the environment variable ZBRIDGE_DATA \
         to such a folder,\n  or put the four files into {}",
        cache.display()
    )
}
