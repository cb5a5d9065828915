//! Training a text VAE: as for images, a batch is split over the cores and gradients are summed in
//! fixed order.

use super::architecture::TextVaeArchitecture;
use super::decoder::TextDecoder;
use super::encoder::TextEncoder;
use super::posterior_draw::{KlPrice, PosteriorDraw};
use super::recurrent_network::RecurrentTape;
use super::text_vae::TextVae;
use super::texts::{TextBatch, Texts};
use crate::vae_training::SHARD_ROWS;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::Path;
use zbridge_core::{Observations, RandomStream};
use zbridge_nn::{Adam, NnError, StepContext, Trainee, WeightsFile};

/// What a text VAE is trained to maximise: E log p(x|z) − β Σ_d max(KL_d − free, 0).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TextObjective {
    /// Weight β of the KL term at the end; 1 is the evidence lower bound.
    pub kl_weight: f32,
    /// Share of the training over which the weight rises from 0.
    pub kl_warm_up: f32,
    /// Nats of each latent dimension that cost nothing (free bits; Kingma et al. 2016, appendix C.8
    /// there).
    pub free_nats: f32,
    /// Share of the symbols before that the decoder sees as a blank (Bowman et al. 2016, section
    /// 3.1).
    pub word_dropout: f32,
}

impl TextObjective {
    /// The evidence lower bound from beginning to end, with every symbol shown.
    pub fn elbo() -> Self {
        Self {
            kl_weight: 1.0,
            kl_warm_up: 0.0,
            free_nats: 0.0,
            word_dropout: 0.0,
        }
    }

    /// The price of a nat when this share of the training is done.
    fn price(&self, done: f32) -> KlPrice {
        let risen = if self.kl_warm_up > 0.0 {
            (done / self.kl_warm_up).min(1.0)
        } else {
            1.0
        };
        KlPrice {
            weight: self.kl_weight * risen,
            free_nats: self.free_nats,
        }
    }
}

/// A text VAE in training, with its optimiser and its texts.
#[derive(Debug)]
pub struct TextVaeTrainer {
    architecture: TextVaeArchitecture,
    objective: TextObjective,
    texts: Texts,
    /// The encoder's parameters, then the decoder's.
    parameters: Vec<f32>,
    adam: Adam,
    shards: Vec<Shard>,
}

impl TextVaeTrainer {
    /// A fresh model under `seed`.
    ///
    /// # Panics
    /// When the observations are not the texts that the architecture is for.
    pub fn new(
        architecture: TextVaeArchitecture,
        objective: TextObjective,
        observations: &Observations,
        seed: u64,
    ) -> Self {
        assert_eq!(
            observations.kind(),
            &architecture.event,
            "texts of the architecture"
        );
        let texts = Texts::of(observations).expect("an architecture is of texts");
        let encoder = TextEncoder::new(&architecture);
        let decoder = TextDecoder::new(&architecture);
        let encoder = encoder
            .network()
            .initial_parameters(&mut RandomStream::named(seed, "initial/encoder"));
        let decoder = decoder
            .network()
            .initial_parameters(&mut RandomStream::named(seed, "initial/decoder"));
        let parameters = [encoder, decoder].concat();
        let adam = Adam::new(parameters.len());
        Self {
            architecture,
            objective,
            texts,
            parameters,
            adam,
            shards: vec![],
        }
    }

    /// The model as it is now.
    pub fn model(&self) -> TextVae {
        TextVae::new(self.architecture.clone(), self.parameters.clone())
    }

    /// Weights and optimiser, for a checkpoint.
    pub fn checkpoint(&self) -> WeightsFile {
        let mut file = self.model().to_weights();
        file.put_adam(&self.adam);
        file
    }

    /// Takes over what [`checkpoint`](Self::checkpoint) gave; `path` names the file in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] when the checkpoint belongs to another architecture or lacks a part.
    pub fn restore(&mut self, file: &WeightsFile, path: &Path) -> Result<(), NnError> {
        let parameters = self.architecture.parameters_in(file, path)?;
        self.adam = file.adam(parameters.len(), path)?;
        self.parameters = parameters;
        Ok(())
    }
}

