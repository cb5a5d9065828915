//! Likelihoods, coherence and calibration: what a bridge is worth, each quantity under its own name.
//!
//! The paper's tables call several different things "log p(x)". Here each has one name:
//!
//! | quantity | function |
//! |---|---|
//! | E_{z~p(z\|x)} log p(x\|z), the reconstruction term | [`reconstruction_term`] |
//! | reconstruction − KL(p(z\|x) ‖ p(z)) | [`elbo`] |
//! | E_{z~q(z\|context)} log p(x\|z), the paper's table 1 | [`naive_monte_carlo`], `mean_log_likelihood` |
//! | log (1/K) Σ p(x\|z_k) with z_k ~ q(z\|context) | [`naive_monte_carlo`], `log_mean_likelihood` |
//! | log p(x), log p(x\|y) by importance sampling | [`importance_sampled`] |
//! | accuracy, log p(true class), calibration | [`classify`] |
//! | coherence and diversity of what is generated | [`coherence()`], [`diversity()`] |
//!
//! Every estimate carries its standard error; importance-sampled ones also carry the effective sample size, because a
//! standard error that comes from a handful of weights is itself not to be believed.
//! [`LinearGaussianModel`] is the oracle: a model whose every likelihood has a closed form.
//!
//! ```
//! use zbridge_core::{LatentModel, Latents, DiagonalGaussian};
//! use zbridge_eval::{ConditionalTarget, ImportanceSettings, LinearGaussianModel, PriorTarget, importance_sampled};
//!
//! let model = LinearGaussianModel::new(vec![1.0, 0.0, 0.0, 2.0], vec![0.0, 0.0], 0.5)?;   // 2 latents, 2 pixels
//! let images = model.observations(vec![0.3, -0.2, 1.0, 0.5])?;                            // [2, 1·1·2]
//! let posterior = model.posterior(&images)?;
//!
//! let prior = PriorTarget::new("log p(x)");
//! // q(z_x|z_y) for each of two contexts, here with one draw of z_y; image 0 has context 0, image 1 context 1.
//! let bridge = [DiagonalGaussian::standard(1, 2), DiagonalGaussian::standard(1, 2)];
//! let conditional = ConditionalTarget::new("log p(x|y)", &bridge, vec![0, 1])?;
//!
//! let settings = ImportanceSettings { draws: 200, chunk: 50, seed: 7 };
//! let estimates =
//!     importance_sampled(&model, &images, &posterior.moments(), &[&prior, &conditional], &settings, &|_| ())?;
//! let exact = model.log_marginal_nats(&images)?;
//! assert!((estimates[0].per_row[0].log_mean_nats - exact[0]).abs() < 1e-4);
//! assert!(estimates[0].effective_sample_size.median > 199.0);    // the proposal is the exact posterior
//! # Ok::<(), zbridge_eval::EvalError>(())
//! ```
#![forbid(unsafe_code)]

mod accuracy;
mod bridge_target;
mod calibration;
mod classification;
mod coherence;
mod conditional_target;
mod diversity;
mod error;
mod frechet;
mod gaussian_mixture;
mod importance;
mod linear_gaussian;
mod log_weights;
mod naive;
mod prior_target;
mod row_estimate;
mod rows;
mod target_density;

pub use accuracy::Accuracy;
pub use bridge_target::BridgeTarget;
pub use calibration::{CALIBRATION_BINS, Calibration, ReliabilityBin};
pub use classification::{Classification, ConfusionMatrix, classify};
pub use coherence::{Coherence, ConditionCoherence, coherence};
pub use conditional_target::ConditionalTarget;
pub use diversity::{ConditionDiversity, Diversity, diversity};
pub use error::EvalError;
pub use frechet::frechet_distance;
pub use importance::{
    EffectiveSampleSize, ImportanceSettings, LOW_EFFECTIVE_SAMPLE_SIZE, TargetEstimate, importance_sampled,
};
pub use linear_gaussian::LinearGaussianModel;
pub use log_weights::{LogWeights, log_sum_exp};
pub use naive::{Elbo, NaiveEstimate, NaiveRow, elbo, kl_to_prior_nats, naive_monte_carlo, reconstruction_term};
pub use prior_target::PriorTarget;
pub use row_estimate::RowEstimate;
pub use target_density::{LatentSampler, TargetDensity};
