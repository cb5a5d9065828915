//! Inspections as lines of text, the first of which says what the file is.

use super::usage::Usage;
use super::{FileFormat, Found, Inspection, NetworkFile, TensorLine, Verdict};
use crate::onnx::Engine;
use std::fmt;

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.found)?;
        match &self.verdict {
            Verdict::Usable(usage) => write!(f, "\n{usage}"),
            Verdict::WeightsOnly => Ok(()),
            Verdict::Unusable { problem } => write!(f, "\ncannot be used: {problem}"),
        }
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
            } => write!(
                f,
                "an AutoencoderKL of diffusers, blocks of {block_out_channels:?} channels, \
                 {parameters} parameters"
            ),
            Self::Tensors { format, tensors } => {
                write!(f, "{format}, {} tensors", tensors.len())?;
                tensors
                    .iter()
                    .try_for_each(|tensor| write!(f, "\n  {tensor}"))
            }
            Self::Unreadable { format } => write!(f, "{format} that cannot be read"),
        }
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Onnx => "ONNX",
            Self::Manifest => "a manifest",
            Self::AutoencoderKl => "an AutoencoderKL of diffusers",
            Self::Safetensors => "a safetensors file",
            Self::Torch => "a file of torch.save",
        })
    }
}

impl fmt::Display for TensorLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.name, self.number_type, self.shape)
    }
}

impl fmt::Display for NetworkFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graph = &self.graph;
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        let producer = match graph.producer.as_str() {
            "" => "an unknown program",
            producer => producer,
        };
        let sets = graph.operator_sets.iter();
        let sets = joined(sets.map(|(domain, version)| format!("{domain} {version}")));
        write!(f, "  {file}: written by {producer}, operators of {sets}")?;
        for port in &graph.inputs {
            write!(f, "\n    takes {port}")?;
        }
        for port in &graph.outputs {
            write!(f, "\n    gives {port}")?;
        }
        let operators = graph.operators.iter();
        let operators = joined(operators.map(|(operator, nodes)| format!("{nodes} × {operator}")));
        write!(f, "\n    {} parameters; {operators}", graph.parameters)
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let abilities = match (self.encodes, self.decodes) {
            (true, true) => "encodes and decodes",
            (true, false) => "encodes, cannot decode",
            (false, _) => "decodes, cannot encode",
        };
        let event = self.event.in_words();
        write!(f, "used as `{}`: {abilities} {event}; ", self.name)?;
        let likelihood = if self.has_likelihood {
            "a likelihood"
        } else {
            "no likelihood"
        };
        write!(f, "latents {:?}; {likelihood}", self.latent_shape)?;
        let engines = [
            ("encoder", self.encoder_engine),
            ("decoder", self.decoder_engine),
        ];
        let engines = engines.into_iter().filter_map(|(part, engine)| {
            let engine = engine_in_words(engine?);
            Some(format!("{part} runs on {engine}"))
        });
        write!(f, "\n  {}", joined(engines))?;
        if let Some(route) = self.route {
            write!(f, "\n  {route}")?;
        }
        for guess in &self.guesses {
            write!(f, "\n  guessed {guess}")?;
        }
        Ok(())
    }
}

fn engine_in_words(engine: Engine) -> &'static str {
    match engine {
        Engine::Chain => "zbridge's own kernel",
        Engine::Rten => "rten",
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}
