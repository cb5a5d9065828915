use crate::decoding::Decoding;
use crate::encoding::Encoding;
use crate::latent_space::LatentSpace;
use crate::onnx::Network;
use crate::rendering::Rendering;
use crate::{ForeignError, Guess};
use rayon::prelude::*;
use zbridge_core::{
    EventKind, LatentModel, LatentModelError, Latents, Observations, Posterior, ShapeError,
};

/// A given model that another program trained: an encoder, a decoder, or both.
///
/// It runs on all cores, and gives the same numbers on any number of them.
#[derive(Debug)]
pub struct ForeignModel {
    pub(crate) name: String,
    pub(crate) event: EventKind,
    pub(crate) latents: LatentSpace,
    pub(crate) encoder: Option<Encoder>,
    pub(crate) decoder: Option<Decoder>,
    pub(crate) guesses: Vec<Guess>,
}

/// A network that gives posteriors.
#[derive(Debug)]
pub(crate) struct Encoder {
    pub(crate) network: Network,
    pub(crate) rendering: Rendering,
    pub(crate) encoding: Encoding,
}

/// A network that gives observations.
#[derive(Debug)]
pub(crate) struct Decoder {
    pub(crate) network: Network,
    /// The place of its output.
    pub(crate) output: usize,
    pub(crate) decoding: Decoding,
}

impl ForeignModel {
    /// What nobody said about the model and was read off its files, in the order in which it was
    /// needed.
    pub fn guesses(&self) -> &[Guess] {
        &self.guesses
    }

    /// The shape of one latent in the model's networks; users see it as one row.
    pub fn latent_shape(&self) -> &[usize] {
        self.latents.shape()
    }

    /// Whether it has an encoder.
    pub fn encodes(&self) -> bool {
        self.encoder.is_some()
    }

    /// Whether it has a decoder.
    pub fn decodes(&self) -> bool {
        self.decoder.is_some()
    }

    /// What runs its encoder and its decoder, where it has them: `chain`, zbridge's own kernel, or
    /// `rten`.
    pub fn engines(&self) -> [Option<&'static str>; 2] {
        let (encoder, decoder) = (self.encoder.as_ref(), self.decoder.as_ref());
        [
            encoder.map(|encoder| encoder.network.engine()),
            decoder.map(|decoder| decoder.network.engine()),
        ]
    }

    /// Whether its decoder says how probable an observation is.
    pub fn has_likelihood(&self) -> bool {
        self.decoder
            .as_ref()
            .is_some_and(|decoder| decoder.decoding.likelihood.is_some())
    }

    fn encoder(&self) -> Result<&Encoder, LatentModelError> {
        self.encoder
            .as_ref()
            .ok_or_else(|| self.absent("encoder", "only its decoder was given: it cannot encode"))
    }

    fn decoder(&self) -> Result<&Decoder, LatentModelError> {
        let reason = "only its encoder was given: it can be a source of latents, and nothing can be generated with it";
        self.decoder
            .as_ref()
            .ok_or_else(|| self.absent("decoder", reason))
    }

    fn absent(&self, part: &'static str, reason: &str) -> LatentModelError {
        LatentModelError::Absent {
            model: self.name.clone(),
            part,
            reason: reason.into(),
        }
    }

    fn failed(&self, error: ForeignError) -> LatentModelError {
        error.into_failure(&self.name)
    }

    fn expect_event(&self, observations: &Observations) -> Result<(), ShapeError> {
        let (rows, kind) = (observations.rows(), observations.kind());
        // Numbers of which nothing more is known are what the model says they are.
        let is_plain =
            matches!(kind, EventKind::Array { .. }) && kind.shape() == self.event.shape();
        if kind == &self.event || is_plain {
            return Ok(());
        }
        let (expected, found) = ((rows, self.event.size()), (rows, kind.size()));
        Err(ShapeError::Mismatch {
            what: "observations for this model",
            expected,
            found,
        })
    }

    fn expect_latents(&self, latents: &Latents) -> Result<(), ShapeError> {
        let (rows, found, expected) = (latents.rows(), latents.dim(), self.latent_dim());
        if found == expected {
            return Ok(());
        }
        Err(ShapeError::Mismatch {
            what: "latents for this model",
            expected: (rows, expected),
            found: (rows, found),
        })
    }

    /// The decoder's outputs, `[batch, event]` in the network's order.
    fn decoded(&self, decoder: &Decoder, latents: &Latents) -> Result<Vec<f32>, LatentModelError> {
        self.expect_latents(latents)?;
        let run = decoder
            .network
            .run(&self.latents.to_network(latents), &[decoder.output]);
        Ok(run.map_err(|error| self.failed(error))?.remove(0))
    }
}

impl LatentModel for ForeignModel {
    fn name(&self) -> &str {
        &self.name
    }

    fn latent_dim(&self) -> usize {
        self.latents.dim()
    }

    fn event(&self) -> &EventKind {
        &self.event
    }

    fn posterior(&self, observations: &Observations) -> Result<Posterior, LatentModelError> {
        let encoder = self.encoder()?;
        self.expect_event(observations)?;
        let inputs = encoder.rendering.to_network(observations.values());
        let run = encoder.network.run(&inputs, &encoder.encoding.outputs());
        let outputs = run.map_err(|error| self.failed(error))?;
        let posterior =
            encoder
                .encoding
                .posterior(outputs, self.latent_dim(), observations.rows())?;
        Ok(self.latents.posterior(posterior)?)
    }

    fn decode(&self, latents: &Latents) -> Result<Observations, LatentModelError> {
        let decoder = self.decoder()?;
        let outputs = self.decoded(decoder, latents)?;
        let means = decoder.decoding.means(outputs, &self.event);
        Ok(Observations::new(means, self.event.clone())?)
    }

    fn log_likelihood_nats(
        &self,
        observations: &Observations,
        latents: &Latents,
    ) -> Result<Vec<f32>, LatentModelError> {
        let decoder = self.decoder()?;
        let reason = "nobody said how probable an observation is under the decoder's output; say `kind` in \
                      [likelihood] of model.toml if you know, or leave likelihoods of observations out";
        let likelihood = decoder
            .decoding
            .likelihood
            .ok_or_else(|| self.absent("likelihood", reason))?;
        self.expect_event(observations)?;
        let draws = latents.rows() / observations.rows().max(1);
        if draws * observations.rows() != latents.rows() {
            let (expected, found) = (
                (draws * observations.rows(), latents.dim()),
                (latents.rows(), latents.dim()),
            );
            return Err(ShapeError::Mismatch {
                what: "latents of observations",
                expected,
                found,
            }
            .into());
        }
        let parameters = decoder.decoding.parameters(self.decoded(decoder, latents)?);
        let of_latent = |(row, parameters): (usize, &[f32])| {
            likelihood.log_likelihood_nats(parameters, observations.row(row / draws))
        };
        Ok(parameters
            .par_chunks_exact(self.event.size())
            .enumerate()
            .map(of_latent)
            .collect())
    }
}
