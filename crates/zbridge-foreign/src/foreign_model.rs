use crate::decoding::Decoding;
use crate::encoder_outputs::EncoderOutputs;
use crate::latent_space::LatentSpace;
use crate::onnx::{Engine, Network};
use crate::preprocessing::Preprocessing;
use crate::{ForeignError, Guess};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use zbridge_core::{
    EventKind, LatentModel, LatentModelError, Latents, Observations, Posterior, ShapeError,
};
use zbridge_nn::Likelihood;

/// A generative model that another program trained: an encoder, a decoder, or both.
///
/// It is opened by [`open`](crate::open()), runs on all cores, and gives the same numbers on any
/// number of them.
///
/// ```
/// use zbridge_core::{LatentModel, Latents};
///
/// let model = zbridge_foreign::open("tests/fixtures/onnx/mlp-decoder.torchscript.onnx")?;
/// let z = Latents::filled(3, model.latent_dim(), 0.0);
/// let observations = model.decode(&z)?;
/// assert_eq!((observations.rows(), observations.kind().size()), (3, 12 * 12));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ForeignModel {
    pub(crate) name: String,
    pub(crate) event: EventKind,
    pub(crate) latents: LatentSpace,
    pub(crate) encoder: Option<Encoder>,
    pub(crate) decoder: Option<Decoder>,
    pub(crate) guesses: Vec<Guess>,
}

/// A network that returns posteriors.
#[derive(Debug)]
pub(crate) struct Encoder {
    pub(crate) network: Network,
    pub(crate) preprocessing: Preprocessing,
    pub(crate) outputs: EncoderOutputs,
}

/// A network that returns observations.
#[derive(Debug)]
pub(crate) struct Decoder {
    pub(crate) network: Network,
    /// The place of the output that is the observation.
    pub(crate) output: usize,
    pub(crate) decoding: Decoding,
}

impl Encoder {
    /// Returns the shape of a latent; `None` if the outputs do not fit together.
    pub(crate) fn latent_shape(&self) -> Option<Vec<usize>> {
        self.outputs.latent_shape(self.network.output_shapes())
    }
}

/// What can be done with a decoder alone: a bridge is learned from pairs of latents, and without an
/// encoder only the latents of observations that the model makes itself are known.
pub(crate) const ROUTE_WITHOUT_ENCODER: &str = "it has no encoder, so latents of given \
     observations are not known: draw z from the prior N(0, I), decode z, label the decoded \
     observations, and `fit` a bridge on these pairs of z and label";

const NO_DECODER: &str = "only its encoder was given: it can be a source of latents, and nothing \
     can be generated with it";

const NO_LIKELIHOOD: &str = "it is not stated how probable an observation is under the decoder's \
     output; state `kind` in [likelihood] of model.toml if you know, or leave likelihoods of \
     observations out";

impl ForeignModel {
    /// Returns the properties that the model's files do not state and that were inferred, in the
    /// order in which they were needed.
    pub fn guesses(&self) -> &[Guess] {
        &self.guesses
    }

    /// Returns the shape of one latent in the model's networks; users see it as one row.
    pub fn latent_shape(&self) -> &[usize] {
        self.latents.shape()
    }

    /// Returns whether the model has an encoder.
    pub fn encodes(&self) -> bool {
        self.encoder.is_some()
    }

    /// Returns whether the model has a decoder.
    pub fn decodes(&self) -> bool {
        self.decoder.is_some()
    }

    /// Returns what runs the encoder; `None` without one.
    pub fn encoder_engine(&self) -> Option<Engine> {
        Some(self.encoder.as_ref()?.network.engine())
    }

    /// Returns what runs the decoder; `None` without one.
    pub fn decoder_engine(&self) -> Option<Engine> {
        Some(self.decoder.as_ref()?.network.engine())
    }

    /// Returns whether the likelihood p(x|z) of the decoder is known.
    pub fn has_likelihood(&self) -> bool {
        let decoder = self.decoder.as_ref();
        decoder.is_some_and(|decoder| decoder.decoding.likelihood.is_some())
    }

    fn encoder(&self) -> Result<&Encoder, LatentModelError> {
        let encoder = self.encoder.as_ref();
        encoder.ok_or_else(|| self.absent("encoder", ROUTE_WITHOUT_ENCODER))
    }

    fn decoder(&self) -> Result<&Decoder, LatentModelError> {
        let decoder = self.decoder.as_ref();
        decoder.ok_or_else(|| self.absent("decoder", NO_DECODER))
    }

