use super::architecture::TextVaeArchitecture;
use super::decoder::{TextDecoder, softmax};
use super::encoder::TextEncoder;
use super::recurrent_network::RecurrentTape;
use super::tensors::tensors;
use super::texts::Texts;
use crate::ModelError;
use crate::vae::draws_per_observation;
use rayon::prelude::*;
use std::path::Path;
use std::sync::Arc;
use zbridge_core::{
    DiagonalGaussian, Elbo, EventKind, LatentModel, LatentModelError, Latents, Observations,
    Posterior, RandomStream, ShapeError,
};
use zbridge_nn::{BufferPool, NnError, StoredTensor, WeightsFile};

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
    tapes: Arc<BufferPool<RecurrentTape>>,
}

/// Rows that a core takes at once.
const ROWS_AT_ONCE: usize = 64;

impl TextVaeArchitecture {
    /// The model's parameters from their tensors; `path` names the file in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] when a tensor is missing, has another shape, or holds NaN or infinity.
    pub(super) fn parameters_in(
        &self,
        file: &WeightsFile,
        path: &Path,
    ) -> Result<Vec<f32>, NnError> {
        let mut parameters = vec![];
        for tensor in tensors(self) {
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
        let encoder = TextEncoder::new(&architecture);
        let decoder = TextDecoder::new(&architecture);
        let count = encoder.network().parameter_count() + decoder.network().parameter_count();
        assert_eq!(parameters.len(), count, "parameters of the text VAE");
        Self {
            architecture,
            encoder,
            decoder,
            parameters: parameters.into(),
            tapes: Arc::default(),
        }
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
        let architecture = file
            .parsed_metadata::<TextVaeArchitecture>("text-vae", path)?
            .checked()?;
        let parameters = architecture.parameters_in(file, path)?;
        Ok(Self::new(architecture, parameters))
    }

    /// The model as a weights file.
    pub fn to_weights(&self) -> WeightsFile {
        let mut file = WeightsFile::default();
        file.metadata.insert(
            "text-vae".into(),
            serde_json::to_string(&self.architecture).unwrap_or_default(),
        );
        for tensor in tensors(&self.architecture) {
            let values = self.parameters[tensor.range].to_vec();
            file.tensors.insert(
                tensor.name,
                StoredTensor {
                    shape: tensor.shape,
                    values,
                },
            );
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
    pub fn elbo(
        &self,
        observations: &Observations,
        stream: &mut RandomStream,
    ) -> Result<Elbo, LatentModelError> {
        Elbo::of(self, observations, stream)
    }

    /// A draw from p(x|z_i) for each latent, `[batch, event]`, one-hot; row `i` from
    /// `stream.child(i)`, so that a text does not depend on the others.
    ///
    /// # Errors
    /// [`ShapeError`] when the latents are not of the model's dimension.
    pub fn sample(
        &self,
        latents: &Latents,
        stream: &RandomStream,
    ) -> Result<Observations, ShapeError> {
        self.written(latents, |first, rows| {
            let mut streams: Vec<RandomStream> = (first..first + rows)
                .map(|row| stream.child(row as u64))
                .collect();
            move |row, logits: &mut [f32]| {
                softmax(logits);
                // One uniform draw for each symbol of a text, from its own stream.
                drawn(logits, streams[row].uniform())
            }
        })
    }

    /// Texts written from `latents`; `chooser` gives, for a block's first row and number of rows,
    /// how they choose.
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
        let blocks = latents
            .values()
            .par_chunks(ROWS_AT_ONCE * dim)
            .zip(symbols.par_chunks_mut(ROWS_AT_ONCE * length));
        blocks.enumerate().for_each(|(block, (latents, symbols))| {
            // The first row names the streams, so that blocks do not matter.
            let mut choose = chooser(block * ROWS_AT_ONCE, latents.len() / dim);
            self.tapes.with(|tape| {
                symbols.copy_from_slice(&self.decoder.write(
                    self.decoder_parameters(),
                    latents,
                    &mut choose,
                    tape,
                ));
            });
        });
        let EventKind::Text { vocabulary, .. } = &self.architecture.event else {
            unreachable!("checked to be texts")
        };
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
        let texts =
            Texts::of(observations).filter(|_| observations.kind() == &self.architecture.event);
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
        Err(ShapeError::Mismatch {
            what: "latents for this model",
            expected: (rows, expected),
            found: (rows, found),
        })
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

    fn posterior(&self, observations: &Observations) -> Result<Posterior, LatentModelError> {
        let texts = self.texts(observations)?;
        let (rows, dim): (Vec<usize>, usize) = (
            (0..observations.rows()).collect(),
            self.architecture.latent_dim,
        );
        let blocks = rows.par_chunks(ROWS_AT_ONCE).map(|rows| {
            let (parameters, batch) = (self.encoder_parameters(), texts.batch(rows));
            self.tapes
                .with(|tape| self.encoder.forward(parameters, &batch, tape).to_vec())
        });
        let encoded: Vec<f32> = blocks.collect::<Vec<_>>().concat();
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

    /// The text of the most probable symbol at each step, given those before it (greedy), one-hot.
    fn decode(&self, latents: &Latents) -> Result<Observations, LatentModelError> {
        Ok(self.written(latents, |_, _| {
            |_, logits: &mut [f32]| most_probable(logits)
        })?)
    }

    /// Every symbol counts as far as the 0 that ends the text, this one included.
    fn log_likelihood_nats(
        &self,
        observations: &Observations,
        latents: &Latents,
    ) -> Result<Vec<f32>, LatentModelError> {
        let texts = self.texts(observations)?;
        self.expect_latents(latents)?;
        let draws = draws_per_observation(observations, latents)?;
        let rows: Vec<usize> = (0..latents.rows()).map(|row| row / draws).collect();
        let blocks = latents
            .values()
            .par_chunks(ROWS_AT_ONCE * latents.dim())
            .zip(rows.par_chunks(ROWS_AT_ONCE));
        let nats = blocks.map(|(latents, rows)| {
            let (parameters, batch) = (self.decoder_parameters(), texts.batch(rows));
            self.tapes.with(|tape| {
                self.decoder
                    .log_likelihoods_nats(parameters, &batch, latents, tape)
            })
        });
        Ok(nats.collect::<Vec<_>>().concat())
    }
}

/// The first place of the largest logit.
fn most_probable(logits: &[f32]) -> usize {
    (0..logits.len())
        // `max_by` returns the last of equal ones: reversed, that is the first.
        .rev()
        .max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
        .unwrap_or(0)
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

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::Vocabulary;

    const LENGTH: usize = 3;

    fn vocabulary() -> Vocabulary {
        Vocabulary::new(["", "a", "b"].map(str::to_owned).to_vec()).unwrap()
    }

    /// A model with random parameters, far from even probabilities.
    fn untrained() -> TextVae {
        let config = super::super::TextVaeConfig {
            name: "ab".into(),
            latent_dim: 2,
            embedding: 3,
            units: 4,
        };
        let architecture = config.reading(&vocabulary().event(LENGTH)).unwrap();
        let mut parameters = vec![0.0; tensors(&architecture).last().unwrap().range.end];
        RandomStream::named(4, "parameters").fill_standard_normal(&mut parameters);
        TextVae::new(architecture, parameters)
    }

    /// Every text that there is: 1 + 2 + 4 + 8.
    fn every_text() -> Vec<String> {
        let longer = |texts: &[String]| -> Vec<String> {
            texts
                .iter()
                .flat_map(|text| ["a", "b"].map(|symbol| format!("{text}{symbol}")))
                .collect()
        };
        let one = longer(&[String::new()]);
        let two = longer(&one);
        [vec![String::new()], one, two.clone(), longer(&two)].concat()
    }

    fn latents(rows: usize) -> Latents {
        DiagonalGaussian::standard(rows, 2).sample(&mut RandomStream::named(5, "latents"))
    }

    #[test]
    fn probabilities_of_all_texts_sum_to_one() {
        let (model, z) = (untrained(), latents(1));
        let texts = vocabulary().observations(&every_text(), LENGTH).unwrap();
        let nats = model
            .log_likelihood_nats(&texts, &z.repeat_each(texts.rows()))
            .unwrap();
        let total: f64 = nats.iter().map(|nats| f64::from(*nats).exp()).sum();
        assert!((total - 1.0).abs() < 1e-5, "{total}");
    }

    #[test]
    fn draws_fall_where_the_likelihood_says() {
        let (model, z, draws) = (untrained(), latents(1), 20_000);
        let every = every_text();
        let texts = vocabulary().observations(&every, LENGTH).unwrap();
        let nats = model
            .log_likelihood_nats(&texts, &z.repeat_each(texts.rows()))
            .unwrap();
        let drawn = model
            .sample(&z.repeat_each(draws), &RandomStream::named(6, "draws"))
            .unwrap()
            .texts()
            .unwrap();
        for (text, nats) in every.iter().zip(nats) {
            let (p, n) = (f64::from(nats).exp(), draws as f64);
            let count = drawn.iter().filter(|drawn| *drawn == text).count() as f64;
            assert!(
                (count - n * p).abs() < 4.5 * (n * p * (1.0 - p)).sqrt() + 1.0,
                "{text:?}: {count} of {}",
                n * p
            );
        }
        let few = model
            .sample(&z.repeat_each(70), &RandomStream::named(6, "draws"))
            .unwrap();
        assert_eq!(
            few.texts().unwrap(),
            drawn[..70],
            "a text does not depend on the others"
        );
    }

    #[test]
    fn decoding_takes_the_most_probable_symbol_at_each_step() {
        let (model, z) = (untrained(), latents(80));
        let texts = model.decode(&z).unwrap();
        assert!(
            texts
                .values()
                .chunks_exact(3)
                .all(|place| place.iter().sum::<f32>() == 1.0),
            "one-hot"
        );
        let p = |row: usize, text: &str| {
            let text = vocabulary().observations(&[text], LENGTH).unwrap();
            model.log_likelihood_nats(&text, &z.select(&[row])).unwrap()[0]
        };
        // With the first two symbols given, the last place is between the two letters and the end.
        for (row, text) in texts
            .texts()
            .unwrap()
            .iter()
            .enumerate()
            .filter(|(_, text)| text.len() == LENGTH)
        {
            let begun = &text[..LENGTH - 1];
            let best = [format!("{begun}a"), format!("{begun}b"), begun.to_owned()]
                .into_iter()
                .max_by(|a, b| p(row, a).total_cmp(&p(row, b)));
            assert_eq!(best.as_ref(), Some(text), "row {row}");
        }
    }

    #[test]
    fn a_batch_is_its_rows_and_what_stands_behind_the_end_does_not_count() {
        let model = untrained();
        let texts = vocabulary().observations(&every_text(), LENGTH).unwrap();
        let z = latents(texts.rows());
        let (posterior, nats) = (
            model.posterior(&texts).unwrap(),
            model.log_likelihood_nats(&texts, &z).unwrap(),
        );
        for (row, nats) in nats.iter().enumerate() {
            let alone = texts.select(&[row]);
            let own = model.posterior(&alone).unwrap().moments().mean().clone();
            let mut pairs = own
                .row_values(0)
                .iter()
                .zip(posterior.moments().mean().row(row).to_vec());
            assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-5), "row {row}");
            let own = model
                .log_likelihood_nats(&alone, &z.select(&[row]))
                .unwrap()[0];
            assert!(
                (own - nats).abs() < 1e-5,
                "row {row}: {own} in place of {nats}"
            );
        }
        let names = vocabulary().symbols().to_vec();
        let same = Observations::of_symbols(&[1, 0, 0, 1, 0, 2], LENGTH, names).unwrap();
        let nats = model
            .log_likelihood_nats(&same, &z.select(&[0, 0]))
            .unwrap();
        assert_eq!(nats[0], nats[1]);
    }

    #[test]
    fn a_weights_file_gives_the_model_back() {
        let (model, path) = (untrained(), Path::new("text.safetensors"));
        let file = model.to_weights();
        let again = TextVae::from_weights(&file, path).unwrap();
        assert_eq!(
            (again.architecture(), &again.parameters),
            (model.architecture(), &model.parameters)
        );
        assert!(
            file.tensors.contains_key("decoder.gru.weight_state"),
            "{:?}",
            file.tensors.keys()
        );
        let error = TextVae::from_weights(&WeightsFile::default(), path)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("text.safetensors") && error.contains("text-vae"),
            "{error}"
        );
    }

    #[test]
    fn other_observations_are_refused() {
        let model = untrained();
        let other = Vocabulary::new(["", "a", "c"].map(str::to_owned).to_vec()).unwrap();
        assert!(
            model
                .posterior(&other.observations(&["a"], LENGTH).unwrap())
                .is_err()
        );
        assert!(
            model
                .posterior(&Observations::one_hot(&[1], 9).unwrap())
                .is_err()
        );
        assert!(model.decode(&Latents::filled(1, 3, 0.0)).is_err());
        assert_eq!(
            model
                .decode(&Latents::from_vec(vec![], 2).unwrap())
                .unwrap()
                .rows(),
            0
        );
    }
}
