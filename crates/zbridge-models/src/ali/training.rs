//! Training by adversarial inference on the native engine: a batch is split over the cores,
//! gradients are summed in fixed order.

use super::discriminator::Discriminator;
use super::game::{Game, Tally};
use super::model::{Ali, AliArchitecture};
use super::objective::AliObjective;
use super::shard::{Play, Shard};
use crate::ModelError;
use rayon::prelude::*;
use std::path::Path;
use zbridge_core::{Observations, RandomStream};
use zbridge_nn::{Adam, Layer, MovingAverage, Network, NnError, StepContext, Trainee, WeightsFile};

/// An ALI model in training, with its discriminator, its optimiser and its data. One optimiser
/// moves all three networks at one learning rate; the model is an average over the steps.
#[derive(Debug)]
pub struct AliTrainer<'d> {
    architecture: AliArchitecture,
    discriminator: Discriminator,
    objective: AliObjective,
    observations: &'d Observations,
    /// The encoder's parameters, the generator's, the discriminator's.
    parameters: Vec<f32>,
    /// Averages of the encoder's and the generator's.
    average: Vec<f32>,
    adam: Adam,
    shards: Vec<Shard>,
    game: Option<Game>,
}

/// Rows of a batch that one core works on. Fixed, so that sums do not depend on the number of
/// cores.
const SHARD_ROWS: usize = 64;

/// Decays of Adam's moments: a gradient of two steps ago may point elsewhere (Radford et al. 2016).
const DECAYS: (f64, f64) = (0.5, 0.99);

impl<'d> AliTrainer<'d> {
    /// A fresh model under `seed`.
    ///
    /// # Errors
    /// [`ModelError::Architecture`] when the discriminator does not take the model's observations
    /// and latents.
    pub fn new(
        architecture: AliArchitecture,
        discriminator: Discriminator,
        objective: AliObjective,
        observations: &'d Observations,
        seed: u64,
    ) -> Result<Self, ModelError> {
        discriminator.expect(&architecture)?;
        let named = |name| RandomStream::named(seed, name);
        let encoder = initial_parameters(&architecture.encoder, &mut named("initial/encoder"));
        let generator =
            initial_parameters(&architecture.generator, &mut named("initial/generator"));
        let average = [encoder, generator].concat();
        let mut stream = named("initial/discriminator");
        let observation = initial_parameters(&discriminator.observation, &mut stream);
        let joint = initial_parameters(&discriminator.joint, &mut stream);
        let parameters = [average.as_slice(), &observation, &joint].concat();
        let adam = optimiser(Adam::new(parameters.len()));
        let (shards, game) = (vec![], None);
        Ok(Self {
            architecture,
            discriminator,
            objective,
            observations,
            parameters,
            average,
            adam,
            shards,
            game,
        })
    }

    /// The model as it is now: the average.
    pub fn model(&self) -> Ali {
        let (encoder, generator) = self
            .average
            .split_at(self.architecture.encoder.parameter_count());
        Ali::new(
            self.architecture.clone(),
            encoder.to_vec(),
            generator.to_vec(),
        )
    }

    /// How the last step stood; nothing before the first.
    pub fn game(&self) -> Option<Game> {
        self.game
    }

    /// Says whether the training has come to nothing, for whoever would keep its model.
    ///
    /// # Errors
    /// [`ModelError::Collapsed`] when in the last step the generator drew much the same observation
    /// everywhere.
    pub fn expect_diverse(&self) -> Result<(), ModelError> {
        match self.game {
            Some(game) if game.collapsed() => Err(ModelError::Collapsed {
                model: self.architecture.name.clone(),
                spread: game.spread,
            }),
            _ => Ok(()),
        }
    }

    /// The model, the weights that are trained, the discriminator and the optimiser, for a
    /// checkpoint.
    pub fn checkpoint(&self) -> WeightsFile {
        let mut file = self.model().to_weights();
        let [encoder, generator, discriminator] = self.parts();
        file.put_network("trained.encoder", &self.architecture.encoder, encoder);
        file.put_network("trained.generator", &self.architecture.generator, generator);
        self.discriminator.put(discriminator, &mut file);
        file.put_adam(&self.adam);
        file
    }

