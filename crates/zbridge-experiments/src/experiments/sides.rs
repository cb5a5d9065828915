//! The modalities that experiments join.

use super::modality::{Modality, Rows};
use super::readers::{CaptionReader, ClassReader, DigitReader, SceneReader, SpeechReader};
use super::{ExperimentRequest, Ground};
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
    let rows = |split: &MnistSplit, from: usize, count: usize| -> Result<Rows, Error> {
        let rows: Vec<usize> = (from..split.rows().min(from + count)).collect();
        let keys = rows.iter().map(|&row| split.labels()[row].into()).collect();
        Ok(Rows {
            posterior: model.posterior(&split.images_observations().select(&rows))?,
            keys,
        })
    };
    Ok(Modality {
        name: "image",
        pool: rows(&mnist.test, 0, POOL)?,
        held_out: rows(&mnist.test, POOL, HELD_OUT)?,
        unpaired: Some(rows(&mnist.train, 0, UNPAIRED)?.posterior),
        model,
        digest,
        is_collection: false,
        reader: Box::new(DigitReader(Judge::embedded()?)),
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
    let Some(folder) = &request.speech else {
        return Err(Error::usage(
            "this experiment needs recordings of spoken digits: name their folder with --speech",
        ));
    };
    let named = |name: &str| request.models.join(name).display().to_string();
    let path = named("speech.safetensors");
    let GivenModel { model, digest, .. } = open_model(&path)?;
    let EventKind::Sound(kind) = model.event() else {
        return Err(Error::bad_file(
            path,
            format!("models {}, not sounds", model.event().in_words()),
        ));
    };
    let digits = SpokenDigits::read(folder, kind)?;
    let sounds = &digits.recordings.sounds;
    let rows = |rows: &[usize]| -> Result<Rows, Error> {
        let keys = digits.labels_of(rows).into_iter().map(u16::from).collect();
        Ok(Rows {
            posterior: model.posterior(&sounds.select(rows))?,
            keys,
        })
    };
    let test = digits.rows(true);
    let reader = SpeechReader::open(
        &named("speech-judge.safetensors"),
        &sounds.select(&test),
        &digits.labels_of(&test),
    )?;
    Ok(Modality {
        name: "speech",
        pool: rows(&digits.rows(false))?,
        held_out: rows(&test)?,
        unpaired: None,
        model,
        digest,
        is_collection: false,
        reader: Box::new(reader),
    })
}

/// Scenes and captions, level by level, across one model of pictures and one of captions.
pub(super) fn scenes_and_captions(
    request: &ExperimentRequest,
    observer: &dyn Observer,
) -> Result<Vec<Ground>, Error> {
    let named = |name: &str| request.models.join(name).display().to_string();
    let picture = open_model(&named("scene-image.safetensors"))?;
    let caption = open_model(&named("caption.safetensors"))?;
    let mut grounds = Vec::new();
    let stage = Stage::new(
        observer,
        "drawing and encoding scenes",
        request.levels.len() as u64,
    );
    for number in &request.levels {
        stage.advance(1)?;
        let level = Level::of_number(usize::from(*number))
            .ok_or_else(|| Error::usage("levels are 1 to 5"))?;
        let halves = [("pool", SCENES), ("held-out", HELD_OUT)].map(|(half, count)| {
            scenes(
                level,
                count,
                &RandomStream::named(request.seed, &format!("experiment/scenes/{number}/{half}")),
            )
        });
        let [pool, held_out] = halves
            .each_ref()
            .map(|scenes| seen(&*picture.model, scenes));
        let x = Modality {
            name: "picture",
            pool: pool?,
            held_out: held_out?,
            unpaired: None,
            model: picture.model.clone(),
            digest: picture.digest.clone(),
            is_collection: false,
            reader: Box::new(SceneReader::open(&request.models, level)?),
        };
        let y = every_caption(&caption, level, &halves[1])?;
        grounds.push(Ground {
            name: format!("level {number}"),
            x,
            y,
        });
    }
    Ok(grounds)
}

/// Posteriors of pictures, with the number of each scene's caption.
fn seen(model: &dyn LatentModel, scenes: &[Scene]) -> Result<Rows, Error> {
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
    let rows = |attributes: &[Attributes]| -> Result<Rows, Error> {
        let keys = attributes.iter().map(Attributes::key).collect();
        Ok(Rows {
            posterior: given.model.posterior(&captions_of(attributes)?)?,
            keys,
        })
    };
    let held_out: Vec<Attributes> = held_out.iter().map(|scene| *scene.attributes()).collect();
    Ok(Modality {
        name: "caption",
        pool: rows(&Attributes::all(level))?,
        held_out: rows(&held_out)?,
        unpaired: None,
        model: given.model.clone(),
        digest: given.digest.clone(),
        is_collection: true,
        reader: Box::new(CaptionReader(level)),
    })
}
