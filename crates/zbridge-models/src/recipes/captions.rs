//! Texts: the captions of scenes, and the lines of any text file.

use super::{Dataset, Recipe, RecipeModel};
use crate::{TextObjective, TextVaeConfig};
use zbridge_nn::Schedule;

/// Every recipe of texts.
pub(super) fn recipes() -> Vec<Recipe> {
    vec![caption(), text()]
}

fn caption() -> Recipe {
    // Most captions of the higher levels are in no pair that a bridge is fitted to: it must find
    // them by their attributes. With 16 latents the means are nearly sums over attributes, with 8
    // they are not. A two-hundredth of the weight: at a tenth, one draw in six is read as another
    // caption; here one in 600.
    let objective = TextObjective {
        kl_weight: 0.005,
        kl_warm_up: 0.3,
        free_nats: 0.0,
        word_dropout: 0.6,
    };
    Recipe {
        name: "caption".into(),
        about: "recurrent VAE of the captions of scenes of all levels, 16 latents".into(),
        model: RecipeModel::Text(
            TextVaeConfig {
                name: "caption".into(),
                latent_dim: 16,
                embedding: 32,
                units: 64,
            },
            objective,
        ),
        data: Dataset::Scenes,
        batch: 128,
        epochs: 12,
        stop_after: 12,
        schedule: Schedule {
            peak: 3e-3,
            warm_up_steps: 100,
            floor: 0.01,
        },
    }
}

fn text() -> Recipe {
    // On 3,200 single words, letter by letter, 44 of 100 others come back whole at 31 nats of KL; a
    // fifth of this weight makes it 55 of 100, at 58 nats: nearer to a lookup table than a bridge
    // likes.
    let objective = TextObjective {
        kl_weight: 0.1,
        kl_warm_up: 0.3,
        free_nats: 0.0,
        word_dropout: 0.4,
    };
    Recipe {
        name: "text".into(),
        about: "recurrent VAE of the lines of a text file, 32 latents".into(),
        model: RecipeModel::Text(
            TextVaeConfig {
                name: "text".into(),
                latent_dim: 32,
                embedding: 64,
                units: 128,
            },
            objective,
        ),
        data: Dataset::Lines,
        batch: 64,
        epochs: 60,
        stop_after: 60,
        schedule: Schedule {
            peak: 2e-3,
            warm_up_steps: 100,
            floor: 0.01,
        },
    }
}
