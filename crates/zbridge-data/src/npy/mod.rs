//! NumPy's format for one array.
//!
//! # Source
//! NumPy enhancement proposal 1, *A simple file format for NumPy arrays*.

mod dictionary;
mod layout;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use layout::{NpyLayout, header_range};
pub(crate) use read::{NpyArray, UNNAMED};
pub use read::{read_npy, read_npy_classes, read_npy_integers};
pub(crate) use write::npy_bytes;
pub use write::{write_npy_f32, write_npy_i64, write_npy_rows};
