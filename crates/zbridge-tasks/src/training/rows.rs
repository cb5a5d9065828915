//! What a training sees: the rows of a dataset as the model takes them, and the test half.

use super::TrainRequest;
use super::held_out::TestRows;
use crate::Error;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use zbridge_core::{
    EventKind, Observations, Observer, RandomStream, TextUnit, Vocabulary, hexadecimal,
};
use zbridge_data::TextLines;
use zbridge_datasets::scenes::{Attribute, Scene, captions, examples, mixed_scenes, pictures};
use zbridge_datasets::{Mnist, MnistSplit, SpokenDigits, locate_or_download_mnist};
use zbridge_models::Objective;
use zbridge_models::recipes::{Dataset, Recipe, RecipeModel};

/// Rows to train on, and others.
pub(super) struct TrainingRows {
    pub(super) observations: Observations,
    /// The class of each row; none where the data has no classes.
    pub(super) labels: Vec<u8>,
    /// SHA-256 of the rows to train on.
    pub(super) digest: String,
    pub(super) test: TestRows,
}

/// Scenes to train on, and to test on.
const SCENES: [usize; 2] = [40_000, 2_000];

impl TrainingRows {
    /// # Errors
    /// [`Error`] when the data cannot be found or read, or has too few rows.
    pub(super) fn read(
        request: &TrainRequest,
        recipe: &Recipe,
        observer: &dyn Observer,
    ) -> Result<Self, Error> {
        match recipe.data {
            Dataset::Mnist => Self::mnist(request, recipe, observer),
            Dataset::SpokenDigits => Self::spoken_digits(request, recipe),
            Dataset::Scenes => Self::scenes(recipe),
            Dataset::Lines => Self::lines(request, recipe),
            _ => Err(Error::usage(format!(
                "`{}`: zbridge cannot read what it is trained on",
                recipe.name
            ))),
        }
    }

    fn mnist(
        request: &TrainRequest,
        recipe: &Recipe,
        observer: &dyn Observer,
    ) -> Result<Self, Error> {
        let folder = locate_or_download_mnist(request.data.as_deref(), observer)?;
        let Mnist { train, test } = Mnist::load_both(&folder)?;
        expect_rows(&folder, train.rows(), test.rows())?;
        let mut seen = digits(&test, recipe)?;
        if matches!(
            &recipe.model,
            RecipeModel::Vae(
                _,
                Objective {
                    binarised: true,
                    ..
                }
            )
        ) {
            // Drawn once, so that epochs are compared on the same pixels.
            seen = seen.binarised(&RandomStream::named(request.seed, "held-out/binarised"), 0);
        }
        Ok(Self {
            observations: digits(&train, recipe)?,
            labels: train.labels().to_vec(),
            digest: train.digest(),
            test: TestRows {
                observations: seen,
                labels: test.labels().to_vec(),
            },
        })
    }

    fn spoken_digits(request: &TrainRequest, recipe: &Recipe) -> Result<Self, Error> {
        let Some(folder) = &request.data else {
            let message = format!(
                "`{}` is trained on spoken digits: name their folder",
                recipe.name
            );
            return Err(Error::usage(message));
        };
        let digits = SpokenDigits::read(folder, &zbridge_models::recipes::SPEECH)?;
        let [train, test] = [false, true].map(|test| digits.rows(test));
        expect_rows(folder, train.len(), test.len())?;
        let sounds = &digits.recordings.sounds;
        Ok(Self {
            observations: sounds.select(&train),
            labels: digits.labels_of(&train),
            digest: digits.digest(),
            test: TestRows {
                observations: sounds.select(&test),
                labels: digits.labels_of(&test),
            },
        })
    }

    /// Scenes are drawn, always the same ones: there is nothing to read.
    fn scenes(recipe: &Recipe) -> Result<Self, Error> {
        // Always the same scenes: models of different seeds are compared on them.
        let streams = ["scenes/train", "scenes/test"].map(|name| RandomStream::named(1, name));
        let mut halves = Vec::new();
        for (count, stream) in SCENES.into_iter().zip(&streams) {
            halves.push(match attribute_of(recipe) {
                Some(attribute) => examples(attribute, count, stream)?,
                None => (
                    of_scenes(&mixed_scenes(count, stream), recipe)?,
                    vec![0; count],
                ),
            });
        }
        let [(observations, labels), (seen, seen_labels)] = halves.try_into().expect("two halves");
        let digest = digest_of(&observations);
        Ok(Self {
            observations,
            labels,
            digest,
            test: TestRows {
                observations: seen,
                labels: seen_labels,
            },
        })
    }
}

