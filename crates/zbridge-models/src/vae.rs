use crate::ModelError;
use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use zbridge_core::{
    DiagonalGaussian, Elbo, EventKind, LatentModel, LatentModelError, Latents, Observations,
    Posterior, RandomStream, ShapeError,
};
use zbridge_infer::{FixedNetwork, Workspace};
use zbridge_nn::{BufferPool, Likelihood, Network, WeightsFile};

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

/// A trained variational auto-encoder with a standard normal prior and a diagonal-Gaussian
/// posterior.
#[derive(Debug, Clone)]
pub struct Vae {
    architecture: VaeArchitecture,
    encoder: Arc<[f32]>,
    decoder: Arc<[f32]>,
    /// The networks with those parameters, laid out for inference.
    networks: Arc<FixedNetworks>,
    workspaces: Arc<BufferPool<Workspace>>,
}

#[derive(Debug)]
struct FixedNetworks {
    encoder: FixedNetwork,
    decoder: FixedNetwork,
}

/// Rows that a core takes at once: they fill the vectors, and their activations stay in its cache.
const ROWS_AT_ONCE: usize = FixedNetwork::ROWS_AT_ONCE;

impl VaeArchitecture {
    /// The architecture, once its parts fit each other.
    ///
    /// # Errors
    /// [`ModelError::Architecture`] when a network's outputs are not what latents or observations
    /// need.
    pub fn checked(self) -> Result<Self, ModelError> {
        let fit = |network: &'static str, expected: usize, found: usize| {
            let model = self.name.clone();
            if expected == found {
                Ok(())
            } else {
                Err(ModelError::Architecture {
                    model,
                    network,
                    expected,
                    found,
                })
            }
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
        assert_eq!(
            encoder.len(),
            architecture.encoder.parameter_count(),
            "parameters of the encoder"
        );
        assert_eq!(
            decoder.len(),
            architecture.decoder.parameter_count(),
            "parameters of the decoder"
        );
        let networks = Arc::new(FixedNetworks {
            encoder: FixedNetwork::new(&architecture.encoder, &encoder),
            decoder: FixedNetwork::new(&architecture.decoder, &decoder),
        });
        let (encoder, decoder, workspaces) = (encoder.into(), decoder.into(), Arc::default());
        Self {
            architecture,
            encoder,
            decoder,
            networks,
            workspaces,
        }
    }

