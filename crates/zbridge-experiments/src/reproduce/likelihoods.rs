//! Likelihoods of held-out images across bridges: one set of decoder evaluations serves them all.

use super::experiment::{Experiment, Given};
use super::results::{GivenResult, Likelihoods};
use crate::labelled_stages::LabelledStages;
use zbridge::translate;
use zbridge_bridge::Bridge;
use zbridge_core::{
    DiagonalGaussian, Estimate, LatentModel, Latents, Observations, Observer, Posterior,
    RandomStream, Unobserved,
};
use zbridge_eval::{
    ConditionalTarget, ImportanceSettings, NaiveEstimate, PriorTarget, TargetDensity,
    TargetEstimate, importance_sampled, naive_monte_carlo,
};
use zbridge_models::Vae;
use zbridge_tasks::Error;
use zbridge_tasks::training::LogMarginal;

/// Draws of z_y ~ p(z_y|y) over which q(z_x|z_y) is averaged for each label.
const SOURCE_DRAWS: usize = 32;
/// Draws that go through a decoder at once.
const CHUNK: usize = 250;

/// An image model at the rows of the estimate.
pub(super) struct GivenAt<'e> {
    pub(super) model: &'e Given,
    pub(super) rows: &'e [usize],
    pub(super) name: &'e str,
}

/// A bridge, and the places among those rows that it has never seen.
pub(super) struct BridgeAt<'e> {
    pub(super) bridge: &'e Bridge,
    pub(super) held_out: Vec<usize>,
}

/// Likelihoods across one image model.
pub(super) struct ModelLikelihoods {
    pub(super) given: GivenResult,
    /// One for each bridge.
    pub(super) bridges: Vec<Likelihoods>,
}

/// The images of the estimate, their labels, and what the given model says of them.
struct HeldOutImages<'e> {
    model: &'e Vae,
    images: Observations,
    labels: Vec<u8>,
    posterior: Posterior,
}

/// Estimates of one bridge, image by image.
struct BridgeEstimates<'e> {
    prior: &'e TargetEstimate,
    conditional: &'e TargetEstimate,
    naive: NaiveEstimate,
}

/// log p(x) of the given model, and the likelihoods of each bridge, from the same decoder
/// evaluations.
pub(super) fn bridge_likelihoods(
    experiment: &Experiment,
    given: &GivenAt,
    bridges: &[BridgeAt],
    observer: &dyn Observer,
) -> Result<ModelLikelihoods, Error> {
    let held_out = HeldOutImages::of(experiment, given);
    let mut conditionals = Vec::new();
    for at in bridges {
        conditionals.push(conditional(experiment, at.bridge, &held_out.labels)?);
    }
    let settings = importance_settings(experiment.sizes.draws, experiment.seed);
    let labelled = LabelledStages::new(observer, given.name);
    // log p(x) comes first, then log p(x|y) across each bridge.
    let estimates = held_out.importance_sampled(&conditionals, &settings, &labelled)?;
    let mut likelihoods = Vec::new();
    for (number, at) in bridges.iter().enumerate() {
        let estimates = BridgeEstimates {
            prior: &estimates[0],
            conditional: &estimates[number + 1],
            naive: held_out.naive(&conditionals[number], experiment, observer)?,
        };
        let label_nats = label_log_likelihood(experiment, at, &held_out)?;
        likelihoods.push(estimates.over(&at.held_out, label_nats)?);
    }
    Ok(ModelLikelihoods {
        given: held_out.given_result(&estimates[0], experiment.seed)?,
        bridges: likelihoods,
    })
}

impl<'e> HeldOutImages<'e> {
    fn of(experiment: &Experiment, given: &GivenAt<'e>) -> Self {
        Self {
            model: &given.model.model,
            images: experiment.images.select(given.rows),
            labels: experiment.labels_of(given.rows),
            posterior: given.model.posterior.select(given.rows),
        }
    }

    /// The bound, beside log p(x).
    fn given_result(&self, log_p_x: &TargetEstimate, seed: u64) -> Result<GivenResult, Error> {
        let mut stream = RandomStream::named(seed, "reproduce/elbo");
        Ok(GivenResult {
            elbo: self.model.elbo(&self.images, &mut stream)?,
            log_marginal: LogMarginal::of(log_p_x),
        })
    }

    /// log p(x), then log p(x|y) under each of `conditionals`.
    fn importance_sampled(
        &self,
        conditionals: &[ConditionalTarget],
        settings: &ImportanceSettings,
        observer: &dyn Observer,
    ) -> Result<Vec<TargetEstimate>, Error> {
        let prior = PriorTarget::new("log p(x)");
        let mut targets: Vec<&dyn TargetDensity> = vec![&prior];
        for conditional in conditionals {
            targets.push(conditional);
        }
        // From p(z|x), where most of p(x, z) lies, whatever the target is.
        let proposal = self.posterior.moments();
        let estimates = importance_sampled(
            self.model,
            &self.images,
            &*proposal,
            &targets,
            settings,
            observer,
        )?;
        Ok(estimates)
    }

