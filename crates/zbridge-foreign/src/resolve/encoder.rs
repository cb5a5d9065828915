use super::graphs::Graphs;
use super::output_names::{self, NamedGaussian};
use super::preprocessing::EncoderPreprocessing;
use super::resolver::Resolver;
use crate::ForeignError;
use crate::encoder_outputs::EncoderOutputs;
use crate::foreign_model::Encoder;
use crate::layout::Layout;
use crate::manifest::{OutputName, StatedOutputs};
use crate::onnx::{Network, Port};
use crate::shape::{checked_size, same_size};
use crate::spread::Spread;
use std::path::Path;
use zbridge_core::EventKind;

impl Resolver<'_> {
    pub(super) fn encoder(
        &mut self,
        path: &Path,
        graphs: &Graphs,
        event: &EventKind,
        preprocessing: EncoderPreprocessing,
    ) -> Result<Encoder, ForeignError> {
        let shape = input_shape(graphs.encoder_input(), preprocessing.layout, event);
        let network = Network::open(path, Some(&shape))?;
        self.note_fixed_batch("encoder", &network);
        let outputs = match self.stated_encoder_outputs(&network)? {
            Some(outputs) => outputs,
            None => self.guessed_encoder_outputs(&network, graphs.decoder_input())?,
        };
        let latent = outputs.latent_shape(network.output_shapes());
        if latent.is_none_or(|shape| shape.contains(&0)) {
            let words = outputs.in_words();
            let found = outputs_of(&network);
            let why = format!("the encoder's outputs are no {words}: it gives {found}");
            let remedy = "`mean` and `log-variance`, `halves`, `point` or `samples` in [encoder]";
            return Err(self.unresolved(why, remedy));
        }
        Ok(Encoder {
            network,
            preprocessing: preprocessing.preprocessing,
            outputs,
        })
    }

    /// Returns what the manifest states of the outputs.
    fn stated_encoder_outputs(
        &self,
        network: &Network,
    ) -> Result<Option<EncoderOutputs>, ForeignError> {
        let place = |key: &str, name: &OutputName| self.output_place("encoder", key, name, network);
        let stated = self.manifest.encoder.outputs();
        let stated =
            stated.map_err(|wrong| self.manifest.wrong("encoder", &wrong.key, wrong.why))?;
        Ok(match stated {
            None => None,
            Some(StatedOutputs::Gaussian { mean, spread, kind }) => {
                Some(EncoderOutputs::Gaussian {
                    mean: place("mean", mean)?,
                    spread: place(&kind.to_string(), spread)?,
                    kind,
                })
            }
            Some(StatedOutputs::Halves { output, kind }) => {
                let output = place("halves", output)?;
                Some(EncoderOutputs::Halves { output, kind })
            }
            Some(StatedOutputs::Point(output)) => {
                let output = place("point", output)?;
                Some(EncoderOutputs::Point { output })
            }
            Some(StatedOutputs::Samples(output)) => {
                let output = place("samples", output)?;
                Some(EncoderOutputs::Samples { output })
            }
        })
    }

    /// Returns what the outputs are by their names, or else by their number and shapes.
    fn guessed_encoder_outputs(
        &mut self,
        network: &Network,
        decoder_input: Option<&Port>,
    ) -> Result<EncoderOutputs, ForeignError> {
        let outputs = &network.graph().outputs;
        let names: Vec<&str> = outputs.iter().map(|port| port.name.as_str()).collect();
        if let Some(named) = output_names::gaussian(&names) {
            return Ok(self.guess_named_gaussian(&names, named));
        }
        match network.output_shapes() {
            [output] => Ok(self.guess_single_output(names[0], output, decoder_input)),
            [first, second] if first == second => Ok(self.guess_two_outputs(&names, network)),
            _ => {
                let found = outputs_of(network);
                let why = format!("the encoder gives {found}, and nothing tells which is the mean");
                Err(self.unresolved(why, "`mean` and `log-variance` in [encoder]"))
            }
        }
    }

    fn guess_named_gaussian(&mut self, names: &[&str], named: NamedGaussian) -> EncoderOutputs {
        let NamedGaussian { mean, spread, kind } = named;
        self.guess_output("mean", names[mean], "its name");
        self.guess_output(&kind.to_string(), names[spread], "its name");
        EncoderOutputs::Gaussian { mean, spread, kind }
    }

    /// Takes the first of two outputs of one shape for the mean.
    fn guess_two_outputs(&mut self, names: &[&str], network: &Network) -> EncoderOutputs {
        let last_operators = &network.graph().evidence.last_operators;
        let (kind, why) = match last_operators[1].name.as_str() {
            "Softplus" => (
                Spread::StandardDeviation,
                "the second of two outputs of one shape, and it ends in a softplus",
            ),
            _ => (
                Spread::LogVariance,
                "the second of two outputs of one shape",
            ),
        };
        self.guess_output("mean", names[0], "the first of two outputs of one shape");
        self.guess_output(&kind.to_string(), names[1], why);
        EncoderOutputs::Gaussian {
            mean: 0,
            spread: 1,
            kind,
        }
    }

    /// Takes the only output for both halves if its name says so, or if the decoder takes half as
    /// many numbers; for a point otherwise.
    fn guess_single_output(
        &mut self,
        name: &str,
        shape: &[usize],
        decoder_input: Option<&Port>,
    ) -> EncoderOutputs {
        let latent = decoder_input.and_then(Port::row_shape);
        let latent_size = latent.as_deref().and_then(checked_size);
        let size = checked_size(shape);
        let is_twice_as_large = match latent_size {
            Some(latent) => size == latent.checked_mul(2),
            None => output_names::is_halves(name),
        };
        let is_even = shape.first().is_some_and(|first| first.is_multiple_of(2));
        if is_even && is_twice_as_large {
            let why = match latent_size {
                Some(_) => "the only output, twice as large as what the decoder takes",
                None => "its name",
            };
            return self.guess_halves(name, why);
        }
        let why = match latent_size == size {
            true => "the only output, as large as what the decoder takes",
            false => "the only output: a latent without spread",
        };
        self.guess_output("point", name, why);
        EncoderOutputs::Point { output: 0 }
    }

    fn guess_halves(&mut self, name: &str, why: &str) -> EncoderOutputs {
        let kind = Spread::LogVariance;
        self.guess_output("halves", name, why);
        let value = format!("\"{kind}\"");
        self.guess("encoder.second-half", value, "the usual form");
        EncoderOutputs::Halves { output: 0, kind }
    }

    fn guess_output(&mut self, key: &str, name: &str, why: &str) {
        self.guess(&format!("encoder.{key}"), format!("{name:?}"), why);
    }
}

/// Returns the shape of one row of an encoder's input.
fn input_shape(input: Option<&Port>, layout: Layout, event: &EventKind) -> Vec<usize> {
    let expected = layout.shape(event);
    match input.and_then(Port::row_shape) {
        // A file may state a shape that only looks different, such as [28, 28] for an image of one
        // channel.
        Some(stated) if same_size(&stated, &expected) => stated,
        _ => expected,
    }
}

/// Returns the outputs of a network with their shapes, as errors list them.
fn outputs_of(network: &Network) -> String {
    let outputs = network.graph().outputs.iter().zip(network.output_shapes());
    let lines: Vec<String> = outputs
        .map(|(port, shape)| format!("`{}` {shape:?}", port.name))
        .collect();
    lines.join(", ")
}
