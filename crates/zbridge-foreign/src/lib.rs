//! Generative models that other programs trained, as [`zbridge_core::LatentModel`]s.
//!
//! [`open`] takes what people have:
//!
//! | at the path | is |
//! |---|---|
//! | `encoder.onnx`, or another `.onnx` | an encoder; a decoder if its name says so |
//! | a folder with `encoder.onnx`, `decoder.onnx` or both | a model |
//! | `model.toml`, or a folder with it | a model, and what is known about it besides its networks |
//! | a folder with `config.json` and weights | an `AutoencoderKL` of diffusers |
//!
//! What `model.toml` does not state is inferred from the networks' shapes and the names of their
//! outputs, and listed with the evidence for it ([`ForeignModel::guesses`]). [`inspect`] says what
//! a file is and whether it can be used. [`StateDict`] reads the tensors of PyTorch's files and of
//! safetensors.
//!
//! ```
//! use zbridge_core::{LatentModel, Observations};
//!
//! let model = zbridge_foreign::open("tests/fixtures/onnx/mlp-encoder.torchscript.onnx")?;
//! assert_eq!(model.event().in_words(), "grey images of 12 × 12");
//! let event = model.event().clone();
//! let blank = Observations::new(vec![0.0; event.size()], event)?;
//! let posterior = model.posterior(&blank)?;
//! assert_eq!((posterior.rows(), posterior.dim()), (1, 8));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Files of strangers
//! No code in a file is run: pickles are read, not executed, and networks have only operators that
//! the engine knows. Nothing is read from outside a model's folder. Memory and time are the
//! networks' own: a file may ask for much of either, so a model from a stranger deserves the care
//! that any large file deserves.
#![forbid(unsafe_code)]

mod autoencoder_kl;
mod decoding;
mod encoder_outputs;
mod error;
mod file_access;
mod foreign_model;
mod guess;
mod inspection;
mod latent_space;
mod layout;
mod manifest;
mod onnx;
mod open;
mod preprocessing;
mod resolve;
mod shape;
mod spread;
mod state_dict;

pub use decoding::DecoderOutputs;
pub use error::ForeignError;
pub use foreign_model::ForeignModel;
pub use guess::Guess;
pub use inspection::{
    FileFormat, Found, Inspection, NetworkFile, TensorLine, Usage, Verdict, inspect,
};
pub use layout::Layout;
pub use onnx::{Dimension, Engine, Graph, Port};
pub use open::open;
pub use spread::Spread;
pub use state_dict::{NamedTensor, NumberType, StateDict};
