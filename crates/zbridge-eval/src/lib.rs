//! Likelihoods, coherence and calibration: what a bridge is worth, each quantity under its own
//! name.
//!
//! The paper's tables call several different things "log p(x)". Here each has one name:
//!
//! | quantity | function |
//! |---|---|
//! | E_{z~p(z\|x)} log p(x\|z), the reconstruction term | [`reconstruction_term`] |
//! | reconstruction − KL(p(z\|x) ‖ p(z)) | [`elbo`] |
//! | E_{z~q(z\|context)} log p(x\|z), the paper's table 1 | [`naive_monte_carlo`], `mean_log_likelihood` |
//! | log (1/K) Σ p(x\|z_k) with z_k ~ q(z\|context) | [`naive_monte_carlo`], `log_mean_likelihood` |
//! | log p(x), log p(x\|y) by importance sampling from p(z\|x) | [`importance_sampled`] |
//! | the same from a mixture of p(z\|x) and the targets themselves | [`importance_sampled`] with a [`MixtureProposal`] |
//! | the same by annealing, where no proposal is near the posterior | [`annealed`] |
//! | number of draws, interval, effective sample size and warning of these | [`TargetEstimate::summary`] |
//! | log p(x, y) = log p(x) + log p(y\|x) = log p(y) + log p(x\|y), and the gap | [`JointLikelihood`] |
//! | active, collapsed and constant dimensions, scale, effective dimension of latents | [`LatentHealth`] |
//! | whether pairs have to do with each other: distance correlation | [`Dependence`] |
//! | log q(t\|s) − log mean_j q(t\|s_j) in latent space | [`LatentGain`] |
//! | rank of the true partner among held-out ones | [`Retrieval`] |
//! | probability-integral transforms of a conditional density | [`PitCalibration`] |
//! | accuracy, log p(true class), Brier score, calibration | [`classify`] |
//! | coherence and diversity of what is generated | [`coherence()`], [`diversity()`], [`feature_diversity()`] |
//! | Fréchet distance between features | [`frechet_distance`] |
//! | precision, recall, density and coverage in feature space | [`precision_recall()`] |
//! | outputs closer to the training set than held-out observations | [`nearest_training()`] |
//!
//! Every estimate carries its standard error; importance-sampled ones also carry the effective
//! sample size, because a standard error that comes from a handful of weights is itself not to be
//! believed: [`TargetEstimate::warning`] says so. Which of the three ways to a likelihood: the
//! first, as long as it gives no warning; the mixture where a target has mass that p(z|x) misses;
//! annealing where neither draws near the posterior, at some hundred times the cost. All three are
//! unbiased for the likelihood, so that their logarithms are too low. [`LinearGaussianModel`] is
//! the oracle: a model whose every likelihood has a closed form.
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
mod annealed;
mod annealing_move;
mod bridge_target;
mod calibration;
mod classification;
mod coherence;
mod conditional_target;
mod cross_densities;
mod dependence;
mod distances;
mod diversity;
mod error;
mod feature_diversity;
mod frechet;
mod gaussian_mixture;
mod importance;
mod joint_likelihood;
mod latent_gain;
mod latent_health;
mod latent_pairs;
mod likelihood_summary;
mod linear_gaussian;
mod log_weights;
mod mixture_proposal;
mod naive;
mod nearest_training;
mod open_uniform;
mod pit_calibration;
mod posterior_density;
mod precision_recall;
mod principal_plane;
mod prior_target;
mod proposal;
mod retrieval;
mod row_estimate;
mod rows;
mod target_density;
mod uniformity;

pub use accuracy::Accuracy;
pub use annealed::{AnnealedEstimate, AnnealingSettings, annealed};
pub use bridge_target::BridgeTarget;
pub use calibration::{CALIBRATION_BINS, Calibration, ReliabilityBin};
pub use classification::{Classification, ConfusionMatrix, classify};
pub use coherence::{Coherence, ConditionCoherence, coherence};
pub use conditional_target::ConditionalTarget;
pub use cross_densities::CrossDensities;
pub use dependence::Dependence;
pub use diversity::{ConditionDiversity, Diversity, diversity};
pub use error::EvalError;
pub use feature_diversity::{ConditionFeatureDiversity, FeatureDiversity, feature_diversity};
pub use frechet::frechet_distance;
pub use importance::{
    EffectiveSampleSize, ImportanceSettings, LOW_EFFECTIVE_SAMPLE_SIZE, TargetEstimate,
    importance_sampled,
};
pub use joint_likelihood::{JointFactors, JointLikelihood, JointRow};
pub use latent_gain::LatentGain;
pub use latent_health::LatentHealth;
pub use latent_pairs::LatentPairs;
pub use likelihood_summary::{
    EffectiveSampleSizeRange, EstimateWarning, LOW_SHARE_WORTH_A_WARNING, LikelihoodSummary,
};
pub use linear_gaussian::LinearGaussianModel;
pub use log_weights::{LogWeights, log_sum_exp};
pub use mixture_proposal::MixtureProposal;
pub use naive::{
    Elbo, NaiveEstimate, NaiveRow, elbo, kl_to_prior_nats, naive_monte_carlo, reconstruction_term,
};
pub use nearest_training::{
    CLOSE_QUANTILE, DistanceQuantile, NearestPair, NearestTraining, nearest_training,
};
pub use pit_calibration::{PitCalibration, PitSettings};
pub use posterior_density::PosteriorDensity;
pub use precision_recall::{DEFAULT_NEIGHBOURS, PrecisionRecall, precision_recall};
pub use principal_plane::PrincipalPlane;
pub use prior_target::{DrawablePrior, PriorTarget};
pub use proposal::{DrawableDensity, Proposal, Proposed, RowProposal};
pub use retrieval::{RecallAt, Retrieval};
pub use row_estimate::RowEstimate;
pub use target_density::{LatentSampler, TargetDensity};
pub use uniformity::{UNIFORMITY_BINS, Uniformity};
