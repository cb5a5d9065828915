//! Estimators against the linear-Gaussian model, whose likelihoods are exact.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

mod oracle;

use oracle::{images, model, wider};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use zbridge_core::{
    DiagonalGaussian, Elbo, EventKind, Interrupted, LatentModel, LatentModelError, Latents,
    Moments, Observations, Posterior, Progress, RandomStream, Unobserved,
};
use zbridge_eval::{
    AnnealingSettings, ConditionalTarget, EvalError, ImportanceSettings, LatentSampler,
    LinearGaussianModel, LogWeights, PriorTarget, TargetDensity, TargetEstimate, annealed,
    importance_sampled, naive_monte_carlo,
};

fn settings(draws: usize, chunk: usize, seed: u64) -> ImportanceSettings {
    ImportanceSettings { draws, chunk, seed }
}

fn log_p_x(
    model: &LinearGaussianModel,
    images: &Observations,
    proposal: &DiagonalGaussian,
    settings: ImportanceSettings,
) -> TargetEstimate {
    let prior = PriorTarget::new("log p(x)");
    importance_sampled(model, images, proposal, &[&prior], &settings, &Unobserved)
        .unwrap()
        .remove(0)
}

/// Two contexts of three Gaussians each, as a label → image bridge would give them.
fn bridge() -> [DiagonalGaussian; 2] {
    [1, 2].map(|seed| {
        let mut stream = RandomStream::named(seed, "bridge");
        let mean = DiagonalGaussian::standard(3, 3).sample(&mut stream);
        DiagonalGaussian::new(mean, Latents::filled(3, 3, -1.0)).unwrap()
    })
}

/// Exact log p(x_i|context): the mixture of the components' exact marginals.
fn exact_mixture(
    model: &LinearGaussianModel,
    images: &Observations,
    row: usize,
    context: &DiagonalGaussian,
) -> f64 {
    let mut mixture = LogWeights::default();
    for s in 0..context.rows() {
        let one = model
            .log_marginal_given_nats(&images.select(&[row]), &context.select(&[s]))
            .unwrap();
        mixture.push(one[0]);
    }
    mixture.log_mean()
}

#[test]
fn importance_sampled_estimates_miss_the_exact_value_by_their_standard_error() {
    let model = model();
    let images = images(&model, 1);
    let exact = model.log_marginal_nats(&images).unwrap()[0];
    let proposal = wider(
        model.posterior(&images).unwrap().as_diagonal().unwrap(),
        1.6,
    );
    let misses: Vec<f64> = (0..40)
        .map(|seed| {
            let row = log_p_x(&model, &images, &proposal, settings(2000, 500, seed)).per_row[0];
            (row.log_mean_nats - exact) / row.standard_error
        })
        .collect();
    // With 40 seeds 1.8 are expected beyond 2 standard errors; more than 6 has probability 0.003.
    assert!(
        misses.iter().filter(|miss| miss.abs() > 2.0).count() <= 6,
        "{misses:?}"
    );
    assert!(
        misses.iter().filter(|miss| miss.abs() > 3.0).count() <= 1,
        "{misses:?}"
    );
    let root_mean_square = (misses.iter().map(|m| m * m).sum::<f64>() / 40.0).sqrt();
    assert!(
        (0.65..1.4).contains(&root_mean_square),
        "{root_mean_square}"
    );
}

#[test]
fn error_falls_with_the_root_of_the_draws() {
    let model = model();
    let images = images(&model, 1);
    let exact = model.log_marginal_nats(&images).unwrap()[0];
    let proposal = wider(
        model.posterior(&images).unwrap().as_diagonal().unwrap(),
        1.6,
    );
    let root_mean_square = |draws| {
        let error = |seed| {
            log_p_x(&model, &images, &proposal, settings(draws, 1000, seed)).per_row[0]
                .log_mean_nats
                - exact
        };
        ((0..40).map(|seed| error(seed).powi(2)).sum::<f64>() / 40.0).sqrt()
    };
    let ratio = root_mean_square(100) / root_mean_square(10_000);
    assert!((5.0..20.0).contains(&ratio), "{ratio}");
}

