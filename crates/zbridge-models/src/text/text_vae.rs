use super::architecture::TextVaeArchitecture;
use super::decoder::{TextDecoder, softmax};
use super::encoder::TextEncoder;
use super::recurrent_network::RecurrentTape;
use super::texts::Texts;
use crate::tape_pool::TapePool;
use crate::{Elbo, ModelError};
use rayon::prelude::*;
use std::path::Path;
use std::sync::Arc;
use zbridge_core::{
    DiagonalGaussian, EventKind, LatentModel, Latents, Observations, Posterior, RandomStream, ShapeError,
};
use zbridge_nn::{NnError, StoredTensor, WeightsFile};

/// A trained text VAE with a standard normal prior and a diagonal-Gaussian posterior.
///
/// Observations count as their most probable symbol at each place, and as ended by the first 0.
#[derive(Debug, Clone)]
pub struct TextVae {
    architecture: TextVaeArchitecture,
    encoder: TextEncoder,
    decoder: TextDecoder,
    /// The encoder's parameters, then the decoder's.
    parameters: Arc<[f32]>,
    tapes: Arc<TapePool<RecurrentTape>>,
}

/// Rows that a core takes at once.
const ROWS_AT_ONCE: usize = 64;

impl TextVaeArchitecture {
    /// The model's parameters from their tensors; `path` names the file in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] when a tensor is missing, has another shape, or holds NaN or infinity.
    pub(super) fn parameters_in(&self, file: &WeightsFile, path: &Path) -> Result<Vec<f32>, NnError> {
        let mut parameters = vec![];
        for tensor in self.tensors() {
            parameters.extend_from_slice(file.tensor(&tensor.name, &tensor.shape, path)?);
        }
        Ok(parameters)
    }
}

impl TextVae {
    /// The model with these parameters, the encoder's first.
    ///
    /// # Panics
    /// When there are more or fewer than the architecture has.
    pub(super) fn new(architecture: TextVaeArchitecture, parameters: Vec<f32>) -> Self {
        let (encoder, decoder) = (architecture.encoder(), architecture.decoder());
        let count = encoder.network().parameter_count() + decoder.network().parameter_count();
        assert_eq!(parameters.len(), count, "parameters of the text VAE");
        Self { architecture, encoder, decoder, parameters: parameters.into(), tapes: Arc::default() }
    }

    /// Whether a weights file holds a model of this kind.
    pub fn is_in(file: &WeightsFile) -> bool {
        file.metadata.contains_key("text-vae")
    }

    /// The model in a weights file.
    ///
    /// # Errors
    /// [`ModelError::Network`] when the file is not one or its tensors do not fit; those of
    /// [`TextVaeArchitecture::checked`].
    pub fn from_weights(file: &WeightsFile, path: &Path) -> Result<Self, ModelError> {
        let architecture = file.parsed_metadata::<TextVaeArchitecture>("text-vae", path)?.checked()?;
        let parameters = architecture.parameters_in(file, path)?;
        Ok(Self::new(architecture, parameters))
    }

    /// The model as a weights file.
    pub fn to_weights(&self) -> WeightsFile {
        let mut file = WeightsFile::default();
        file.metadata.insert("text-vae".into(), serde_json::to_string(&self.architecture).unwrap_or_default());
        for tensor in self.architecture.tensors() {
            let values = self.parameters[tensor.range].to_vec();
            file.tensors.insert(tensor.name, StoredTensor { shape: tensor.shape, values });
        }
        file
    }

    /// What it is made of.
    pub fn architecture(&self) -> &TextVaeArchitecture {
        &self.architecture
    }

    /// The evidence lower bound over `observations`, one posterior draw each.
    ///
    /// # Errors
    /// [`ShapeError`] when the observations are not of the model's event.
    pub fn elbo(&self, observations: &Observations, stream: &mut RandomStream) -> Result<Elbo, ShapeError> {
        Elbo::of(self, observations, stream)
    }

    /// A draw from p(x|z_i) for each latent, `[batch, event]`, one-hot; row `i` from `stream.child(i)`, so that a
    /// text does not depend on the others.
    ///
    /// # Errors
    /// [`ShapeError`] when the latents are not of the model's dimension.
    pub fn sample(&self, latents: &Latents, stream: &RandomStream) -> Result<Observations, ShapeError> {
        self.written(latents, |first, rows| {
            let mut streams: Vec<RandomStream> = (first..first + rows).map(|row| stream.child(row as u64)).collect();
            move |row, logits: &mut [f32]| {
                softmax(logits);
                drawn(logits, streams[row].uniform())
            }
        })
    }

