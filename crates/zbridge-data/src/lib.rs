//! Everything zbridge reads from a disk or a network, and how it writes: MNIST in IDX files, arrays
//! in `.npy`, images in PNG, latents in safetensors, npy, npz and Parquet, pairs in CSV, texts line
//! by line, and the download of MNIST. [`scenes`] it draws itself.
//!
//! A file is a claim. Each reader here checks the claim once, at the door — magic, lengths, shapes,
//! finiteness, ids — and hands out the value types of [`zbridge_core`]; nothing behind the door
//! checks again. A header that lies cannot make a reader allocate more than the file really holds.
//! Every writer goes through [`write_atomically`], so a file is whole or absent.
//!
//! ```
//! use zbridge_core::DiagonalGaussian;
//! use zbridge_data::{LatentsFile, Precision};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("latents.safetensors");
//! let written = LatentsFile::numbered(DiagonalGaussian::standard(3, 2).into());
//! written.write(&path, Precision::F32)?;
//! assert_eq!(LatentsFile::read(&path)?, written);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod atomic;
mod augment;
mod download;
mod error;
mod idx;
mod image_file;
mod latents_file;
mod mnist;
mod mnist_source;
mod npy;
mod pairs;
mod picture_file;
mod png_file;
mod row_sink;
pub mod scenes;
mod text_lines;

pub use atomic::write_atomically;
pub use augment::augmented;
pub use download::{Downloader, Progress, RemoteFile};
pub use error::DataError;
pub use idx::Idx;
pub use image_file::{image_folder, read_image};
pub use latents_file::{
    ArrayRows, Container, Examination, ExaminedArray, GeneratedLatents, LatentsFile, LatentsStream,
    NotFinite, Precision, RepeatedId, Source,
};
pub use mnist::{Mnist, MnistSplit, Split};
pub use mnist_source::{MnistSource, locate, locate_or_download};
pub use npy::{Array, read_class_ids, read_integers, write_f32, write_i64};
pub use pairs::{Pairs, join, join_by_id, read_pairs};
pub use picture_file::{picture_folder, read_picture};
pub use row_sink::{RowSink, write_npy_rows};
pub use text_lines::TextLines;

use std::path::Path;

/// The bytes of the file at `path`.
fn read_bytes(path: &Path) -> Result<Vec<u8>, DataError> {
    std::fs::read(path).map_err(|reason| DataError::Read {
        path: path.to_owned(),
        reason,
    })
}