#[test]
fn exact_proposal_needs_one_draw() {
    let model = model();
    let images = images(&model, 20);
    let posterior = model.posterior(&images).unwrap();
    let found = log_p_x(
        &model,
        &images,
        posterior.as_diagonal().unwrap(),
        settings(64, 64, 3),
    );
    let exact = model.log_marginal_nats(&images).unwrap();
    for (row, exact) in found.per_row.iter().zip(&exact) {
        assert!((row.log_mean_nats - exact).abs() < 1e-5);
        assert!(row.standard_error < 1e-6 && (row.effective_sample_size - 64.0).abs() < 1e-6);
    }
    assert!((found.mean.mean - exact.iter().sum::<f64>() / 20.0).abs() < 1e-5);
    assert_eq!(
        (found.mean.count, found.effective_sample_size.low_share),
        (20, 0.0)
    );
    let one = log_p_x(
        &model,
        &images,
        posterior.as_diagonal().unwrap(),
        settings(1, 64, 3),
    );
    assert!(
        (one.per_row[0].log_mean_nats - exact[0]).abs() < 1e-5
            && one.per_row[0].standard_error.is_nan()
    );
    assert_eq!(one.effective_sample_size.low_share, 1.0);
}

#[test]
fn exact_conditional_posterior_gives_the_exact_conditional_likelihood() {
    let model = model();
    let images = images(&model, 2);
    let [first, second] = bridge().map(|context| context.select(&[0]));
    let priors = [
        bridge()[0].mean().row_values(0),
        bridge()[1].mean().row_values(0),
    ]
    .concat();
    let prior = DiagonalGaussian::new(
        Latents::from_vec(priors, 3).unwrap(),
        Latents::filled(2, 3, -1.0),
    )
    .unwrap();
    let proposal = model.posterior_given(&images, &prior).unwrap();
    let target = ConditionalTarget::new("log p(x|y)", &[first, second], vec![0, 1]).unwrap();
    let found = importance_sampled(
        &model,
        &images,
        &proposal,
        &[&target],
        &settings(50, 50, 3),
        &Unobserved,
    )
    .unwrap();
    let exact = model.log_marginal_given_nats(&images, &prior).unwrap();
    for (row, exact) in found[0].per_row.iter().zip(exact) {
        assert!((row.log_mean_nats - exact).abs() < 1e-5 && row.standard_error < 1e-6);
    }
}

#[test]
fn all_targets_share_one_decoder_evaluation_and_each_is_right() {
    let model = Counting {
        inner: model(),
        evaluations: AtomicUsize::new(0),
    };
    let images = images(&model.inner, 6);
    let context_of_row: Vec<usize> = (0..6).map(|row| row % 2).collect();
    let (prior, contexts) = (PriorTarget::new("log p(x)"), bridge());
    let conditional = ConditionalTarget::new("log p(x|y)", &contexts, context_of_row).unwrap();
    let proposal = wider(
        model.posterior(&images).unwrap().as_diagonal().unwrap(),
        1.5,
    );
    let found = importance_sampled(
        &model,
        &images,
        &proposal,
        &[&prior, &conditional],
        &settings(5000, 1000, 8),
        &Unobserved,
    )
    .unwrap();
    assert_eq!(model.evaluations.load(Ordering::Relaxed), 6 * 5000);
    assert_eq!(
        [found[0].name.as_str(), found[1].name.as_str()],
        ["log p(x)", "log p(x|y)"]
    );
    let marginals = model.inner.log_marginal_nats(&images).unwrap();
    for row in 0..6 {
        let exact = [
            marginals[row],
            exact_mixture(&model.inner, &images, row, &contexts[row % 2]),
        ];
        for (estimate, exact) in found.iter().zip(exact) {
            let found = estimate.per_row[row];
            let miss = (found.log_mean_nats - exact) / found.standard_error;
            assert!(
                miss.abs() < 3.5,
                "row {row}, {}: {found:?} against {exact}",
                estimate.name
            );
        }
    }
}

