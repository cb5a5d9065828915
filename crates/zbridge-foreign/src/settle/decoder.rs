use super::values::Renderings;
use super::{Decoder, Encoder, Settling};
use crate::ForeignError;
use crate::decoding::Decoding;
use crate::onnx::Network;
use std::path::Path;
use zbridge_core::EventKind;

impl Settling<'_> {
    pub(super) fn decoder(
        &mut self,
        path: &Path,
        encoder: Option<&Encoder>,
        event: &EventKind,
        values: &Renderings,
    ) -> Result<Decoder, ForeignError> {
        let network = self.opened(path, encoder)?;
        self.note_fixed_batch("decoder", &network);
        let output = self.output(&network, event)?;
        let (outputs, likelihood) = self.likelihood(network.graph(), output, event)?;
        let decoding = Decoding {
            rendering: values.decoder.clone(),
            outputs,
            likelihood,
        };
        Ok(Decoder {
            network,
            output,
            decoding,
        })
    }

    /// The decoder's network: its input is what the file tells, or what the manifest or the encoder
    /// says of latents.
    fn opened(&self, path: &Path, encoder: Option<&Encoder>) -> Result<Network, ForeignError> {
        let given = || {
            encoder.and_then(|encoder| {
                encoder
                    .encoding
                    .latent_shape(encoder.network.output_shapes())
            })
        };
        let by_file = Network::open(path, None);
        let Err(ForeignError::Unsettled { .. }) = by_file else {
            return by_file;
        };
        match self.manifest.latent.shape.clone().or_else(given) {
            Some(shape) => Network::open(path, Some(&shape)),
            None => by_file,
        }
    }

    /// The place of the output that is an observation.
    fn output(&mut self, network: &Network, event: &EventKind) -> Result<usize, ForeignError> {
        let sizes: Vec<usize> = network
            .output_shapes()
            .iter()
            .map(|shape| shape.iter().product())
            .collect();
        let place = match &self.manifest.decoder.output {
            Some(name) => self.place("decoder", "output", name, network)?,
            None => sizes
                .iter()
                .position(|&size| size == event.size())
                .unwrap_or(0),
        };
        if sizes[place] == event.size() {
            if sizes.len() > 1 && self.manifest.decoder.output.is_none() {
                let name = format!("{:?}", network.graph().outputs[place].name);
                self.guess(
                    "decoder.output",
                    name,
                    "the first output of the size of an observation",
                );
            }
            return Ok(place);
        }
        let (name, shape) = (
            &network.graph().outputs[place].name,
            &network.output_shapes()[place],
        );
        let why = format!(
            "the decoder's output `{name}` is {shape:?} a row, but the model is of {}",
            event.in_words()
        );
        Err(self.unsettled(why, "[event], or `output` in [decoder]"))
    }
}