    fn likelihood(&self, decoder: &Decoder) -> Result<Likelihood, LatentModelError> {
        let likelihood = decoder.decoding.likelihood;
        likelihood.ok_or_else(|| self.absent("likelihood", NO_LIKELIHOOD))
    }

    fn absent(&self, part: &'static str, reason: &str) -> LatentModelError {
        LatentModelError::Absent {
            model: self.name.clone(),
            part,
            reason: reason.into(),
        }
    }

    fn failed(&self, reason: String) -> LatentModelError {
        LatentModelError::Failed {
            model: self.name.clone(),
            reason,
        }
    }

    fn expect_event(&self, observations: &Observations) -> Result<(), ShapeError> {
        let kind = observations.kind();
        // Numbers of which nothing more is known are what the model says they are.
        let is_plain = matches!(kind, EventKind::Array { .. });
        if kind == &self.event || (is_plain && kind.shape() == self.event.shape()) {
            return Ok(());
        }
        Err(ShapeError::Mismatch {
            what: "observations for this model",
            expected: (observations.rows(), self.event.size()),
            found: (observations.rows(), kind.size()),
        })
    }

    /// Runs a network of this model.
    fn run(
        &self,
        network: &Network,
        rows: ArrayView2<'_, f32>,
        outputs: &[usize],
    ) -> Result<Vec<Array2<f32>>, LatentModelError> {
        let run = network.run(rows, outputs);
        run.map_err(|error: ForeignError| self.failed(error.to_string()))
    }

    /// Returns the decoder's output, `[rows, event]`, as the network has it.
    fn decoded(
        &self,
        decoder: &Decoder,
        latents: &Latents,
    ) -> Result<Array2<f32>, LatentModelError> {
        latents.expect_shape("latents for this model", latents.rows(), self.latent_dim())?;
        let rows = self.latents.to_network(latents);
        let mut outputs = self.run(&decoder.network, rows.view(), &[decoder.output])?;
        Ok(outputs.remove(0))
    }

    /// Returns the log-likelihoods, in nats, unless one is NaN.
    fn check_likelihoods(&self, nats: Vec<f32>) -> Result<Vec<f32>, LatentModelError> {
        match nats.iter().position(|nats| nats.is_nan()) {
            None => Ok(nats),
            Some(row) => Err(self.failed(format!("the log-likelihood of latent {row} is NaN"))),
        }
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
        let rows = encoder.preprocessing.to_network(as_rows(observations));
        let places = encoder.outputs.places();
        let outputs = self.run(&encoder.network, rows.view(), &places)?;
        let posterior = encoder.outputs.posterior(outputs, self.latent_dim())?;
        Ok(self.latents.posterior(posterior)?)
    }

    fn decode(&self, latents: &Latents) -> Result<Observations, LatentModelError> {
        let decoder = self.decoder()?;
        let outputs = self.decoded(decoder, latents)?;
        let means = decoder.decoding.means(outputs, &self.event);
        let means = means.into_raw_vec_and_offset().0;
        Ok(Observations::new(means, self.event.clone())?)
    }

    fn log_likelihood_nats(
        &self,
        observations: &Observations,
        latents: &Latents,
    ) -> Result<Vec<f32>, LatentModelError> {
        let decoder = self.decoder()?;
        let likelihood = self.likelihood(decoder)?;
        self.expect_event(observations)?;
        let draws = draws_of_each(observations, latents)?;
        // All latents at once: the decoder runs on all cores by itself.
        let outputs = self.decoded(decoder, latents)?;
        let parameters = decoder.decoding.parameters(outputs);
        let parameters = parameters.as_slice().expect("rows are row-major");
        let rows = parameters.par_chunks_exact(self.event.size()).enumerate();
        let nats = rows.map(|(row, parameters)| {
            likelihood.log_likelihood_nats(parameters, observations.row(row / draws))
        });
        self.check_likelihoods(nats.collect())
    }
}

/// Returns the number of latents for each observation, which must be the same for all.
fn draws_of_each(observations: &Observations, latents: &Latents) -> Result<usize, ShapeError> {
    let draws = latents.rows() / observations.rows().max(1);
    let rows = draws * observations.rows();
    latents.expect_shape("latents of observations", rows, latents.dim())?;
    Ok(draws)
}

/// Returns the observations as rows, `[rows, event]`.
fn as_rows(observations: &Observations) -> ArrayView2<'_, f32> {
    let shape = (observations.rows(), observations.kind().size());
    ArrayView2::from_shape(shape, observations.values()).expect("a whole event in each row")
}
