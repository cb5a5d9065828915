//! Scenes: pictures of all levels, and the judges of their attributes.

use super::{Dataset, Recipe, RecipeModel, conv, linear};
use crate::{ModelError, Objective, VaeArchitecture};
use zbridge_core::EventKind;
use zbridge_nn::{Layer, Likelihood, Network, Schedule};

/// Every recipe on scenes.
pub(super) fn recipes() -> Result<Vec<Recipe>, ModelError> {
    let judges = JUDGED
        .iter()
        .map(|&(attribute, classes, epochs)| judge(attribute, classes, epochs));
    std::iter::once(image()).chain(judges).collect()
}

const PICTURE: EventKind = EventKind::Image {
    channels: 3,
    height: 64,
    width: 64,
};
/// Attributes that a judge reads, how many classes each has, and for how many epochs it takes to
/// learn them.
const JUDGED: [(&str, usize, usize); 5] = [
    ("shape", 3, 10),
    ("size", 2, 4),
    ("colour", 5, 3),
    ("place", 4, 3),
    ("background", 2, 2),
];
const LATENTS: usize = 48;
const HIDDEN: usize = 256;

fn image() -> Result<Recipe, ModelError> {
    let architecture = VaeArchitecture {
        name: "scene-image".into(),
        event: PICTURE,
        likelihood: Likelihood::Gaussian { sd: 0.06 },
        latent_dim: LATENTS,
        encoder: encoder()?,
        decoder: decoder()?,
    };
    let objective = Objective {
        kl_warm_up: 0.2,
        ..Objective::elbo()
    };
    Ok(Recipe {
        name: "scene-image".into(),
        about: "convolutional VAE of scenes of all levels, 48 latents".into(),
        model: RecipeModel::Vae(architecture.checked()?, objective),
        data: Dataset::Scenes,
        batch: 64,
        epochs: 12,
        stop_after: 12,
        schedule: Schedule {
            peak: 1e-3,
            warm_up_steps: 200,
            floor: 0.02,
        },
    })
}

fn encoder() -> Result<Network, ModelError> {
    Ok(Network::new(vec![
        // Channels stand outermost in an image, innermost in a grid.
        Layer::Transpose {
            rows: 3,
            columns: 64 * 64,
        },
        Layer::Conv(conv([64, 64, 3], 32, 8, 4, 2)),
        Layer::Silu,
        Layer::Conv(conv([16, 16, 32], 64, 4, 2, 1)),
        Layer::Silu,
        Layer::Conv(conv([8, 8, 64], 64, 4, 2, 1)),
        Layer::Silu,
        linear(4 * 4 * 64, HIDDEN),
        Layer::Silu,
        linear(HIDDEN, 2 * LATENTS),
    ])?)
}

fn decoder() -> Result<Network, ModelError> {
    Ok(Network::new(vec![
        linear(LATENTS, HIDDEN),
        Layer::Silu,
        linear(HIDDEN, 4 * 4 * 64),
        Layer::Silu,
        Layer::ConvTranspose(conv([4, 4, 64], 64, 4, 2, 1)),
        Layer::Silu,
        Layer::ConvTranspose(conv([8, 8, 64], 32, 4, 2, 1)),
        Layer::Silu,
        Layer::ConvTranspose(conv([16, 16, 32], 3, 8, 4, 2)),
        Layer::Transpose {
            rows: 64 * 64,
            columns: 3,
        },
    ])?)
}

/// The judge of one attribute: small, since it has nothing else to see. Its activations stay alive
/// on the negative side: what light backgrounds bring in would otherwise silence them for good.
fn judge(attribute: &str, classes: usize, epochs: usize) -> Result<Recipe, ModelError> {
    let leaky = Layer::LeakyRelu { slope: 0.1 };
    let network = Network::new(vec![
        Layer::Transpose {
            rows: 3,
            columns: 64 * 64,
        },
        Layer::Conv(conv([64, 64, 3], 24, 8, 4, 2)),
        leaky,
        Layer::Conv(conv([16, 16, 24], 32, 4, 2, 1)),
        leaky,
        Layer::Conv(conv([8, 8, 32], 32, 4, 2, 1)),
        leaky,
        linear(4 * 4 * 32, 64),
        leaky,
        linear(64, classes),
    ])?;
    Ok(Recipe {
        name: format!("scene-judge-{attribute}"),
        about: format!("convolutional classifier of scenes, the judge of their {attribute}"),
        model: RecipeModel::Classifier(network),
        data: Dataset::Scenes,
        batch: 64,
        epochs,
        stop_after: epochs,
        schedule: Schedule {
            peak: 1e-3,
            warm_up_steps: 100,
            floor: 0.01,
        },
    })
}
