//! Likelihoods of held-out images across bridges: one set of decoder evaluations serves them all.

use super::Stage;
use super::experiment::{Experiment, Given};
use super::results::{GivenResult, Likelihoods};
use std::ops::ControlFlow;
use zbridge::translate;
use zbridge_bridge::Bridge;
use zbridge_core::{
    DiagonalGaussian, Estimate, LatentModel, Observations, Posterior, Progress, RandomStream,
    Unobserved,
};
use zbridge_eval::{
    ConditionalTarget, ImportanceSettings, PriorTarget, TargetDensity, importance_sampled,
    naive_monte_carlo,
};
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

/// log p(x) of the given model, and the likelihoods of each bridge, from the same decoder
/// evaluations.
pub(super) fn bridge_likelihoods(
    experiment: &Experiment,
    given: &GivenAt,
    bridges: &[BridgeAt],
    observe: &(dyn Fn(Stage<'_>) + Sync),
) -> Result<(GivenResult, Vec<Likelihoods>), Error> {
    let images = experiment.images.select(given.rows);
    let labels = experiment.labels_of(given.rows);
    let posterior = given.model.posterior.select(given.rows);
    let (model, sizes, seed) = (&given.model.model, experiment.sizes, experiment.seed);
    let settings = ImportanceSettings {
        draws: sizes.draws,
        chunk: CHUNK.min(sizes.draws),
        seed,
    };
    let prior = PriorTarget::new("log p(x)");
    let conditionals: Vec<ConditionalTarget> = bridges
        .iter()
        .map(|at| conditional(experiment, at.bridge, &labels))
        .collect::<Result<_, _>>()?;
    let targets: Vec<&dyn TargetDensity> = std::iter::once(&prior as &dyn TargetDensity)
        .chain(conditionals.iter().map(|c| c as _))
        .collect();
    let estimates = importance_sampled(
        model,
        &images,
        &posterior.moments(),
        &targets,
        &settings,
        &|estimation: &Progress<'_>| {
            let share = estimation.done as f64 / given.rows.len() as f64;
            observe((given.name, share));
            ControlFlow::Continue(())
        },
    )?;
    let (marginal, conditionals_estimated) = (&estimates[0], &estimates[1..]);
    let naive = ImportanceSettings {
        draws: sizes.naive_draws,
        chunk: sizes.naive_draws,
        ..settings
    };
    let mut likelihoods = Vec::new();
    for ((at, target), estimate) in bridges
        .iter()
        .zip(&conditionals)
        .zip(conditionals_estimated)
    {
        observe((
            "naive estimates",
            likelihoods.len() as f64 / bridges.len() as f64,
        ));
        let naive = naive_monte_carlo(model, &images, target, &naive, &Unobserved)?;
        let rows = |value: &dyn Fn(usize) -> f64| {
            Estimate::of(at.held_out.iter().map(|&place| value(place)))
        };
        let held_out = posterior.select(&at.held_out);
        let truth: Vec<u8> = at.held_out.iter().map(|&place| labels[place]).collect();
        likelihoods.push(Likelihoods {
            naive_log_likelihood_nats: rows(&|place| naive.per_row[place].mean_log_likelihood.mean),
            naive_log_mean_nats: rows(&|place| {
                naive.per_row[place].log_mean_likelihood.log_mean_nats
            }),
            log_p_x_given_y: LogMarginal::over(estimate, &at.held_out)?,
            gain_over_prior_nats: rows(&|place| {
                estimate.per_row[place].log_mean_nats - marginal.per_row[place].log_mean_nats
            }),
            label_log_likelihood_nats: label_log_likelihood(
                experiment, at.bridge, &held_out, &truth,
            )?,
        });
    }
    let elbo = model.elbo(&images, &mut RandomStream::named(seed, "reproduce/elbo"))?;
    Ok((
        GivenResult {
            elbo,
            log_marginal: LogMarginal::of(marginal),
        },
        likelihoods,
    ))
}

/// log p of observations under a given model, by importance sampling from its own posterior.
pub(super) fn given_marginal(
    model: &zbridge_models::Vae,
    observations: &Observations,
    posterior: &Posterior,
    draws: usize,
    seed: u64,
) -> Result<LogMarginal, Error> {
    let settings = ImportanceSettings {
        draws,
        chunk: CHUNK.min(draws),
        seed,
    };
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
    let mut stream = RandomStream::named(experiment.seed, "reproduce/label-draws");
    let every_label: Vec<u8> = (0..10).collect();
    let posterior = experiment
        .label_vae
        .posterior(&Observations::one_hot(&every_label, 10)?)?;
    let sources = posterior.sample_each(SOURCE_DRAWS, &mut stream);
    let density = bridge.y_to_x().as_gaussian();
    let gaussians = density
        .ok_or_else(|| Error::usage("the reproduction is of Gaussian bridges"))?
        .gaussians(&sources)?;
    let contexts: Vec<DiagonalGaussian> = (0..10)
        .map(|label| {
            gaussians
                .select(&(label * SOURCE_DRAWS..(label + 1) * SOURCE_DRAWS).collect::<Vec<_>>())
        })
        .collect();
    Ok(ConditionalTarget::new(
        "log p(x|y)",
        &contexts,
        labels.iter().map(|&label| label.into()).collect(),
    )?)
}

/// E log p(y|z_y) over z_x ~ p(z_x|x), z_y ~ q(z_y|z_x).
fn label_log_likelihood(
    experiment: &Experiment,
    bridge: &Bridge,
    images: &Posterior,
    labels: &[u8],
) -> Result<Estimate, Error> {
    const DRAWS: usize = 32;
    let mut stream = RandomStream::named(experiment.seed, "reproduce/labels");
    let latents = translate(bridge.x_to_y(), images, DRAWS, &mut stream)?;
    let nats = experiment
        .label_vae
        .log_likelihood_nats(&Observations::one_hot(labels, 10)?, &latents)?;
    let mean =
        |draws: &[f32]| draws.iter().map(|&nats| f64::from(nats)).sum::<f64>() / DRAWS as f64;
    Ok(Estimate::of(nats.chunks_exact(DRAWS).map(mean)))
}
