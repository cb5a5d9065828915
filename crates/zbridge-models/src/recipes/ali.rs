//! Adversarially learned inference: MNIST images with a generator instead of a likelihood.

use super::mnist::MNIST;
use super::{Dataset, Recipe, RecipeModel, conv, linear};
use crate::{AliArchitecture, AliObjective, Discriminator, ModelError};
use zbridge_nn::{Layer, Network, NnError, Schedule};

/// Every recipe of this kind.
pub(super) fn recipes() -> Result<Vec<Recipe>, ModelError> {
    Ok(vec![mnist_ali()?])
}

const LATENT_DIM: usize = 32;

/// Features that the discriminator makes of an image.
const FEATURES: usize = 256;

const LEAKY: Layer = Layer::LeakyRelu { slope: 0.2 };

fn mnist_ali() -> Result<Recipe, ModelError> {
    let architecture = AliArchitecture {
        name: "mnist-ali".into(),
        event: MNIST,
        latent_dim: LATENT_DIM,
        encoder: image_network(2 * LATENT_DIM)?,
        generator: generator()?,
    };
    Ok(Recipe {
        name: "mnist-ali".into(),
        about: "grey MNIST images by adversarially learned inference, 32 latents".into(),
        model: RecipeModel::Ali(
            architecture.checked()?,
            discriminator()?,
            AliObjective::default(),
        ),
        data: Dataset::Mnist,
        batch: 64,
        epochs: 10,
        stop_after: 10,
        schedule: Schedule {
            peak: 4e-4,
            warm_up_steps: 200,
            floor: 0.05,
        },
    })
}

/// Two convolutions, a wide layer, and `outputs` numbers of an image.
fn image_network(outputs: usize) -> Result<Network, NnError> {
    Network::new(vec![
        Layer::Conv(conv([28, 28, 1], 16, 4, 2, 1)),
        LEAKY,
        Layer::Conv(conv([14, 14, 16], 32, 4, 2, 1)),
        LEAKY,
        linear(7 * 7 * 32, 256),
        LEAKY,
        linear(256, outputs),
    ])
}

fn generator() -> Result<Network, NnError> {
    Network::new(vec![
        linear(LATENT_DIM, 256),
        LEAKY,
        linear(256, 7 * 7 * 32),
        LEAKY,
        Layer::ConvTranspose(conv([7, 7, 32], 16, 4, 2, 1)),
        LEAKY,
        Layer::ConvTranspose(conv([14, 14, 16], 1, 4, 2, 1)),
    ])
}

fn discriminator() -> Result<Discriminator, NnError> {
    let observation = Network::new(vec![
        Layer::Conv(conv([28, 28, 1], 16, 4, 2, 1)),
        LEAKY,
        Layer::Conv(conv([14, 14, 16], 32, 4, 2, 1)),
        LEAKY,
        linear(7 * 7 * 32, FEATURES),
        LEAKY,
    ])?;
    let joint = Network::new(vec![
        linear(FEATURES + LATENT_DIM, 256),
        LEAKY,
        linear(256, 256),
        LEAKY,
        linear(256, 1),
    ])?;
    Ok(Discriminator { observation, joint })
}