#[test]
fn neither_threads_nor_chunks_change_a_bit() {
    let model = model();
    let images = images(&model, 9);
    let proposal = wider(
        model.posterior(&images).unwrap().as_diagonal().unwrap(),
        2.0,
    );
    let conditional =
        ConditionalTarget::new("q", &bridge(), (0..9).map(|row| row % 2).collect()).unwrap();
    let run = |threads, chunk| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let (targets, settings): (&[&dyn TargetDensity], _) =
            (&[&conditional], settings(100, chunk, 5));
        pool.install(|| {
            let sampled =
                importance_sampled(&model, &images, &proposal, targets, &settings, &Unobserved)
                    .unwrap();
            let naive =
                naive_monte_carlo(&model, &images, &conditional, &settings, &Unobserved).unwrap();
            (sampled, naive)
        })
    };
    let reference = run(1, 100);
    for (threads, chunk) in [(1, 1), (3, 100), (4, 7), (2, 1000)] {
        assert_eq!(
            run(threads, chunk),
            reference,
            "{threads} threads, chunks of {chunk}"
        );
    }
}

#[test]
fn another_seed_gives_other_draws() {
    let model = model();
    let images = images(&model, 1);
    let proposal = wider(
        model.posterior(&images).unwrap().as_diagonal().unwrap(),
        2.0,
    );
    let of_seed = |seed| {
        log_p_x(&model, &images, &proposal, settings(50, 50, seed))
            .mean
            .mean
    };
    assert_ne!(of_seed(1), of_seed(2));
}

#[test]
fn naive_estimates_are_too_low() {
    let model = model();
    let images = images(&model, 1);
    let exact = model.log_marginal_nats(&images).unwrap()[0];
    let (mut mean_logs, mut log_means) = (Moments::default(), Moments::default());
    for seed in 0..200 {
        let prior = DiagonalGaussian::standard(1, 3);
        let found = naive_monte_carlo(
            &model,
            &images,
            &prior,
            &settings(20, 20, seed),
            &Unobserved,
        )
        .unwrap();
        assert!(found.mean_log_likelihood.mean <= found.log_mean_likelihood.mean + 1e-9);
        mean_logs.push(found.mean_log_likelihood.mean);
        log_means.push(found.log_mean_likelihood.mean);
    }
    assert!(mean_logs.mean() + 4.0 * mean_logs.standard_error() < log_means.mean());
    assert!(
        log_means.mean() + 3.0 * log_means.standard_error() < exact,
        "{} against {exact}",
        log_means.mean()
    );
}

#[test]
fn naive_mean_of_logs_agrees_with_its_closed_form() {
    // E_{z~N(m,S)} log N(x; Wz + b, σ²I) = log N(x; Wm + b, σ²I) − ½ Σ s_j²|w_j|²/σ².
    let model = model();
    let images = images(&model, 1);
    let context = bridge()[0].select(&[1]);
    let at_mean = f64::from(model.log_likelihood_nats(&images, context.mean()).unwrap()[0]);
    let squared_norms = 2.25 + 2.49 + 2.25;
    let exact = at_mean - 0.5 * (-1f64).exp() * squared_norms / 0.36;
    let found = naive_monte_carlo(
        &model,
        &images,
        &context,
        &settings(20_000, 1000, 1),
        &Unobserved,
    )
    .unwrap();
    let row = found.per_row[0].mean_log_likelihood;
    assert!(
        (row.mean - exact).abs() < 3.5 * row.standard_error,
        "{row:?} against {exact}"
    );
    assert_eq!(row.count, 20_000);
}

#[test]
fn naive_log_mean_converges_to_the_conditional_likelihood() {
    let model = model();
    let images = images(&model, 1);
    let target = ConditionalTarget::new("q", &bridge(), vec![1]).unwrap();
    let exact = exact_mixture(&model, &images, 0, &bridge()[1]);
    let found = naive_monte_carlo(
        &model,
        &images,
        &target,
        &settings(100_000, 1000, 1),
        &Unobserved,
    )
    .unwrap();
    let row = found.per_row[0].log_mean_likelihood;
    assert!(
        (row.log_mean_nats - exact).abs() < 3.5 * row.standard_error,
        "{row:?} against {exact}"
    );
}

