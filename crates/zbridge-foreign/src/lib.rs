//! Given models that other programs trained.
#![forbid(unsafe_code)]

mod autoencoder_kl;
mod decoding;
mod encoding;
mod error;
mod file_bytes;
mod foreign_model;
mod guess;
mod latent_space;
mod manifest;
mod onnx;
mod open;
mod rendering;
mod settle;
mod state_dict;

pub use decoding::DecoderOutputs;
pub use encoding::Spread;
pub use error::ForeignError;
pub use foreign_model::ForeignModel;
pub use guess::Guess;
pub use open::open;
pub use rendering::Layout;
pub use state_dict::{NamedTensor, NumberType, StateDict};
