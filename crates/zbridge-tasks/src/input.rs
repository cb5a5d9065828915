//! What users hand in: datasets, arrays, folders, single images, labels.

use crate::Error;
use std::path::Path;
use zbridge::GivenModel;
use zbridge_core::{EventKind, Observations, Spectrogram, Vocabulary};
use zbridge_data::{
    DataError, FileError, ImageError, TextLines, read_npy, read_npy_classes, read_png,
    read_png_folder,
};
use zbridge_datasets::{
    DatasetError, Mnist, Split, SpokenDigits, locate_mnist, read_digit, read_digit_folder,
};
use zbridge_sound::Recordings;

/// Observations with the id of each and, where known, its class.
pub(crate) struct Input {
    pub(crate) ids: Vec<String>,
    pub(crate) observations: Observations,
    pub(crate) labels: Option<Vec<u8>>,
    /// SHA-256 of the data, where the reader knows one.
    pub(crate) digest: Option<String>,
}

impl Input {
    /// The observations in `data` that `model` can read: an `.npy`, an image file, a folder of
    /// images, or a dataset folder with its split.
    ///
    /// # Errors
    /// [`Error`] with the file and what is wrong with it.
    pub(crate) fn read(data: &Path, split: Split, model: &GivenModel) -> Result<Self, Error> {
        if !data.exists() {
            return Err(Error::bad_file(data, "does not exist"));
        }
        let extension = data
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default()
            .to_ascii_lowercase();
        let event = model.model.event();
        match (event, extension.as_str()) {
            (_, "npy") => Self::array(data, model),
            (EventKind::Image { .. }, "png") if is_digit(event) => {
                Ok(Self::numbered(read_digit(data)?, None))
            }
            (EventKind::Image { .. }, "png") => Ok(Self::numbered(read_png(data, event)?, None)),
            (EventKind::Sound(kind), "wav") => {
                Ok(Self::numbered(Recordings::read_one(data, kind)?, None))
            }
            (EventKind::Text { .. }, "txt") => Self::lines(data, event),
            (EventKind::Sound(kind), _) if data.is_dir() => Self::sounds(data, split, kind),
            (EventKind::Image { .. } | EventKind::Class { .. }, _) if data.is_dir() => {
                Self::folder(data, split, model)
            }
            _ => {
                let reason = format!(
                    "the model reads {}: give {}",
                    event.in_words(),
                    takes(event)
                );
                Err(Error::bad_file(data, reason))
            }
        }
    }

