//! Likelihoods, coherence, diversity and calibration of bridges, each quantity under its own name.
//!
//! The paper's tables call several different things "log p(x)". Here each has one name:
//!
//! | quantity | where |
//! |---|---|
//! | reconstruction term E log p(x\|z), z ~ p(z\|x), and evidence lower bound | [`Elbo`] |
//! | E log p(x\|z), z ~ q(z\|context), the paper's table 1 | [`NaiveEstimate`], first mean |
//! | log (1/K) Σ p(x\|z_k), z_k ~ q(z\|context) | [`NaiveEstimate`], second mean |
//! | log p(x), log p(x\|y), draws from p(z\|x) | [`importance_sampled`] |
//! | the same, draws also from the targets themselves | [`MixtureProposal`] |
//! | the same by annealing, if no proposal is near the posterior | [`annealed`] |
//! | interval, effective sample sizes and warning of these | [`TargetEstimate::summary`] |
//! | log p(x, y) by both factorisations, and their gap | [`JointLikelihood`] |
//! | few items that stand for many | [`Representatives`] |
//! | active and collapsed dimensions, scale, effective dimension of latents | [`LatentHealth`] |
//! | whether pairs depend on each other: distance correlation | [`Dependence`] |
//! | log q(t\|s) − log mean_j q(t\|s_j) in latent space | [`LatentGain`] |
//! | rank of the true partner among held-out ones | [`Retrieval`] |
//! | R² of the means of a conditional density, FOSCTTM | [`MeanAccuracy`] |
//! | probability-integral transforms and coverage of a conditional density | [`PitCalibration`] |
//! | mass of sets that hold a share of new targets | [`conformal_mass`] |
//! | accuracy, log p(true class), Brier score, calibration | [`classify`] |
//! | coherence of generated observations | [`coherence()`] |
//! | diversity of generated observations | [`diversity()`], [`feature_diversity()`] |
//! | Fréchet distance between features | [`frechet_distance()`] |
//! | precision, recall, density and coverage of features | [`precision_recall()`] |
//! | outputs closer to the training set than held-out observations | [`nearest_training()`] |
//!
//! [`Elbo`]: zbridge_core::Elbo
//!
//! Every estimate has its standard error. Importance-sampled ones also have the effective sample
//! size, because a standard error that comes from a handful of weights cannot be trusted:
//! [`TargetEstimate::warning`] tells so. Of the three ways to a likelihood take importance sampling
//! from p(z|x), as long as it gives no warning; the mixture if a target has mass that p(z|x)
//! misses; annealing if neither draws near the posterior, at some hundred times the cost. All three
//! are unbiased for the likelihood, so that their logarithms are too low. [`LinearGaussianModel`]
//! is the oracle: a model whose every likelihood has a closed form.
//!
//! Everything that takes time reports to an [`Observer`](zbridge_core::Observer), which can stop it
//! within a second.
//!
//! ```
//! use ndarray::array;
//! use zbridge_core::{DiagonalGaussian, LatentModel, Unobserved};
//! use zbridge_eval::{
//!     ConditionalTarget, ImportanceSettings, LinearGaussianModel, PriorTarget, importance_sampled,
//! };
//!
//! // Two latents, two pixels; two images, `[2, 1·1·2]`.
//! let model = LinearGaussianModel::new(array![[1.0, 0.0], [0.0, 2.0]], array![0.0, 0.0], 0.5)?;
//! let images = model.observations(array![[0.3, -0.2], [1.0, 0.5]])?;
//! let posterior = model.posterior(&images)?;
//!
//! let prior = PriorTarget::new("log p(x)");
//! // q(z_x|z_y) for each of two contexts, here with one draw of z_y each.
//! let bridge = [DiagonalGaussian::standard(1, 2), DiagonalGaussian::standard(1, 2)];
//! // Image 0 has context 0, image 1 has context 1.
//! let conditional = ConditionalTarget::new("log p(x|y)", &bridge, vec![0, 1])?;
//!
//! let settings = ImportanceSettings { draws: 200, chunk: 50, seed: 7 };
//! let estimates = importance_sampled(
//!     &model,
//!     &images,
//!     &posterior.moments(),
//!     &[&prior, &conditional],
//!     &settings,
//!     &Unobserved,
//! )?;
//! let exact = model.log_marginal_nats(&images)?;
//! assert!((estimates[0].per_row[0].log_mean_nats - exact[0]).abs() < 1e-4);
//! // The proposal is the exact posterior: all weights are equal.
//! assert!(estimates[0].effective_sample_size.median > 199.0);
//! # Ok::<(), zbridge_eval::EvalError>(())
//! ```
#![forbid(unsafe_code)]

