use crate::Error;
use crate::assets::{Asset, digest};
use std::path::Path;
use zbridge_core::{EventKind, LatentModel};
use zbridge_models::Vae;
use zbridge_nn::{Device, WeightsFile};

/// A given model as a user named it, with the digest that says which one it really was.
#[derive(Debug, Clone)]
pub struct Given {
    /// An embedded name or a path, as typed.
    pub name: String,
    /// The model.
    pub model: Vae,
    /// SHA-256 of its file.
    pub digest: String,
}

impl Given {
    /// The embedded model of this name, or the model in the weights file at this path, on `device`.
    ///
    /// # Errors
    /// [`Error`] when there is neither, the file is not a model, or there is no such device.
    pub fn open(name: &str, device: Device) -> Result<Self, Error> {
        if let Some(asset) = Asset::model_named(name) {
            return Ok(Self { name: name.into(), model: asset.vae()?.on(device)?, digest: asset.digest() });
        }
        let path = Path::new(name);
        if !path.exists() {
            return Err(Error::UnknownModel { name: name.into() });
        }
        let bytes = std::fs::read(path).map_err(|reason| Error::bad_file(path, format!("cannot be read: {reason}")))?;
        let model = Vae::from_weights(&WeightsFile::from_bytes(&bytes, path)?, path)?.on(device)?;
        Ok(Self { name: name.into(), model, digest: digest(&bytes) })
    }

    /// Whether it models images.
    pub fn is_image(&self) -> bool {
        matches!(self.model.event(), EventKind::Image { .. })
    }

    /// How many classes it models, if it models classes.
    pub fn classes(&self) -> Option<usize> {
        match self.model.event() {
            EventKind::Class { classes } => Some(*classes),
            _ => None,
        }
    }
}
