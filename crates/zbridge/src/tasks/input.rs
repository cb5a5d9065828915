//! What users hand in: datasets, arrays, folders, single images, labels.

use crate::{Error, Given};
use std::path::Path;
use zbridge_core::{EventKind, Observations};
use zbridge_data::{Array, DataError, Mnist, Split, image_folder, read_class_ids, read_image};

/// Observations with the id of each and, where known, its class.
pub(crate) struct Input {
    pub(crate) ids: Vec<String>,
    pub(crate) observations: Observations,
    pub(crate) labels: Option<Vec<u8>>,
    /// SHA-256 of the data, where the reader knows one.
    pub(crate) digest: Option<String>,
}

impl Input {
    /// The observations in `data` that `model` can read: an `.npy`, an image file, a folder of images, or a
    /// dataset folder with its split.
    ///
    /// # Errors
    /// [`Error`] with the file and what is wrong with it.
    pub(crate) fn read(data: &Path, split: Split, model: &Given) -> Result<Self, Error> {
        let extension = data.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        match extension.as_str() {
            "npy" => Self::array(data, model),
            "png" if model.is_image() => Ok(Self::numbered(read_image(data)?, None)),
            "png" => Err(Error::bad_file(data, "is an image, but the model reads classes")),
            _ if !data.exists() => Err(Error::bad_file(data, "does not exist")),
            _ if !data.is_dir() => Err(Error::bad_file(
                data,
                "is neither a folder nor .npy nor .png: give MNIST's folder, a folder of .png, or one such file",
            )),
            _ => Self::folder(data, split, model),
        }
    }

    pub(crate) fn numbered(observations: Observations, labels: Option<Vec<u8>>) -> Self {
        let ids = (0..observations.rows()).map(|row| row.to_string()).collect();
        Self { ids, observations, labels, digest: None }
    }

    fn array(data: &Path, model: &Given) -> Result<Self, Error> {
        if let Some(classes) = model.classes() {
            let labels = read_class_ids(data, classes)?;
            return Ok(Self::numbered(Observations::one_hot(&labels, classes)?, Some(labels)));
        }
        Ok(Self::numbered(images_of(data, model.model.event())?, None))
    }

    fn folder(data: &Path, split: Split, model: &Given) -> Result<Self, Error> {
        match zbridge_data::locate(Some(data))
            .or_else(|error| Mnist::load(data, split).map(|_| data.to_owned()).map_err(|_| error))
        {
            Ok(folder) => Self::mnist(&folder, split, model),
            Err(not_mnist) if model.is_image() => match image_folder(data) {
                Ok((ids, observations)) => Ok(Self { ids, observations, labels: None, digest: None }),
                Err(DataError::NoImages { .. }) => Err(not_mnist.into()),
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    fn mnist(folder: &Path, split: Split, model: &Given) -> Result<Self, Error> {
        let data = Mnist::load(folder, split)?;
        let observations = match model.classes() {
            Some(classes) => Observations::one_hot(data.labels(), classes)?,
            None => data.images_observations(),
        };
        let digest = Some(data.digest());
        Ok(Self { digest, ..Self::numbered(observations, Some(data.labels().to_vec())) })
    }
}

/// The images in an `.npy`.
fn images_of(path: &Path, event: &EventKind) -> Result<Observations, Error> {
    let array = Array::read(path)?;
    array.expect_finite(path)?;
    if array.values.is_empty() || !holds(&array.shape, event) {
        let reason = format!("has shape {:?} where [n, {}] is needed", array.shape, joined(&event.shape()));
        return Err(Error::bad_file(path, reason));
    }
    let scale = 1.0 / brightest(path, &array.values)?;
    let values = array.values.iter().map(|value| value * scale).collect();
    Ok(Observations::new(values, event.clone())?)
}

/// Whether an array of this shape is images of `event`: `[n, 1, 28, 28]`, `[n, 28, 28]`, `[28, 28]` or `[n, 784]`.
fn holds(shape: &[usize], event: &EventKind) -> bool {
    let whole = event.shape();
    let without_channel = whole.strip_prefix(&[1]).unwrap_or(&whole);
    let of_one = |tail: &[usize]| shape == tail || (shape.len() == tail.len() + 1 && shape.ends_with(tail));
    of_one(&whole) || of_one(without_channel) || (shape.len() == 2 && shape[1] == event.size())
}

fn joined(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The value of a white pixel: 1, or 255 where the pixels are whole numbers beyond 1.
fn brightest(path: &Path, pixels: &[f32]) -> Result<f32, Error> {
    let (low, high) = pixels.iter().fold((0.0f32, 0.0f32), |(low, high), &p| (low.min(p), high.max(p)));
    let whole = || pixels.iter().all(|pixel| pixel.fract() == 0.0);
    match () {
        () if low >= 0.0 && high <= 1.0 => Ok(1.0),
        () if low >= 0.0 && high <= 255.0 && whole() => Ok(255.0),
        () => Err(Error::bad_file(
            path,
            format!("holds pixels from {low} to {high}; they must lie in 0..1, or be whole numbers in 0..255"),
        )),
    }
}
