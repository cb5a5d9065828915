//! Inspections as lines of text, the first of which says what the file is.

use super::usage::Usage;
use super::{FileFormat, Found, Inspection, NetworkFile, TensorLine, Verdict};
use crate::onnx::{Engine, Graph};
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
        let producer = producer_in_words(graph);
        let sets = operator_sets_in_words(graph);
        write!(f, "  {file}: written by {producer}, operators of {sets}")?;
        for port in &graph.inputs {
            write!(f, "\n    takes {port}")?;
        }
        for port in &graph.outputs {
            write!(f, "\n    gives {port}")?;
        }
        let operators = operators_in_words(graph);
        write!(f, "\n    {} parameters; {operators}", graph.parameters)
    }
}

fn producer_in_words(graph: &Graph) -> &str {
    match graph.producer.as_str() {
        // The field is optional.
        "" => "an unknown program",
        producer => producer,
    }
}

fn operator_sets_in_words(graph: &Graph) -> String {
    let sets = graph.operator_sets.iter();
    joined(sets.map(|(domain, version)| format!("{domain} {version}")))
}

fn operators_in_words(graph: &Graph) -> String {
    let operators = graph.operators.iter();
    joined(operators.map(|(operator, nodes)| format!("{nodes} × {operator}")))
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (abilities, event) = (abilities_in_words(self), self.event.in_words());
        let likelihood = likelihood_in_words(self.has_likelihood);
        write!(f, "used as `{}`: {abilities} {event}; ", self.name)?;
        write!(f, "latents {:?}; {likelihood}", self.latent_shape)?;
        write!(f, "\n  {}", engines_in_words(self))?;
        if let Some(route) = self.route {
            write!(f, "\n  {route}")?;
        }
        for guess in &self.guesses {
            write!(f, "\n  guessed {guess}")?;
        }
        Ok(())
    }
}

fn abilities_in_words(usage: &Usage) -> &'static str {
    match (usage.encodes, usage.decodes) {
        (true, true) => "encodes and decodes",
        (true, false) => "encodes, cannot decode",
        (false, _) => "decodes, cannot encode",
    }
}

fn likelihood_in_words(has_likelihood: bool) -> &'static str {
    match has_likelihood {
        true => "a likelihood",
        false => "no likelihood",
    }
}

fn engines_in_words(usage: &Usage) -> String {
    let runs_on = |part: &str, engine| format!("{part} runs on {}", engine_in_words(engine));
    let encoder = usage
        .encoder_engine
        .map(|engine| runs_on("encoder", engine));
    let decoder = usage
        .decoder_engine
        .map(|engine| runs_on("decoder", engine));
    joined(encoder.into_iter().chain(decoder))
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
