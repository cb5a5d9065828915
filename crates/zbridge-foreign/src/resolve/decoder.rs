use super::likelihood::ResolvedLikelihood;
use super::resolver::Resolver;
use crate::ForeignError;
use crate::decoding::Decoding;
use crate::foreign_model::{Decoder, Encoder};
use crate::onnx::Network;
use crate::preprocessing::Preprocessing;
use std::path::Path;
use zbridge_core::EventKind;

impl Resolver<'_> {
    pub(super) fn decoder(
        &mut self,
        path: &Path,
        encoder: Option<&Encoder>,
        event: &EventKind,
        preprocessing: Preprocessing,
    ) -> Result<Decoder, ForeignError> {
        let network = self.decoder_network(path, encoder)?;
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
                preprocessing,
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
        encoder: Option<&Encoder>,
    ) -> Result<Network, ForeignError> {
        let by_file = Network::open(path, None);
        let Err(ForeignError::Unresolved { .. }) = by_file else {
            return by_file;
        };
        let stated = self.manifest.latent.shape.clone();
        match stated.or_else(|| encoder?.latent_shape()) {
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
        let fits = |shape: &Vec<usize>| shape.iter().product::<usize>() == event.size();
        let shapes = network.output_shapes();
        let stated = &self.manifest.decoder.output;
        let place = match stated {
            Some(name) => self.output_place("decoder", "output", name, network)?,
            None => shapes.iter().position(fits).unwrap_or(0),
        };
        let name = &network.graph().outputs[place].name;
        if !fits(&shapes[place]) {
            let (shape, event) = (&shapes[place], event.in_words());
            let why = format!(
                "the decoder's output `{name}` is {shape:?} a row, but the model is of {event}"
            );
            return Err(self.unresolved(why, "[event], or `output` in [decoder]"));
        }
        if shapes.len() > 1 && stated.is_none() {
            let why = "the first output of the size of an observation";
            self.guess("decoder.output", format!("{name:?}"), why);
        }
        Ok(place)
    }
}
