//! What the program of zbridge does on files: encode, fit, generate, evaluate, report, train.
//!
//! Each task is a request, a function that runs it, and a report that can be printed or written as
//! JSON. Tasks know files, folders and progress; they know no command line.
#![forbid(unsafe_code)]

pub mod doctor;
mod error;
pub mod evaluation;
mod given;
pub mod inspection;
pub mod measures;
pub mod pictures;
pub mod report;
pub mod tasks;
pub mod training;
pub mod words;

pub use error::{Error, Failure};
pub use given::open_model;

use std::path::Path;

/// Makes `folder` and its parents.
///
/// # Errors
/// [`Error::Folder`] if that cannot be done.
pub fn make_folder(folder: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(|reason| Error::Folder {
        path: folder.to_owned(),
        reason,
    })
}
