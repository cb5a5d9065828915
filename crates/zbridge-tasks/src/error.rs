use std::path::PathBuf;
use zbridge_bridge::BridgeError;
use zbridge_core::{DensityError, Interrupted, LatentModelError, ShapeError, VocabularyError};
use zbridge_data::DataError;
use zbridge_datasets::DatasetError;
use zbridge_eval::EvalError;
use zbridge_foreign::ForeignError;
use zbridge_models::ModelError;
use zbridge_nn::{FileAction, NnError};
use zbridge_plot::PlotError;
use zbridge_report::ReportError;
use zbridge_sound::SoundError;

/// What can go wrong anywhere in zbridge.
///
/// The first line of what it prints says what happened; further lines, if any, say what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A function of the library failed.
    #[error(transparent)]
    Library(#[from] zbridge::Error),
    /// A density could not be evaluated or drawn from.
    #[error(transparent)]
    Density(#[from] DensityError),
    /// A given model failed.
    #[error(transparent)]
    LatentModel(#[from] LatentModelError),
    /// A text does not belong to a vocabulary.
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
    /// A given model could not be opened or trained.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A network, its weights file or its training failed.
    #[error(transparent)]
    Network(#[from] NnError),
    /// Data could not be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A data set could not be found, downloaded or read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A model of another program could not be opened.
    #[error(transparent)]
    Foreign(#[from] ForeignError),
    /// Sounds could not be read or written.
    #[error(transparent)]
    Sound(#[from] SoundError),
    /// A bridge failed.
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    /// An evaluation failed.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// A figure, a table or a page could not be made.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A picture could not be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// Shapes do not belong together.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// Something was asked for that cannot be done this way.
    #[error("{message}")]
    Usage {
        /// What, and what to ask instead.
        message: String,
    },
    /// A file was read but does not hold what it should.
    #[error("{}: {reason}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A folder for output cannot be made.
    #[error(
        "{}: cannot make this folder: {reason}\nnothing was written; name another output folder",
        path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        reason: std::io::Error,
    },
    /// A given model that is neither embedded nor a file.
    #[error(
        "no model `{name}`: it is neither a file nor embedded\nembedded: mnist-image, \
         mnist-image-3-epochs, mnist-label; else a weights file, an .onnx, a model.toml, or a \
         folder"
    )]
    UnknownModel {
        /// What was asked for.
        name: String,
    },
    /// A given model whose name a file records is no longer there.
    #[error(
        "the model of {side}, `{name}`, which {} names, was not found at this path, nor beside \
         that file\nhint: put it there, or name the model of {side}", file.display()
    )]
    RecordedModel {
        /// `x` or `y`.
        side: String,
        /// Its name there.
        name: String,
        /// The latents or bridge file.
        file: PathBuf,
    },
    /// An embedded file lacks what it should hold: the program was built from damaged assets.
    #[error("the embedded file `{name}` has no {lacks}; build zbridge from an intact checkout")]
    Asset {
        /// The asset.
        name: &'static str,
        /// What it lacks.
        lacks: &'static str,
    },
    /// The doctor found what a fit would refuse.
    #[error(
        "{faults} fault(s): a fit would refuse these files\nnothing was written; each \
         fault above says what to do"
    )]
    Sick {
        /// How many.
        faults: usize,
    },
    /// A model or weights were inspected and cannot be used.
    #[error("{}: cannot be used: {problem}", path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// Why, and what to do.
        problem: String,
    },
    /// A figure that was required was not reached.
    #[error("{message}")]
    Missed {
        /// Which figure, what was required and what was found.
        message: String,
    },
    /// The observer stopped the work.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// The observer stopped a training.
    #[error(
        "the training was stopped before step {step} of epoch {epoch}; it is kept in {}, from \
         where it can be resumed", checkpoint.display()
    )]
    TrainingInterrupted {
        /// The next step of the epoch, from 1.
        step: usize,
        /// The epoch, from 1.
        epoch: usize,
        /// The checkpoint.
        checkpoint: PathBuf,
        /// The command that began the training.
        command: String,
    },
    /// A value of ours cannot be written as JSON, or read again.
    #[error("a record cannot be written as JSON: {reason}")]
    Json {
        /// The message of the JSON library.
        reason: serde_json::Error,
    },
    /// The output could not be written where the user reads it.
    #[error("the output could not be written: {reason}")]
    Output {
        /// What the system says.
        reason: std::io::Error,
    },
}

/// Kinds of failure that a script must tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Anything else: an unwritable folder, a training that diverged, no network.
    General,
    /// A wrong argument or setting.
    Usage,
    /// A file that is missing, damaged or of another kind.
    BadData,
    /// A required figure was not reached.
    Missed,
    /// Stopped by the user.
    Interrupted,
}

impl Failure {
    /// Returns the exit code of a process that failed in this way: 1, 2, 3, 4, 130.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::General => 1,
            Self::Usage => 2,
            Self::BadData => 3,
            Self::Missed => 4,
            Self::Interrupted => 130,
        }
    }
}

