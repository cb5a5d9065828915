//! MNIST: images, their labels, and the judge of images.

use super::{Dataset, Recipe, RecipeModel, conv};
use crate::{ModelError, Objective, VaeArchitecture};
use zbridge_core::EventKind;
use zbridge_nn::{Layer, Likelihood, Network, Schedule};

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

fn mnist_image() -> Result<Recipe, ModelError> {
    let encoder = Network::new(vec![
        Layer::Conv(conv([28, 28, 1], 32, 4, 2, 1)),
        Layer::Silu,
        Layer::Conv(conv([14, 14, 32], 64, 4, 2, 1)),
        Layer::Silu,
        Layer::Conv(conv([7, 7, 64], 64, 3, 2, 1)),
        Layer::Silu,
        Layer::Linear {
            inputs: 4 * 4 * 64,
            outputs: 512,
        },
        Layer::Silu,
        Layer::Linear {
            inputs: 512,
            outputs: 128,
        },
    ])?;
    let decoder = Network::new(vec![
        Layer::Linear {
            inputs: 64,
            outputs: 512,
        },
        Layer::Silu,
        Layer::Linear {
            inputs: 512,
            outputs: 7 * 7 * 32,
        },
        Layer::Silu,
        Layer::ConvTranspose(conv([7, 7, 32], 32, 4, 2, 1)),
        Layer::Silu,
        Layer::ConvTranspose(conv([14, 14, 32], 1, 6, 2, 2)),
    ])?;
    let architecture = VaeArchitecture {
        name: "mnist-image".into(),
        event: MNIST,
        likelihood: Likelihood::Bernoulli,
        latent_dim: 64,
        encoder,
        decoder,
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
        event: EventKind::Class { classes: 10 },
        likelihood: Likelihood::Categorical,
        latent_dim: 2,
        encoder: Network::new(vec![
            Layer::Linear {
                inputs: 10,
                outputs: 64,
            },
            Layer::Silu,
            Layer::Linear {
                inputs: 64,
                outputs: 64,
            },
            Layer::Silu,
            Layer::Linear {
                inputs: 64,
                outputs: 4,
            },
        ])?,
        decoder: Network::new(vec![
            Layer::Linear {
                inputs: 2,
                outputs: 64,
            },
            Layer::Silu,
            Layer::Linear {
                inputs: 64,
                outputs: 64,
            },
            Layer::Silu,
            Layer::Linear {
                inputs: 64,
                outputs: 10,
            },
        ])?,
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

fn mnist_judge() -> Result<Recipe, ModelError> {
    let network = Network::new(vec![
        Layer::Conv(conv([28, 28, 1], 16, 5, 2, 2)),
        Layer::BatchNorm {
            width: 14 * 14 * 16,
        },
        Layer::LeakyRelu { slope: 0.1 },
        Layer::Conv(conv([14, 14, 16], 32, 5, 2, 2)),
        Layer::BatchNorm { width: 7 * 7 * 32 },
        Layer::LeakyRelu { slope: 0.1 },
        Layer::Linear {
            inputs: 7 * 7 * 32,
            outputs: 96,
        },
        Layer::BatchNorm { width: 96 },
        Layer::LeakyRelu { slope: 0.1 },
        Layer::Linear {
            inputs: 96,
            outputs: 10,
        },
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
