//! Trained models and paired latents that ship inside the program of zbridge.
//!
//! Each is a safetensors file; `assets/README.md` has its digest, and its metadata the command that
//! made it. A library user of `zbridge` does not depend on this crate, and carries none of them.
#![forbid(unsafe_code)]

use sha2::{Digest, Sha256};
use std::path::Path;
use zbridge_core::hexadecimal;
use zbridge_data::{DataError, LatentsFile};
use zbridge_models::{Classifier, ModelError, Vae};
use zbridge_nn::{NnError, WeightsFile};

/// An embedded file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// Its name, as `--x-model` and `--y-model` take it.
    pub name: &'static str,
    /// Its bytes, safetensors.
    pub bytes: &'static [u8],
}

macro_rules! asset {
    ($name:literal) => {
        Asset {
            name: $name,
            bytes: include_bytes!(concat!("../../../assets/", $name, ".safetensors")),
        }
    };
}

/// Image VAE of MNIST, 64 latents.
pub const MNIST_IMAGE: Asset = asset!("mnist-image");
/// The same, stopped after 3 epochs (section 5.4).
pub const MNIST_IMAGE_3_EPOCHS: Asset = asset!("mnist-image-3-epochs");
/// Label VAE of the ten digits, 2 latents.
pub const MNIST_LABEL: Asset = asset!("mnist-label");
/// Classifier that judges generated images.
pub const MNIST_JUDGE: Asset = asset!("mnist-judge");
/// Image posteriors of 2,024 MNIST test images with their labels: 1,024 pairs, then 1,000 held out.
pub const MNIST_LATENTS: Asset = asset!("mnist-latents");

/// Image posteriors of 3,000 MNIST training images without their labels.
pub const MNIST_UNPAIRED: Asset = asset!("mnist-unpaired");

/// Every embedded file.
pub const ALL: [Asset; 6] = [
    MNIST_IMAGE,
    MNIST_IMAGE_3_EPOCHS,
    MNIST_LABEL,
    MNIST_JUDGE,
    MNIST_LATENTS,
    MNIST_UNPAIRED,
];

impl Asset {
    /// Returns the embedded given model of this name, `None` if there is no such model.
    pub fn model_named(name: &str) -> Option<Self> {
        [MNIST_IMAGE, MNIST_IMAGE_3_EPOCHS, MNIST_LABEL]
            .into_iter()
            .find(|asset| asset.name == name)
    }

    /// Returns the SHA-256 of its bytes in hexadecimal digits.
    pub fn digest(&self) -> String {
        hexadecimal(&Sha256::digest(self.bytes))
    }

    /// Returns the weights file in it.
    ///
    /// # Errors
    /// [`NnError`] if the bytes are damaged, which a test excludes.
    pub fn weights(&self) -> Result<WeightsFile, NnError> {
        WeightsFile::from_bytes(self.bytes, Path::new(self.name))
    }

    /// Returns the VAE in it.
    ///
    /// # Errors
    /// [`ModelError`] if it holds something else.
    pub fn vae(&self) -> Result<Vae, ModelError> {
        Vae::from_weights(&self.weights()?, Path::new(self.name))
    }

    /// Returns the classifier in it.
    ///
    /// # Errors
    /// [`NnError`] if it holds something else.
    pub fn classifier(&self) -> Result<Classifier, NnError> {
        Classifier::from_weights(&self.weights()?, Path::new(self.name))
    }

    /// Returns the latents in it.
    ///
    /// # Errors
    /// [`DataError`] if it holds something else.
    pub fn latents(&self) -> Result<LatentsFile, DataError> {
        LatentsFile::from_bytes(self.bytes)
    }
}