impl Trainee for TextVaeTrainer {
    fn step(&mut self, rows: &[usize], context: StepContext) -> Result<f64, NnError> {
        let parts: Vec<&[usize]> = rows.chunks(SHARD_ROWS).collect();
        let nats = self.run_shards(&parts, 1.0 / rows.len() as f32, &context);
        let trained = &self.shards[..parts.len()];
        let gradients: Vec<&[f32]> = trained.iter().map(|shard| &*shard.gradients).collect();
        self.adam
            .step_against_sum(&mut self.parameters, &gradients, context.learning_rate);
        Ok(nats.iter().sum::<f64>() / rows.len() as f64)
    }
}

impl TextVaeTrainer {
    /// Returns the summed objective of each part of a batch; its gradients are left in its shard.
    fn run_shards(&mut self, parts: &[&[usize]], scale: f32, context: &StepContext) -> Vec<f64> {
        self.shards
            .resize_with(parts.len().max(self.shards.len()), Shard::default);
        let step = Step {
            architecture: &self.architecture,
            word_dropout: self.objective.word_dropout,
            price: self.objective.price(context.done),
            scale,
        };
        let (texts, parameters) = (&self.texts, &self.parameters);
        let work = self.shards.par_iter_mut().zip(parts).enumerate();
        work.map(|(index, (shard, rows))| {
            let stream = context.stream.child(index as u64);
            shard.run(step, parameters, &texts.batch(rows), &stream)
        })
        .collect()
    }
}

/// What all shards of a step share.
#[derive(Clone, Copy)]
struct Step<'a> {
    architecture: &'a TextVaeArchitecture,
    word_dropout: f32,
    price: KlPrice,
    /// One over the rows of the batch.
    scale: f32,
}

/// One core's part of a step, with the buffers it keeps.
#[derive(Debug, Default)]
struct Shard {
    encoder: RecurrentTape,
    decoder: RecurrentTape,
    gradients: Vec<f32>,
}

impl Shard {
    /// The summed objective of the texts in nats; the gradients of −scale · objective are left in
    /// the shard.
    fn run(
        &mut self,
        step: Step,
        parameters: &[f32],
        texts: &TextBatch,
        stream: &RandomStream,
    ) -> f64 {
        // Streams of their own, so that word dropout does not change the noise.
        const NOISE: u64 = 0;
        const DROPOUT: u64 = 1;
        let encoder = TextEncoder::new(step.architecture);
        let decoder = TextDecoder::new(step.architecture);
        let of_encoder = encoder.network().parameter_count();
        let (encoder_parameters, decoder_parameters) = parameters.split_at(of_encoder);
        self.gradients.clear();
        self.gradients.resize(parameters.len(), 0.0);
        let (encoder_gradients, decoder_gradients) = self.gradients.split_at_mut(of_encoder);

        let posterior = encoder.forward(encoder_parameters, texts, &mut self.encoder);
        let latent_dim = step.architecture.latent_dim;
        let draw = PosteriorDraw::new(posterior, latent_dim, &mut stream.child(NOISE));
        let mut dropout = stream.child(DROPOUT);
        let shown = dropped(texts, decoder.blank(), step.word_dropout, &mut dropout);
        let (log_likelihood, at_latents) = decoder.train(
            decoder_parameters,
            (texts, &shown),
            (draw.latents(), step.scale),
            decoder_gradients,
            &mut self.decoder,
        );
        let (cost, at_posterior) = draw.backward(at_latents, step.price, step.scale);
        encoder.backward(
            encoder_parameters,
            texts,
            &at_posterior,
            encoder_gradients,
            &mut self.encoder,
        );
        log_likelihood - cost
    }
}

