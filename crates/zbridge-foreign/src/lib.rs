//! Given models that other programs trained, as [`zbridge_core::LatentModel`]s.
//!
//! [`open`] takes what people have:
//!
//! | at the path | is |
//! |---|---|
//! | `encoder.onnx`, or another `.onnx` | an encoder; a decoder where its name says so |
//! | a folder with `encoder.onnx`, `decoder.onnx` or both | a model |
//! | `model.toml`, or a folder with it | a model, and what is to be known about it besides its networks |
//! | a folder with `config.json` and weights | an `AutoencoderKL` of diffusers |
//!
//! What nobody said is guessed from the networks' shapes and the names of their outputs, and listed
//! with what speaks for it ([`ForeignModel::guesses`]). [`inspect`] tells what a file is.
//! [`StateDict`] reads the tensors of PyTorch's files and of safetensors.
//!
//! No code in a file is run: pickles are read, not executed, and networks hold only operators that
//! the engine knows. Nothing is read from outside a model's folder. Memory and time are the
//! networks' own: a file may ask for much of either, so a model from a stranger deserves the care
//! that one gives to any large file.
//!
//! ```no_run
//! use std::path::Path;
//! use zbridge_core::{LatentModel, Observations};
//!
//! let model = zbridge_foreign::open(Path::new("my-vae"))?;
//! for guess in model.guesses() {
//!     eprintln!("{guess}");
//! }
//! let blank = Observations::new(vec![0.0; model.event().size()], model.event().clone())?;
//! let posterior = model.posterior(&blank)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod autoencoder_kl;
mod decoding;
mod encoding;
mod error;
mod file_bytes;
mod foreign_model;
mod guess;
mod inspection;
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
pub use inspection::{Found, Inspection, NetworkFile, TensorLine, Usage, inspect};
pub use onnx::{Dimension, Graph, Port};
pub use open::open;
pub use rendering::Layout;
pub use state_dict::{NamedTensor, NumberType, StateDict};
