//! What ships inside the program: trained models and paired latents, each with the command that
//! made it.

use crate::Error;
use sha2::{Digest, Sha256};
use std::path::Path;
use zbridge_data::LatentsFile;
use zbridge_models::{Classifier, Vae};
use zbridge_nn::WeightsFile;

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
    /// The embedded given model of this name.
    pub fn model_named(name: &str) -> Option<Self> {
        [MNIST_IMAGE, MNIST_IMAGE_3_EPOCHS, MNIST_LABEL]
            .into_iter()
            .find(|asset| asset.name == name)
    }

    /// SHA-256 of its bytes, hexadecimal.
    pub fn digest(&self) -> String {
        digest(self.bytes)
    }

    /// The weights file in it.
    ///
    /// # Errors
    /// [`Error`] when the bytes are damaged, which a test excludes.
    pub fn weights(&self) -> Result<WeightsFile, Error> {
        Ok(WeightsFile::from_bytes(self.bytes, Path::new(self.name))?)
    }

    /// The VAE in it.
    ///
    /// # Errors
    /// [`Error`] when it holds something else.
    pub fn vae(&self) -> Result<Vae, Error> {
        Ok(Vae::from_weights(&self.weights()?, Path::new(self.name))?)
    }

    /// The classifier in it.
    ///
    /// # Errors
    /// [`Error`] when it holds something else.
    pub fn classifier(&self) -> Result<Classifier, Error> {
        Ok(Classifier::from_weights(
            &self.weights()?,
            Path::new(self.name),
        )?)
    }

    /// The latents in it.
    ///
    /// # Errors
    /// [`Error`] when it holds something else.
    pub fn latents(&self) -> Result<LatentsFile, Error> {
        Ok(LatentsFile::from_bytes(self.bytes)?)
    }
}

/// SHA-256 of `bytes`, hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Two digits a byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
