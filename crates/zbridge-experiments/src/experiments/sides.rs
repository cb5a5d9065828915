//! The modalities that experiments join.

use super::modality::{Modality, Rows};
use super::readers::{CaptionReader, ClassReader, DigitReader, SceneReader, SpeechReader};
use super::{ExperimentRequest, Ground};
use std::ops::Range;
use std::path::Path;
use zbridge::GivenModel;
use zbridge_assets::MNIST_LABEL;
use zbridge_core::{
    DiagonalGaussian, EventKind, LatentModel, Observations, Observer, RandomStream, Stage,
};
use zbridge_datasets::scenes::{Attributes, Level, Scene, captions_of, pictures, scenes};
use zbridge_datasets::{Mnist, MnistSplit, SpokenDigits, locate_or_download_mnist};
use zbridge_tasks::measures::Judge;
use zbridge_tasks::{Error, open_model};

/// Test images of MNIST that pairs are made of; those behind them are held out.
const POOL: usize = 5000;
/// Held-out test images.
const HELD_OUT: usize = 1000;
/// Training images whose labels nothing here knows.
const UNPAIRED: usize = 10_000;
/// Scenes of a level that pairs are made of; those in no pair are without captions.
const SCENES: usize = 6000;
/// Pictures that are encoded at once: a thousand are fifty megabytes.
const PICTURES: usize = 1000;

/// MNIST from where the request says.
pub(super) fn mnist(request: &ExperimentRequest, observer: &dyn Observer) -> Result<Mnist, Error> {
    let folder = locate_or_download_mnist(request.data.as_deref(), observer)?;
    Ok(Mnist::load_both(&folder)?)
}

/// Digits as images of a given model.
pub(super) fn digit_images(mnist: &Mnist, model: &str) -> Result<Modality, Error> {
    let GivenModel { model, digest, .. } = open_model(model)?;
    let unpaired = digit_rows(&*model, &mnist.train, 0..UNPAIRED)?;
    Ok(Modality {
        name: "image",
        pool: digit_rows(&*model, &mnist.test, 0..POOL)?,
        held_out: digit_rows(&*model, &mnist.test, POOL..POOL + HELD_OUT)?,
        unpaired: Some(unpaired.posterior),
        model,
        digest,
        is_collection: false,
        reader: Box::new(DigitReader(Judge::embedded()?)),
    })
}

/// Those of `rows` that there are.
fn digit_rows(
    model: &dyn LatentModel,
    split: &MnistSplit,
    rows: Range<usize>,
) -> Result<Rows, Error> {
    let rows: Vec<usize> = (rows.start..rows.end.min(split.rows())).collect();
    let images = split.images_observations().select(&rows);
    Ok(Rows {
        posterior: model.posterior(&images)?,
        keys: rows.iter().map(|&row| split.labels()[row].into()).collect(),
    })
}

/// The ten labels as the embedded label VAE sees them.
pub(super) fn labels() -> Result<Modality, Error> {
    let GivenModel { model, digest, .. } = open_model(MNIST_LABEL.name)?;
    let labels: Vec<u8> = (0..10).collect();
    let posterior = model.posterior(&Observations::one_hot(&labels, 10)?)?;
    let ten = Rows {
        posterior,
        keys: (0..10).collect(),
    };
    Ok(Modality {
        name: "label",
        pool: ten.select(&(0..10).collect::<Vec<_>>()),
        // There are no other labels that could be held out.
        held_out: ten,
        unpaired: None,
        model,
        digest,
        is_collection: true,
        reader: Box::new(ClassReader),
    })
}

/// Spoken digits as the speech VAE sees them: pairs are made of what it was trained on, without
/// labels; the recordings numbered 0 to 4 of each speaker and digit are held out.
pub(super) fn spoken_digits(request: &ExperimentRequest) -> Result<Modality, Error> {
    let folder = recordings_folder(request)?;
    let path = path_of(request, "speech.safetensors");
    let GivenModel { model, digest, .. } = open_model(&path)?;
    let EventKind::Sound(kind) = model.event() else {
        let models = model.event().in_words();
        return Err(Error::bad_file(
            path,
            format!("models {models}, not sounds"),
        ));
    };
    let digits = SpokenDigits::read(folder, kind)?;
    let test = digits.rows(true);
    // The judge is measured on the recordings that pairs are not made of.
    let reader = SpeechReader::open(
        &path_of(request, "speech-judge.safetensors"),
        &digits.recordings.sounds.select(&test),
        &digits.labels_of(&test),
    )?;
    Ok(Modality {
        name: "speech",
        pool: spoken_rows(&*model, &digits, &digits.rows(false))?,
        held_out: spoken_rows(&*model, &digits, &test)?,
        unpaired: None,
        model,
        digest,
        is_collection: false,
        reader: Box::new(reader),
    })
}

