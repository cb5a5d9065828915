use crate::ModelError;
use crate::tape_pool::TapePool;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use zbridge_core::{
    DiagonalGaussian, Estimate, EventKind, LatentModel, Latents, Observations, Posterior, RandomStream, ShapeError,
};
use zbridge_nn::{Likelihood, Mode, Network, WeightsFile};

/// What a variational auto-encoder is made of (Kingma & Welling 2013), without its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VaeArchitecture {
    /// What users call the model.
    pub name: String,
    /// What it models.
    pub event: EventKind,
    /// How its decoder's outputs define p(x|z).
    pub likelihood: Likelihood,
    /// Dimensions of its latent space.
    pub latent_dim: usize,
    /// Observation → means and log-variances, `[2 · latent_dim]`.
    pub encoder: Network,
    /// Latent → the likelihood's parameters, one for each number of the observation.
    pub decoder: Network,
}

/// A trained variational auto-encoder with a standard normal prior and a diagonal-Gaussian posterior.
#[derive(Debug, Clone)]
pub struct Vae {
    architecture: VaeArchitecture,
    encoder: Arc<[f32]>,
    decoder: Arc<[f32]>,
    tapes: Arc<TapePool>,
}

/// The two terms of the evidence lower bound, averaged over observations, in nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Elbo {
    /// E log p(x|z) under the posterior, one draw an observation.
    pub reconstruction_nats: Estimate,
    /// KL(posterior ‖ prior), closed form.
    pub kl_nats: Estimate,
    /// Their difference: the bound.
    pub elbo_nats: Estimate,
}

/// Rows that pass through a network at once: few enough for the activations to stay in cache.
const ROWS_AT_ONCE: usize = 64;

impl VaeArchitecture {
    /// The architecture, once its parts fit each other.
    ///
    /// # Errors
    /// [`ModelError::Architecture`] when a network's outputs are not what latents or observations need.
    pub fn checked(self) -> Result<Self, ModelError> {
        let fit = |network: &'static str, expected: usize, found: usize| {
            let model = self.name.clone();
            if expected == found { Ok(()) } else { Err(ModelError::Architecture { model, network, expected, found }) }
        };
        fit("encoder", 2 * self.latent_dim, self.encoder.outputs())?;
        fit("decoder", self.event.size(), self.decoder.outputs())?;
        Ok(self)
    }
}

impl Vae {
    /// The model with these parameters, in the storage order of its networks.
    ///
    /// # Panics
    /// When a parameter vector has another length than its network's.
    pub fn new(architecture: VaeArchitecture, encoder: Vec<f32>, decoder: Vec<f32>) -> Self {
        assert_eq!(encoder.len(), architecture.encoder.parameter_count(), "parameters of the encoder");
        assert_eq!(decoder.len(), architecture.decoder.parameter_count(), "parameters of the decoder");
        Self { architecture, encoder: encoder.into(), decoder: decoder.into(), tapes: Arc::default() }
    }

    /// The model in a weights file.
    ///
    /// # Errors
    /// [`ModelError::Network`] when the file is not one or its tensors do not fit; [`ModelError::Architecture`].
    pub fn from_weights(file: &WeightsFile, path: &Path) -> Result<Self, ModelError> {
        let architecture: VaeArchitecture = file.parsed_metadata::<VaeArchitecture>("vae", path)?.checked()?;
        let encoder = file.network_parameters("encoder", &architecture.encoder, path)?;
        let decoder = file.network_parameters("decoder", &architecture.decoder, path)?;
        Ok(Self::new(architecture, encoder, decoder))
    }

    /// The model as a weights file.
    pub fn to_weights(&self) -> WeightsFile {
        let mut file = WeightsFile::default();
        let architecture = serde_json::to_string(&self.architecture).unwrap_or_default();
        file.metadata.insert("vae".into(), architecture);
        file.put_network("encoder", &self.architecture.encoder, &self.encoder);
        file.put_network("decoder", &self.architecture.decoder, &self.decoder);
        file
    }

    /// What it is made of.
    pub fn architecture(&self) -> &VaeArchitecture {
        &self.architecture
    }

    /// The evidence lower bound over `observations`, one posterior draw each.
    ///
    /// # Errors
    /// [`ShapeError`] when the observations are not of the model's event.
    pub fn elbo(&self, observations: &Observations, stream: &mut RandomStream) -> Result<Elbo, ShapeError> {
        let posterior = self.posterior(observations)?;
        let prior = DiagonalGaussian::standard(posterior.rows(), posterior.dim());
        let kl = posterior.as_diagonal().kl_divergence_nats(&prior)?;
        let reconstruction = self.log_likelihood_nats(observations, &posterior.sample(stream))?;
        let bound = reconstruction.iter().zip(&kl).map(|(&reconstruction, kl)| f64::from(reconstruction) - kl);
        Ok(Elbo {
            reconstruction_nats: Estimate::of(reconstruction.iter().map(|&value| f64::from(value))),
            kl_nats: Estimate::of(kl.iter().copied()),
            elbo_nats: Estimate::of(bound),
        })
    }

