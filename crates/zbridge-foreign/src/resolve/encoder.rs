use super::graphs::Graphs;
use super::output_names::{self, NamedGaussian};
use super::preprocessing::PartPreprocessing;
use super::resolver::Resolver;
use crate::ForeignError;
use crate::encoder_outputs::EncoderOutputs;
use crate::foreign_model::Encoder;
use crate::layout::Layout;
use crate::manifest::{OutputName, WrongKey};
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
        preprocessing: PartPreprocessing,
    ) -> Result<Encoder, ForeignError> {
        let shape = input_shape(graphs.encoder_input(), preprocessing.layout, event);
        let network = Network::open(path, Some(&shape))?;
        self.note_fixed_batch("encoder", &network);
        let outputs = match self.stated_encoder_outputs(&network)? {
            Some(outputs) => outputs,
            None => self.guessed_encoder_outputs(&network, graphs.decoder_input())?,
        };
        let encoder = Encoder {
            network,
            preprocessing: preprocessing.preprocessing,
            outputs,
        };
        self.check_latent_shape(&encoder)?;
        Ok(encoder)
    }

    /// Checks that the outputs are what they are taken for.
    fn check_latent_shape(&self, encoder: &Encoder) -> Result<(), ForeignError> {
        let shape = encoder.latent_shape();
        if shape.is_some_and(|shape| !shape.contains(&0)) {
            return Ok(());
        }
        let words = encoder.outputs.in_words();
        let found = outputs_of(&encoder.network);
        let why = format!("the encoder's outputs are no {words}: it gives {found}");
        let remedy = "`mean` and `log-variance`, `halves`, `point` or `samples` in [encoder]";
        Err(self.unresolved(why, remedy))
    }

    /// Returns what the manifest states of the outputs.
    fn stated_encoder_outputs(
        &self,
        network: &Network,
    ) -> Result<Option<EncoderOutputs>, ForeignError> {
        let stated = self.manifest.encoder.outputs();
        let wrong = |WrongKey { key, why }| self.manifest.wrong("encoder", &key, why);
        let place = |key: &str, name: &OutputName| self.output_place("encoder", key, name, network);
        match stated.map_err(wrong)? {
            Some(stated) => stated.try_map(place).map(Some),
            None => Ok(None),
        }
    }

    /// Returns what the outputs are by their names, or else by their number and shapes.
    fn guessed_encoder_outputs(
        &mut self,
        network: &Network,
        decoder_input: Option<&Port>,
    ) -> Result<EncoderOutputs, ForeignError> {
        let outputs = &network.graph().outputs;
        let names: Vec<&str> = outputs.iter().map(|port| port.name.as_str()).collect();
        // Names first: they tell more than shapes.
        if let Some(named) = output_names::gaussian(&names) {
            return Ok(self.guess_named_gaussian(&names, named));
        }
        match network.output_shapes() {
            [output] => Ok(self.guess_single_output(names[0], output, decoder_input)),
            [first, second] if first == second => Ok(self.guess_two_outputs(&names, network)),
            _ => Err(self.unknown_outputs(network)),
        }
    }

    fn unknown_outputs(&self, network: &Network) -> ForeignError {
        let found = outputs_of(network);
        let why = format!("the encoder gives {found}, and nothing tells which is the mean");
        self.unresolved(why, "`mean` and `log-variance` in [encoder]")
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
            // Softplus keeps a number positive, which a log-variance need not be.
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
        if let Some(why) = halves_evidence(name, shape, latent_size) {
            return self.guess_halves(name, why);
        }
        let why = match latent_size == checked_size(shape) {
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

/// Returns the evidence that an output holds means and then log-variances; `None` without any.
fn halves_evidence(
    name: &str,
    shape: &[usize],
    latent_size: Option<usize>,
) -> Option<&'static str> {
    let is_even = shape.first()?.is_multiple_of(2);
    let (is_halves, why) = match latent_size {
        Some(latent) => (
            checked_size(shape) == latent.checked_mul(2),
            "the only output, twice as large as what the decoder takes",
        ),
        None => (output_names::is_halves(name), "its name"),
    };
    (is_even && is_halves).then_some(why)
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
