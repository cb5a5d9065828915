//! Spoken digits: the VAE of their spectrograms, and the judge of what it says.

use super::{Dataset, Recipe, RecipeModel, conv};
use crate::{ModelError, Objective, VaeArchitecture};
use zbridge_core::{EventKind, Spectrogram};
use zbridge_nn::{Layer, Likelihood, Network, Schedule};

/// A second of telephone speech: 48 bands, 64 windows of 32 ms, half of it shared with the next.
pub const SPEECH: Spectrogram =
    Spectrogram { sample_rate: 8000, window: 256, hop: 128, bands: 48, frames: 64, decibels: 60 };

/// Every recipe on spoken digits.
pub(super) fn recipes() -> Result<Vec<Recipe>, ModelError> {
    Ok(vec![speech()?, judge()?])
}

fn speech() -> Result<Recipe, ModelError> {
    let latents = 32;
    let encoder = Network::new(vec![
        Layer::Conv(conv([48, 64, 1], 24, 4, 2, 1)),
        Layer::Silu,
        Layer::Conv(conv([24, 32, 24], 48, 4, 2, 1)),
        Layer::Silu,
        Layer::Conv(conv([12, 16, 48], 64, 4, 2, 1)),
        Layer::Silu,
        Layer::Linear { inputs: 6 * 8 * 64, outputs: 256 },
        Layer::Silu,
        Layer::Linear { inputs: 256, outputs: 2 * latents },
    ])?;
    let decoder = Network::new(vec![
        Layer::Linear { inputs: latents, outputs: 256 },
        Layer::Silu,
        Layer::Linear { inputs: 256, outputs: 6 * 8 * 48 },
        Layer::Silu,
        Layer::ConvTranspose(conv([6, 8, 48], 48, 4, 2, 1)),
        Layer::Silu,
        Layer::ConvTranspose(conv([12, 16, 48], 24, 4, 2, 1)),
        Layer::Silu,
        Layer::ConvTranspose(conv([24, 32, 24], 1, 4, 2, 1)),
    ])?;
    let architecture = VaeArchitecture {
        name: "speech".into(),
        event: EventKind::Sound(SPEECH),
        likelihood: Likelihood::Gaussian { sd: 0.15 },
        latent_dim: latents,
        encoder,
        decoder,
    };
    Ok(Recipe {
        name: "speech".into(),
        about: "convolutional VAE of spoken digits, 32 latents".into(),
        model: RecipeModel::Vae(architecture.checked()?, Objective { kl_warm_up: 0.2, ..Objective::elbo() }),
        data: Dataset::SpokenDigits,
        batch: 64,
        epochs: 40,
        stop_after: 40,
        schedule: Schedule { peak: 1e-3, warm_up_steps: 100, floor: 0.01 },
    })
}

fn judge() -> Result<Recipe, ModelError> {
    let network = Network::new(vec![
        Layer::Conv(conv([48, 64, 1], 16, 5, 2, 2)),
        Layer::BatchNorm { width: 24 * 32 * 16 },
        Layer::LeakyRelu { slope: 0.1 },
        Layer::Conv(conv([24, 32, 16], 32, 5, 2, 2)),
        Layer::BatchNorm { width: 12 * 16 * 32 },
        Layer::LeakyRelu { slope: 0.1 },
        Layer::Conv(conv([12, 16, 32], 32, 3, 2, 1)),
        Layer::BatchNorm { width: 6 * 8 * 32 },
        Layer::LeakyRelu { slope: 0.1 },
        Layer::Dropout { rate: 0.3 },
        Layer::Linear { inputs: 6 * 8 * 32, outputs: 10 },
    ])?;
    Ok(Recipe {
        name: "speech-judge".into(),
        about: "convolutional classifier of spoken digits, the judge of what is said".into(),
        model: RecipeModel::Classifier(network),
        data: Dataset::SpokenDigits,
        batch: 64,
        epochs: 25,
        stop_after: 25,
        schedule: Schedule { peak: 2e-3, warm_up_steps: 100, floor: 0.01 },
    })
}