impl Error {
    /// Returns the error of a wrong request.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
        }
    }

    /// Returns the error of a file that does not hold what it should.
    pub fn bad_file(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::BadFile {
            path: path.into(),
            reason: reason.into(),
        }
    }

    /// Returns the kind of failure that this is.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Library(error) => of_library(error),
            Self::Model(error) => of_model(error),
            Self::Network(error) => of_network(error),
            Self::Data(error) => of_data(error),
            Self::Dataset(error) => of_dataset(error),
            Self::Bridge(error) => of_bridge(error),
            Self::Eval(error) => of_eval(error),
            Self::Sound(error) => of_input(error.is_bad_input()),
            Self::Foreign(_)
            | Self::Shape(_)
            | Self::Density(_)
            | Self::LatentModel(_)
            | Self::Vocabulary(_)
            | Self::BadFile { .. }
            | Self::Unusable { .. }
            | Self::Sick { .. } => Failure::BadData,
            Self::Usage { .. } | Self::UnknownModel { .. } | Self::RecordedModel { .. } => {
                Failure::Usage
            }
            Self::Report(_)
            | Self::Plot(_)
            | Self::Output { .. }
            | Self::Folder { .. }
            | Self::Asset { .. }
            | Self::Json { .. } => Failure::General,
            Self::Missed { .. } => Failure::Missed,
            Self::Interrupted(_) | Self::TrainingInterrupted { .. } => Failure::Interrupted,
        }
    }
}

fn of_library(error: &zbridge::Error) -> Failure {
    match error {
        zbridge::Error::Bridge(error) => of_bridge(error),
        zbridge::Error::Data(error) => of_data(error),
        zbridge::Error::Model(error) => of_model(error),
        zbridge::Error::Weights(error) => of_network(error),
        zbridge::Error::Evaluation(error) => of_eval(error),
        zbridge::Error::Interrupted(_) => Failure::Interrupted,
        _ => Failure::BadData,
    }
}

fn of_model(error: &ModelError) -> Failure {
    match error {
        ModelError::Network(error) => of_network(error),
        ModelError::Shape { .. } | ModelError::Architecture { .. } => Failure::BadData,
        ModelError::UnknownRecipe { .. } => Failure::Usage,
        _ => Failure::General,
    }
}

fn of_network(error: &NnError) -> Failure {
    match error {
        NnError::Interrupted(_) => Failure::Interrupted,
        NnError::Weights { .. } => Failure::BadData,
        NnError::Io { action, .. } => of_input(*action == FileAction::Read),
        _ => Failure::General,
    }
}

fn of_data(error: &DataError) -> Failure {
    of_input(error.is_bad_input())
}

fn of_dataset(error: &DatasetError) -> Failure {
    match error {
        DatasetError::Interrupted(_) => Failure::Interrupted,
        error => of_input(error.is_bad_input()),
    }
}

fn of_eval(error: &EvalError) -> Failure {
    match error {
        EvalError::Interrupted(_) => Failure::Interrupted,
        EvalError::Setting { .. } => Failure::Usage,
        EvalError::Row { source, .. } => of_eval(source),
        _ => Failure::BadData,
    }
}

/// Returns the failure of a task whose input is at fault, or else its output or surroundings.
fn of_input(is_bad_input: bool) -> Failure {
    match is_bad_input {
        true => Failure::BadData,
        false => Failure::General,
    }
}

fn of_bridge(error: &BridgeError) -> Failure {
    match error {
        BridgeError::Interrupted(_) => Failure::Interrupted,
        BridgeError::Setting { .. } | BridgeError::Unknown { .. } => Failure::Usage,
        BridgeError::Unpaired { .. }
        | BridgeError::UnpairedOfAnotherSpace { .. }
        | BridgeError::ViewsOfOthers { .. }
        | BridgeError::SamplesOnly
        | BridgeError::TooFewPairs { .. }
        | BridgeError::Shape(_) => Failure::BadData,
        BridgeError::Network(error) => of_network(error),
        _ => Failure::General,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn code(error: impl Into<Error>) -> u8 {
        error.into().failure().exit_code()
    }

    fn io_error(action: FileAction) -> NnError {
        NnError::Io {
            path: "a".into(),
            action,
            source: io::ErrorKind::NotFound.into(),
        }
    }

    #[test]
    fn a_users_file_is_told_from_a_folder_that_cannot_be_written() {
        assert_eq!(
            code(NnError::Weights {
                path: "a".into(),
                reason: "cut".into()
            }),
            3
        );
        assert_eq!(code(io_error(FileAction::Read)), 3);
        assert_eq!(code(ModelError::from(io_error(FileAction::Write))), 1);
        assert_eq!(
            code(zbridge_data::FileError::Read(io::ErrorKind::NotFound.into()).at("a".as_ref())),
            3
        );
        assert_eq!(
            code(zbridge_data::FileError::Write(io::ErrorKind::NotFound.into()).at("a".as_ref())),
            1
        );
        assert_eq!(code(ShapeError::Empty { what: "the pairs" }), 3);
    }

    #[test]
    fn a_missing_weights_file_is_bad_data() {
        let error = zbridge_nn::WeightsFile::read("/no/such/file".as_ref()).unwrap_err();
        assert_eq!(code(error), 3);
    }

    #[test]
    fn wrong_settings_are_usage() {
        assert_eq!(
            code(ModelError::UnknownRecipe {
                name: "a".into(),
                known: "b".into()
            }),
            2
        );
        assert_eq!(
            code(EvalError::Setting {
                name: "draws",
                value: 0.0,
                range: "at least 1"
            }),
            2
        );
    }

    #[test]
    fn an_interruption_has_the_shells_code() {
        assert_eq!(code(BridgeError::Interrupted(Interrupted)), 130);
        assert_eq!(code(NnError::Interrupted(Interrupted)), 130);
        assert_eq!(code(EvalError::Interrupted(Interrupted)), 130);
        assert_eq!(code(DatasetError::Interrupted(Interrupted)), 130);
        let in_library = zbridge::Error::from(EvalError::Interrupted(Interrupted));
        assert_eq!(code(in_library), 130);
    }
}
