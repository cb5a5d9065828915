//! How the given models are made: architecture, objective and schedule of each, by name.

mod ali;
mod captions;
mod mnist;
mod scenes;
mod speech;

pub use speech::SPEECH;

use crate::{
    AliArchitecture, AliObjective, Discriminator, ModelError, Objective, TextObjective,
    TextVaeConfig, VaeArchitecture,
};
use serde::{Deserialize, Serialize};
use zbridge_nn::{Convolution, Layer, Network, Schedule, TrainingPlan};

/// A named way to train a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// What users type.
    pub name: String,
    /// What it makes, in one line.
    pub about: String,
    /// The model.
    pub model: RecipeModel,
    /// What it is trained on.
    #[serde(default)]
    pub data: Dataset,
    /// Rows of a batch.
    pub batch: usize,
    /// Epochs of the schedule.
    pub epochs: usize,
    /// Epochs that are run.
    pub stop_after: usize,
    /// Learning rate.
    pub schedule: Schedule,
}

/// What a recipe's model is trained on, and tested on in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Dataset {
    /// Images of digits, with their labels.
    #[default]
    Mnist,
    /// Recordings of spoken digits; the first five of each speaker and digit are the test half.
    SpokenDigits,
    /// Scenes that zbridge draws itself, with their captions.
    Scenes,
    /// Lines of a text file that the user names.
    Lines,
}

/// What a recipe trains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecipeModel {
    /// A variational auto-encoder of one modality of the data.
    Vae(VaeArchitecture, Objective),
    /// A model of one modality of the data by adversarially learned inference.
    Ali(AliArchitecture, Discriminator, AliObjective),
    /// A variational auto-encoder of the texts of the data, whichever these are.
    Text(TextVaeConfig, TextObjective),
    /// A classifier of images.
    Classifier(Network),
}

impl Recipe {
    /// The recipe `name`.
    ///
    /// # Errors
    /// [`ModelError::UnknownRecipe`], with the names there are.
    pub fn named(name: &str) -> Result<Self, ModelError> {
        let all = Self::all()?;
        let known = all
            .iter()
            .map(|recipe| recipe.name.clone())
            .collect::<Vec<_>>()
            .join(", ");
        let found = all.into_iter().find(|recipe| recipe.name == name);
        found.ok_or_else(|| ModelError::UnknownRecipe {
            name: name.into(),
            known,
        })
    }

    /// Every recipe.
    ///
    /// # Errors
    /// [`ModelError`] when a recipe's layers do not fit each other, which a test excludes.
    pub fn all() -> Result<Vec<Self>, ModelError> {
        Ok([
            mnist::recipes()?,
            ali::recipes()?,
            speech::recipes()?,
            scenes::recipes()?,
            captions::recipes(),
        ]
        .concat())
    }

    /// The plan to train on `rows` rows under `seed`.
    pub fn plan(&self, rows: usize, seed: u64) -> TrainingPlan {
        let Self {
            batch,
            epochs,
            stop_after,
            schedule,
            ..
        } = *self;
        TrainingPlan {
            rows,
            batch,
            epochs,
            stop_after,
            schedule,
            seed,
        }
    }
}

fn linear(inputs: usize, outputs: usize) -> Layer {
    Layer::Linear { inputs, outputs }
}

/// A convolution's shape, in one line.
fn conv(
    input: [usize; 3],
    channels: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Convolution {
    Convolution {
        input,
        channels,
        kernel,
        stride,
        padding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_builds_and_is_found_by_its_name() {
        for recipe in Recipe::all().unwrap() {
            assert_eq!(Recipe::named(&recipe.name).unwrap(), recipe);
        }
        assert!(
            Recipe::named("mnist-imago")
                .unwrap_err()
                .to_string()
                .contains("mnist-image, ")
        );
    }
}
