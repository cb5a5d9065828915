//! Training a given model by its recipe: data, checkpoints, held-out figures, and the weights file
//! in the end.
//!
//! A training can be stopped at any step and goes on from its checkpoint as if it had never
//! stopped: the weights file is the same, byte by byte. The figures in that file are those of the
//! very numbers it stores.
//!
//! ```no_run
//! use zbridge_core::Unobserved;
//! use zbridge_tasks::training::{Recipe, TrainRequest, train_model};
//!
//! let request = TrainRequest::new(Recipe::named("mnist-label")?, "label.safetensors");
//! let report = train_model(&request, &Unobserved)?;
//! println!("{} holds {:?}", report.out.display(), report.held_out);
//! # Ok::<(), zbridge_tasks::Error>(())
//! ```

mod checkpoint;
mod checkpointed;
mod held_out;
mod observer;
mod rows;

use crate::Error;
use checkpoint::Checkpoint;
use checkpointed::Checkpointed;
pub use held_out::{HeldOut, LogMarginal};
use held_out::{LikelihoodPlan, TestRows};
use observer::EpochReports;
pub use observer::TrainingObserver;
use rows::TrainingRows;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
pub use zbridge_core::Estimate;
use zbridge_core::{Stage, hexadecimal};
use zbridge_data::{FileError, write_atomically};
pub use zbridge_models::TextFigures;
pub use zbridge_models::recipes::{Recipe, RecipeModel};
use zbridge_models::{AliTrainer, ClassifierTrainer, TextVaeTrainer, VaeTrainer};
use zbridge_nn::{Checkpoints, Precision, Trainer, TrainingPlan, WeightsFile};
pub use zbridge_nn::{Position, StepReport};

/// What to train, on what, and where to put it.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainRequest {
    /// How the model is made.
    pub recipe: Recipe,
    /// The folder with the data; for MNIST, without it, `ZBRIDGE_DATA` or the cache, which is
    /// filled when it is empty. Scenes need none.
    pub data: Option<PathBuf>,
    /// Seed of everything random.
    pub seed: u64,
    /// The weights file to write.
    pub out: PathBuf,
    /// Where the training is kept until it has ended.
    pub checkpoint: PathBuf,
    /// Goes on from the checkpoint, which must be there; without it, a checkpoint must not be
    /// there.
    pub resume: bool,
    /// Epochs of the whole schedule, in place of the recipe's.
    pub epochs: Option<usize>,
    /// Epochs after which to end although the schedule goes on, in place of the recipe's.
    pub stop_after: Option<usize>,
    /// The command that the weights file names as its origin.
    pub made_by: String,
    /// Test images whose log p(x) is estimated in the end; 0 leaves it out.
    pub likelihood_images: usize,
    /// Draws for each of them.
    pub likelihood_draws: usize,
}

impl TrainRequest {
    /// The recipe as it stands under seed 1, its checkpoint beside `out`, 1000 draws for each of
    /// 1000 test images.
    pub fn new(recipe: Recipe, out: impl Into<PathBuf>) -> Self {
        let out = out.into();
        let mut checkpoint = out.clone().into_os_string();
        checkpoint.push(".checkpoint");
        Self {
            made_by: format!("zbridge train {}", recipe.name),
            recipe,
            data: None,
            seed: 1,
            out,
            checkpoint: checkpoint.into(),
            resume: false,
            epochs: None,
            stop_after: None,
            likelihood_images: 1000,
            likelihood_draws: 1000,
        }
    }

    /// The recipe with the request's own numbers of epochs.
    fn effective_recipe(&self) -> Result<Recipe, Error> {
        let mut recipe = self.recipe.clone();
        if let Some(epochs) = self.epochs {
            (recipe.epochs, recipe.stop_after) = (epochs, epochs);
        }
        recipe.stop_after = self.stop_after.unwrap_or(recipe.stop_after);
        let Recipe {
            epochs, stop_after, ..
        } = recipe;
        if stop_after == 0 || stop_after > epochs {
            let message = format!(
                "a training of {epochs} epochs cannot stop after {stop_after}: 1 to {epochs} can"
            );
            return Err(Error::Usage { message });
        }
        Ok(recipe)
    }
}