    fn expect(&self, observations: &Observations) -> Result<(), ShapeError> {
        if observations.kind() == &self.architecture.event {
            return Ok(());
        }
        let found = (observations.rows(), observations.kind().size());
        let expected = (observations.rows(), self.architecture.event.size());
        Err(ShapeError::Mismatch { what: "observations for this model", expected, found })
    }

    fn expect_latents(&self, latents: &Latents) -> Result<(), ShapeError> {
        let (rows, found, expected) = (latents.rows(), latents.dim(), self.architecture.latent_dim);
        if found == expected {
            return Ok(());
        }
        Err(ShapeError::Mismatch { what: "latents for this model", expected: (rows, expected), found: (rows, found) })
    }

    /// The decoder's raw outputs for a few latents, handed to `read`.
    fn decode_block<R>(&self, latents: &[f32], read: impl FnOnce(&mut [f32]) -> R) -> R {
        let network = &self.architecture.decoder;
        self.tapes.with(|tape| read(network.forward(&self.decoder, latents, Mode::Inference, tape)))
    }
}

impl LatentModel for Vae {
    fn name(&self) -> &str {
        &self.architecture.name
    }

    fn latent_dim(&self) -> usize {
        self.architecture.latent_dim
    }

    fn event(&self) -> &EventKind {
        &self.architecture.event
    }

    fn posterior(&self, observations: &Observations) -> Result<Posterior, ShapeError> {
        self.expect(observations)?;
        let (dim, network) = (self.architecture.latent_dim, &self.architecture.encoder);
        let (mut mean, mut log_var) = (vec![0.0; observations.rows() * dim], vec![0.0; observations.rows() * dim]);
        let outputs = mean.par_chunks_mut(ROWS_AT_ONCE * dim).zip(log_var.par_chunks_mut(ROWS_AT_ONCE * dim));
        let blocks = observations.values().par_chunks(ROWS_AT_ONCE * self.architecture.event.size());
        blocks.zip(outputs).for_each(|(block, (mean, log_var))| {
            self.tapes.with(|tape| {
                let parameters = network.forward(&self.encoder, block, Mode::Inference, tape).chunks_exact(2 * dim);
                for ((parameters, mean), log_var) in
                    parameters.zip(mean.chunks_exact_mut(dim)).zip(log_var.chunks_exact_mut(dim))
                {
                    mean.copy_from_slice(&parameters[..dim]);
                    log_var.copy_from_slice(&parameters[dim..]);
                }
            });
        });
        Ok(DiagonalGaussian::new(Latents::new(mean, dim)?, Latents::new(log_var, dim)?)?.into())
    }

    fn decode(&self, latents: &Latents) -> Result<Observations, ShapeError> {
        self.expect_latents(latents)?;
        let size = self.architecture.event.size();
        let mut values = vec![0.0; latents.rows() * size];
        let blocks = latents.values().par_chunks(ROWS_AT_ONCE * latents.dim());
        blocks.zip(values.par_chunks_mut(ROWS_AT_ONCE * size)).for_each(|(block, values)| {
            self.decode_block(block, |outputs| {
                outputs.chunks_exact_mut(size).for_each(|row| self.architecture.likelihood.means(row));
                values.copy_from_slice(outputs);
            });
        });
        Observations::new(values, self.architecture.event.clone())
    }

    fn log_likelihood_nats(&self, observations: &Observations, latents: &Latents) -> Result<Vec<f32>, ShapeError> {
        self.expect(observations)?;
        self.expect_latents(latents)?;
        if observations.rows() == 0 || !latents.rows().is_multiple_of(observations.rows()) {
            return Err(ShapeError::Ragged { values: latents.rows(), dim: observations.rows() });
        }
        let draws = latents.rows() / observations.rows();
        let size = self.architecture.event.size();
        let mut nats = vec![0.0; latents.rows()];
        let blocks = latents.values().par_chunks(ROWS_AT_ONCE * latents.dim());
        blocks.zip(nats.par_chunks_mut(ROWS_AT_ONCE)).enumerate().for_each(|(block, (points, nats))| {
            self.decode_block(points, |outputs| {
                for (i, (row, nats)) in outputs.chunks_exact(size).zip(nats).enumerate() {
                    let observation = observations.row((block * ROWS_AT_ONCE + i) / draws);
                    *nats = self.architecture.likelihood.log_likelihood_nats(row, observation);
                }
            });
        });
        Ok(nats)
    }
}
