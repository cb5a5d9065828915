//! Conditional densities between latents, and how they are fitted.
//!
//! A bridge is two densities, q(z_y|z_x) and q(z_x|z_y), learned from pairs of posteriors
//! ([`Bridge::fit`]). The given models never appear here: latents are the interface.
//!
//! ```
//! use zbridge_bridge::{Bridge, BridgeConfig, FitData, PaperConfig};
//! use zbridge_core::{ConditionalDensity, DiagonalGaussian, Latents, RandomStream, Unobserved};
//!
//! // 64 pairs of posteriors; y's latent is twice x's.
//! let mut means = vec![0.0; 64];
//! RandomStream::named(1, "doc").fill_standard_normal(&mut means);
//! let posterior = |means: Vec<f32>| {
//!     DiagonalGaussian::new(Latents::from_vec(means, 1)?, Latents::filled(64, 1, -4.0))
//! };
//! let x = posterior(means.clone())?.into();
//! let y = posterior(means.iter().map(|m| 2.0 * m).collect())?.into();
//! let config = BridgeConfig::paper(PaperConfig { steps: 400, ..PaperConfig::default() });
//! let bridge = Bridge::fit(&FitData::pairs(&x, &y), &config.check()?, &Unobserved)?;
//! let source = Latents::from_vec(vec![0.5], 1)?;
//! let guesses = bridge.x_to_y().given(&source)?.sample_each(100, &mut RandomStream::named(2, "doc"))?;
//! let mean = guesses.values().iter().sum::<f32>() / 100.0;
//! assert!((mean - 1.0).abs() < 0.4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod agreement;
mod auto;
mod bridge;
mod bridge_file;
mod comparison;
mod conditional;
mod config;
mod curve;
mod density;
mod direction;
mod divergence;
mod ensemble;
mod error;
mod families;
mod family;
mod fit_data;
mod frame;
mod gap;
mod graph;
mod learner;
mod linear_algebra;
mod maximum_likelihood;
mod mean_teacher;
mod named_enum;
mod paper;
mod plan;
mod principal_components;
mod recipe_name;
mod rows;
mod scale_mixture;
mod shared_codes;
mod source_reading;
mod stored_config;
mod training_step;

pub use bridge::Bridge;
pub use comparison::{Comparison, Trial};
pub use conditional::Conditional;
pub use config::{AutoConfig, BridgeConfig, CheckedConfig, FamilyConfig, PaperConfig, Recipe};
pub use curve::FitCurve;
pub use direction::{Direction, Directions};
pub use divergence::Divergence;
pub use error::BridgeError;
pub use families::GaussianDensity;
pub use family::Family;
pub use fit_data::{FitData, Views};
pub use gap::DirectionGap;
pub use plan::FitPlan;
pub use recipe_name::RecipeName;
pub use source_reading::SourceReading;
pub use training_step::TrainingStep;