/// How a training ended, and what it made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainReport {
    /// Name of the recipe.
    pub recipe: String,
    /// Seed of everything random.
    pub seed: u64,
    /// The weights file.
    pub out: PathBuf,
    /// Its SHA-256.
    pub sha256: String,
    /// Its length.
    pub bytes: usize,
    /// Rows that were trained on.
    pub rows: usize,
    /// SHA-256 of these rows.
    pub data_digest: String,
    /// Epochs done, those before a resumption among them.
    pub epochs: usize,
    /// Mean objective of a row in each epoch of this run, in nats.
    pub objective_nats: Vec<f64>,
    /// Figures on the test half, of the numbers as the file stores them.
    pub held_out: HeldOut,
}

/// Trains a model by its recipe and writes its weights file.
///
/// The checkpoint is written at the start, after every epoch, and when the observer interrupts the
/// training; it is removed once the weights file is there.
///
/// # Errors
/// [`Error::TrainingInterrupted`] if the observer interrupts the training; the checkpoint is kept.
/// [`Error::Usage`] for epochs out of range, a checkpoint in the way of a fresh start, or one of
/// another training; [`Error::Data`] and [`Error::Network`] for files that cannot be read or
/// written, and for a training that diverges.
pub fn train_model(
    request: &TrainRequest,
    observer: &dyn TrainingObserver,
) -> Result<TrainReport, Error> {
    let recipe = request.effective_recipe()?;
    let TrainingRows {
        observations,
        labels,
        digest,
        test,
    } = TrainingRows::read(request, &recipe, observer)?;
    let plan = recipe.plan(observations.rows(), request.seed);
    let training = Training {
        request,
        recipe: &recipe,
        plan: &plan,
        data_digest: digest,
        test,
    };
    let (data, seed) = (&observations, request.seed);
    match recipe.model.clone() {
        RecipeModel::Vae(architecture, objective) => {
            let trainer = VaeTrainer::new(architecture, objective, data, seed);
            training.run(trainer, observer)
        }
        RecipeModel::Ali(architecture, discriminator, objective) => {
            let trainer = AliTrainer::new(architecture, discriminator, objective, data, seed)?;
            training.run(trainer, observer)
        }
        RecipeModel::Text(config, objective) => {
            let architecture = config.reading(data.kind())?;
            let trainer = TextVaeTrainer::new(architecture, objective, data, seed);
            training.run(trainer, observer)
        }
        RecipeModel::Classifier(network) => {
            let trainer = ClassifierTrainer::new(network, data, &labels, seed);
            training.run(trainer, observer)
        }
    }
}

/// Errors when no file can appear at `out`, as far as that shows without writing one.
fn expect_place(out: &Path) -> Result<(), Error> {
    let folder = out
        .parent()
        .filter(|folder| *folder != Path::new(""))
        .unwrap_or(Path::new("."));
    if out.is_dir() {
        return Err(Error::Usage {
            message: format!("{} is a folder: name a file for the weights", out.display()),
        });
    }
    match folder.metadata() {
        Ok(_) => Ok(()),
        Err(reason) => Err(FileError::Write(reason).at(out).into()),
    }
}

/// A training that is ready to run.
struct Training<'r> {
    request: &'r TrainRequest,
    recipe: &'r Recipe,
    plan: &'r TrainingPlan,
    data_digest: String,
    test: TestRows,
}

