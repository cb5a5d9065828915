//! The gradients of the game's losses, files, and a mixture of Gaussians that a short training
//! learns.

use super::shard::{Play, Shard};
use super::*;
use crate::ModelError;
use std::path::Path;
use zbridge_core::{
    DiagonalGaussian, EventKind, LatentModel, LatentModelError, Latents, Moments, Observations,
    RandomStream,
};
use zbridge_nn::{
    Layer, Network, Precision, Schedule, StepContext, Trainee, Trainer, TrainingPlan, WeightsFile,
};

/// Points in the plane as images of 1 × 2.
const POINTS: EventKind = EventKind::Image {
    channels: 1,
    height: 1,
    width: 2,
};

fn mlp(inputs: usize, hidden: usize, outputs: usize) -> Network {
    let linear = |inputs, outputs| Layer::Linear { inputs, outputs };
    let layers = [
        linear(inputs, hidden),
        Layer::Silu,
        linear(hidden, hidden),
        Layer::Silu,
        linear(hidden, outputs),
    ]
    .to_vec();
    Network::new(layers).unwrap()
}

fn architecture(hidden: usize) -> AliArchitecture {
    let (encoder, generator) = (mlp(2, hidden, 4), mlp(2, hidden, 2));
    AliArchitecture {
        name: "points".into(),
        event: POINTS,
        latent_dim: 2,
        encoder,
        generator,
    }
    .checked()
    .unwrap()
}

fn discriminator(hidden: usize) -> Discriminator {
    Discriminator {
        observation: mlp(2, hidden, hidden),
        joint: mlp(hidden + 2, hidden, 1),
    }
}

/// Four small clouds, one towards each corner of the square.
fn clouds(rows: usize) -> Observations {
    let mut stream = RandomStream::named(3, "clouds");
    let mut values = vec![0.0; 2 * rows];
    stream.fill_standard_normal(&mut values);
    values
        .iter_mut()
        .for_each(|value| *value = 0.04 * *value + if stream.below(2) == 0 { 0.25 } else { 0.75 });
    Observations::new(values, POINTS).unwrap()
}

fn trainer<'d>(data: &'d Observations, objective: AliObjective) -> AliTrainer<'d> {
    AliTrainer::new(architecture(8), discriminator(8), objective, data, 1).unwrap()
}

fn step(trainer: &mut AliTrainer, rows: &[usize], step: u64) {
    let stream = RandomStream::named(2, "steps").child(step);
    trainer
        .step(
            rows,
            StepContext {
                step: step as usize,
                learning_rate: 1e-3,
                done: 0.0,
                stream,
            },
        )
        .unwrap();
}

/// Three networks of random numbers, and a few rows to play.
struct Table {
    architecture: AliArchitecture,
    discriminator: Discriminator,
    parameters: Vec<f32>,
    rows: Observations,
}

const ENCODER: usize = 0;
const GENERATOR: usize = 1;
const DISCRIMINATOR: usize = 2;

impl Table {
    fn laid() -> Self {
        let rows = clouds(6);
        let trainer = trainer(&rows, AliObjective::default());
        let parameters = trainer.parts().concat();
        Self {
            architecture: architecture(8),
            discriminator: discriminator(8),
            parameters,
            rows,
        }
    }

    fn ranges(&self) -> [std::ops::Range<usize>; 3] {
        let encoder = self.architecture.encoder.parameter_count();
        let model = encoder + self.architecture.generator.parameter_count();
        [
            0..encoder,
            encoder..model,
            model..model + self.discriminator.parameter_count(),
        ]
    }

    /// The shard after the rows were played with these parameters, and what it added up.
    fn play(
        &self,
        parameters: &[f32],
        reconstruction_weight: f32,
        penalty: f32,
    ) -> (Shard, game::Tally) {
        let parts = self.ranges().map(|range| &parameters[range]);
        let play = Play {
            architecture: &self.architecture,
            discriminator: &self.discriminator,
            parameters: parts,
            reconstruction_weight,
            penalty,
            scale: 1.0,
        };
        let mut shard = Shard::default();
        shard.take(&self.rows, &[0, 1, 2, 3, 4, 5]);
        let tally = shard.run(play, &mut RandomStream::named(4, "noise"));
        (shard, tally)
    }

    /// Compares `gradients` with central differences of `loss` over one network's parameters.
    fn expect_gradients(&self, network: usize, gradients: &[f32], loss: impl Fn(&[f32]) -> f64) {
        const STEP: f32 = 4e-3;
        let mut parameters = self.parameters.clone();
        for i in self.ranges()[network].clone().step_by(3) {
            let centre = parameters[i];
            let mut at = |value: f32| {
                parameters[i] = value;
                loss(&parameters)
            };
            let numeric = (at(centre + STEP) - at(centre - STEP)) / (2.0 * f64::from(STEP));
            at(centre);
            let found = f64::from(gradients[i]);
            assert!(
                (numeric - found).abs() < 4e-3 * numeric.abs().max(1.0),
                "{i}: {found} against {numeric}"
            );
        }
    }
}