/// The number of different words above which texts are cut into characters.
const MOST_WORDS: usize = 1000;
/// Rarer characters share a symbol.
const MOST_CHARACTERS: usize = 256;
/// Every tenth line is for testing.
const TEST_EVERY: usize = 10;

impl TrainingRows {
    /// Lines of a text file, by words where there are few different ones, else by characters. Every
    /// tenth is for testing.
    fn lines(request: &TrainRequest, recipe: &Recipe) -> Result<Self, Error> {
        let Some(path) = &request.data else {
            let message = format!(
                "`{}` is trained on lines of text: name the file",
                recipe.name
            );
            return Err(Error::usage(message));
        };
        let lines = TextLines::read(path)?;
        let (unit, vocabulary) = words_or_characters(&lines)?;
        // One symbol more than the longest text has, so that every text has an end.
        let all = lines.observations(&vocabulary.event(lines.longest(unit) + 1))?;
        let is_test = |row: &usize| row % TEST_EVERY == TEST_EVERY - 1;
        let (test, train): (Vec<usize>, Vec<usize>) = (0..all.rows()).partition(is_test);
        expect_rows(path, train.len(), test.len())?;
        let observations = all.select(&train);
        Ok(Self {
            labels: vec![0; train.len()],
            digest: digest_of(&observations),
            observations,
            test: TestRows {
                observations: all.select(&test),
                labels: vec![0; test.len()],
            },
        })
    }
}

/// Returns the words of the texts if there are few different ones, else their characters.
fn words_or_characters(lines: &TextLines) -> Result<(TextUnit, Vocabulary), Error> {
    if let Ok(words) = lines.vocabulary(TextUnit::Words, MOST_WORDS) {
        // A vocabulary that holds not all words ends with a symbol for all others.
        let last = words.symbols().last();
        if last.is_some_and(|last| last != Vocabulary::UNKNOWN) {
            return Ok((TextUnit::Words, words));
        }
    }
    let characters = lines.vocabulary(TextUnit::Characters, MOST_CHARACTERS)?;
    Ok((TextUnit::Characters, characters))
}

fn digits(split: &MnistSplit, recipe: &Recipe) -> Result<Observations, Error> {
    match &recipe.model {
        RecipeModel::Vae(architecture, _) => match architecture.event {
            EventKind::Class { classes } => Ok(Observations::one_hot(split.labels(), classes)?),
            _ => Ok(split.images_observations()),
        },
        _ => Ok(split.images_observations()),
    }
}

/// The attribute that a recipe's judge reads, by its name: `scene-judge-colour`.
fn attribute_of(recipe: &Recipe) -> Option<Attribute> {
    recipe
        .name
        .strip_prefix("scene-judge-")
        .and_then(Attribute::named)
}

fn of_scenes(scenes: &[Scene], recipe: &Recipe) -> Result<Observations, Error> {
    match &recipe.model {
        RecipeModel::Text(..) => Ok(captions(scenes)?),
        _ => Ok(pictures(scenes)?),
    }
}

fn digest_of(observations: &Observations) -> String {
    let mut hash = Sha256::new();
    observations
        .values()
        .iter()
        // In one byte order on every machine.
        .for_each(|value| hash.update(value.to_le_bytes()));
    hexadecimal(&hash.finalize())
}

fn expect_rows(folder: &Path, train: usize, test: usize) -> Result<(), Error> {
    // A single row has no batch statistics.
    if train >= 2 && test >= 1 {
        return Ok(());
    }
    let reason = format!(
        "holds {train} rows to train on and {test} to test on; at least 2 and 1 are needed"
    );
    Err(Error::BadFile {
        path: PathBuf::from(folder),
        reason,
    })
}
