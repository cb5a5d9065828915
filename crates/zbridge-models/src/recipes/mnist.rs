//! MNIST: images, their labels, and the judge of images.

use super::{Dataset, Recipe, RecipeModel, conv, linear};
use crate::{ModelError, Objective, VaeArchitecture};
use zbridge_core::EventKind;
use zbridge_nn::{Layer, Likelihood, Network, NnError, Schedule};

/// Every recipe on MNIST.
pub(super) fn recipes() -> Result<Vec<Recipe>, ModelError> {
    let image = mnist_image()?;
    let early = Recipe {
        name: "mnist-image-3-epochs".into(),
        about: "the same image VAE, stopped after 3 epochs (section 5.4)".into(),
        stop_after: 3,
        ..image.clone()
    };
    Ok(vec![
        image.clone(),
        early,
        black_and_white(image)?,
        mnist_label()?,
        mnist_judge()?,
    ])
}

pub(super) const MNIST: EventKind = EventKind::Image {
    channels: 1,
    height: 28,
    width: 28,
};
const CLASSES: usize = 10;
const IMAGE_LATENTS: usize = 64;
const LABEL_LATENTS: usize = 2;

fn mnist_image() -> Result<Recipe, ModelError> {
    let architecture = VaeArchitecture {
        name: "mnist-image".into(),
        event: MNIST,
        likelihood: Likelihood::Bernoulli,
        latent_dim: IMAGE_LATENTS,
        encoder: image_encoder()?,
        decoder: image_decoder()?,
    };
    // The importance-weighted bound costs five decoder passes a step: it comes last.
    let objective = Objective {
        importance_after: 0.75,
        importance_draws: 5,
        ..Objective::elbo()
    };
    Ok(Recipe {
        name: "mnist-image".into(),
        about: "convolutional VAE of grey MNIST images, 64 latents".into(),
        model: RecipeModel::Vae(architecture.checked()?, objective),
        data: Dataset::Mnist,
        batch: 128,
        epochs: 80,
        stop_after: 80,
        schedule: Schedule {
            peak: 1e-3,
            warm_up_steps: 500,
            floor: 0.005,
        },
    })
}

fn image_encoder() -> Result<Network, NnError> {
    Network::new(vec![
        Layer::Conv(conv([28, 28, 1], 32, 4, 2, 1)),
        Layer::Silu,
        Layer::Conv(conv([14, 14, 32], 64, 4, 2, 1)),
        Layer::Silu,
        Layer::Conv(conv([7, 7, 64], 64, 3, 2, 1)),
        Layer::Silu,
        linear(4 * 4 * 64, 512),
        Layer::Silu,
        linear(512, 2 * IMAGE_LATENTS),
    ])
}

fn image_decoder() -> Result<Network, NnError> {
    Network::new(vec![
        linear(IMAGE_LATENTS, 512),
        Layer::Silu,
        linear(512, 7 * 7 * 32),
        Layer::Silu,
        Layer::ConvTranspose(conv([7, 7, 32], 32, 4, 2, 1)),
        Layer::Silu,
        Layer::ConvTranspose(conv([14, 14, 32], 1, 6, 2, 2)),
    ])
}

/// The image VAE of black and white images: the same networks, trained on a fresh draw of each
/// image every time.
fn black_and_white(grey: Recipe) -> Result<Recipe, ModelError> {
    let RecipeModel::Vae(architecture, objective) = grey.model else {
        return mnist_image();
    };
    let name = "mnist-image-binary";
    Ok(Recipe {
        name: name.into(),
        about: "the same image VAE for black and white images, drawn from the grey ones".into(),
        model: RecipeModel::Vae(
            VaeArchitecture {
                name: name.into(),
                ..architecture
            },
            Objective {
                binarised: true,
                ..objective
            },
        ),
        epochs: 60,
        stop_after: 60,
        ..grey
    })
}

fn mnist_label() -> Result<Recipe, ModelError> {
    let architecture = VaeArchitecture {
        name: "mnist-label".into(),
        event: EventKind::Class { classes: CLASSES },
        likelihood: Likelihood::Categorical,
        latent_dim: LABEL_LATENTS,
        encoder: two_hidden_layers(CLASSES, 2 * LABEL_LATENTS)?,
        decoder: two_hidden_layers(LABEL_LATENTS, CLASSES)?,
    };
    // At full weight a code that ignores the label reaches the same bound, −ln 10: the posteriors
    // overlap (reconstruction −1.26 nats). A tenth of the weight keeps the ten labels apart (−0.03
    // nats).
    let objective = Objective {
        kl_weight: 0.1,
        kl_warm_up: 0.3,
        ..Objective::elbo()
    };
    Ok(Recipe {
        name: "mnist-label".into(),
        about: "VAE of the ten labels, 2 latents".into(),
        model: RecipeModel::Vae(architecture.checked()?, objective),
        data: Dataset::Mnist,
        batch: 256,
        epochs: 20,
        stop_after: 20,
        schedule: Schedule {
            peak: 3e-3,
            warm_up_steps: 100,
            floor: 0.01,
        },
    })
}

fn two_hidden_layers(inputs: usize, outputs: usize) -> Result<Network, NnError> {
    Network::new(vec![
        linear(inputs, 64),
        Layer::Silu,
        linear(64, 64),
        Layer::Silu,
        linear(64, outputs),
    ])
}

fn mnist_judge() -> Result<Recipe, ModelError> {
    let leaky = Layer::LeakyRelu { slope: 0.1 };
    let normalised = |width: usize| Layer::BatchNorm { width };
    let network = Network::new(vec![
        Layer::Conv(conv([28, 28, 1], 16, 5, 2, 2)),
        normalised(14 * 14 * 16),
        leaky,
        Layer::Conv(conv([14, 14, 16], 32, 5, 2, 2)),
        normalised(7 * 7 * 32),
        leaky,
        linear(7 * 7 * 32, 96),
        normalised(96),
        leaky,
        linear(96, CLASSES),
    ])?;
    Ok(Recipe {
        name: "mnist-judge".into(),
        about: "convolutional classifier of MNIST images, the judge of coherence".into(),
        model: RecipeModel::Classifier(network),
        data: Dataset::Mnist,
        batch: 128,
        epochs: 12,
        stop_after: 12,
        schedule: Schedule {
            peak: 2e-3,
            warm_up_steps: 100,
            floor: 0.01,
        },
    })
}
