use std::path::PathBuf;
use zbridge_core::Interrupted;

/// What can go wrong with networks, their weights and their training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NnError {
    /// Two neighbouring layers do not fit.
    #[error(
        "layer {layer} asks for {expected} inputs but gets {found}: the layers of a network must fit each other"
    )]
    Widths {
        /// Index of the layer.
        layer: usize,
        /// Inputs it asks for.
        expected: usize,
        /// Inputs it gets.
        found: usize,
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
        action: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The objective became NaN or infinite.
    #[error(
        "training diverged: the objective is {value} at step {step}; lower the learning rate, or look for extreme values in the data"
    )]
    Diverged {
        /// Optimiser steps done before.
        step: usize,
        /// What the objective became.
        value: f64,
    },
    /// The observer interrupted the training.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}