    /// Takes over what [`checkpoint`](Self::checkpoint) gave; `path` names the file in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] when the checkpoint belongs to another architecture or lacks a part.
    pub fn restore(&mut self, file: &WeightsFile, path: &Path) -> Result<(), NnError> {
        let AliArchitecture {
            encoder, generator, ..
        } = &self.architecture;
        let part = |name: &str, network| file.network_parameters(name, network, path);
        // Both travel in a checkpoint: the average is the model, the others go on training.
        let average = [part("encoder", encoder)?, part("generator", generator)?].concat();
        let trained = [
            part("trained.encoder", encoder)?,
            part("trained.generator", generator)?,
        ]
        .concat();
        let parameters = [trained, self.discriminator.parameters(file, path)?].concat();
        self.adam = optimiser(file.adam(parameters.len(), path)?);
        (self.average, self.parameters) = (average, parameters);
        Ok(())
    }

    /// Parameters of encoder, generator and discriminator.
    pub(super) fn parts(&self) -> [&[f32]; 3] {
        let (model, discriminator) = self.parameters.split_at(self.average.len());
        let (encoder, generator) = model.split_at(self.architecture.encoder.parameter_count());
        [encoder, generator, discriminator]
    }

    /// Lets every shard play its rows of the batch.
    fn play(&mut self, rows: &[usize], stream: &RandomStream) -> Tally {
        let parts: Vec<&[usize]> = rows.chunks(SHARD_ROWS).collect();
        // Taken out, since `play` borrows the rest of the trainer.
        let mut shards = std::mem::take(&mut self.shards);
        shards.resize_with(parts.len().max(shards.len()), Shard::default);
        let steps = self.adam.steps();
        let play = Play {
            architecture: &self.architecture,
            discriminator: &self.discriminator,
            parameters: self.parts(),
            reconstruction_weight: self.objective.reconstruction_weight,
            penalty: self.objective.penalty_at(steps),
            scale: 1.0 / rows.len() as f32,
        };
        let shares = shards.par_iter_mut().zip(&parts).enumerate();
        let tallies: Vec<Tally> = shares
            .map(|(index, (shard, rows))| {
                shard.take(self.observations, rows);
                shard.run(play, &mut stream.child(index as u64))
            })
            .collect();
        self.shards = shards;
        tallies.into_iter().fold(Tally::default(), Tally::plus)
    }

    /// Moves the average towards the weights that are trained.
    fn follow(&mut self) {
        let steps = self.adam.steps();
        let averaging = MovingAverage {
            decay: self.objective.averaging_at(steps),
        };
        let trained = &self.parameters[..self.average.len()];
        averaging.follow_steadily(&mut self.average, trained);
    }
}

impl Trainee for AliTrainer<'_> {
    /// One step of all three; comes back with the game's value, see [`Game::value_nats`].
    fn step(&mut self, rows: &[usize], context: StepContext) -> Result<f64, NnError> {
        let tally = self.play(rows, &context.stream);
        let played = &self.shards[..rows.len().div_ceil(SHARD_ROWS)];
        let gradients: Vec<&[f32]> = played.iter().map(|shard| &*shard.gradients).collect();
        self.adam
            .step_against_sum(&mut self.parameters, &gradients, context.learning_rate);
        self.follow();
        let game = tally.game(rows.len(), self.objective.reconstruction_weight > 0.0);
        self.game = Some(game);
        Ok(game.value_nats())
    }
}

/// Fresh parameters, with weights large enough that signals keep their size from layer to layer:
/// without it, latents hardly show in what an untrained generator makes, and the discriminator has
/// won before they do.
///
/// # Source
/// He et al. 2015, "Delving deep into rectifiers", eq. 10.
fn initial_parameters(network: &Network, stream: &mut RandomStream) -> Vec<f32> {
    const GAIN: f32 = 2.449_489_7; // √6, over the ±1/√fan-in of a network's own choice
    let mut parameters = network.initial_parameters(stream);
    let last = network.layers().len() - 1;
    let convolved = |layer: usize| !matches!(network.layers()[layer], Layer::BatchNorm { .. });
    for tensor in network
        .tensors()
        .iter()
        .filter(|tensor| tensor.layer < last && convolved(tensor.layer))
    {
        parameters[tensor.range.clone()]
            .iter_mut()
            .for_each(|value| *value *= GAIN);
    }
    parameters
}

fn optimiser(adam: Adam) -> Adam {
    adam.with_decays(DECAYS.0, DECAYS.1)
}
