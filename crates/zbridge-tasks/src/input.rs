//! Observations that users give: data sets, arrays, folders, single images, labels.

use crate::Error;
use crate::pixel_range::PixelRange;
use std::path::{Path, PathBuf};
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

/// Observations with the id of each and, if it is known, its class.
pub(crate) struct Input {
    pub(crate) ids: Vec<String>,
    pub(crate) observations: Observations,
    pub(crate) labels: Option<Vec<u8>>,
    /// SHA-256 of the data, if it is a data set.
    pub(crate) digest: Option<String>,
}

impl Input {
    /// Returns the observations in `data` that `model` can read: an `.npy`, an image file, a folder
    /// of images, or a dataset folder with its split.
    ///
    /// # Errors
    /// [`Error`] with the file and what is wrong with it.
    pub(crate) fn read(data: &Path, split: Split, model: &GivenModel) -> Result<Self, Error> {
        if !data.exists() {
            return Err(Error::bad_file(data, "does not exist"));
        }
        let event = model.model.event();
        match (event, extension(data).as_str()) {
            (_, "npy") => Self::array(data, model),
            (EventKind::Image { .. }, "png") => Self::image(data, event),
            (EventKind::Sound(kind), "wav") => {
                Ok(Self::numbered(Recordings::read_one(data, kind)?, None))
            }
            (EventKind::Text { .. }, "txt") => Self::lines(data, event),
            // A folder may have any extension.
            (EventKind::Sound(kind), _) if data.is_dir() => Self::sounds(data, split, kind),
            (EventKind::Image { .. } | EventKind::Class { .. }, _) if data.is_dir() => {
                Self::folder(data, split, model)
            }
            _ => {
                let (kind, readable) = (event.in_words(), readable(event));
                let reason = format!("the model reads {kind}: give {readable}");
                Err(Error::bad_file(data, reason))
            }
        }
    }

    /// Returns the rows of a folder of recordings: of one half, if all are named as spoken digits.
    fn sounds(folder: &Path, split: Split, kind: &Spectrogram) -> Result<Self, Error> {
        let digits = match SpokenDigits::read(folder, kind) {
            Ok(digits) => digits,
            // Recordings of other names are read as they are, all of them.
            Err(DatasetError::RecordingName { .. }) => {
                let Recordings { ids, sounds } = Recordings::read(folder, kind)?;
                return Ok(Self::named(ids, sounds));
            }
            Err(error) => return Err(error.into()),
        };
        let rows = digits.rows(split == Split::Test);
        let ids = &digits.recordings.ids;
        Ok(Self {
            ids: rows.iter().map(|&row| ids[row].clone()).collect(),
            observations: digits.recordings.sounds.select(&rows),
            labels: Some(digits.labels_of(&rows)),
            digest: Some(digits.digest()),
        })
    }

    /// Returns the lines of a text file, each a text; their ids are the indices of the lines.
    fn lines(path: &Path, event: &EventKind) -> Result<Self, Error> {
        let lines = TextLines::read(path)?;
        Ok(Self::named(lines.ids(), lines.observations(event)?))
    }

    /// Returns observations whose ids are their row numbers, from 0.
    pub(crate) fn numbered(observations: Observations, labels: Option<Vec<u8>>) -> Self {
        let ids = (0..observations.rows()).map(|row| row.to_string());
        Self {
            labels,
            ..Self::named(ids.collect(), observations)
        }
    }

    fn named(ids: Vec<String>, observations: Observations) -> Self {
        Self {
            ids,
            observations,
            labels: None,
            digest: None,
        }
    }

    fn image(path: &Path, event: &EventKind) -> Result<Self, Error> {
        let image = match is_digit(event) {
            true => read_digit(path)?,
            false => read_png(path, event)?,
        };
        Ok(Self::numbered(image, None))
    }

    fn array(data: &Path, model: &GivenModel) -> Result<Self, Error> {
        if let Some(classes) = model.classes() {
            let labels = read_npy_classes(data, classes)?;
            let observations = Observations::one_hot(&labels, classes)?;
            return Ok(Self::numbered(observations, Some(labels)));
        }
        let observations = observations_of(data, model.model.event())?;
        Ok(Self::numbered(observations, None))
    }

