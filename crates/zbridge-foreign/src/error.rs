use std::io;
use std::path::{Path, PathBuf};

/// Why a model of another program, or what `model.toml` states about it, cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForeignError {
    /// A file or folder cannot be opened or read.
    #[error("{path}: cannot be read: {reason}; check the path and its permissions")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        reason: io::Error,
    },
    /// A file or folder is of no kind that can be opened.
    #[error("{path}: {found}; expected {expected}")]
    Unknown {
        /// The file or folder.
        path: PathBuf,
        /// What it is instead.
        found: String,
        /// What can be opened.
        expected: &'static str,
    },
    /// A file is cut off or damaged, or states wrong lengths.
    #[error(
        "{path}: {place}: {why}; the file is damaged or of another kind: write or copy it again"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The place in the file.
        place: String,
        /// What is wrong there.
        why: String,
    },
    /// A file is larger than the largest that is read.
    #[error("{path}: {place} has {found} bytes; at most {limit} are read")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The part of it that is too large.
        place: String,
        /// The number of bytes that it has, or states.
        found: u64,
        /// The largest number of bytes that is read.
        limit: u64,
    },
    /// The engine lacks an operator.
    #[error("{path}: node `{node}`: the operator `{operator}` is not known here; {remedy}")]
    Operator {
        /// The ONNX file.
        path: PathBuf,
        /// The node's name in the graph.
        node: String,
        /// The operator, with its domain if that is not ONNX's own.
        operator: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The engine refused a graph, or failed while it ran.
    #[error(
        "{path}: the network failed {during}: {reason}; run it in ONNX Runtime to see whether the \
         file is right"
    )]
    Engine {
        /// The ONNX file.
        path: PathBuf,
        /// `while it was opened`, `while it ran`, or `on a batch`.
        during: &'static str,
        /// The message of the engine.
        reason: String,
    },
    /// A network does not have exactly one input of floats.
    #[error("{path}: {why}; {remedy}")]
    Input {
        /// The ONNX file.
        path: PathBuf,
        /// What is wrong with its inputs.
        why: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A data file of a network lies outside of the model's folder, or does not exist.
    #[error(
        "{path}: tensor `{tensor}` lies in {location:?}, {why}; put the data beside the model and \
         export it again"
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
    /// A line of `model.toml` is wrong.
    #[error("{path}, line {line}: {why}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong, with the key and what is allowed.
        why: String,
    },
    /// A property of the model is needed that can be neither read nor inferred.
    #[error("{path}: {why}; state it in model.toml: {remedy}")]
    Unresolved {
        /// The model's file or folder.
        path: PathBuf,
        /// What is not known, or what does not fit.
        why: String,
        /// Keys of the manifest.
        remedy: String,
    },
    /// A file lacks a tensor.
    #[error(
        "{path}: no tensor `{tensor}`; expected {expected:?}: the weights are of another \
         architecture than the configuration"
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
        "{path}: `{tensor}` has shape {found:?}; expected {expected:?}: the weights are of another \
         architecture than the configuration"
    )]
    Shape {
        /// The weights file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The shape that the architecture needs.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// The numbers of a tensor have another type than is needed.
    #[error("{path}: `{tensor}` has type {found}; expected {expected}: convert it before saving")]
    NumberType {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The types that can be used.
        expected: &'static str,
        /// The type in the file.
        found: String,
    },
    /// A pickle asks for a function or class that a state dict does not need.
    #[error(
        "{path}: the pickle asks for `{global}`, at byte {byte}: only tensors, numbers, texts and \
         containers of them are read, and no code is run; save `model.state_dict()` alone, or use \
         safetensors"
    )]
    Refused {
        /// The file.
        path: PathBuf,
        /// The name that it asks for.
        global: String,
        /// Byte in the pickle, from 0.
        byte: usize,
    },
    /// A file was written by `torch.save` before PyTorch 1.6.
    #[error(
        "{path}: a pickle without an archive, as torch.save wrote before PyTorch 1.6; convert the \
         file f to a file g in Python: `torch.save(torch.load(f, weights_only=True), g)`"
    )]
    OldTorchFile {
        /// The file.
        path: PathBuf,
    },
    /// A configuration of diffusers asks for an architecture that is not known here.
    #[error("{path}: `{key}` is {found}; expected {expected}")]
    Configuration {
        /// The configuration.
        path: PathBuf,
        /// Its key.
        key: String,
        /// The value in the file.
        found: String,
        /// The values that can be used.
        expected: String,
    },
}

impl ForeignError {
    pub(crate) fn damaged(path: &Path, place: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.into(),
            place: place.into(),
            why: why.into(),
        }
    }

    pub(crate) fn engine(path: &Path, during: &'static str, reason: impl Into<String>) -> Self {
        Self::Engine {
            path: path.into(),
            during,
            reason: reason.into(),
        }
    }

    pub(crate) fn unresolved(path: &Path, why: String, remedy: &str) -> Self {
        Self::Unresolved {
            path: path.into(),
            why,
            remedy: remedy.into(),
        }
    }
}
