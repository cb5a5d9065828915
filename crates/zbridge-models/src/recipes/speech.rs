//! Spoken digits: the VAE of their spectrograms, and the judge of what is said.

use super::{Dataset, Recipe, RecipeModel, conv};
use crate::{ModelError, Objective, VaeArchitecture};
use zbridge_core::{EventKind, Spectrogram};
use zbridge_nn::{Layer, Likelihood, Network, Schedule};

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

fn speech() -> Result<Recipe, ModelError> {
    let latents = 32;
    let encoder = Network::new(vec![
        Layer::Conv(conv([40, 48, 1], 16, 4, 2, 1)),
        Layer::Silu,
        Layer::Conv(conv([20, 24, 16], 32, 4, 2, 1)),
        Layer::Silu,
        Layer::Conv(conv([10, 12, 32], 32, 4, 2, 1)),
        Layer::Silu,
        Layer::Linear {
            inputs: 5 * 6 * 32,
            outputs: 256,
        },
        Layer::Silu,
        Layer::Linear {
            inputs: 256,
            outputs: 2 * latents,
        },
    ])?;
    let decoder = Network::new(vec![
        Layer::Linear {
            inputs: latents,
            outputs: 256,
        },
        Layer::Silu,
        Layer::Linear {
            inputs: 256,
            outputs: 5 * 6 * 32,
        },
        Layer::Silu,
        Layer::ConvTranspose(conv([5, 6, 32], 32, 4, 2, 1)),
        Layer::Silu,
        Layer::ConvTranspose(conv([10, 12, 32], 16, 4, 2, 1)),
        Layer::Silu,
        Layer::ConvTranspose(conv([20, 24, 16], 1, 4, 2, 1)),
    ])?;
    // 3.6 decibels. Shorter trainings at 7 and more gave blurred draws, one digit in seven mistaken
    // for another.
    let likelihood = Likelihood::Gaussian { sd: 0.09 };
    let (name, event) = ("speech".to_owned(), EventKind::Sound(SPEECH));
    let architecture = VaeArchitecture {
        name,
        event,
        likelihood,
        latent_dim: latents,
        encoder,
        decoder,
    };
    Ok(Recipe {
        name: "speech".into(),
        about: "convolutional VAE of spoken digits, 32 latents".into(),
        model: RecipeModel::Vae(
            architecture.checked()?,
            Objective {
                kl_warm_up: 0.3,
                ..Objective::elbo()
            },
        ),
        data: Dataset::SpokenDigits,
        batch: 32,
        epochs: 50,
        stop_after: 50,
        schedule: Schedule {
            peak: 2e-3,
            warm_up_steps: 100,
            floor: 0.01,
        },
    })
}

fn speech_judge() -> Result<Recipe, ModelError> {
    let network = Network::new(vec![
        Layer::Conv(conv([40, 48, 1], 16, 4, 2, 1)),
        Layer::BatchNorm {
            width: 20 * 24 * 16,
        },
        Layer::LeakyRelu { slope: 0.1 },
        Layer::Conv(conv([20, 24, 16], 32, 4, 2, 1)),
        Layer::BatchNorm {
            width: 10 * 12 * 32,
        },
        Layer::LeakyRelu { slope: 0.1 },
        Layer::Dropout { rate: 0.3 },
        Layer::Conv(conv([10, 12, 32], 32, 4, 2, 1)),
        Layer::LeakyRelu { slope: 0.1 },
        Layer::Dropout { rate: 0.3 },
        Layer::Linear {
            inputs: 5 * 6 * 32,
            outputs: 64,
        },
        Layer::BatchNorm { width: 64 },
        Layer::LeakyRelu { slope: 0.1 },
        Layer::Dropout { rate: 0.3 },
        Layer::Linear {
            inputs: 64,
            outputs: 10,
        },
    ])?;
    Ok(Recipe {
        name: "speech-judge".into(),
        about: "convolutional classifier of spoken digits, the judge of what is said".into(),
        model: RecipeModel::Classifier(network),
        data: Dataset::SpokenDigits,
        batch: 64,
        epochs: 15,
        stop_after: 15,
        schedule: Schedule {
            peak: 2e-3,
            warm_up_steps: 100,
            floor: 0.01,
        },
    })
}
