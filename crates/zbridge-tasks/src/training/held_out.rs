//! What a model is worth on images that it was not trained on.

use crate::Error;
use serde::{Deserialize, Serialize};
use zbridge_core::{Elbo, Estimate, EventKind, LatentModel, Observations, Observer, RandomStream};
use zbridge_eval::{
    Accuracy, EffectiveSampleSize, EvalError, ImportanceSettings, PriorTarget, TargetDensity,
    TargetEstimate, classify, importance_sampled,
};
use zbridge_models::{Ali, Classifier, TextFigures, TextVae, Vae};

/// Figures on the test half of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum HeldOut {
    /// Of a variational auto-encoder.
    Vae {
        /// The evidence lower bound and its two terms, over all test rows.
        #[serde(flatten)]
        elbo: Elbo,
        /// The likelihood itself, once the training has ended; only for images.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log_p_x: Option<LogMarginal>,
    },
    /// Of a text VAE.
    Text(TextFigures),
    /// Of a model trained adversarially, which has no likelihood.
    Ali {
        /// Root mean squared difference between an observation's values and those of its
        /// reconstruction from a draw of its posterior.
        reconstruction_error: Estimate,
        /// Share of reconstructions in which the embedded judge reads the observation's class; only
        /// for MNIST images.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        classes_kept: Option<Accuracy>,
    },
    /// Of a classifier.
    Judge {
        /// Share of the test rows that it names rightly.
        accuracy: Accuracy,
        /// log probability of the true class.
        log_p_true_class_nats: Estimate,
    },
}

/// log p(x) by importance sampling from the posterior (Burda et al. 2016, eq. 8).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LogMarginal {
    /// Draws for each image.
    pub draws: usize,
    /// The mean over the images, in nats.
    pub nats: Estimate,
    /// How many of the draws carried it.
    pub effective_sample_size: EffectiveSampleSize,
}

impl LogMarginal {
    /// An estimate over all of its rows.
    pub fn of(estimate: &TargetEstimate) -> Self {
        Self {
            draws: estimate.draws,
            nats: estimate.mean,
            effective_sample_size: estimate.effective_sample_size,
        }
    }

    /// An estimate over some of its rows only.
    ///
    /// # Errors
    /// [`EvalError`] without rows.
    pub fn over(estimate: &TargetEstimate, rows: &[usize]) -> Result<Self, EvalError> {
        Ok(Self::of(&estimate.select(rows)?))
    }
}

/// Rows that no training sees.
pub(super) struct TestRows {
    pub(super) observations: Observations,
    pub(super) labels: Vec<u8>,
}

/// How log p(x) is estimated.
#[derive(Clone, Copy)]
pub(super) struct LikelihoodPlan {
    pub(super) images: usize,
    pub(super) draws: usize,
    pub(super) seed: u64,
}

/// Draws that go through a decoder at once.
const CHUNK: usize = 250;

/// The bound of `vae` over all test rows; the same seed gives the same draws.
pub(super) fn of_vae(vae: &Vae, test: &TestRows, seed: u64) -> Result<HeldOut, Error> {
    let elbo = vae.elbo(
        &test.observations,
        &mut RandomStream::named(seed, "held-out/elbo"),
    )?;
    Ok(HeldOut::Vae {
        elbo,
        log_p_x: None,
    })
}

/// What a text VAE keeps of the test rows.
pub(super) fn of_texts(model: &TextVae, test: &TestRows, seed: u64) -> Result<HeldOut, Error> {
    let figures = TextFigures::of(
        model,
        &test.observations,
        &mut RandomStream::named(seed, "held-out/elbo"),
    )?;
    Ok(HeldOut::Text(figures))
}

/// How far reconstructions are from the test rows, and whether the embedded judge reads the same in
/// both.
pub(super) fn of_ali(model: &Ali, test: &TestRows, seed: u64) -> Result<HeldOut, Error> {
    let latents = model
        .posterior(&test.observations)?
        .sample(&mut RandomStream::named(seed, "held-out/elbo"));
    let again = model.decode(&latents)?;
    let error = |row: usize| {
        let pairs = test.observations.row(row).iter().zip(again.row(row));
        let squares: f64 = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum();
        (squares / again.kind().size() as f64).sqrt()
    };
    // Classes are read by a network that takes no part in the training.
    let judge = zbridge_assets::MNIST_JUDGE.classifier()?;
    let classes_kept = match judge.reads(model.event()) {
        true => Some(classify(&judge.probabilities(&again)?, &test.labels)?.accuracy),
        false => None,
    };
    Ok(HeldOut::Ali {
        reconstruction_error: Estimate::of((0..again.rows()).map(error)),
        classes_kept,
    })
}

pub(super) fn of_judge(judge: &Classifier, test: &TestRows) -> Result<HeldOut, Error> {
    let classified = classify(&judge.probabilities(&test.observations)?, &test.labels)?;
    Ok(HeldOut::Judge {
        accuracy: classified.accuracy,
        log_p_true_class_nats: classified.log_p_true_class,
    })
}

/// log p(x) over some test images, drawn by the seed; none for a model of anything else.
pub(super) fn log_marginal(
    vae: &Vae,
    test: &TestRows,
    plan: LikelihoodPlan,
    observer: &dyn Observer,
) -> Result<Option<LogMarginal>, Error> {
    if plan.images == 0 || !matches!(vae.event(), EventKind::Image { .. }) {
        return Ok(None);
    }
    let mut rows =
        RandomStream::named(plan.seed, "held-out/images").permutation(test.observations.rows());
    rows.truncate(plan.images);
    let estimate = estimate_log_marginal(vae, &test.observations.select(&rows), plan, observer)?;
    Ok(estimate.first().map(LogMarginal::of))
}

/// Returns the importance-sampled estimate of log p(x) for each image.
fn estimate_log_marginal(
    vae: &Vae,
    images: &Observations,
    plan: LikelihoodPlan,
    observer: &dyn Observer,
) -> Result<Vec<TargetEstimate>, Error> {
    let posterior = vae.posterior(images)?;
    let settings = ImportanceSettings {
        draws: plan.draws,
        chunk: CHUNK.min(plan.draws),
        seed: plan.seed,
    };
    let prior = PriorTarget::new("log p(x)");
    let posteriors = posterior.moments();
    let targets: [&dyn TargetDensity; 1] = [&prior];
    let estimates = importance_sampled(vae, images, &posteriors, &targets, &settings, observer)?;
    Ok(estimates)
}
