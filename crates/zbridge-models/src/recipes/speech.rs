//! Spoken digits: the VAE of their spectrograms, and the judge of what is said.

use super::{Dataset, Recipe, RecipeModel, conv, linear};
use crate::{ModelError, Objective, VaeArchitecture};
use zbridge_core::{EventKind, Spectrogram};
use zbridge_nn::{Layer, Likelihood, Network, NnError, Schedule};

/// Three quarters of a second of telephone speech: 40 bands, 48 windows of 32 ms, half of each
/// shared with the next. What is more than 40 decibels below the loudest band counts as silence.
pub const SPEECH: Spectrogram = Spectrogram {
    sample_rate: 8000,
    window: 256,
    hop: 128,
    bands: 40,
    frames: 48,
    decibels: 40,
};

/// Every recipe on spoken digits.
pub(super) fn recipes() -> Result<Vec<Recipe>, ModelError> {
    Ok(vec![speech()?, speech_judge()?])
}

const LATENTS: usize = 32;
/// Numbers of the grid `[5, 6, 32]` that three convolutions make of a spectrogram.
const GRID: usize = 5 * 6 * 32;

fn speech() -> Result<Recipe, ModelError> {
    let architecture = VaeArchitecture {
        name: "speech".into(),
        event: EventKind::Sound(SPEECH),
        // 3.6 decibels. Shorter trainings at 7 and more gave blurred draws, one digit in seven
        // mistaken for another.
        likelihood: Likelihood::Gaussian { sd: 0.09 },
        latent_dim: LATENTS,
        encoder: encoder()?,
        decoder: decoder()?,
    };
    let objective = Objective {
        kl_warm_up: 0.3,
        ..Objective::elbo()
    };
    Ok(Recipe {
        name: "speech".into(),
        about: "convolutional VAE of spoken digits, 32 latents".into(),
        model: RecipeModel::Vae(architecture.checked()?, objective),
        data: Dataset::SpokenDigits,
        batch: 32,
        epochs: 50,
        stop_after: 50,
        schedule: SCHEDULE,
    })
}

const SCHEDULE: Schedule = Schedule {
    peak: 2e-3,
    warm_up_steps: 100,
    floor: 0.01,
};

fn encoder() -> Result<Network, NnError> {
    Network::new(vec![
        Layer::Conv(conv([40, 48, 1], 16, 4, 2, 1)),
        Layer::Silu,
        Layer::Conv(conv([20, 24, 16], 32, 4, 2, 1)),
        Layer::Silu,
        Layer::Conv(conv([10, 12, 32], 32, 4, 2, 1)),
        Layer::Silu,
        linear(GRID, 256),
        Layer::Silu,
        linear(256, 2 * LATENTS),
    ])
}

fn decoder() -> Result<Network, NnError> {
    Network::new(vec![
        linear(LATENTS, 256),
        Layer::Silu,
        linear(256, GRID),
        Layer::Silu,
        Layer::ConvTranspose(conv([5, 6, 32], 32, 4, 2, 1)),
        Layer::Silu,
        Layer::ConvTranspose(conv([10, 12, 32], 16, 4, 2, 1)),
        Layer::Silu,
        Layer::ConvTranspose(conv([20, 24, 16], 1, 4, 2, 1)),
    ])
}

fn speech_judge() -> Result<Recipe, ModelError> {
    Ok(Recipe {
        name: "speech-judge".into(),
        about: "convolutional classifier of spoken digits, the judge of what is said".into(),
        model: RecipeModel::Classifier(judge()?),
        data: Dataset::SpokenDigits,
        batch: 64,
        epochs: 15,
        stop_after: 15,
        schedule: SCHEDULE,
    })
}

fn judge() -> Result<Network, NnError> {
    let leaky = Layer::LeakyRelu { slope: 0.1 };
    let normalised = |width: usize| Layer::BatchNorm { width };
    let dropout = Layer::Dropout { rate: 0.3 };
    Network::new(vec![
        Layer::Conv(conv([40, 48, 1], 16, 4, 2, 1)),
        normalised(20 * 24 * 16),
        leaky,
        Layer::Conv(conv([20, 24, 16], 32, 4, 2, 1)),
        normalised(10 * 12 * 32),
        leaky,
        dropout,
        Layer::Conv(conv([10, 12, 32], 32, 4, 2, 1)),
        leaky,
        dropout,
        linear(GRID, 64),
        normalised(64),
        leaky,
        dropout,
        linear(64, 10),
    ])
}