impl Training<'_> {
    fn run<T: Checkpointed>(
        &self,
        mut trainee: T,
        observer: &dyn TrainingObserver,
    ) -> Result<TrainReport, Error> {
        let path = &self.request.checkpoint;
        let checkpoint = Checkpoint::new(path, self.recipe, self.plan, &self.data_digest)?;
        let position = self.begin(&mut trainee, &checkpoint)?;
        observer.started(self.plan.rows, position);
        let mut trainer = Trainer::of_epochs(self.plan).resumed_at(position);
        // A resumed training reports its progress from where it goes on.
        let (done, end) = (trainer.steps_done(), trainer.steps_at_end());
        let stage = Stage::resumed(observer, "training", done as u64, end as u64);
        let mut write = Checkpoints::new(|trainee: &T, at| checkpoint.write(trainee, at));
        let mut report = EpochReports::new(observer, &self.test, self.request.seed);
        let ended = trainer.run(&mut trainee, &stage, &mut [&mut write, &mut report]);
        let outcome = match ended {
            // The checkpoint stays, and the error says from where the training goes on.
            Err(Error::Interrupted(_)) => return Err(self.interrupted(trainer.position())),
            ended => ended?,
        };
        let (bytes, held_out) = self.weights_file(&trainee, observer)?;
        write_atomically(&self.request.out, |file| file.write_all(&bytes))?;
        // Only now: if anything before fails, hours of training are not lost.
        checkpoint.remove()?;
        let epochs = outcome.position.epoch;
        Ok(self.report(&bytes, held_out, epochs, outcome.objective_nats))
    }

    /// Resumes, or writes a first checkpoint: a folder that cannot be written shows at once, not
    /// after hours.
    fn begin(
        &self,
        trainee: &mut impl Checkpointed,
        checkpoint: &Checkpoint,
    ) -> Result<Position, Error> {
        expect_place(&self.request.out)?;
        if self.request.resume {
            return checkpoint.restore(trainee);
        }
        checkpoint.expect_none()?;
        checkpoint.write(trainee, Position::default())?;
        Ok(Position::default())
    }

    /// Returns the bytes of the weights file, and the held-out figures of the numbers in it.
    fn weights_file<T: Checkpointed>(
        &self,
        trainee: &T,
        observer: &dyn TrainingObserver,
    ) -> Result<(Vec<u8>, HeldOut), Error> {
        let TrainRequest {
            out,
            seed,
            likelihood_images: images,
            likelihood_draws: draws,
            ..
        } = self.request;
        let mut file = trainee.weights()?;
        // Figures are those of the stored numbers, which are rounded to half precision.
        let stored = WeightsFile::from_bytes(&file.to_bytes(Precision::Half)?, out)?;
        let plan = LikelihoodPlan {
            images: *images,
            draws: *draws,
            seed: *seed,
        };
        let held_out = T::final_examination(&stored, out, &self.test, plan, observer)?;
        let entries = [
            ("made_by", self.request.made_by.clone()),
            ("seed", seed.to_string()),
            ("recipe", as_json(self.recipe)?),
            ("data_digest", self.data_digest.clone()),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("held_out", as_json(&held_out)?),
        ];
        file.metadata
            .extend(entries.map(|(key, value)| (key.to_owned(), value)));
        Ok((file.to_bytes(Precision::Half)?, held_out))
    }

    fn interrupted(&self, position: Position) -> Error {
        Error::TrainingInterrupted {
            step: position.step + 1,
            epoch: position.epoch + 1,
            checkpoint: self.request.checkpoint.clone(),
            command: self.request.made_by.clone(),
        }
    }

    fn report(
        &self,
        bytes: &[u8],
        held_out: HeldOut,
        epochs: usize,
        objective_nats: Vec<f64>,
    ) -> TrainReport {
        TrainReport {
            recipe: self.recipe.name.clone(),
            seed: self.request.seed,
            out: self.request.out.clone(),
            sha256: hexadecimal(&Sha256::digest(bytes)),
            bytes: bytes.len(),
            rows: self.plan.rows,
            data_digest: self.data_digest.clone(),
            epochs,
            objective_nats,
            held_out,
        }
    }
}

/// Returns a value of ours as JSON.
fn as_json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|reason| Error::Json { reason })
}

#[cfg(test)]
mod tests;
