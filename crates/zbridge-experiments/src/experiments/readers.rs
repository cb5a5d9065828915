//! Readers of what bridges make.

use super::modality::Reader;
use std::path::Path;
use zbridge_core::{EventKind, Observations, RandomStream};
use zbridge_datasets::scenes::{Attribute, Attributes, Level, read_captions};
use zbridge_eval::classify;
use zbridge_models::Classifier;
use zbridge_nn::WeightsFile;
use zbridge_sound::{SoundError, spectrogram, to_waveforms};
use zbridge_tasks::Error;
use zbridge_tasks::measures::Judge;
use zbridge_tasks::words::percent;

/// The judge of digits' images.
pub(super) struct DigitReader(pub(super) Judge);

impl Reader for DigitReader {
    fn keys(&self, observations: &Observations) -> Result<Vec<Option<u16>>, Error> {
        let classes = self.0.classes_of(observations)?;
        Ok(classes
            .into_iter()
            .map(|class| Some(class as u16))
            .collect())
    }

    fn name(&self) -> String {
        format!(
            "a classifier, right on {} of real images",
            percent(self.0.accuracy.share)
        )
    }
}

/// The most probable class, as the label model says it.
pub(super) struct ClassReader;

impl Reader for ClassReader {
    fn keys(&self, observations: &Observations) -> Result<Vec<Option<u16>>, Error> {
        Ok(as_keys(observations))
    }

    fn name(&self) -> String {
        "the most probable label".into()
    }
}

/// The most probable class of each row of probabilities.
pub(super) fn as_keys(probabilities: &Observations) -> Vec<Option<u16>> {
    probabilities
        .argmax()
        .into_iter()
        .map(|class| u16::try_from(class).ok())
        .collect()
}

/// The judge of spoken digits, who hears sounds: what a model makes becomes a waveform and is heard
/// like a recording.
pub(super) struct SpeechReader {
    judge: Classifier,
    /// Share of real recordings that it reads right.
    accuracy: f64,
}

impl SpeechReader {
    /// The judge in a weights file, tried on real recordings.
    ///
    /// # Errors
    /// [`Error`] when the file is not a judge of such sounds.
    pub(super) fn open(path: &str, sounds: &Observations, labels: &[u8]) -> Result<Self, Error> {
        let judge = judge_in(Path::new(path), sounds.kind())?;
        let accuracy = classify(&judge.probabilities(sounds)?, labels)?
            .accuracy
            .share;
        Ok(Self { judge, accuracy })
    }
}

impl Reader for SpeechReader {
    fn keys(&self, observations: &Observations) -> Result<Vec<Option<u16>>, Error> {
        Ok(as_keys(&self.judge.probabilities(&heard(observations)?)?))
    }

    fn name(&self) -> String {
        format!(
            "a classifier of what is heard, right on {} of real recordings",
            percent(self.accuracy)
        )
    }
}

/// Spectrograms of the sounds that have these spectrograms.
fn heard(observations: &Observations) -> Result<Observations, Error> {
    let EventKind::Sound(kind) = observations.kind() else {
        return Err(Error::usage(format!(
            "{} cannot be heard",
            observations.kind().in_words()
        )));
    };
    let sounds = to_waveforms(
        observations.values(),
        kind,
        &RandomStream::named(0, "experiment/phases"),
    );
    let mut values = Vec::with_capacity(observations.values().len());
    for sound in &sounds {
        match spectrogram(sound, kind) {
            Ok(levels) => values.extend(levels),
            // A sound without any energy is silence, which says nothing.
            Err(SoundError::Silent { .. }) => {
                values.resize(values.len() + observations.kind().size(), 0.0);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Observations::new(values, observations.kind().clone())?)
}

fn judge_in(path: &Path, event: &EventKind) -> Result<Classifier, Error> {
    let judge = Classifier::from_weights(&WeightsFile::read(path)?, path)?;
    match judge.reads(event) {
        true => Ok(judge),
        false => Err(Error::bad_file(
            path,
            format!("is a judge of other observations than {}", event.in_words()),
        )),
    }
}

/// A judge for each attribute that a level names: a picture shows a caption when all of them say
/// so.
pub(super) struct SceneReader {
    level: Level,
    judges: Vec<Classifier>,
}

impl SceneReader {
    /// The judges in a folder.
    ///
    /// # Errors
    /// [`Error`] when one is missing or judges something else.
    pub(super) fn open(folder: &Path, level: Level) -> Result<Self, Error> {
        let open = |attribute: &Attribute| {
            let path = folder.join(format!("scene-judge-{}.safetensors", attribute.name()));
            judge_in(&path, &zbridge_datasets::scenes::PICTURE)
        };
        Ok(Self {
            level,
            judges: level
                .attributes()
                .iter()
                .map(open)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Reader for SceneReader {
    fn keys(&self, observations: &Observations) -> Result<Vec<Option<u16>>, Error> {
        let mut read = Vec::new();
        for judge in &self.judges {
            read.push(judge.probabilities(observations)?.argmax());
        }
        let key = |row: usize| {
            let classes: Vec<u8> = read.iter().map(|classes| classes[row] as u8).collect();
            Attributes::of_classes(self.level, &classes).map(|attributes| attributes.key())
        };
        Ok((0..observations.rows()).map(key).collect())
    }

    fn name(&self) -> String {
        "a classifier for each attribute; all must be right".into()
    }

    fn in_words(&self, key: u16) -> String {
        caption_of(self.level, key)
    }

    fn attributes(&self, key: u16) -> Vec<(&'static str, usize)> {
        attributes_of(self.level, key)
    }
}

/// Captions, word by word: a single wrong word makes a caption wrong.
pub(super) struct CaptionReader(pub(super) Level);

impl Reader for CaptionReader {
    fn keys(&self, observations: &Observations) -> Result<Vec<Option<u16>>, Error> {
        let read = read_captions(observations)?;
        let key = |attributes: Attributes| (attributes.level() == self.0).then(|| attributes.key());
        Ok(read
            .into_iter()
            .map(|attributes| attributes.and_then(key))
            .collect())
    }

    fn name(&self) -> String {
        "word for word".into()
    }

    fn in_words(&self, key: u16) -> String {
        caption_of(self.0, key)
    }

    fn attributes(&self, key: u16) -> Vec<(&'static str, usize)> {
        attributes_of(self.0, key)
    }
}

fn attributes_of(level: Level, key: u16) -> Vec<(&'static str, usize)> {
    let Some(found) = Attributes::of_key(level, key) else {
        return vec![];
    };
    let named =
        |attribute: &Attribute| Some((attribute.name(), usize::from(found.class(*attribute)?)));
    level.attributes().iter().filter_map(named).collect()
}

fn caption_of(level: Level, key: u16) -> String {
    Attributes::of_key(level, key)
        .map(|attributes| attributes.caption())
        .unwrap_or_default()
}
