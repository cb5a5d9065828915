use crate::ModelError;
use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use zbridge_core::{
    DiagonalGaussian, EventKind, LatentModel, LatentModelError, Latents, Observations, Posterior,
    ShapeError,
};
use zbridge_infer::{FixedNetwork, Workspace};
use zbridge_nn::{BufferPool, Likelihood, Network, WeightsFile};

/// What an ALI model is made of, without its numbers, and without the discriminator that only its
/// training needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AliArchitecture {
    /// What users call the model.
    pub name: String,
    /// What it models; values in 0..1.
    pub event: EventKind,
    /// Dimensions of its latent space.
    pub latent_dim: usize,
    /// Observation → means and log-variances, `[2 · latent_dim]`.
    pub encoder: Network,
    /// Latent → logits of the generated observation's values.
    pub generator: Network,
}

/// A model trained by adversarially learned inference, with a standard normal prior: its encoder
/// gives diagonal Gaussians, its generator an observation for each latent, and it knows no density
/// of observations.
#[derive(Debug, Clone)]
pub struct Ali {
    architecture: AliArchitecture,
    encoder: Arc<[f32]>,
    generator: Arc<[f32]>,
    networks: Arc<FixedNetworks>,
    workspaces: Arc<BufferPool<Workspace>>,
}

#[derive(Debug)]
struct FixedNetworks {
    encoder: FixedNetwork,
    generator: FixedNetwork,
}

/// The metadata entry of a weights file that holds the architecture.
const METADATA_KEY: &str = "ali";

impl AliArchitecture {
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
        fit("generator", self.event.size(), self.generator.outputs())?;
        Ok(self)
    }
}

impl Ali {
    /// The model with these parameters, in the storage order of its networks.
    ///
    /// # Panics
    /// When a parameter vector has another length than its network's.
    pub fn new(architecture: AliArchitecture, encoder: Vec<f32>, generator: Vec<f32>) -> Self {
        assert_eq!(
            encoder.len(),
            architecture.encoder.parameter_count(),
            "parameters of the encoder"
        );
        assert_eq!(
            generator.len(),
            architecture.generator.parameter_count(),
            "parameters of the generator"
        );
        let networks = Arc::new(FixedNetworks {
            encoder: FixedNetwork::new(&architecture.encoder, &encoder),
            generator: FixedNetwork::new(&architecture.generator, &generator),
        });
        let (encoder, generator, workspaces) = (encoder.into(), generator.into(), Arc::default());
        Self {
            architecture,
            encoder,
            generator,
            networks,
            workspaces,
        }
    }

    /// Whether a weights file holds a model of this kind.
    pub fn is_in(file: &WeightsFile) -> bool {
        file.metadata.contains_key(METADATA_KEY)
    }

    /// The model in a weights file.
    ///
    /// # Errors
    /// [`ModelError::Network`] when the file is not one or its tensors do not fit;
    /// [`ModelError::Architecture`].
    pub fn from_weights(file: &WeightsFile, path: &Path) -> Result<Self, ModelError> {
        let architecture = file
            .parsed_metadata::<AliArchitecture>(METADATA_KEY, path)?
            .checked()?;
        let encoder = file.network_parameters("encoder", &architecture.encoder, path)?;
        let generator = file.network_parameters("generator", &architecture.generator, path)?;
        Ok(Self::new(architecture, encoder, generator))
    }

    /// The model as a weights file.
    pub fn to_weights(&self) -> WeightsFile {
        let mut file = WeightsFile::default();
        let architecture = serde_json::to_string(&self.architecture).unwrap_or_default();
        file.metadata.insert(METADATA_KEY.into(), architecture);
        file.put_network("encoder", &self.architecture.encoder, &self.encoder);
        file.put_network("generator", &self.architecture.generator, &self.generator);
        file
    }

    /// What it is made of.
    pub fn architecture(&self) -> &AliArchitecture {
        &self.architecture
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

    /// The outputs of `network` for `input`, a few rows to a core.
    fn outputs(
        &self,
        network: &FixedNetwork,
        [inputs, outputs]: [usize; 2],
        input: &[f32],
    ) -> Vec<f32> {
        const ROWS: usize = FixedNetwork::ROWS_AT_ONCE;
        let mut values = vec![0.0; input.len() / inputs * outputs];
        let blocks = input
            .par_chunks(ROWS * inputs)
            .zip(values.par_chunks_mut(ROWS * outputs));
        blocks.for_each(|(block, values)| {
            let block = ArrayView2::from_shape((block.len() / inputs, inputs), block)
                .expect("a block is whole rows");
            self.workspaces.with(|space| {
                let found = network.forward(block, space);
                values.copy_from_slice(found.as_slice().expect("outputs are contiguous"));
            });
        });
        values
    }
}

impl LatentModel for Ali {
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
        let widths = [self.architecture.event.size(), 2 * dim];
        let encoded = self.outputs(&self.networks.encoder, widths, observations.values());
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
        let widths = [self.architecture.latent_dim, self.architecture.event.size()];
        let mut values = self.outputs(&self.networks.generator, widths, latents.values());
        // The generator gives logits of pixels.
        Likelihood::Bernoulli.means(&mut values);
        Ok(Observations::new(values, self.architecture.event.clone())?)
    }

    /// None: always [`LatentModelError::Absent`].
    fn log_likelihood_nats(
        &self,
        _: &Observations,
        _: &Latents,
    ) -> Result<Vec<f32>, LatentModelError> {
        let reason = "adversarially learned inference generates observations and defines no \
                      density of them; likelihoods need a VAE in its place, everything else goes \
                      without"
            .into();
        Err(LatentModelError::Absent {
            model: self.architecture.name.clone(),
            part: "likelihood",
            reason,
        })
    }
}
