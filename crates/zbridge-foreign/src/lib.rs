//! Given models that other programs trained.
#![forbid(unsafe_code)]

mod error;
mod file_bytes;
mod guess;
mod decoding;
mod encoding;
mod foreign_model;
mod latent_space;
mod manifest;
mod onnx;
mod rendering;

pub use error::ForeignError;
pub use guess::Guess;