/// The symbols before, each with probability `rate` as a blank.
fn dropped(texts: &TextBatch, blank: usize, rate: f32, stream: &mut RandomStream) -> Vec<usize> {
    let mut shown = texts.before();
    if rate > 0.0 {
        for symbol in &mut shown {
            if stream.uniform() < rate {
                *symbol = blank;
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::tensors::tensors;
    use crate::{TextFigures, TextVaeConfig};
    use zbridge_core::Vocabulary;
    use zbridge_nn::{Schedule, Trainer, TrainingPlan};

    const OBJECTIVE: TextObjective = TextObjective {
        kl_weight: 0.1,
        kl_warm_up: 0.3,
        free_nats: 0.01,
        word_dropout: 0.3,
    };

    /// Texts of one to three letters, `[rows, 4 · 4]`.
    fn texts(rows: usize) -> Observations {
        let vocabulary = Vocabulary::new(["", "a", "b", "c"].map(str::to_owned).to_vec()).unwrap();
        let text = |i: usize| -> String {
            "abccab"
                .chars()
                .skip(i % 3)
                .take(1 + i % 2 + i % 5 / 4)
                .collect()
        };
        vocabulary
            .observations(&(0..rows).map(text).collect::<Vec<_>>(), 4)
            .unwrap()
    }

    fn trainer(observations: &Observations) -> TextVaeTrainer {
        let config = TextVaeConfig {
            name: "abc".into(),
            latent_dim: 3,
            embedding: 4,
            units: 12,
        };
        TextVaeTrainer::new(
            config.reading(observations.kind()).unwrap(),
            OBJECTIVE,
            observations,
            1,
        )
    }

    fn plan(rows: usize, epochs: usize) -> TrainingPlan {
        let schedule = Schedule {
            peak: 1e-2,
            warm_up_steps: 10,
            floor: 0.1,
        };
        TrainingPlan {
            rows,
            batch: 150,
            epochs,
            stop_after: epochs,
            schedule,
            seed: 1,
        }
    }

    fn trained(observations: &Observations, epochs: usize) -> TextVaeTrainer {
        let mut trainer = trainer(observations);
        let plan = plan(observations.rows(), epochs);
        Trainer::of_epochs(&plan).run_to_end(&mut trainer).unwrap();
        trainer
    }

    #[test]
    fn gradients_equal_central_differences() {
        let observations = texts(7);
        let TextVaeTrainer {
            architecture,
            texts,
            mut parameters,
            ..
        } = trainer(&observations);
        let (batch, stream) = (
            texts.batch(&[0, 1, 2, 3, 4, 5, 6]),
            RandomStream::named(2, "gradients"),
        );
        let price = KlPrice {
            weight: 0.7,
            free_nats: 0.05,
        };
        let step = Step {
            architecture: &architecture,
            word_dropout: 0.3,
            price,
            scale: 1.0,
        };
        let mut shard = Shard::default();
        shard.run(step, &parameters, &batch, &stream);
        let ours = shard.gradients.clone();
        for tensor in tensors(&architecture) {
            for i in tensor.range.step_by(3) {
                let centre = parameters[i];
                let mut at = |value: f32| {
                    parameters[i] = value;
                    -shard.run(step, &parameters, &batch, &stream)
                };
                let numeric = (at(centre + 5e-3) - at(centre - 5e-3)) / 1e-2;
                parameters[i] = centre;
                let close = (numeric - f64::from(ours[i])).abs() < 1e-2 * numeric.abs().max(0.5);
                assert!(
                    close,
                    "{} [{i}]: {} against {numeric}",
                    tensor.name, ours[i]
                );
            }
        }
    }

    #[test]
    fn a_training_does_not_depend_on_the_number_of_threads() {
        let observations = texts(300);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| trained(&observations, 2).parameters)
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn a_training_goes_on_from_its_checkpoint() {
        let (observations, path) = (texts(300), Path::new("checkpoint"));
        let (whole, plan) = (trained(&observations, 2), plan(300, 2));
        let mut first = trainer(&observations);
        let one_step = Trainer::of_epochs(&plan)
            .ending_after(1)
            .run_to_end(&mut first)
            .unwrap();
        let bytes = first
            .checkpoint()
            .to_bytes(zbridge_nn::Precision::Single)
            .unwrap();
        let mut second = trainer(&observations);
        second
            .restore(&WeightsFile::from_bytes(&bytes, path).unwrap(), path)
            .unwrap();
        Trainer::of_epochs(&plan)
            .resumed_at(one_step.position)
            .run_to_end(&mut second)
            .unwrap();
        assert_eq!(second.parameters, whole.parameters);
    }

    #[test]
    fn a_trained_model_keeps_its_texts_and_an_untrained_one_does_not() {
        let observations = texts(300);
        let figures = |trainer: &TextVaeTrainer| {
            TextFigures::of(
                &trainer.model(),
                &observations,
                &mut RandomStream::named(3, "figures"),
            )
            .unwrap()
        };
        let trained = figures(&trained(&observations, 150));
        assert!(trained.texts_kept.mean > 0.97, "{trained:?}");
        assert!((1..=3).contains(&trained.active_dimensions), "{trained:?}");
        assert!(figures(&trainer(&observations)).texts_kept.mean < 0.5);
    }
}
