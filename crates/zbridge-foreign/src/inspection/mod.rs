//! What a file or folder is, and how it would be used.

mod display;
mod usage;

pub use usage::Usage;

use crate::autoencoder_kl::{self, Config};
use crate::manifest::Manifest;
use crate::onnx::Graph;
use crate::open::{ModelFiles, NamedFiles, named_files};
use crate::resolve::NetworkFiles;
use crate::{ForeignError, NamedTensor, StateDict, file_access, open};
use serde::{Serialize, Serializer};
use std::path::{Path, PathBuf};

/// What is at a path, and whether it can be used.
///
/// ```
/// use zbridge_foreign::{Verdict, inspect};
///
/// let inspection = inspect("tests/fixtures/state-dicts/legacy.pth")?;
/// let Verdict::Unusable { problem } = &inspection.verdict else {
///     panic!("{inspection}");
/// };
/// assert!(problem.contains("torch.save(torch.load(f, weights_only=True), g)"));
/// # Ok::<(), zbridge_foreign::ForeignError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// The file or folder.
    pub path: PathBuf,
    /// What it is.
    pub found: Found,
    /// Whether it can be used, and how.
    pub verdict: Verdict,
}

/// Whether a file or folder can be used.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is a model that can be opened.
    Usable(Usage),
    /// It has weights only, which say nothing about their network.
    WeightsOnly,
    /// It looks like a model or like weights, and cannot be used.
    Unusable {
        /// The message of the error, with what to do.
        problem: String,
    },
}

/// What a file or folder is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Found {
    /// ONNX networks: a file, or the files of a folder or a manifest.
    Networks {
        /// Each network with what it states of itself.
        networks: Vec<NetworkFile>,
    },
    /// A folder of diffusers' `AutoencoderKL`.
    AutoencoderKl {
        /// The weights file.
        weights: PathBuf,
        /// The channels of each block.
        block_out_channels: Vec<usize>,
        /// The number of numbers in the weights.
        parameters: usize,
    },
    /// A file of named tensors.
    Tensors {
        /// The format of the file.
        format: FileFormat,
        /// The tensors, by name.
        tensors: Vec<TensorLine>,
    },
    /// A file or folder of a format that is known, and that cannot be read.
    Unreadable {
        /// The format, by the names of files.
        format: FileFormat,
    },
}

/// The formats that are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FileFormat {
    /// ONNX networks.
    Onnx,
    /// A `model.toml`.
    Manifest,
    /// A folder of diffusers' `AutoencoderKL`.
    AutoencoderKl,
    /// A safetensors file.
    Safetensors,
    /// A file of `torch.save`.
    Torch,
}

/// An ONNX file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NetworkFile {
    /// The file.
    pub path: PathBuf,
    /// What it states of itself.
    pub graph: Graph,
}

/// A tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TensorLine {
    /// The name.
    pub name: String,
    /// The type of the numbers.
    pub number_type: String,
    /// The shape.
    pub shape: Vec<usize>,
}

/// Returns what is at `path`, and whether it can be used. A model that cannot be opened is
/// described all the same, with the reason.
///
/// # Errors
/// [`ForeignError::Read`] if the path cannot be read, [`ForeignError::Unknown`] if it is of no kind
/// that is known here. All other problems are a [`Verdict`].
pub fn inspect(path: impl AsRef<Path>) -> Result<Inspection, ForeignError> {
    let path = path.as_ref();
    let (found, verdict) = match tensor_format(path) {
        // Files of tensors first: they are no models, whatever else their folder holds.
        Some(format) => judge(found_tensors(path, format), format, || Verdict::WeightsOnly)?,
        None => {
            let files = ModelFiles::at(path)?;
            judge(found_model(&files), files.format(), || {
                verdict_of_model(path)
            })?
        }
    };
    Ok(Inspection {
        path: path.into(),
        found,
        verdict,
    })
}

/// Returns what was found with its verdict. What cannot be read has a verdict of its own, unless
/// the path is the problem.
fn judge(
    found: Result<Found, ForeignError>,
    format: FileFormat,
    verdict: impl FnOnce() -> Verdict,
) -> Result<(Found, Verdict), ForeignError> {
    match found {
        Ok(found) => Ok((found, verdict())),
        Err(error @ (ForeignError::Read { .. } | ForeignError::Unknown { .. })) => Err(error),
        Err(error) => Ok((Found::Unreadable { format }, Verdict::unusable(&error))),
    }
}

