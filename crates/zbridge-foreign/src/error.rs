use std::io;
use std::path::PathBuf;
use zbridge_core::{LatentModelError, ShapeError};

/// What can be wrong with a model that another program wrote, or with what is said about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForeignError {
    /// A file or folder cannot be opened or read.
    #[error("{path}: cannot be read: {reason}; check the path and its permissions")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// What is there is no model that can be opened.
    #[error("{path}: {found}; expected {expected}")]
    Unknown {
        /// The file or folder.
        path: PathBuf,
        /// What is there instead.
        found: String,
        /// What can be opened.
        expected: &'static str,
    },
    /// A file is cut off, damaged, or lies about its lengths.
    #[error(
        "{path}: {place}: {why}; the file is damaged or of another kind: write or copy it again"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        place: String,
        /// What is wrong there.
        why: String,
    },
    /// A file is larger than any that is read here.
    #[error("{path}: {place} has {found} bytes; at most {most} are read")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Which part of it.
        place: String,
        /// Bytes that it has, or claims.
        found: u64,
        /// Bytes that are allowed.
        most: u64,
    },
    /// The engine lacks an operator.
    #[error("{path}: node `{node}`: no operator `{operator}` here; {remedy}")]
    Operator {
        /// The ONNX file.
        path: PathBuf,
        /// The node's name in the graph.
        node: String,
        /// The operator, with its domain where that is not ONNX's own.
        operator: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The engine refuses a graph, or failed while it ran.
    #[error(
        "{path}: the network failed {during}: {reason}; run it in ONNX Runtime to see whether the file is right"
    )]
    Engine {
        /// The ONNX file.
        path: PathBuf,
        /// `while it was opened`, or with what it ran.
        during: String,
        /// What the engine said.
        reason: String,
    },
    /// A network's inputs are not what a model of latents has.
    #[error("{path}: {why}; {remedy}")]
    Input {
        /// The ONNX file.
        path: PathBuf,
        /// What is wrong with them.
        why: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A network has no output of the name or place that was asked for.
    #[error("{path}: no output {wanted}; there are {found}")]
    NoOutput {
        /// The ONNX file.
        path: PathBuf,
        /// The name or index.
        wanted: String,
        /// The outputs of the file.
        found: String,
    },
    /// A data file of a network lies where nothing is read from.
    #[error(
        "{path}: tensor `{tensor}` lies in {location:?}, {why}; put the data beside the model and export it again"
    )]
    Outside {
        /// The ONNX file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The place that the file names.
        location: String,
        /// Why nothing is read from there.
        why: &'static str,
    },
    /// A line of a manifest says what it cannot say.
    #[error("{path}, line {line}: {why}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong, with key and what is allowed.
        why: String,
    },
    /// Something about the model must be known and can neither be read nor guessed.
    #[error("{path}: {why}; say it in model.toml: {remedy}")]
    Unsettled {
        /// The model's file or folder.
        path: PathBuf,
        /// What is not known, or what does not fit.
        why: String,
        /// Lines for the manifest.
        remedy: String,
    },
    /// A file lacks a tensor.
    #[error(
        "{path}: no tensor `{tensor}`; expected {expected:?}: the weights are of another architecture than the configuration"
    )]
    NoTensor {
        /// The weights file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The shape that it would have.
        expected: Vec<usize>,
    },
    /// A tensor has the wrong shape.
    #[error(
        "{path}: `{tensor}` has shape {found:?}; expected {expected:?}: the weights are of another architecture than the configuration"
    )]
    Shape {
        /// The weights file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The shape that belongs here.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// The numbers of a tensor are of a type that is not read here.
    #[error("{path}: `{tensor}` has type {found}; expected {expected}: convert it before saving")]
    NumberType {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The types that are read.
        expected: &'static str,
        /// The type in the file.
        found: String,
    },
    /// A pickle asks for something that a state dict does not need.
    #[error(
        "{path}: the pickle asks for `{global}`, at byte {byte}: only tensors, numbers, texts and containers of them are read, and no code is run; save `model.state_dict()` alone, or use safetensors"
    )]
    Refused {
        /// The file.
        path: PathBuf,
        /// The name that it asks for.
        global: String,
        /// Byte in the pickle, from 0.
        byte: usize,
    },
    /// A configuration of diffusers asks for what is not there.
    #[error("{path}: `{key}` is {found}; expected {expected}")]
    Configuration {
        /// The configuration.
        path: PathBuf,
        /// Its key.
        key: String,
        /// What it says.
        found: String,
        /// What is known here.
        expected: String,
    },
    /// A model's own numbers make no batch.
    #[error("{path}: {reason}")]
    Value {
        /// The model.
        path: PathBuf,
        /// What is wrong, with row and column.
        reason: ShapeError,
    },
}

impl ForeignError {
    /// The same as a failure of the model `name` at its work.
    pub(crate) fn into_failure(self, name: &str) -> LatentModelError {
        LatentModelError::Failed {
            model: name.into(),
            reason: self.to_string(),
        }
    }
}