    /// A folder of recordings: spoken digits of one half where all are named like them.
    fn sounds(folder: &Path, split: Split, kind: &Spectrogram) -> Result<Self, Error> {
        match SpokenDigits::read(folder, kind) {
            Ok(digits) => {
                let rows = digits.rows(split == Split::Test);
                let ids = rows
                    .iter()
                    .map(|&row| digits.recordings.ids[row].clone())
                    .collect();
                let (labels, digest) = (Some(digits.labels_of(&rows)), Some(digits.digest()));
                Ok(Self {
                    ids,
                    observations: digits.recordings.sounds.select(&rows),
                    labels,
                    digest,
                })
            }
            Err(DatasetError::RecordingName { .. }) => {
                let Recordings { ids, sounds } = Recordings::read(folder, kind)?;
                Ok(Self {
                    ids,
                    observations: sounds,
                    labels: None,
                    digest: None,
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A text file, a line a text; ids are the numbers of its lines.
    fn lines(path: &Path, event: &EventKind) -> Result<Self, Error> {
        let lines = TextLines::read(path)?;
        Ok(Self {
            ids: lines.ids(),
            observations: lines.observations(event)?,
            labels: None,
            digest: None,
        })
    }

    pub(crate) fn numbered(observations: Observations, labels: Option<Vec<u8>>) -> Self {
        let ids = (0..observations.rows())
            .map(|row| row.to_string())
            .collect();
        Self {
            ids,
            observations,
            labels,
            digest: None,
        }
    }

    fn array(data: &Path, model: &GivenModel) -> Result<Self, Error> {
        if let Some(classes) = model.classes() {
            let labels = read_npy_classes(data, classes)?;
            return Ok(Self::numbered(
                Observations::one_hot(&labels, classes)?,
                Some(labels),
            ));
        }
        Ok(Self::numbered(
            observations_of(data, model.model.event())?,
            None,
        ))
    }

    fn folder(data: &Path, split: Split, model: &GivenModel) -> Result<Self, Error> {
        match locate_mnist(Some(data)).or_else(|error| {
            Mnist::load(data, split)
                .map(|_| data.to_owned())
                .map_err(|_| error)
        }) {
            Ok(folder) => Self::mnist(&folder, split, model),
            Err(_) if model.is_image() && !is_digit(model.model.event()) => {
                let (ids, observations) = read_png_folder(data, model.model.event())?;
                Ok(Self {
                    ids,
                    observations,
                    labels: None,
                    digest: None,
                })
            }
            Err(not_mnist) if model.is_image() => match read_digit_folder(data) {
                Ok((ids, observations)) => Ok(Self {
                    ids,
                    observations,
                    labels: None,
                    digest: None,
                }),
                Err(DatasetError::Data(error)) if is_empty_folder(&error) => Err(not_mnist.into()),
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    fn mnist(folder: &Path, split: Split, model: &GivenModel) -> Result<Self, Error> {
        let data = Mnist::load(folder, split)?;
        let observations = match model.classes() {
            Some(classes) => Observations::one_hot(data.labels(), classes)?,
            None => data.images_observations(),
        };
        let digest = Some(data.digest());
        Ok(Self {
            digest,
            ..Self::numbered(observations, Some(data.labels().to_vec()))
        })
    }
}

/// What `--data` and `--from` take for a kind of observations.
pub(crate) fn takes(event: &EventKind) -> &'static str {
    match event {
        EventKind::Image { .. } => "a .png, a folder of .png, an .npy of images, or MNIST's folder",
        EventKind::Class { .. } => "a label, an .npy of class ids, or MNIST's folder",
        EventKind::Sound(_) => "a .wav, a folder of .wav, or an .npy of spectrograms",
        EventKind::Text { .. } => {
            "a text in quotes, a .txt with a text a line, or an .npy of one-hot symbols"
        }
        _ => "an .npy",
    }
}

/// A text as a model of texts sees it.
pub(crate) fn text_observations(text: &str, event: &EventKind) -> Result<Observations, Error> {
    let EventKind::Text { length, vocabulary } = event else {
        return Err(Error::usage(format!(
            "{text:?} is a text; the model reads {}",
            event.in_words()
        )));
    };
    Ok(Vocabulary::new(vocabulary.clone())?.observations(&[text], *length)?)
}

/// Whether images are digits as MNIST has them: those that are brought into MNIST's form when they
/// come from elsewhere.
fn is_digit(event: &EventKind) -> bool {
    matches!(
        event,
        EventKind::Image {
            channels: 1,
            height: 28,
            width: 28
        }
    )
}

/// The observations in an `.npy`; images in 0..1 or 0..255.
fn observations_of(path: &Path, event: &EventKind) -> Result<Observations, Error> {
    let array = read_npy(path)?;
    if array.is_empty() || !holds(array.shape(), event) {
        let reason = format!(
            "has shape {:?} where [n, {}] is needed",
            array.shape(),
            joined(&event.shape())
        );
        return Err(Error::bad_file(path, reason));
    }
    let scale = PixelRange::of(array.iter()).scale(path, event)?;
    let values = array.iter().map(|value| value * scale).collect();
    Ok(Observations::new(values, event.clone())?)
}

/// Whether an array of this shape is images of `event`: `[n, 1, 28, 28]`, `[n, 28, 28]`, `[28, 28]`
/// or `[n, 784]`.
pub(super) fn holds(shape: &[usize], event: &EventKind) -> bool {
    let whole = event.shape();
    let without_channel = whole.strip_prefix(&[1]).unwrap_or(&whole);
    let of_one =
        |tail: &[usize]| shape == tail || (shape.len() == tail.len() + 1 && shape.ends_with(tail));
    of_one(&whole) || of_one(without_channel) || (shape.len() == 2 && shape[1] == event.size())
}

/// Returns whether an error says that a folder has no images.
fn is_empty_folder(error: &DataError) -> bool {
    matches!(
        error.fault(),
        Some(FileError::Image(ImageError::EmptyFolder))
    )
}

fn joined(shape: &[usize]) -> String {
    shape
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What pixels lie between.
#[derive(Clone, Copy)]
pub(super) struct PixelRange {
    low: f32,
    high: f32,
    whole: bool,
}

impl PixelRange {
    /// Returns the range of `pixels` and 0.
    pub(super) fn of<'p>(pixels: impl IntoIterator<Item = &'p f32>) -> Self {
        let mut range = Self {
            low: 0.0,
            high: 0.0,
            whole: true,
        };
        for &pixel in pixels {
            range.low = range.low.min(pixel);
            range.high = range.high.max(pixel);
            range.whole &= pixel.fract() == 0.0;
        }
        range
    }

    /// That of these pixels and others.
    pub(super) fn and(self, other: Self) -> Self {
        let (low, high) = (self.low.min(other.low), self.high.max(other.high));
        Self {
            low,
            high,
            whole: self.whole && other.whole,
        }
    }

    /// By what numbers of `event` are multiplied: where they are images, white becomes 1, which is
    /// 255 where pixels are whole numbers beyond 1.
    ///
    /// # Errors
    /// [`Error`] with the file when they are no pixels.
    pub(super) fn scale(self, path: &Path, event: &EventKind) -> Result<f32, Error> {
        let Self { low, high, whole } = self;
        match event {
            EventKind::Image { .. } if low >= 0.0 && high <= 1.0 => Ok(1.0),
            EventKind::Image { .. } if low >= 0.0 && high <= 255.0 && whole => Ok(1.0 / 255.0),
            EventKind::Image { .. } => Err(Error::bad_file(
                path,
                format!(
                    "holds pixels from {low} to {high}; they must lie in 0..1, or be whole numbers in 0..255"
                ),
            )),
            _ => Ok(1.0),
        }
    }
}