/// Draws the bound of each image 4000 times.
fn elbo(model: &dyn LatentModel, images: &Observations) -> Elbo {
    let repeated: Vec<usize> = (0..images.rows())
        .flat_map(|row| std::iter::repeat_n(row, 4000))
        .collect();
    let mut stream = RandomStream::named(2, "elbo");
    Elbo::of(model, &images.select(&repeated), &mut stream).unwrap()
}

#[test]
fn elbo_of_the_exact_posterior_is_the_log_likelihood() {
    let model = model();
    let images = images(&model, 30);
    let exact = model
        .log_marginal_nats(&images)
        .unwrap()
        .iter()
        .sum::<f64>()
        / 30.0;
    let found = elbo(&model, &images);
    // 3 latents: a draw's log likelihood varies by about 1.2 nats, the mean of 120,000 by 0.004.
    assert!(
        (found.elbo_nats.mean - exact).abs() < 0.015,
        "{found:?} against {exact}"
    );
    let difference = found.reconstruction_nats.mean - found.kl_nats.mean;
    assert!((difference - found.elbo_nats.mean).abs() < 1e-9);
    let wide = elbo(&Wider { inner: model }, &images);
    assert!(wide.elbo_nats.mean < exact - 0.1);
}

#[test]
fn elbo_of_an_impossible_observation_is_minus_infinity_not_nan() {
    let model = Impossible { inner: model() };
    let images = images(&model.inner, 3);
    let found = elbo(&model, &images);
    assert_eq!(found.elbo_nats.mean, f64::NEG_INFINITY);
    assert_eq!(found.reconstruction_nats.mean, f64::NEG_INFINITY);
    assert!(found.kl_nats.mean > 0.0);
}

#[test]
fn observers_are_called_with_every_observation() {
    let model = model();
    let images = images(&model, 7);
    let seen = Mutex::new(HashSet::new());
    let observer = |progress: &Progress<'_>| {
        assert_eq!((progress.stage, progress.total), ("naive estimates", 7));
        seen.lock().unwrap().insert(progress.done);
        ControlFlow::Continue(())
    };
    let prior = DiagonalGaussian::standard(7, 3);
    naive_monte_carlo(&model, &images, &prior, &settings(3, 3, 1), &observer).unwrap();
    let seen = seen.into_inner().unwrap();
    assert!((1..=7).all(|done| seen.contains(&done)), "{seen:?}");
}

#[test]
fn an_observer_stops_the_estimators_in_the_middle_of_an_observation() {
    let model = model();
    let images = images(&model, 2);
    let posterior = model.posterior(&images).unwrap();
    let proposal = posterior.as_diagonal().unwrap();
    let calls = AtomicUsize::new(0);
    let stop_soon = |_: &Progress<'_>| match calls.fetch_add(1, Ordering::Relaxed) {
        0..10 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    };
    let prior = PriorTarget::new("p").drawable(3);
    // Hours of work, if it were not stopped.
    let endless = settings(1_000_000_000, 100, 1);
    let stopped = importance_sampled(&model, &images, proposal, &[&prior], &endless, &stop_soon);
    assert_eq!(stopped, Err(EvalError::Interrupted(Interrupted)));
    let stopped = naive_monte_carlo(
        &model,
        &images,
        &prior,
        &settings(10_000_000, 100, 1),
        &stop_soon,
    );
    assert_eq!(stopped, Err(EvalError::Interrupted(Interrupted)));
    let annealing = AnnealingSettings {
        chains: 10,
        temperatures: 1_000_000,
        transitions: 2,
        pilot_chains: 2,
        chunk: 10,
        seed: 1,
    };
    let stopped = annealed(&model, &images, &prior, &prior, &annealing, &stop_soon);
    assert_eq!(stopped, Err(EvalError::Interrupted(Interrupted)));
}

