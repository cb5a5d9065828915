//! Conditional densities between latents, and how they are fitted.
//!
//! A bridge is two densities, q(z_y|z_x) and q(z_x|z_y), learned from pairs of posteriors
//! ([`Bridge::fit`]). The given models never appear here: latents are the interface.
//!
//! ```
//! use zbridge_bridge::{Bridge, BridgeConfig};
//! use zbridge_core::{DiagonalGaussian, Latents, RandomStream};
//!
//! // 64 pairs of posteriors; y's latent is twice x's.
//! let mut means = vec![0.0; 64];
//! RandomStream::named(1, "doc").fill_standard_normal(&mut means);
//! let posterior = |means: Vec<f32>| {
//!     DiagonalGaussian::new(Latents::new(means, 1)?, Latents::filled(64, 1, -4.0))
//! };
//! let x = posterior(means.clone())?.into();
//! let y = posterior(means.iter().map(|m| 2.0 * m).collect())?.into();
//! let config = BridgeConfig { steps: 400, ..BridgeConfig::paper() };
//! let bridge = Bridge::fit(&x, &y, &config.check()?, &mut |_, _| true)?;
//! let guess = bridge.x_to_y().gaussians(&Latents::new(vec![0.5], 1)?)?;
//! assert!((guess.mean().row(0)[0] - 1.0).abs() < 0.4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod bridge;
mod config;
mod divergence;
mod error;
mod fit;
mod families;
mod learner;

pub use bridge::{Bridge, Direction};
pub use config::{BridgeConfig, CheckedConfig};
pub use divergence::Divergence;
pub use error::BridgeError;
pub use fit::{FitCurve, FitProgress};
pub use families::GaussianDensity;
