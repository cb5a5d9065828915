use std::path::PathBuf;

use zbridge_plot::PlotError;

/// Why a report could not be made or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A chart or a grid of images could not be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// A file could not be written.
    #[error(
        "could not write {}: {source} (while {step}); the file is as it was before",
        path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What was being done.
        step: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// An event file could not be created, continued or removed.
    #[error(
        "could not write events to {}: {source} (while {step}); earlier events are kept",
        path.display()
    )]
    EventFile {
        /// The file, or its folder.
        path: PathBuf,
        /// What was being done.
        step: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
}
