//! File formats of zbridge: latents in safetensors, `.npy`, `.npz` and Parquet files; arrays in
//! `.npy` and IDX files; images in PNG files; pairs in CSV files; texts line by line.
//!
//! Files may be damaged, or wrong. Each reader checks its file once: magic bytes, lengths, shapes,
//! finite values, different ids. It returns the types of [`zbridge_core`], which are not checked
//! again. A wrong header cannot make a reader allocate more than the file can fill. Every writer
//! replaces its file whole or not at all, as [`write_atomically`] does.
//!
//! ```
//! use zbridge_core::DiagonalGaussian;
//! use zbridge_data::{LatentsFile, LatentsSummary, Precision};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("latents.safetensors");
//! let latents = LatentsFile::numbered(DiagonalGaussian::standard(3, 2).into());
//! latents.write(&path, Precision::F32)?;
//! assert_eq!(LatentsFile::read(&path)?, latents);
//! assert_eq!(LatentsSummary::read(&path)?.rows, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod array;
mod container;
mod error;
mod files;
mod idx;
mod latents_file;
mod npy;
mod npy_rows;
mod pairs;
mod png;
mod printable;
mod row_sink;
mod text_lines;

pub use container::Container;
pub use error::{
    ArrayError, DataError, FileError, FormatError, ImageError, JoinError, LatentsError, PairsError,
    RowsError, TextError,
};
pub use files::write_atomically;
pub use idx::Idx;
pub use latents_file::{
    GeneratedLatents, IdSource, InspectedArray, Inspection, LatentsFile, LatentsKind,
    LatentsStream, LatentsSummary, NotFinite, Precision, RepeatedId,
};
pub use npy::{
    read_npy, read_npy_classes, read_npy_integers, write_npy_f32, write_npy_i64, write_npy_rows,
};
pub use npy_rows::NpyRows;
pub use pairs::{PairedRows, Pairs};
pub use png::{PngFolder, PngImage, area_average, read_png, read_png_folder};
pub use printable::printable;
pub use row_sink::RowSink;
pub use text_lines::TextLines;