#[test]
fn a_target_that_excludes_every_draw_gives_minus_infinity_not_nan() {
    let model = model();
    let images = images(&model, 3);
    let posterior = model.posterior(&images).unwrap();
    let target = Constant {
        name: "nothing",
        value: f64::NEG_INFINITY,
    };
    let found = importance_sampled(
        &model,
        &images,
        posterior.as_diagonal().unwrap(),
        &[&target],
        &settings(5, 5, 1),
        &Unobserved,
    )
    .unwrap();
    assert_eq!(
        (found[0].mean.mean, found[0].mean.count),
        (f64::NEG_INFINITY, 3)
    );
    assert_eq!(
        (
            found[0].effective_sample_size.median,
            found[0].effective_sample_size.low_share
        ),
        (0.0, 1.0)
    );
}

#[test]
fn nan_from_the_model_names_observation_and_draw() {
    let model = NanAbove {
        inner: model(),
        limit: 100.0,
    };
    let mut values = images(&model.inner, 4).into_array();
    values[[2, 0]] = 200.0;
    let images = model.inner.observations(values).unwrap();
    let proposal = DiagonalGaussian::standard(4, 3);
    let (prior, settings) = (PriorTarget::new("p"), settings(8, 3, 1));
    let refused = importance_sampled(
        &model,
        &images,
        &proposal,
        &[&prior],
        &settings,
        &Unobserved,
    )
    .unwrap_err();
    let EvalError::NotALogDensity {
        row: 2,
        draw: 0,
        quantity,
        ..
    } = &refused
    else {
        panic!("{refused}")
    };
    assert_eq!(quantity, "log p(x|z)");
    assert!(
        refused
            .to_string()
            .starts_with("log p(x|z) of observation 2 is NaN at draw 0"),
        "{refused}"
    );
    let refused =
        naive_monte_carlo(&model, &images, &proposal, &settings, &Unobserved).unwrap_err();
    assert!(matches!(refused, EvalError::NotALogDensity { row: 2, .. }));
}

#[test]
fn nan_or_infinity_from_a_target_names_the_target() {
    let model = model();
    let images = images(&model, 1);
    let proposal = DiagonalGaussian::standard(1, 3);
    for value in [f64::NAN, f64::INFINITY] {
        let target = Constant {
            name: "broken",
            value,
        };
        let refused = importance_sampled(
            &model,
            &images,
            &proposal,
            &[&target],
            &settings(2, 2, 1),
            &Unobserved,
        );
        let Err(EvalError::NotALogDensity {
            row: 0, quantity, ..
        }) = refused
        else {
            panic!("{refused:?}")
        };
        assert_eq!(quantity, "broken");
    }
}

#[test]
fn settings_and_shapes_that_do_not_fit_are_refused() {
    let model = model();
    let images = images(&model, 2);
    let prior = PriorTarget::new("p");
    let run = |images: &Observations, proposal: &DiagonalGaussian, settings: ImportanceSettings| {
        importance_sampled(&model, images, proposal, &[&prior], &settings, &Unobserved)
            .map(|_| ())
            .unwrap_err()
    };
    let good = DiagonalGaussian::standard(2, 3);
    assert!(matches!(
        run(&images, &good, settings(0, 1, 1)),
        EvalError::Setting { name: "draws", .. }
    ));
    assert!(matches!(
        run(&images, &good, settings(1, 0, 1)),
        EvalError::Setting { name: "chunk", .. }
    ));
    let (short, narrow) = (
        DiagonalGaussian::standard(1, 3),
        DiagonalGaussian::standard(2, 2),
    );
    assert!(matches!(
        run(&images, &short, settings(1, 1, 1)),
        EvalError::Mismatch {
            expected: 2,
            found: 1,
            ..
        }
    ));
    assert!(matches!(
        run(&images, &narrow, settings(1, 1, 1)),
        EvalError::Mismatch {
            expected: 3,
            found: 2,
            ..
        }
    ));
    assert!(matches!(
        run(&images.select(&[]), &good, settings(1, 1, 1)),
        EvalError::TooFew { .. }
    ));
    let classes = Observations::one_hot(&[0, 1], 5).unwrap();
    assert!(matches!(
        run(&classes, &good, settings(1, 1, 1)),
        EvalError::Row { .. }
    ));
    let absurd =
        DiagonalGaussian::new(Latents::filled(2, 3, 0.0), Latents::filled(2, 3, 1e3)).unwrap();
    assert!(matches!(
        run(&images, &absurd, settings(1, 1, 1)),
        EvalError::Row { .. }
    ));
}