    /// The model in a weights file.
    ///
    /// # Errors
    /// [`ModelError::Network`] when the file is not one or its tensors do not fit;
    /// [`ModelError::Architecture`].
    pub fn from_weights(file: &WeightsFile, path: &Path) -> Result<Self, ModelError> {
        let architecture: VaeArchitecture = file
            .parsed_metadata::<VaeArchitecture>("vae", path)?
            .checked()?;
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
    /// [`LatentModelError`] if the observations are not of the model's event.
    pub fn elbo(
        &self,
        observations: &Observations,
        stream: &mut RandomStream,
    ) -> Result<Elbo, LatentModelError> {
        Elbo::of(self, observations, stream)
    }

    fn expect(&self, observations: &Observations) -> Result<(), ShapeError> {
        if observations.kind() == &self.architecture.event {
            return Ok(());
        }
        let found = (observations.rows(), observations.kind().size());
        let expected = (observations.rows(), self.architecture.event.size());
        Err(ShapeError::Mismatch {
            what: "observations for this model",
            expected,
            found,
        })
    }

    fn expect_latents(&self, latents: &Latents) -> Result<(), ShapeError> {
        let (rows, found, expected) = (latents.rows(), latents.dim(), self.architecture.latent_dim);
        if found == expected {
            return Ok(());
        }
        Err(ShapeError::Mismatch {
            what: "latents for this model",
            expected: (rows, expected),
            found: (rows, found),
        })
    }

    /// Returns the encoder's outputs, `[rows, 2 · latent_dim]`.
    fn encode(&self, observations: &[f32]) -> Vec<f32> {
        let (size, width) = (
            self.architecture.event.size(),
            2 * self.architecture.latent_dim,
        );
        let mut outputs = vec![0.0; observations.len() / size * width];
        let blocks = observations.par_chunks(ROWS_AT_ONCE * size);
        blocks
            .zip(outputs.par_chunks_mut(ROWS_AT_ONCE * width))
            .for_each(|(block, outputs)| {
                let block = ArrayView2::from_shape((block.len() / size, size), block)
                    .expect("a block is whole rows");
                self.workspaces.with(|space| {
                    let encoded = self.networks.encoder.forward(block, space);
                    outputs.copy_from_slice(encoded.as_slice().expect("outputs are contiguous"));
                });
            });
        outputs
    }

    /// The decoder's raw outputs for a few latents, handed to `read`.
    fn decode_block<R>(&self, latents: &[f32], read: impl FnOnce(&mut [f32]) -> R) -> R {
        let dim = self.architecture.latent_dim;
        let latents = ArrayView2::from_shape((latents.len() / dim, dim), latents)
            .expect("a block is whole rows");
        self.workspaces.with(|space| {
            let mut outputs = self.networks.decoder.forward(latents, space);
            read(outputs.as_slice_mut().expect("outputs are contiguous"))
        })
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

    fn posterior(&self, observations: &Observations) -> Result<Posterior, LatentModelError> {
        self.expect(observations)?;
        let dim = self.architecture.latent_dim;
        let encoded = self.encode(observations.values());
        let part = |start: usize| {
            Latents::from_vec(
                encoded
                    .chunks_exact(2 * dim)
                    .flat_map(|row| &row[start..][..dim])
                    .copied()
                    .collect(),
                dim,
            )
        };
        Ok(DiagonalGaussian::new(part(0)?, part(dim)?)?.into())
    }

    fn decode(&self, latents: &Latents) -> Result<Observations, LatentModelError> {
        self.expect_latents(latents)?;
        let size = self.architecture.event.size();
        let mut values = vec![0.0; latents.rows() * size];
        let blocks = latents.values().par_chunks(ROWS_AT_ONCE * latents.dim());
        blocks
            .zip(values.par_chunks_mut(ROWS_AT_ONCE * size))
            .for_each(|(block, values)| {
                self.decode_block(block, |outputs| {
                    outputs
                        .chunks_exact_mut(size)
                        .for_each(|row| self.architecture.likelihood.means(row));
                    values.copy_from_slice(outputs);
                });
            });
        Ok(Observations::new(values, self.architecture.event.clone())?)
    }

    fn log_likelihood_nats(
        &self,
        observations: &Observations,
        latents: &Latents,
    ) -> Result<Vec<f32>, LatentModelError> {
        self.expect(observations)?;
        self.expect_latents(latents)?;
        let draws = draws_per_observation(observations, latents)?;
        let (likelihood, size) = (self.architecture.likelihood, self.architecture.event.size());
        let mut nats = vec![0.0; latents.rows()];
        let blocks = latents.values().par_chunks(ROWS_AT_ONCE * latents.dim());
        let blocks = blocks.zip(nats.par_chunks_mut(ROWS_AT_ONCE)).enumerate();
        blocks.for_each(|(block, (points, nats))| {
            self.decode_block(points, |outputs| {
                for (i, outputs) in outputs.chunks_exact(size).enumerate() {
                    // All draws of one observation, then those of the next.
                    let observation = observations.row((block * ROWS_AT_ONCE + i) / draws);
                    nats[i] = likelihood.log_likelihood_nats(outputs, observation);
                }
            });
        });
        Ok(nats)
    }
}

/// Returns how many latents there are for each observation.
///
/// # Errors
/// [`ShapeError::Ragged`] if it is not the same number for all.
pub(crate) fn draws_per_observation(
    observations: &Observations,
    latents: &Latents,
) -> Result<usize, ShapeError> {
    let (rows, points) = (observations.rows(), latents.rows());
    if rows == 0 || !points.is_multiple_of(rows) {
        return Err(ShapeError::Ragged {
            values: points,
            dim: rows,
        });
    }
    Ok(points / rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipes::{Recipe, RecipeModel};
    use zbridge_nn::{Mode, Tape};

    /// The image VAE with its initial parameters.
    fn untrained() -> Vae {
        let RecipeModel::Vae(architecture, _) = Recipe::named("mnist-image").unwrap().model else {
            unreachable!()
        };
        let mut stream = RandomStream::named(1, "vae");
        let encoder = architecture.encoder.initial_parameters(&mut stream);
        let decoder = architecture.decoder.initial_parameters(&mut stream);
        Vae::new(architecture, encoder, decoder)
    }

    fn latents(rows: usize) -> Latents {
        DiagonalGaussian::standard(rows, 64).sample(&mut RandomStream::named(2, "latents"))
    }

    /// Two observations share a block of rows here, which draws of one observation never do in
    /// importance sampling.
    #[test]
    fn log_likelihoods_are_those_of_the_plain_layers() {
        let (vae, draws) = (untrained(), 19);
        let (x, z) = (vae.decode(&latents(2)).unwrap(), latents(2 * draws));
        let nats = vae.log_likelihood_nats(&x, &z).unwrap();
        let (network, mut tape) = (&vae.architecture.decoder, Tape::default());
        let outputs = network.forward(&vae.decoder, z.values(), Mode::Inference, &mut tape);
        for (i, (nats, row)) in nats.iter().zip(outputs.chunks_exact(784)).enumerate() {
            let plain = Likelihood::Bernoulli.log_likelihood_nats(row, x.row(i / draws));
            assert!(
                (nats - plain).abs() < 1e-6 * plain.abs(),
                "draw {i}: {nats} for {plain}"
            );
        }
    }

    #[test]
    fn posteriors_are_those_of_the_plain_layers() {
        let vae = untrained();
        let x = vae.decode(&latents(33)).unwrap();
        let posterior = vae.posterior(&x).unwrap();
        let means = posterior.moments().mean().clone();
        let (network, mut tape) = (&vae.architecture.encoder, Tape::default());
        let outputs = network.forward(&vae.encoder, x.values(), Mode::Inference, &mut tape);
        for (row, plain) in outputs.chunks_exact(128).enumerate() {
            let mut pairs = means.row_values(row).iter().zip(plain);
            assert!(
                pairs.all(|(mean, plain)| (mean - plain).abs() < 1e-5),
                "row {row}"
            );
        }
    }

    #[test]
    fn no_rows_give_no_rows() {
        let vae = untrained();
        let nothing = vae.decode(&Latents::from_vec(vec![], 64).unwrap()).unwrap();
        assert_eq!(nothing.rows(), 0);
        assert_eq!(vae.posterior(&nothing).unwrap().rows(), 0);
    }
}