/// −log (1 − D) of encoded pairs and −log D of generated ones: what encoder and generator minimise.
fn deceit(shard: &Shard) -> f64 {
    let (encoded, generated) = shard.logits().split_at(shard.logits().len() / 2);
    let softplus = |x: f32| f64::from(x).exp().ln_1p();
    encoded.iter().map(|logit| softplus(*logit)).sum::<f64>()
        + generated.iter().map(|logit| softplus(-logit)).sum::<f64>()
}

#[test]
fn the_discriminators_gradient_equals_central_differences() {
    let table = Table::laid();
    let (shard, _) = table.play(&table.parameters, 0.0, 0.0);
    table.expect_gradients(DISCRIMINATOR, &shard.gradients, |parameters| {
        let (_, tally) = table.play(parameters, 0.0, 0.0);
        tally.encoded_nats + tally.generated_nats
    });
}

#[test]
fn the_gradients_of_encoder_and_generator_equal_central_differences() {
    let table = Table::laid();
    for weight in [0.0, 0.7] {
        let (shard, _) = table.play(&table.parameters, weight, 0.0);
        for network in [ENCODER, GENERATOR] {
            table.expect_gradients(network, &shard.gradients, |parameters| {
                let (shard, tally) = table.play(parameters, weight, 0.0);
                deceit(&shard) - f64::from(weight) * tally.reconstruction_nats
            });
        }
    }
}

/// The penalty by its definition: ‖∇D‖² from central differences over every number of the pairs.
fn squared_slopes(table: &Table, parameters: &[f32], pairs: &[Vec<f32>; 2]) -> f64 {
    const STEP: f32 = 1e-2;
    let discriminator = &parameters[table.ranges()[DISCRIMINATOR].clone()];
    let mut total = 0.0;
    for (part, column) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let logits = |by: f32| {
            let mut moved = pairs.clone();
            moved[part]
                .iter_mut()
                .skip(column)
                .step_by(2)
                .for_each(|value| *value += by);
            let mut tape = Default::default();
            table
                .discriminator
                .forward(discriminator, [&moved[0], &moved[1]], &mut tape)
                .to_vec()
        };
        let slopes = logits(STEP)
            .into_iter()
            .zip(logits(-STEP))
            .map(|(up, down)| (up - down) / (2.0 * STEP));
        total += slopes.map(|slope| f64::from(slope * slope)).sum::<f64>();
    }
    total
}

#[test]
fn the_gradient_of_the_penalty_is_that_of_its_definition() {
    let table = Table::laid();
    let (weight, [plain, penalised]) = (
        3.0,
        [0.0, 3.0].map(|penalty| table.play(&table.parameters, 0.0, penalty).0),
    );
    let added: Vec<f32> = penalised
        .gradients
        .iter()
        .zip(&plain.gradients)
        .map(|(with, without)| with - without)
        .collect();
    let model = table.ranges()[DISCRIMINATOR].start;
    assert!(
        added[..model].iter().all(|gradient| *gradient == 0.0),
        "only the discriminator is penalised"
    );
    let pairs = plain.pairs().map(<[f32]>::to_vec);
    table.expect_gradients(DISCRIMINATOR, &added, |parameters| {
        0.5 * weight * squared_slopes(&table, parameters, &pairs)
    });
}

#[test]
fn a_restored_training_goes_on_bit_by_bit_whatever_the_threads() {
    let data = clouds(200);
    let (rows, mut whole) = (
        (0..200).collect::<Vec<_>>(),
        trainer(&data, AliObjective::default()),
    );
    (0..3).for_each(|i| step(&mut whole, &rows, i));
    let path = Path::new("checkpoint");
    let bytes = whole.checkpoint().to_bytes(Precision::Single).unwrap();
    let mut resumed = AliTrainer::new(
        architecture(8),
        discriminator(8),
        AliObjective::default(),
        &data,
        9,
    )
    .unwrap();
    resumed
        .restore(&WeightsFile::from_bytes(&bytes, path).unwrap(), path)
        .unwrap();
    (3..6).for_each(|i| step(&mut whole, &rows, i));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    pool.install(|| (3..6).for_each(|i| step(&mut resumed, &rows, i)));
    assert_eq!(whole.checkpoint(), resumed.checkpoint());
    let error = resumed
        .restore(&whole.model().to_weights(), path)
        .unwrap_err()
        .to_string();
    assert!(error.contains("trained.encoder"), "{error}");
}