fn recordings_folder(request: &ExperimentRequest) -> Result<&Path, Error> {
    request.speech.as_deref().ok_or_else(|| {
        Error::usage(
            "this experiment needs recordings of spoken digits: name their folder with --speech",
        )
    })
}

fn spoken_rows(
    model: &dyn LatentModel,
    digits: &SpokenDigits,
    rows: &[usize],
) -> Result<Rows, Error> {
    let sounds = digits.recordings.sounds.select(rows);
    let labels = digits.labels_of(rows);
    Ok(Rows {
        posterior: model.posterior(&sounds)?,
        keys: labels.into_iter().map(u16::from).collect(),
    })
}

/// A file in the folder of models that are not embedded.
fn path_of(request: &ExperimentRequest, name: &str) -> String {
    request.models.join(name).display().to_string()
}

/// Scenes and captions, level by level, across one model of pictures and one of captions.
pub(super) fn scenes_and_captions(
    request: &ExperimentRequest,
    observer: &dyn Observer,
) -> Result<Vec<Ground>, Error> {
    let picture = open_model(&path_of(request, "scene-image.safetensors"))?;
    let caption = open_model(&path_of(request, "caption.safetensors"))?;
    let levels = request.levels.len() as u64;
    let stage = Stage::new(observer, "drawing and encoding scenes", levels);
    let mut grounds = Vec::new();
    for &level in &request.levels {
        stage.advance(1)?;
        grounds.push(scene_ground(request, level, &picture, &caption)?);
    }
    Ok(grounds)
}

/// Scenes and captions of one level.
fn scene_ground(
    request: &ExperimentRequest,
    number: u8,
    picture: &GivenModel,
    caption: &GivenModel,
) -> Result<Ground, Error> {
    let level =
        Level::of_number(usize::from(number)).ok_or_else(|| Error::usage("levels are 1 to 5"))?;
    // Streams of different names: held-out scenes are drawn independently of the pool.
    let pool = some_scenes(level, SCENES, request.seed, &format!("{number}/pool"));
    let held_out = some_scenes(level, HELD_OUT, request.seed, &format!("{number}/held-out"));
    let reader = SceneReader::open(&request.models, level)?;
    Ok(Ground {
        name: format!("level {number}"),
        x: scene_pictures(picture, &pool, &held_out, reader)?,
        y: every_caption(caption, level, &held_out)?,
    })
}

fn scene_pictures(
    given: &GivenModel,
    pool: &[Scene],
    held_out: &[Scene],
    reader: SceneReader,
) -> Result<Modality, Error> {
    Ok(Modality {
        name: "picture",
        pool: picture_rows(&*given.model, pool)?,
        held_out: picture_rows(&*given.model, held_out)?,
        unpaired: None,
        model: given.model.clone(),
        digest: given.digest.clone(),
        is_collection: false,
        reader: Box::new(reader),
    })
}

/// `name` tells the scenes of one level and half from all others.
fn some_scenes(level: Level, count: usize, seed: u64, name: &str) -> Vec<Scene> {
    let stream = RandomStream::named(seed, &format!("experiment/scenes/{name}"));
    scenes(level, count, &stream)
}

/// Posteriors of pictures, with the number of each scene's caption.
fn picture_rows(model: &dyn LatentModel, scenes: &[Scene]) -> Result<Rows, Error> {
    let mut parts = Vec::new();
    for scenes in scenes.chunks(PICTURES) {
        parts.push(model.posterior(&pictures(scenes)?)?.moments().into_owned());
    }
    let posterior = DiagonalGaussian::joined(&parts, model.latent_dim())?.into();
    Ok(Rows {
        posterior,
        keys: scenes
            .iter()
            .map(|scene| scene.attributes().key())
            .collect(),
    })
}

/// Every caption of a level, each once; held out are the captions of held-out scenes.
fn every_caption(given: &GivenModel, level: Level, held_out: &[Scene]) -> Result<Modality, Error> {
    let model = &*given.model;
    let held_out: Vec<Attributes> = held_out.iter().map(|scene| *scene.attributes()).collect();
    Ok(Modality {
        name: "caption",
        pool: caption_rows(model, &Attributes::all(level))?,
        // A caption is here as often as held-out scenes have it.
        held_out: caption_rows(model, &held_out)?,
        unpaired: None,
        model: given.model.clone(),
        digest: given.digest.clone(),
        is_collection: true,
        reader: Box::new(CaptionReader(level)),
    })
}

fn caption_rows(model: &dyn LatentModel, attributes: &[Attributes]) -> Result<Rows, Error> {
    Ok(Rows {
        posterior: model.posterior(&captions_of(attributes)?)?,
        keys: attributes.iter().map(Attributes::key).collect(),
    })
}
