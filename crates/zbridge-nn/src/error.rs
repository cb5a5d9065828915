use std::fmt;
use std::path::{Path, PathBuf};
use zbridge_core::Interrupted;

/// What can go wrong with networks, their weights and their training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NnError {
    /// A layer does not fit the one below it.
    #[error(
        "layer {layer} takes {expected} inputs, but {found} come from below: change one of the two \
         layers"
    )]
    Widths {
        /// Index of the layer.
        layer: usize,
        /// The inputs that it takes.
        expected: usize,
        /// The width of the layer below, or of the input.
        found: usize,
    },
    /// A layer cannot exist.
    #[error("layer {layer} {reason}")]
    Layer {
        /// Index of the layer.
        layer: usize,
        /// What is wrong with it, as the end of a sentence.
        reason: &'static str,
    },
    /// A weights or checkpoint file does not hold what it should.
    #[error("{}: {reason}", path.display())]
    Weights {
        /// The file, or a name for embedded bytes.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        action: FileAction,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The objective is NaN or infinite.
    #[error(
        "training diverged: the objective is {value} at step {step}; lower the learning rate, or \
         look for extreme values in the data"
    )]
    Diverged {
        /// Steps of the optimiser before it.
        step: usize,
        /// The objective.
        value: f64,
    },
    /// The observer interrupted the training.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// What was attempted with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileAction {
    /// To read it.
    Read,
    /// To write it.
    Write,
}

impl fmt::Display for FileAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read it",
            Self::Write => "write it",
        })
    }
}

impl NnError {
    /// Returns the error that the weights file at `path` does not hold what it should.
    pub fn weights(path: &Path, reason: impl Into<String>) -> Self {
        Self::Weights {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
