//! Join two pretrained generative models through their latents.
//!
//! The two models were trained separately, one for each modality, and are never retrained. From a
//! few hundred pairs zbridge learns q(z_y|z_x) and q(z_x|z_y) between their latents. Then
//! x → z_x → z_y → y, and back.
//!
//! This crate is the library. It sees latents as [`Posterior`]s, whatever model they come from:
//!
//! ```
//! use zbridge::{
//!     Bridge, BridgeConfig, ConditionalDensity, DiagonalGaussian, FitData, Latents,
//!     LatentDistribution, Posterior, RandomStream, Unobserved,
//! };
//!
//! // 64 pairs of posteriors as two encoders give them; y's latent is twice x's.
//! let mut means = vec![0.0; 64];
//! RandomStream::named(1, "example").fill_standard_normal(&mut means);
//! let posteriors = |means: Vec<f32>| -> Result<Posterior, zbridge::Error> {
//!     let mean = Latents::from_vec(means, 1)?;
//!     Ok(DiagonalGaussian::new(mean, Latents::filled(64, 1, -4.0))?.into())
//! };
//! let x = posteriors(means.clone())?;
//! let y = posteriors(means.iter().map(|mean| 2.0 * mean).collect())?;
//!
//! let config = BridgeConfig::family("linear-gaussian".parse()?).check()?;
//! let bridge = Bridge::fit(&FitData::pairs(&x, &y), &config, &Unobserved)?;
//!
//! // q(z_y | z_x = 0.5) is an ordinary distribution: it draws and has a density.
//! let q = bridge.x_to_y().given(&Latents::filled(1, 1, 0.5))?;
//! let draws = q.sample_each(100, &mut RandomStream::named(2, "example"))?;
//! let mean = draws.view().mean().unwrap();
//! assert!((mean - 1.0).abs() < 0.2, "{mean}");
//! # Ok::<(), zbridge::Error>(())
//! ```
//!
//! | to do | use |
//! |---|---|
//! | read or write latents | [`LatentsFile`] |
//! | open a model: ONNX, diffusers, weights of zbridge | [`GivenModel::open`] |
//! | fit a bridge from pairs, and from latents without partners | [`Bridge::fit`], [`FitData`], [`BridgeConfig`] |
//! | draw targets, or evaluate their density | [`ConditionalDensity::given`], [`translate`], [`translate_mean`], [`generate`] |
//! | figures on held-out pairs | [`evaluate`] |
//! | progress, and stopping early | [`Observer`] |
//!
//! All errors are one [`Error`]. All randomness comes from a [`RandomStream`]: the same seed gives
//! the same result on any number of threads.
#![forbid(unsafe_code)]

mod error;
mod evaluation;
mod given_model;
mod translation;

pub use error::Error;
pub use evaluation::{DirectionFigures, Evaluation, evaluate};
pub use given_model::GivenModel;
pub use translation::{
    class_probabilities, generate, mean_observations, translate, translate_mean,
};

pub use zbridge_bridge::{
    AutoConfig, Bridge, BridgeConfig, BridgeError, CheckedConfig, Comparison, Conditional,
    Direction, DirectionGap, Directions, Divergence, Family, FamilyConfig, FitCurve, FitData,
    FitPlan, GaussianDensity, PaperConfig, Recipe, RecipeName, SourceReading, Trial, Views,
};
pub use zbridge_core::{
    ConditionalDensity, DensityError, DiagonalGaussian, Estimate, EventKind, Interrupted,
    LatentDistribution, LatentModel, LatentModelError, Latents, Observations, Observer, Posterior,
    PosteriorSamples, Progress, RandomStream, ShapeError, Spectrogram, Stage, TextUnit, Unobserved,
    Vocabulary, VocabularyError,
};
pub use zbridge_data::{DataError, LatentsFile, Precision};
pub use zbridge_eval::{
    Coverage, EvalError, MeanAccuracy, PitCalibration, RecallAt, Retrieval, Uniformity,
};
pub use zbridge_foreign::{ForeignError, Guess};
pub use zbridge_models::ModelError;
pub use zbridge_nn::NnError;
