use super::likelihood::ResolvedLikelihood;
use super::preprocessing::PartPreprocessing;
use super::resolver::Resolver;
use crate::ForeignError;
use crate::decoding::Decoding;
use crate::foreign_model::Decoder;
use crate::onnx::Network;
use crate::shape::checked_size;
use std::path::Path;
use zbridge_core::EventKind;

impl Resolver<'_> {
    pub(super) fn decoder(
        &mut self,
        path: &Path,
        latent_shape: Option<Vec<usize>>,
        event: &EventKind,
        preprocessing: PartPreprocessing,
    ) -> Result<Decoder, ForeignError> {
        let network = self.decoder_network(path, latent_shape)?;
        self.note_fixed_batch("decoder", &network);
        let output = self.observation_output(&network, event)?;
        let ResolvedLikelihood {
            outputs,
            likelihood,
        } = self.likelihood(network.graph(), output, event)?;
        Ok(Decoder {
            network,
            output,
            decoding: Decoding {
                preprocessing: preprocessing.preprocessing,
                outputs,
                likelihood,
            },
        })
    }

    /// Returns the network with the input that the file states, or else with the latents that the
    /// manifest states or the encoder gives.
    fn decoder_network(
        &self,
        path: &Path,
        latent_shape: Option<Vec<usize>>,
    ) -> Result<Network, ForeignError> {
        let by_file = Network::open(path, None);
        // Only a file that does not state its input is opened again.
        let Err(ForeignError::Unresolved { .. }) = by_file else {
            return by_file;
        };
        let stated = self.manifest.latent.shape.clone();
        match stated.or(latent_shape) {
            Some(shape) => Network::open(path, Some(&shape)),
            None => by_file,
        }
    }

    /// Returns the place of the output that is an observation.
    fn observation_output(
        &mut self,
        network: &Network,
        event: &EventKind,
    ) -> Result<usize, ForeignError> {
        let stated = &self.manifest.decoder.output;
        let outputs = network.output_shapes();
        let place = match stated {
            Some(name) => self.output_place("decoder", "output", name, network)?,
            // If none has the size, the first is the one that the error tells about.
            None => outputs
                .iter()
                .position(|shape| fits(shape, event))
                .unwrap_or(0),
        };
        if !fits(&outputs[place], event) {
            return Err(self.wrong_output(network, place, event));
        }
        if outputs.len() > 1 && stated.is_none() {
            let name = &network.graph().outputs[place].name;
            let why = "the first output of the size of an observation";
            self.guess("decoder.output", format!("{name:?}"), why);
        }
        Ok(place)
    }

    fn wrong_output(&self, network: &Network, place: usize, event: &EventKind) -> ForeignError {
        let name = &network.graph().outputs[place].name;
        let shape = &network.output_shapes()[place];
        let event = event.in_words();
        let why = format!(
            "the decoder's output `{name}` is {shape:?} a row, but the model is of {event}"
        );
        self.unresolved(why, "[event], or `output` in [decoder]")
    }
}

/// Returns whether an output of this shape can be an observation, in any layout.
fn fits(shape: &[usize], event: &EventKind) -> bool {
    checked_size(shape) == Some(event.size())
}