#[test]
fn samplers_do_not_depend_on_chunks() {
    let conditional = ConditionalTarget::new("q", &bridge(), vec![1]).unwrap();
    let samplers: [&dyn LatentSampler; 2] = [&conditional, &bridge()[0]];
    for sampler in samplers {
        let whole = sampler
            .draw(0, 0..7, &mut RandomStream::named(1, "draws"))
            .unwrap();
        let mut stream = RandomStream::named(1, "draws");
        let left = sampler.draw(0, 0..3, &mut stream).unwrap();
        let right = sampler.draw(0, 3..7, &mut stream).unwrap();
        assert_eq!(whole.values(), [left.values(), right.values()].concat());
    }
}

/// A target with the same log density everywhere.
struct Constant {
    name: &'static str,
    value: f64,
}

impl TargetDensity for Constant {
    fn name(&self) -> &str {
        self.name
    }

    fn log_prob(&self, _row: usize, points: &Latents) -> Result<Vec<f64>, EvalError> {
        Ok(vec![self.value; points.rows()])
    }
}

/// Counts the latents that were decoded.
struct Counting {
    inner: LinearGaussianModel,
    evaluations: AtomicUsize,
}

/// Breaks on observations whose first pixel exceeds the limit.
struct NanAbove {
    inner: LinearGaussianModel,
    limit: f32,
}

macro_rules! delegate_all_but_the_likelihood {
    () => {
        fn name(&self) -> &str {
            self.inner.name()
        }
        fn latent_dim(&self) -> usize {
            self.inner.latent_dim()
        }
        fn event(&self) -> &EventKind {
            self.inner.event()
        }
        fn posterior(&self, observations: &Observations) -> Result<Posterior, LatentModelError> {
            self.inner.posterior(observations)
        }
        fn decode(&self, latents: &Latents) -> Result<Observations, LatentModelError> {
            self.inner.decode(latents)
        }
    };
}

impl LatentModel for Counting {
    delegate_all_but_the_likelihood!();

    fn log_likelihood_nats(
        &self,
        observations: &Observations,
        latents: &Latents,
    ) -> Result<Vec<f32>, LatentModelError> {
        self.evaluations
            .fetch_add(latents.rows(), Ordering::Relaxed);
        self.inner.log_likelihood_nats(observations, latents)
    }
}

/// Has an encoder whose posteriors are too wide.
struct Wider {
    inner: LinearGaussianModel,
}

/// Has a likelihood of zero everywhere.
struct Impossible {
    inner: LinearGaussianModel,
}

impl LatentModel for Impossible {
    delegate_all_but_the_likelihood!();

    fn log_likelihood_nats(
        &self,
        _: &Observations,
        latents: &Latents,
    ) -> Result<Vec<f32>, LatentModelError> {
        Ok(vec![f32::NEG_INFINITY; latents.rows()])
    }
}

impl LatentModel for Wider {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn latent_dim(&self) -> usize {
        self.inner.latent_dim()
    }

    fn event(&self) -> &EventKind {
        self.inner.event()
    }

    fn posterior(&self, observations: &Observations) -> Result<Posterior, LatentModelError> {
        let exact = self.inner.posterior(observations)?;
        Ok(wider(&exact.moments(), 1.5).into())
    }

    fn decode(&self, latents: &Latents) -> Result<Observations, LatentModelError> {
        self.inner.decode(latents)
    }

    fn log_likelihood_nats(
        &self,
        observations: &Observations,
        latents: &Latents,
    ) -> Result<Vec<f32>, LatentModelError> {
        self.inner.log_likelihood_nats(observations, latents)
    }
}

impl LatentModel for NanAbove {
    delegate_all_but_the_likelihood!();

    fn log_likelihood_nats(
        &self,
        observations: &Observations,
        latents: &Latents,
    ) -> Result<Vec<f32>, LatentModelError> {
        match observations.values()[0] > self.limit {
            true => Ok(vec![f32::NAN; latents.rows()]),
            false => self.inner.log_likelihood_nats(observations, latents),
        }
    }
}