#[test]
fn weights_give_the_model_back_and_leave_the_discriminator_behind() {
    let (data, path) = (clouds(20), Path::new("points.safetensors"));
    let model = trainer(&data, AliObjective::default()).model();
    let file = model.to_weights();
    assert!(
        file.tensors
            .keys()
            .all(|name| name.starts_with("encoder.") || name.starts_with("generator."))
    );
    let bytes = file.to_bytes(Precision::Single).unwrap();
    let again = Ali::from_weights(&WeightsFile::from_bytes(&bytes, path).unwrap(), path).unwrap();
    assert_eq!(
        again.posterior(&data).unwrap(),
        model.posterior(&data).unwrap()
    );
    let latents = DiagonalGaussian::standard(50, 2).sample(&mut RandomStream::named(1, "latents"));
    let generated = model.decode(&latents).unwrap();
    assert_eq!(again.decode(&latents).unwrap(), generated);
    assert!(
        generated
            .values()
            .iter()
            .all(|value| (0.0..=1.0).contains(value))
    );
    assert_eq!(
        model.decode(&latents.select(&[7])).unwrap().row(0),
        generated.row(7),
        "a batch equals its rows"
    );
}

#[test]
fn what_does_not_fit_is_told() {
    let data = clouds(4);
    let model = trainer(&data, AliObjective::default()).model();
    let absent = model
        .log_likelihood_nats(&data, &Latents::filled(4, 2, 0.0))
        .unwrap_err();
    assert!(
        matches!(
            absent,
            LatentModelError::Absent {
                part: "likelihood",
                ..
            }
        ),
        "{absent}"
    );
    assert!(model.decode(&Latents::filled(4, 3, 0.0)).is_err());
    assert!(
        model
            .posterior(&Observations::one_hot(&[0], 2).unwrap())
            .is_err()
    );
    let blind = Discriminator {
        joint: mlp(8, 8, 1),
        ..discriminator(8)
    };
    let error =
        AliTrainer::new(architecture(8), blind, AliObjective::default(), &data, 1).unwrap_err();
    assert!(
        matches!(
            error,
            ModelError::Discriminator {
                expected: 10,
                found: 8,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_generator_that_draws_one_observation_is_told() {
    let (data, rows) = (clouds(64), (0..64).collect::<Vec<_>>());
    let mut trainer = trainer(&data, AliObjective::default());
    assert!(trainer.expect_diverse().is_ok(), "nothing was drawn yet");
    step(&mut trainer, &rows, 0);
    let error = trainer.expect_diverse().unwrap_err();
    assert!(
        matches!(error, ModelError::Collapsed { .. }),
        "an untrained generator is close to constant: {error}"
    );
}

#[test]
fn a_short_training_on_four_clouds_matches_latents_to_the_prior_and_generates_all_four() {
    let data = clouds(2048);
    let objective = AliObjective {
        reconstruction_weight: 0.0,
        ..AliObjective::default()
    };
    let mut trainer =
        AliTrainer::new(architecture(48), discriminator(48), objective, &data, 1).unwrap();
    let schedule = Schedule {
        peak: 2e-3,
        warm_up_steps: 50,
        floor: 0.05,
    };
    let plan = TrainingPlan {
        rows: data.rows(),
        batch: 128,
        epochs: 150,
        stop_after: 150,
        schedule,
        seed: 1,
    };
    Trainer::of_epochs(&plan).run_to_end(&mut trainer).unwrap();
    trainer.expect_diverse().unwrap();
    let (model, mut stream) = (trainer.model(), RandomStream::named(5, "draws"));
    let latents = model.posterior(&data).unwrap().sample(&mut stream);
    for column in 0..2 {
        let mut moments = Moments::default();
        latents
            .values()
            .iter()
            .skip(column)
            .step_by(2)
            .for_each(|z| moments.push(f64::from(*z)));
        assert!(
            moments.mean().abs() < 0.25,
            "mean of latent {column}: {}",
            moments.mean()
        );
        assert!(
            (moments.variance() - 1.0).abs() < 0.35,
            "variance of latent {column}: {}",
            moments.variance()
        );
    }
    let generated = model
        .decode(&DiagonalGaussian::standard(1000, 2).sample(&mut stream))
        .unwrap();
    let mut clouds = [0; 4];
    generated
        .values()
        .chunks_exact(2)
        .for_each(|x| clouds[usize::from(x[0] > 0.5) + 2 * usize::from(x[1] > 0.5)] += 1);
    assert!(
        clouds.iter().all(|points| (150..350).contains(points)),
        "{clouds:?}"
    );
}
