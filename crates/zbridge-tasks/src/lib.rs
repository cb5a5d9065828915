//! What the program of zbridge does on files: encode, fit, suggest, generate, evaluate, report,
//! train.
//!
//! Each task is a request, a function that runs it, and a report that can be printed or written as
//! JSON. Tasks know files, folders and progress; they know no command line.
#![forbid(unsafe_code)]

mod binarise;
mod csv;
pub mod doctor;
mod encode;
mod error;
mod evaluate;
pub mod evaluation;
mod fit;
mod generate;
mod input;
mod input_rows;
pub mod inspection;
mod judge;
pub mod measures;
mod models;
mod output;
mod paired_files;
pub mod pictures;
mod pieces;
mod pixel_range;
pub mod report;
mod shard;
mod side;
mod suggest;
pub mod training;
pub mod words;

pub use encode::{EncodeReport, EncodeRequest, EncodeSource, encode};
pub use error::{Error, Failure};
pub use evaluate::{EvaluateReport, EvaluateRequest, evaluate};
pub use fit::{DirectionReport, FitReport, FitRequest, Unpaired, fit};
pub use generate::{
    AmongReport, AmongRequest, CalibrationPairs, ClassSet, Found, GenerateReport, GenerateRequest,
    GenerateSource, SetReport, SetRequest, find_among, generate, generate_sets,
};
pub use models::open_model;
pub use shard::Shard;
pub use side::Side;
pub use suggest::{SuggestReport, SuggestRequest, Suggested, suggest};

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