    /// Texts written from `latents`; `chooser` gives, for a block's first row and number of rows, how they choose.
    fn written<C>(
        &self,
        latents: &Latents,
        chooser: impl Fn(usize, usize) -> C + Sync,
    ) -> Result<Observations, ShapeError>
    where
        C: FnMut(usize, &mut [f32]) -> usize,
    {
        self.expect_latents(latents)?;
        let (dim, length) = (latents.dim(), self.architecture.length());
        let mut symbols = vec![0; latents.rows() * length];
        let blocks = latents.values().par_chunks(ROWS_AT_ONCE * dim).zip(symbols.par_chunks_mut(ROWS_AT_ONCE * length));
        blocks.enumerate().for_each(|(block, (latents, symbols))| {
            let mut choose = chooser(block * ROWS_AT_ONCE, latents.len() / dim);
            self.tapes.with(|tape| {
                symbols.copy_from_slice(&self.decoder.write(self.decoder_parameters(), latents, &mut choose, tape));
            });
        });
        let EventKind::Text { vocabulary, .. } = &self.architecture.event else { unreachable!("checked to be texts") };
        Observations::of_symbols(&symbols, length, vocabulary.clone())
    }

    fn encoder_parameters(&self) -> &[f32] {
        &self.parameters[..self.encoder.network().parameter_count()]
    }

    fn decoder_parameters(&self) -> &[f32] {
        &self.parameters[self.encoder.network().parameter_count()..]
    }

    /// The observations as symbols, if they are texts of the model's event.
    fn texts(&self, observations: &Observations) -> Result<Texts, ShapeError> {
        let texts = Texts::of(observations).filter(|_| observations.kind() == &self.architecture.event);
        texts.ok_or_else(|| ShapeError::Mismatch {
            what: "texts for this model, whose vocabulary must be the same,",
            expected: (observations.rows(), self.architecture.event.size()),
            found: (observations.rows(), observations.kind().size()),
        })
    }

    fn expect_latents(&self, latents: &Latents) -> Result<(), ShapeError> {
        let (rows, found, expected) = (latents.rows(), latents.dim(), self.architecture.latent_dim);
        if found == expected {
            return Ok(());
        }
        Err(ShapeError::Mismatch { what: "latents for this model", expected: (rows, expected), found: (rows, found) })
    }
}

impl LatentModel for TextVae {
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
        let texts = self.texts(observations)?;
        let (rows, dim): (Vec<usize>, usize) = ((0..observations.rows()).collect(), self.architecture.latent_dim);
        let blocks = rows.par_chunks(ROWS_AT_ONCE).map(|rows| {
            let (parameters, batch) = (self.encoder_parameters(), texts.batch(rows));
            self.tapes.with(|tape| self.encoder.forward(parameters, &batch, tape).to_vec())
        });
        let encoded: Vec<f32> = blocks.collect::<Vec<_>>().concat();
        let part = |start: usize| {
            Latents::new(encoded.chunks_exact(2 * dim).flat_map(|row| &row[start..][..dim]).copied().collect(), dim)
        };
        Ok(DiagonalGaussian::new(part(0)?, part(dim)?)?.into())
    }

    /// The text of the most probable symbol at each step, given those before it (greedy), one-hot.
    fn decode(&self, latents: &Latents) -> Result<Observations, ShapeError> {
        self.written(latents, |_, _| |_, logits: &mut [f32]| most_probable(logits))
    }

    /// Every symbol counts as far as the 0 that ends the text, this one included.
    fn log_likelihood_nats(&self, observations: &Observations, latents: &Latents) -> Result<Vec<f32>, ShapeError> {
        let texts = self.texts(observations)?;
        self.expect_latents(latents)?;
        if observations.rows() == 0 || !latents.rows().is_multiple_of(observations.rows()) {
            return Err(ShapeError::Ragged { values: latents.rows(), dim: observations.rows() });
        }
        let draws = latents.rows() / observations.rows();
        let rows: Vec<usize> = (0..latents.rows()).map(|row| row / draws).collect();
        let blocks = latents.values().par_chunks(ROWS_AT_ONCE * latents.dim()).zip(rows.par_chunks(ROWS_AT_ONCE));
        let nats = blocks.map(|(latents, rows)| {
            let (parameters, batch) = (self.decoder_parameters(), texts.batch(rows));
            self.tapes.with(|tape| self.decoder.log_likelihoods_nats(parameters, &batch, latents, tape))
        });
        Ok(nats.collect::<Vec<_>>().concat())
    }
}

/// The first place of the largest logit.
fn most_probable(logits: &[f32]) -> usize {
    (0..logits.len()).rev().max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(0)
}

/// The place where the sum of the probabilities passes `uniform`, a draw from [0, 1).
fn drawn(probabilities: &[f32], uniform: f32) -> usize {
    let mut sum = 0.0;
    let passed = probabilities.iter().position(|probability| {
        sum += probability;
        uniform < sum
    });
    passed.unwrap_or(probabilities.len() - 1)
}
