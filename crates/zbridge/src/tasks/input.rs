//! What users hand in: datasets, arrays, folders, single images, labels.

use crate::{Error, Given};
use std::path::Path;
use zbridge_core::{EventKind, Observations};
use zbridge_data::{Array, DataError, Mnist, Split, image_folder, read_class_ids, read_image};

/// Observations with the id of each and, where known, its class.
pub(super) struct Input {
    pub(super) ids: Vec<String>,
    pub(super) observations: Observations,
    pub(super) labels: Option<Vec<u8>>,
    /// SHA-256 of the data, where the reader knows one.
    pub(super) digest: Option<String>,
}

impl Input {
    /// The observations in `data` that `model` can read: an `.npy`, an image file, a folder of images, or a
    /// dataset folder with its split.
    ///
    /// # Errors
    /// [`Error`] with the file and what is wrong with it.
    pub(super) fn read(data: &Path, split: Split, model: &Given) -> Result<Self, Error> {
        let extension = data.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        match extension.as_str() {
            "npy" => Self::array(data, model),
            "png" if model.is_image() => Ok(Self::numbered(read_image(data)?, None)),
            "png" => Err(Error::bad_file(data, "is an image, but the model reads classes")),
            _ if !data.is_dir() => Err(Error::bad_file(
                data,
                "is neither a folder nor .npy nor .png: give MNIST's folder, a folder of .png, or one such file",
            )),
            _ => Self::folder(data, split, model),
        }
    }

    fn numbered(observations: Observations, labels: Option<Vec<u8>>) -> Self {
        let ids = (0..observations.rows()).map(|row| row.to_string()).collect();
        Self { ids, observations, labels, digest: None }
    }

    fn array(data: &Path, model: &Given) -> Result<Self, Error> {
        if let Some(classes) = model.classes() {
            let labels = read_class_ids(data, classes)?;
            return Ok(Self::numbered(Observations::one_hot(&labels, classes)?, Some(labels)));
        }
        Ok(Self::numbered(images_of(data, zbridge_core::LatentModel::event(&model.model))?, None))
    }

    fn folder(data: &Path, split: Split, model: &Given) -> Result<Self, Error> {
        match zbridge_data::locate(Some(data)) {
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

/// The images in an `.npy` of shape `[n, 1, 28, 28]`, `[n, 28, 28]`, `[28, 28]` or `[n, 784]`, for a 28×28 model:
/// values in 0..1, or 0..255 when they are integers.
fn images_of(path: &Path, event: &EventKind) -> Result<Observations, Error> {
    let array = Array::read(path)?;
    array.expect_finite(path)?;
    let size = event.size();
    let event_shape = event.shape();
    let tail: Vec<usize> = event_shape.iter().copied().skip_while(|&n| n == 1).collect();
    let fits =
        array.shape.ends_with(&tail) && array.values.len().is_multiple_of(size) || array.shape.last() == Some(&size);
    if !fits || array.values.is_empty() {
        let reason = format!("has shape {:?} where [n, {event_shape:?}] is needed", array.shape);
        return Err(Error::bad_file(path, reason.replace("[n, [", "[n, ").replace("]]", "]")));
    }
    let largest = array.values.iter().copied().fold(0.0f32, f32::max);
    let smallest = array.values.iter().copied().fold(0.0f32, f32::min);
    let scale = if largest <= 1.0 { 1.0 } else { 1.0 / 255.0 };
    if smallest < 0.0 || largest > 255.0 {
        let reason = format!("holds pixels from {smallest} to {largest}; they must lie in 0..1 (or 0..255)");
        return Err(Error::bad_file(path, reason));
    }
    let values = array.values.iter().map(|value| value * scale).collect();
    Ok(Observations::new(values, event.clone())?)
}