mod accuracy;
mod active_space;
mod annealed;
mod annealing_move;
mod annealing_path;
mod bridge_target;
mod calibration;
mod checks;
mod classification;
mod coherence;
mod conditional_target;
mod confusion_matrix;
mod cross_densities;
mod dependence;
mod diversity;
mod error;
mod estimate_warning;
mod feature_diversity;
mod frechet_distance;
mod gaussian_mixture;
mod importance_sampled;
mod importance_settings;
mod joint_likelihood;
mod latent_gain;
mod latent_health;
mod latent_pairs;
mod likelihood_summary;
mod linear_gaussian_model;
mod log_weights;
mod mean_accuracy;
mod mixture_proposal;
mod naive_monte_carlo;
mod nearest_training;
mod observation_likelihoods;
mod open_uniform;
mod panels;
mod parallel_rows;
mod pit_calibration;
mod posterior_density;
mod precision_recall;
mod prediction_sets;
mod principal_plane;
mod prior_target;
mod proposal;
mod representatives;
mod retrieval;
mod row_estimate;
mod target_density;
mod target_estimate;
#[cfg(test)]
mod tests;
mod uniformity;

pub use accuracy::Accuracy;
pub use active_space::ActiveSpace;
pub use annealed::{AnnealedEstimate, AnnealingSettings, annealed};
pub use bridge_target::BridgeTarget;
pub use calibration::{CALIBRATION_BINS, Calibration, ReliabilityBin};
pub use classification::{Classification, classify};
pub use coherence::{Coherence, ConditionCoherence, coherence};
pub use conditional_target::ConditionalTarget;
pub use confusion_matrix::ConfusionMatrix;
pub use cross_densities::CrossDensities;
pub use dependence::Dependence;
pub use diversity::{ConditionDiversity, Diversity, diversity};
pub use error::EvalError;
pub use estimate_warning::{EstimateWarning, LOW_SHARE_WORTH_A_WARNING};
pub use feature_diversity::{ConditionFeatureDiversity, FeatureDiversity, feature_diversity};
pub use frechet_distance::frechet_distance;
pub use importance_sampled::importance_sampled;
pub use importance_settings::ImportanceSettings;
pub use joint_likelihood::{JointFactors, JointLikelihood, JointRow};
pub use latent_gain::LatentGain;
pub use latent_health::{FarthestMean, LatentHealth};
pub use latent_pairs::LatentPairs;
pub use likelihood_summary::{EffectiveSampleSizeRange, LikelihoodSummary};
pub use linear_gaussian_model::LinearGaussianModel;
pub use log_weights::LogWeights;
pub use mean_accuracy::MeanAccuracy;
pub use mixture_proposal::MixtureProposal;
pub use naive_monte_carlo::{NaiveEstimate, NaiveRow, naive_monte_carlo};
pub use nearest_training::{
    CLOSE_QUANTILE, DistanceQuantile, NearestPair, NearestTraining, nearest_training,
};
pub use pit_calibration::{Coverage, PitCalibration, PitSettings, density_levels};
pub use posterior_density::PosteriorDensity;
pub use precision_recall::{DEFAULT_NEIGHBOURS, PrecisionRecall, precision_recall};
pub use prediction_sets::{conformal_mass, conformal_quantile};
pub use principal_plane::PrincipalPlane;
pub use prior_target::{DrawablePrior, PriorTarget};
pub use proposal::{Proposal, Proposed, RowProposal};
pub use representatives::{Representative, RepresentativeSettings, Representatives};
pub use retrieval::{RecallAt, Retrieval};
pub use row_estimate::RowEstimate;
pub use target_density::{DrawableDensity, LatentSampler, TargetDensity};
pub use target_estimate::{EffectiveSampleSize, LOW_EFFECTIVE_SAMPLE_SIZE, TargetEstimate};
pub use uniformity::{UNIFORMITY_BINS, Uniformity};
