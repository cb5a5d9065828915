use std::path::PathBuf;
use zbridge_bridge::BridgeError;
use zbridge_core::{DensityError, Interrupted, LatentModelError, ShapeError, VocabularyError};
use zbridge_data::DataError;
use zbridge_eval::EvalError;
use zbridge_foreign::ForeignError;
use zbridge_models::ModelError;
use zbridge_nn::NnError;

/// What can go wrong in this library.
///
/// The first line of the message says what happened and where; further lines say what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A bridge could not be fitted, read or written.
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    /// A latents file could not be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A density could not be evaluated or drawn from.
    #[error(transparent)]
    Density(#[from] DensityError),
    /// A given model failed.
    #[error(transparent)]
    LatentModel(#[from] LatentModelError),
    /// A model that zbridge trained could not be opened.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A weights file could not be read or written.
    #[error(transparent)]
    Weights(#[from] NnError),
    /// A model of another program could not be opened.
    #[error(transparent)]
    Foreign(#[from] ForeignError),
    /// An evaluation failed.
    #[error(transparent)]
    Evaluation(#[from] EvalError),
    /// Shapes do not belong together, or a value is not finite.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A text does not belong to a vocabulary.
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
    /// There is no file or folder at the path of a given model.
    #[error("{}: no such model file or folder", path.display())]
    NoSuchModel {
        /// The path.
        path: PathBuf,
    },
    /// A file of a given model cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The message of the operating system.
        reason: std::io::Error,
    },
    /// The observer stopped the work.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}
