use crate::autoencoder_kl::{self, Config};
use crate::onnx::Graph;
use crate::open::{Place, name_of};
use crate::{ForeignError, ForeignModel, Guess, StateDict, file_bytes, open};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use zbridge_core::{EventKind, LatentModel};

/// What is at a path, and how it would be used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// The file or folder.
    pub path: PathBuf,
    /// What it is.
    pub found: Found,
    /// How zbridge would use it; none for weights, which say nothing of their network.
    pub model: Option<Usage>,
    /// Why it would not be used, where it looks like a model and cannot be opened.
    pub problem: Option<String>,
}

/// What a file or folder is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Found {
    /// ONNX networks: a file, or the files of a folder or a manifest.
    Networks {
        /// Each with what it says of itself.
        networks: Vec<NetworkFile>,
    },
    /// A folder of diffusers' `AutoencoderKL`.
    AutoencoderKl {
        /// Its weights file.
        weights: PathBuf,
        /// Channels of its blocks.
        block_out_channels: Vec<usize>,
        /// Numbers in its weights.
        parameters: usize,
    },
    /// A file of named tensors.
    Tensors {
        /// `safetensors` or `torch`.
        format: &'static str,
        /// Its tensors, by name.
        tensors: Vec<TensorLine>,
    },
}

/// An ONNX file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NetworkFile {
    /// The file.
    pub path: PathBuf,
    /// What it says of itself.
    pub graph: Graph,
}

/// A tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TensorLine {
    /// Its name.
    pub name: String,
    /// The type of its numbers.
    pub number_type: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

/// How a model would be used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Usage {
    /// What users call it.
    pub name: String,
    /// What it models.
    pub event: EventKind,
    /// The shape of one latent.
    pub latent_shape: Vec<usize>,
    /// Whether it gives posteriors.
    pub encodes: bool,
    /// Whether it gives observations.
    pub decodes: bool,
    /// What runs its encoder: `chain` or `rten`.
    pub encoder_engine: Option<&'static str>,
    /// What runs its decoder.
    pub decoder_engine: Option<&'static str>,
    /// Whether it says how probable an observation is.
    pub has_likelihood: bool,
    /// What was guessed for it.
    pub guesses: Vec<Guess>,
}

/// What is at `path`, and how zbridge would use it. A model that cannot be opened is described all
/// the same, with the reason.
///
/// # Errors
/// [`ForeignError`] when the path cannot be read, or is nothing that is known here.
pub fn inspect(path: &Path) -> Result<Inspection, ForeignError> {
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    let found = match extension {
        "safetensors" => tensors("safetensors", path)?,
        "pt" | "pth" | "bin" | "ckpt" => tensors("torch", path)?,
        _ => model_files(&Place::of(path)?)?,
    };
    let (model, problem) = match &found {
        Found::Tensors { .. } => (None, None),
        _ => match open(path) {
            Ok(model) => (Some(Usage::of(&model)), None),
            Err(error) => (None, Some(error.to_string())),
        },
    };
    Ok(Inspection {
        path: path.into(),
        found,
        model,
        problem,
    })
}

fn tensors(format: &'static str, path: &Path) -> Result<Found, ForeignError> {
    let file = StateDict::read(path)?;
    let line = |(name, tensor): (&str, &crate::NamedTensor)| TensorLine {
        name: name.into(),
        number_type: tensor.number_type().to_string(),
        shape: tensor.shape().to_vec(),
    };
    Ok(Found::Tensors {
        format,
        tensors: file.tensors().map(line).collect(),
    })
}

fn model_files(place: &Place) -> Result<Found, ForeignError> {
    let networks = |paths: Vec<PathBuf>| -> Result<Found, ForeignError> {
        let network = |path: PathBuf| {
            Ok(NetworkFile {
                graph: Graph::read(&file_bytes::read(&path)?, &path)?,
                path,
            })
        };
        Ok(Found::Networks {
            networks: paths
                .into_iter()
                .map(network)
                .collect::<Result<_, ForeignError>>()?,
        })
    };
    match place {
        Place::Networks(files) => networks(
            [&files.encoder, &files.decoder]
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
        ),
        Place::Autoencoder(folder) => autoencoder(folder),
        Place::Manifest(path) => match crate::open::manifest_place(path)? {
            Place::Networks(files) => networks(
                [&files.encoder, &files.decoder]
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect(),
            ),
            Place::Autoencoder(folder) => autoencoder(&folder),
            Place::Manifest(_) => networks(Vec::new()),
        },
    }
}