    /// Returns the rows of MNIST, if they are in the folder, otherwise its images.
    fn folder(data: &Path, split: Split, model: &GivenModel) -> Result<Self, Error> {
        let not_mnist = match mnist_folder(data, split) {
            Ok(folder) => return Self::mnist(&folder, split, model),
            Err(error) => error,
        };
        if !model.is_image() {
            return Err(not_mnist.into());
        }
        let event = model.model.event();
        if !is_digit(event) {
            let (ids, images) = read_png_folder(data, event)?;
            return Ok(Self::named(ids, images));
        }
        match read_digit_folder(data) {
            Ok((ids, images)) => Ok(Self::named(ids, images)),
            // Without images, the folder was rather meant to have MNIST.
            Err(DatasetError::Data(error)) if is_empty_folder(&error) => Err(not_mnist.into()),
            Err(error) => Err(error.into()),
        }
    }

    fn mnist(folder: &Path, split: Split, model: &GivenModel) -> Result<Self, Error> {
        let data = Mnist::load(folder, split)?;
        let observations = match model.classes() {
            Some(classes) => Observations::one_hot(data.labels(), classes)?,
            None => data.images_observations(),
        };
        Ok(Self {
            digest: Some(data.digest()),
            ..Self::numbered(observations, Some(data.labels().to_vec()))
        })
    }
}

/// Returns the folder of MNIST: one with all four files, or with those of the split.
fn mnist_folder(data: &Path, split: Split) -> Result<PathBuf, DatasetError> {
    locate_mnist(Some(data)).or_else(|error| match Mnist::load(data, split) {
        Ok(_) => Ok(data.to_owned()),
        Err(_) => Err(error),
    })
}

/// Returns the extension of a file in lower case, empty if there is none.
pub(crate) fn extension(path: &Path) -> String {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.unwrap_or_default().to_ascii_lowercase()
}

/// Returns in words what is read as observations of this kind.
pub(crate) fn readable(event: &EventKind) -> &'static str {
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

/// Returns a text as a model of texts sees it.
pub(crate) fn text_observations(text: &str, event: &EventKind) -> Result<Observations, Error> {
    let EventKind::Text { length, vocabulary } = event else {
        return Err(Error::usage(format!(
            "{text:?} is a text; the model reads {}",
            event.in_words()
        )));
    };
    Ok(Vocabulary::new(vocabulary.clone())?.observations(&[text], *length)?)
}

/// Returns whether images have the shape of MNIST's digits: only these are brought into the form of
/// MNIST.
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

/// Returns the observations in an `.npy`; images in 0..1 or 0..255.
fn observations_of(path: &Path, event: &EventKind) -> Result<Observations, Error> {
    let array = read_npy(path)?;
    if array.is_empty() || !holds(array.shape(), event) {
        let sizes: Vec<String> = event.shape().iter().map(ToString::to_string).collect();
        let reason = format!(
            "has shape {:?} where [n, {}] is needed",
            array.shape(),
            sizes.join(", ")
        );
        return Err(Error::bad_file(path, reason));
    }
    // One scale for the whole array: a single dark image cannot tell.
    let scale = PixelRange::of(array.iter()).scale(path, event)?;
    let values = array.iter().map(|value| value * scale).collect();
    Ok(Observations::new(values, event.clone())?)
}

/// Returns whether an array of this shape is images of `event`: `[n, 1, 28, 28]`, `[n, 28, 28]`,
/// `[28, 28]` or `[n, 784]`.
pub(crate) fn holds(shape: &[usize], event: &EventKind) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_text_lines_count_from_zero_and_count_blank_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("texts.txt");
        std::fs::write(&path, "red\n\nblue\n").unwrap();
        let symbols = ["", "red", "blue"].map(str::to_owned);
        let vocabulary = Vocabulary::new(symbols.to_vec()).unwrap();
        let input = Input::lines(&path, &vocabulary.event(2)).unwrap();
        assert_eq!(input.ids, ["0", "2"]);
    }
}
