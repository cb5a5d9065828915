//! Value types and traits that all other crates of zbridge build on.
//!
//! A bridge sees only **latents**: batches of points ([`Latents`]) and of distributions
//! ([`Posterior`]). Shapes and finiteness are checked once, when such a value is made; code that
//! receives one relies on them. This crate knows no neural network and no file format.
//!
//! ```
//! use zbridge_core::{DiagonalGaussian, LatentDistribution, Latents, RandomStream};
//!
//! // Two posteriors over a latent space of two dimensions.
//! let mean = Latents::new(ndarray::array![[0.0, 1.0], [2.0, 3.0]])?;
//! let posterior = DiagonalGaussian::new(mean, Latents::filled(2, 2, -4.0))?;
//!
//! let mut stream = RandomStream::named(7, "example");
//! let draws = posterior.sample(&mut stream);
//! assert_eq!((draws.rows(), draws.dim()), (2, 2));
//! let nats = posterior.log_prob(&draws)?;
//! assert_eq!(nats.len(), 2);
//! # Ok::<(), zbridge_core::DensityError>(())
//! ```
//!
//! | for | types |
//! |---|---|
//! | batches | [`Latents`], [`Observations`] and their [`EventKind`], [`Vocabulary`] |
//! | distributions | [`DiagonalGaussian`], [`Posterior`] |
//! | what a bridge is | [`ConditionalDensity`], [`LatentDistribution`] |
//! | given models | [`LatentModel`], their [`Elbo`] |
//! | numbers | [`Estimate`], [`Moments`], [`log_sum_exp`], [`softmax_in_place`], [`RandomStream`] |
//! | long computations | [`Observer`], [`Stage`] |
//! | files | [`replace_file`], [`FileReplacement`], [`hexadecimal`] |
#![forbid(unsafe_code)]

mod diagonal_gaussian;
mod elbo;
mod error;
mod estimate;
mod event_kind;
mod file_replacement;
mod hexadecimal;
mod latents;
mod log_sum_exp;
mod model;
mod moments;
mod observations;
mod observer;
mod posterior;
mod random_stream;
mod text_observations;
mod vocabulary;

pub use diagonal_gaussian::DiagonalGaussian;
pub use elbo::Elbo;
pub use error::{DensityError, LatentModelError, ShapeError, VocabularyError};
pub use estimate::Estimate;
pub use event_kind::{EventKind, Spectrogram};
pub use file_replacement::{FileReplacement, replace_file, replace_file_anywhere};
pub use hexadecimal::hexadecimal;
pub use latents::Latents;
pub use log_sum_exp::{log_sum_exp, softmax_in_place};
pub use model::{ConditionalDensity, LatentDistribution, LatentModel};
pub use moments::Moments;
pub use observations::Observations;
pub use observer::{Interrupted, Observer, Progress, Stage, Unobserved};
pub use posterior::{Posterior, PosteriorSamples};
pub use random_stream::RandomStream;
pub use vocabulary::{TextUnit, Vocabulary};

/// ln 2π, the constant of every Gaussian log density.
pub const LN_TWO_PI: f64 = 1.837_877_066_409_345_5;
