//! Join two pretrained generative models through their latents.
//!
//! The two models were trained separately, one for each modality, and are never retrained. From a
//! few hundred pairs zbridge learns q(z_y|z_x) and q(z_x|z_y) between their latents; then x → z_x →
//! z_y → y, and back.
//!
//! ```
//! use zbridge::{Bridge, BridgeConfig, FitData, assets, demo::EmbeddedPairs, translation::generate};
//! use zbridge_core::{LatentModel, Observations, RandomStream};
//!
//! let (image_model, label_model) = (assets::MNIST_IMAGE.vae()?, assets::MNIST_LABEL.vae()?);
//! let (x, labels) = EmbeddedPairs::load()?.pairs(256, 1);
//! let y = label_model.posterior(&Observations::one_hot(&labels, 10)?)?;
//!
//! let config = BridgeConfig { steps: 50, ..BridgeConfig::paper() };
//! let bridge = Bridge::fit(&FitData::pairs(&x, &y), &config.check()?, &mut |_, _| true)?;
//!
//! let seven = label_model.posterior(&Observations::one_hot(&[7], 10)?)?;
//! let mut stream = RandomStream::named(1, "sevens");
//! let images = generate(bridge.y_to_x(), &seven, &image_model, 5, &mut stream)?;
//! assert_eq!((images.rows(), images.kind().size()), (5, 28 * 28));
//! # Ok::<(), zbridge::Error>(())
//! ```
#![forbid(unsafe_code)]

pub mod assets;
pub mod compare;
pub mod demo;
mod digits;
pub mod doctor;
mod error;
pub mod evaluation;
pub mod experiments;
mod given;
pub mod inspection;
pub mod learning_curve;
pub mod measures;
mod pages;
pub mod pictures;
mod points;
pub mod report;
pub mod reproduce;
pub mod tasks;
pub mod training;
pub mod translation;
mod words;

pub use error::{Error, Failure};
pub use given::Given;
pub use zbridge_bridge::{
    Bridge, BridgeConfig, CheckedConfig, Comparison, Conditional, Direction, DirectionGap,
    Divergence, Family, FitData, FitProgress, Recipe, Trial,
};
pub use zbridge_core::{
    DiagonalGaussian, EventKind, LatentModel, Latents, Observations, Posterior, RandomStream,
};
pub use zbridge_data::Split;
pub use zbridge_foreign::Guess;

use std::path::Path;

/// Makes `folder` and its parents.
///
/// # Errors
/// [`Error::Folder`] when that cannot be done.
pub(crate) fn make_folder(folder: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(|reason| Error::Folder {
        path: folder.to_owned(),
        reason,
    })
}