fn verdict_of_model(path: &Path) -> Verdict {
    match open(path) {
        Ok(model) => Verdict::Usable(Usage::of(&model)),
        Err(error) => Verdict::unusable(&error),
    }
}

/// Returns the format of a file of tensors, by its name.
fn tensor_format(path: &Path) -> Option<FileFormat> {
    match path.extension()?.to_str()? {
        "safetensors" => Some(FileFormat::Safetensors),
        "pt" | "pth" | "bin" | "ckpt" => Some(FileFormat::Torch),
        _ => None,
    }
}

fn found_tensors(path: &Path, format: FileFormat) -> Result<Found, ForeignError> {
    let file = StateDict::read(path)?;
    let lines = file
        .tensors()
        .map(|(name, tensor)| TensorLine::of(name, tensor));
    Ok(Found::Tensors {
        format,
        tensors: lines.collect(),
    })
}

fn found_model(files: &ModelFiles) -> Result<Found, ForeignError> {
    match files {
        ModelFiles::Networks(files) => found_networks(files),
        ModelFiles::Autoencoder(folder) => found_autoencoder(folder),
        ModelFiles::Manifest(path) => match named_files(path, &Manifest::read(path)?)? {
            NamedFiles::Networks(files) => found_networks(&files),
            NamedFiles::Autoencoder(folder) => found_autoencoder(&folder),
        },
    }
}

fn found_networks(files: &NetworkFiles) -> Result<Found, ForeignError> {
    let mut networks = Vec::new();
    // Graphs are read without running them: a network that cannot run is described too.
    for path in [&files.encoder, &files.decoder].into_iter().flatten() {
        networks.push(NetworkFile::read(path)?);
    }
    Ok(Found::Networks { networks })
}

fn found_autoencoder(folder: &Path) -> Result<Found, ForeignError> {
    let config = Config::read(&folder.join(autoencoder_kl::FILE_NAME))?;
    let weights = autoencoder_kl::weights_file(folder)?;
    let file = StateDict::read(&weights)?;
    let parameters = file.tensors().map(|(_, tensor)| tensor.size()).sum();
    Ok(Found::AutoencoderKl {
        weights,
        block_out_channels: config.block_out_channels,
        parameters,
    })
}

impl ModelFiles {
    fn format(&self) -> FileFormat {
        match self {
            Self::Manifest(_) => FileFormat::Manifest,
            Self::Autoencoder(_) => FileFormat::AutoencoderKl,
            Self::Networks(_) => FileFormat::Onnx,
        }
    }
}

impl NetworkFile {
    fn read(path: &Path) -> Result<Self, ForeignError> {
        let bytes = file_access::read(path)?;
        Ok(Self {
            path: path.into(),
            graph: Graph::read(&bytes, path)?,
        })
    }
}

impl TensorLine {
    fn of(name: &str, tensor: &NamedTensor) -> Self {
        Self {
            name: name.into(),
            number_type: tensor.number_type().to_string(),
            shape: tensor.shape().to_vec(),
        }
    }
}

impl Verdict {
    fn unusable(error: &ForeignError) -> Self {
        Self::Unusable {
            problem: error.to_string(),
        }
    }

    /// Returns the verdict as JSON has it.
    fn name(&self) -> &'static str {
        match self {
            Self::Usable(_) => "usable",
            Self::WeightsOnly => "weights-only",
            Self::Unusable { .. } => "unusable",
        }
    }
}

impl Inspection {
    /// Returns how the model would be used; `None` if it cannot be.
    pub fn usage(&self) -> Option<&Usage> {
        match &self.verdict {
            Verdict::Usable(usage) => Some(usage),
            _ => None,
        }
    }

    /// Returns why it cannot be used; `None` if it can, or has weights only.
    pub fn problem(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Unusable { problem } => Some(problem),
            _ => None,
        }
    }
}

/// An inspection as JSON has it: with keys that are always there.
#[derive(Serialize)]
struct InspectionFields<'a> {
    path: &'a Path,
    found: &'a Found,
    verdict: &'static str,
    model: Option<&'a Usage>,
    problem: Option<&'a str>,
}

impl Serialize for Inspection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = InspectionFields {
            path: &self.path,
            found: &self.found,
            verdict: self.verdict.name(),
            model: self.usage(),
            problem: self.problem(),
        };
        fields.serialize(serializer)
    }
}