fn autoencoder(folder: &Path) -> Result<Found, ForeignError> {
    let config = Config::read(&folder.join("config.json"))?;
    let weights = autoencoder_kl::weights_file(folder)?;
    let parameters = StateDict::read(&weights)?
        .tensors()
        .map(|(_, tensor)| tensor.size())
        .sum();
    Ok(Found::AutoencoderKl {
        weights,
        block_out_channels: config.block_out_channels,
        parameters,
    })
}

impl Usage {
    fn of(model: &ForeignModel) -> Self {
        let [encoder_engine, decoder_engine] = model.engines();
        Self {
            name: model.name().into(),
            event: model.event().clone(),
            latent_shape: model.latent_shape().to_vec(),
            encodes: model.encodes(),
            decodes: model.decodes(),
            encoder_engine,
            decoder_engine,
            has_likelihood: model.has_likelihood(),
            guesses: model.guesses().to_vec(),
        }
    }
}

impl fmt::Display for Inspection {
    /// Lines of text, the first of which says what it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", name_of(&self.path), self.found)?;
        if let Some(model) = &self.model {
            write!(f, "\n{model}")?;
        }
        if let Some(problem) = &self.problem {
            write!(f, "\ncannot be used: {problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Networks { networks } => {
                f.write_str("ONNX")?;
                networks
                    .iter()
                    .try_for_each(|network| write!(f, "\n{network}"))
            }
            Self::AutoencoderKl {
                block_out_channels,
                parameters,
                ..
            } => {
                write!(
                    f,
                    "an AutoencoderKL of diffusers, blocks of {block_out_channels:?} channels, {parameters} parameters"
                )
            }
            Self::Tensors { format, tensors } => {
                let format = if *format == "torch" {
                    "a file of torch.save"
                } else {
                    "a safetensors file"
                };
                write!(f, "{format}, {} tensors", tensors.len())?;
                let line = |tensor: &TensorLine| {
                    format!(
                        "\n  {} {} {:?}",
                        tensor.name, tensor.number_type, tensor.shape
                    )
                };
                tensors
                    .iter()
                    .try_for_each(|tensor| f.write_str(&line(tensor)))
            }
        }
    }
}

impl fmt::Display for NetworkFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graph = &self.graph;
        let sets = graph
            .operator_sets
            .iter()
            .map(|(domain, version)| format!("{domain} {version}"));
        let operators = graph
            .operators
            .iter()
            .map(|(operator, nodes)| format!("{nodes} × {operator}"));
        let producer = if graph.producer.is_empty() {
            "an unknown program"
        } else {
            &graph.producer
        };
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        write!(
            f,
            "  {file}: written by {producer}, operators of {}",
            sets.collect::<Vec<_>>().join(", ")
        )?;
        graph
            .inputs
            .iter()
            .try_for_each(|port| write!(f, "\n    takes {port}"))?;
        graph
            .outputs
            .iter()
            .try_for_each(|port| write!(f, "\n    gives {port}"))?;
        write!(
            f,
            "\n    {} parameters; {}",
            graph.parameters,
            operators.collect::<Vec<_>>().join(", ")
        )
    }
}

fn in_words(engine: &str) -> &str {
    if engine == "chain" {
        "zbridge's own kernel"
    } else {
        engine
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let does = match (self.encodes, self.decodes) {
            (true, true) => "encodes and decodes",
            (true, false) => "encodes, cannot decode",
            _ => "decodes, cannot encode",
        };
        let likelihood = if self.has_likelihood {
            "a likelihood"
        } else {
            "no likelihood"
        };
        write!(
            f,
            "used as `{}`: {does} {}; latents {:?}; {likelihood}",
            self.name,
            self.event.in_words(),
            self.latent_shape
        )?;
        let named = [
            ("encoder", self.encoder_engine),
            ("decoder", self.decoder_engine),
        ];
        let runs = named
            .iter()
            .filter_map(|(part, engine)| Some(format!("{part} runs on {}", in_words((*engine)?))));
        write!(f, "\n  {}", runs.collect::<Vec<_>>().join(", "))?;
        self.guesses
            .iter()
            .try_for_each(|guess| write!(f, "\n  guessed {guess}"))
    }
}