    /// The naive estimates, whose draws come from the bridge and not from p(z|x).
    fn naive(
        &self,
        conditional: &ConditionalTarget,
        experiment: &Experiment,
        observer: &dyn Observer,
    ) -> Result<NaiveEstimate, Error> {
        let draws = experiment.sizes.naive_draws;
        let settings = ImportanceSettings {
            draws,
            // Few enough to be decoded at once.
            chunk: draws,
            seed: experiment.seed,
        };
        let found = naive_monte_carlo(self.model, &self.images, conditional, &settings, observer)?;
        Ok(found)
    }
}

impl BridgeEstimates<'_> {
    /// The likelihoods over the images at `places`.
    fn over(&self, places: &[usize], label_nats: Estimate) -> Result<Likelihoods, Error> {
        let naive = &self.naive.per_row;
        let (conditional, prior) = (&self.conditional.per_row, &self.prior.per_row);
        Ok(Likelihoods {
            naive_log_likelihood_nats: mean_over(places, |at| naive[at].mean_log_likelihood.mean),
            naive_log_mean_nats: mean_over(places, |at| {
                naive[at].log_mean_likelihood.log_mean_nats
            }),
            log_p_x_given_y: LogMarginal::over(self.conditional, places)?,
            // Image by image, so that what makes an image hard for both drops out of the error.
            gain_over_prior_nats: mean_over(places, |at| {
                conditional[at].log_mean_nats - prior[at].log_mean_nats
            }),
            label_log_likelihood_nats: label_nats,
        })
    }
}

fn mean_over(places: &[usize], figure: impl Fn(usize) -> f64) -> Estimate {
    Estimate::of(places.iter().map(|&place| figure(place)))
}

fn importance_settings(draws: usize, seed: u64) -> ImportanceSettings {
    ImportanceSettings {
        draws,
        chunk: CHUNK.min(draws),
        seed,
    }
}

/// log p of observations under a given model, by importance sampling from its own posterior.
pub(super) fn given_marginal(
    model: &Vae,
    observations: &Observations,
    posterior: &Posterior,
    draws: usize,
    seed: u64,
) -> Result<LogMarginal, Error> {
    let settings = importance_settings(draws, seed);
    let prior = PriorTarget::new("log p(y)");
    let estimates = importance_sampled(
        model,
        observations,
        &posterior.moments(),
        &[&prior],
        &settings,
        &Unobserved,
    )?;
    Ok(LogMarginal::of(&estimates[0]))
}

/// q(z_x|y) of every label: the mixture of q(z_x|z_y) over draws of z_y ~ p(z_y|y).
fn conditional(
    experiment: &Experiment,
    bridge: &Bridge,
    labels: &[u8],
) -> Result<ConditionalTarget, Error> {
    let sources = label_draws(experiment)?;
    let density = bridge.y_to_x().as_gaussian();
    let gaussians = density
        .ok_or_else(|| Error::usage("the reproduction is of Gaussian bridges"))?
        .gaussians(&sources)?;
    let mut contexts: Vec<DiagonalGaussian> = Vec::new();
    for label in 0..10 {
        let draws: Vec<usize> = (label * SOURCE_DRAWS..(label + 1) * SOURCE_DRAWS).collect();
        contexts.push(gaussians.select(&draws));
    }
    let context_of_row = labels.iter().map(|&label| label.into()).collect();
    Ok(ConditionalTarget::new(
        "log p(x|y)",
        &contexts,
        context_of_row,
    )?)
}

/// [`SOURCE_DRAWS`] draws of z_y ~ p(z_y|y), label by label.
fn label_draws(experiment: &Experiment) -> Result<Latents, Error> {
    let every_label: Vec<u8> = (0..10).collect();
    let posterior = experiment
        .label_vae
        .posterior(&Observations::one_hot(&every_label, 10)?)?;
    // The same draws for every bridge, so that bridges differ by what they have learned only.
    let mut stream = RandomStream::named(experiment.seed, "reproduce/label-draws");
    Ok(posterior.sample_each(SOURCE_DRAWS, &mut stream))
}

/// E log p(y|z_y) over z_x ~ p(z_x|x), z_y ~ q(z_y|z_x), on images that the bridge has never seen.
fn label_log_likelihood(
    experiment: &Experiment,
    at: &BridgeAt,
    held_out: &HeldOutImages,
) -> Result<Estimate, Error> {
    const DRAWS: usize = 32;
    let images = held_out.posterior.select(&at.held_out);
    let labels: Vec<u8> = at
        .held_out
        .iter()
        .map(|&place| held_out.labels[place])
        .collect();
    let mut stream = RandomStream::named(experiment.seed, "reproduce/labels");
    let latents = translate(at.bridge.x_to_y(), &images, DRAWS, &mut stream)?;
    let nats = experiment
        .label_vae
        .log_likelihood_nats(&Observations::one_hot(&labels, 10)?, &latents)?;
    // One mean for each image: the standard error is between images, not between draws.
    let mean =
        |draws: &[f32]| draws.iter().map(|&nats| f64::from(nats)).sum::<f64>() / DRAWS as f64;
    Ok(Estimate::of(nats.chunks_exact(DRAWS).map(mean)))
}
