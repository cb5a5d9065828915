//! Laws that every estimator of a likelihood obeys, against the linear-Gaussian model, whose
//! likelihoods are exact.
//!
//! Over many seeds: errors are as large as the standard errors say, weights are unbiased, errors
//! fall as 1/√K; the same seed gives the same bits whatever the chunks and threads, another one
//! agrees within the interval.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

mod oracle;

use ndarray::{Array1, Array2, array};
use oracle::{images, model, wider};
use std::sync::atomic::{AtomicUsize, Ordering};
use zbridge_core::{
    DiagonalGaussian, EventKind, LatentModel, LatentModelError, Latents, Moments, Observations,
    Posterior, RandomStream, Unobserved,
};
use zbridge_eval::{
    AnnealedEstimate, AnnealingSettings, ConditionalTarget, EstimateWarning, EvalError,
    ImportanceSettings, JointFactors, JointLikelihood, LinearGaussianModel, MixtureProposal,
    PosteriorDensity, PriorTarget, Proposal, TargetDensity, TargetEstimate, annealed,
    importance_sampled, naive_monte_carlo,
};

const SEEDS: u64 = 200;

/// A way to estimate log p(x|z ~ target) of observations with K draws or chains.
#[derive(Debug, Clone, Copy)]
enum Estimator {
    /// From a posterior that is too wide.
    Importance,
    /// From a posterior that is wrong, and from the target.
    Mixture,
    /// Along a path that begins at the target.
    AnnealedFromTarget,
    /// Along a path that begins at a posterior that is wrong.
    AnnealedFromPosterior,
    /// From the target alone.
    Naive,
}

const ALL: [Estimator; 5] = [
    Estimator::Importance,
    Estimator::Mixture,
    Estimator::AnnealedFromTarget,
    Estimator::AnnealedFromPosterior,
    Estimator::Naive,
];

/// A proposal that is too narrow and in the wrong place.
fn misplaced(posterior: &DiagonalGaussian) -> DiagonalGaussian {
    let mean = posterior.mean().values().iter().map(|m| m + 2.5).collect();
    let mean = Latents::from_vec(mean, posterior.dim()).unwrap();
    wider(
        &DiagonalGaussian::new(mean, posterior.log_var().clone()).unwrap(),
        0.4,
    )
}

/// q(z|context): one Gaussian that is not the prior.
fn context() -> DiagonalGaussian {
    DiagonalGaussian::new(
        Latents::from_vec(vec![0.4, -0.3, 0.8], 3).unwrap(),
        Latents::filled(1, 3, -0.5),
    )
    .unwrap()
}

fn annealing(chains: usize, chunk: usize, seed: u64) -> AnnealingSettings {
    AnnealingSettings {
        chains,
        temperatures: 60,
        transitions: 2,
        pilot_chains: 8,
        chunk,
        seed,
    }
}

impl Estimator {
    /// `draws` that give errors of a few hundredths to a tenth.
    fn usual_draws(self) -> usize {
        match self {
            Self::Importance | Self::Mixture => 1000,
            Self::AnnealedFromTarget | Self::AnnealedFromPosterior => 64,
            Self::Naive => 4000,
        }
    }

    fn run(self, images: &Observations, draws: usize, chunk: usize, seed: u64) -> TargetEstimate {
        let model = model();
        let posterior = model
            .posterior(images)
            .unwrap()
            .as_diagonal()
            .unwrap()
            .clone();
        let target =
            ConditionalTarget::new("log p(x|y)", &[context()], vec![0; images.rows()]).unwrap();
        let settings = ImportanceSettings { draws, chunk, seed };
        let sampled = |proposal: &dyn Proposal| {
            importance_sampled(&model, images, proposal, &[&target], &settings, &Unobserved)
                .unwrap()
                .remove(0)
        };
        let wrong = misplaced(&posterior);
        let annealed = |start: &dyn zbridge_eval::DrawableDensity| {
            annealed(
                &model,
                images,
                start,
                &target,
                &annealing(draws, chunk, seed),
                &Unobserved,
            )
            .unwrap()
            .estimate
        };
        match self {
            Self::Importance => sampled(&wider(&posterior, 1.6)),
            Self::Mixture => sampled(&MixtureProposal::new(&wrong).with(0.5, &target).unwrap()),
            Self::AnnealedFromTarget => annealed(&target),
            Self::AnnealedFromPosterior => {
                annealed(&PosteriorDensity::new("p(z|x)", &wider(&posterior, 2.0)))
            }
            Self::Naive => {
                let naive =
                    naive_monte_carlo(&model, images, &target, &settings, &Unobserved).unwrap();
                let per_row: Vec<_> = naive
                    .per_row
                    .iter()
                    .map(|row| row.log_mean_likelihood)
                    .collect();
                TargetEstimate {
                    per_row,
                    mean: naive.log_mean_likelihood,
                    ..sampled(&posterior)
                }
            }
        }
    }
}

fn exact(images: &Observations) -> f64 {
    model().log_marginal_given_nats(images, &context()).unwrap()[0]
}

#[test]
fn errors_are_as_large_as_they_say_and_weights_are_unbiased() {
    let images = images(&model(), 1);
    let exact = exact(&images);
    for estimator in ALL {
        let (mut misses, mut ratios, mut far) = (Moments::default(), Moments::default(), 0);
        for seed in 0..SEEDS {
            let row = estimator
                .run(&images, estimator.usual_draws(), 1000, seed)
                .per_row[0];
            let miss = (row.log_mean_nats - exact) / row.standard_error;
            misses.push(miss);
            ratios.push((row.log_mean_nats - exact).exp());
            far += usize::from(miss.abs() > 3.0);
        }
        // Of 200 normal misses 0.5 lie beyond 3 and the mean has sd 0.07; logarithms of skewed
        // means lean to the left.
        println!(
            "{estimator:?}: {far} far, miss {:.3} sd {:.3}",
            misses.mean(),
            misses.variance().sqrt()
        );
        assert!(far <= 4, "{estimator:?}: {far} beyond 3 standard errors");
        assert!(
            misses.mean().abs() < 0.3,
            "{estimator:?}: mean miss {}",
            misses.mean()
        );
        assert!(
            (0.8..1.25).contains(&misses.variance().sqrt()),
            "{estimator:?}: sd of misses {:?}",
            misses
        );
        let bias = (ratios.mean() - 1.0) / ratios.standard_error();
        assert!(
            bias.abs() < 3.5,
            "{estimator:?}: weights are biased by {bias} standard errors"
        );
    }
}

#[test]
fn errors_fall_with_the_root_of_the_draws() {
    let images = images(&model(), 1);
    let exact = exact(&images);
    for estimator in ALL {
        let usual = estimator.usual_draws();
        let points: Vec<(f64, f64)> = [usual / 8, usual / 2, usual * 2]
            .map(|draws| {
                let squared = |seed| {
                    (estimator.run(&images, draws, 1000, seed).per_row[0].log_mean_nats - exact)
                        .powi(2)
                };
                let mean = (1000..1000 + SEEDS).map(squared).sum::<f64>() / SEEDS as f64;
                ((draws as f64).ln(), 0.5 * mean.ln())
            })
            .to_vec();
        let slope = slope(&points);
        println!("{estimator:?}: slope {slope:.3}");
        assert!(
            (slope + 0.5).abs() < 0.1,
            "{estimator:?}: slope {slope} of {points:?}"
        );
    }
}

/// Least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (x, y) = (
        points.iter().map(|p| p.0).sum::<f64>() / count,
        points.iter().map(|p| p.1).sum::<f64>() / count,
    );
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), p| {
        (above + (p.0 - x) * (p.1 - y), below + (p.0 - x) * (p.0 - x))
    });
    above / below
}

#[test]
fn a_seed_gives_the_same_bits_whatever_the_chunks_and_threads_and_another_agrees() {
    let images = images(&model(), 5);
    for estimator in ALL {
        let draws = estimator.usual_draws();
        let run = |threads, chunk, seed| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| estimator.run(&images, draws, chunk, seed))
        };
        let reference = run(1, draws, 5);
        for (threads, chunk) in [(1, 7), (4, 100), (2, 10 * draws)] {
            assert_eq!(
                run(threads, chunk, 5),
                reference,
                "{estimator:?}: {threads} threads, chunks of {chunk}"
            );
        }
        let other = run(2, draws, 6);
        for (a, b) in reference.per_row.iter().zip(&other.per_row) {
            assert_ne!(a, b);
            let error = a.standard_error.hypot(b.standard_error);
            assert!(
                (a.log_mean_nats - b.log_mean_nats).abs() < 3.5 * error,
                "{estimator:?}: {a:?} and {b:?}"
            );
        }
    }
}

#[test]
fn annealing_and_the_mixture_are_right_where_a_bad_proposal_fails_and_says_so() {
    let model = model();
    let images = images(&model, 8);
    let wrong = misplaced(model.posterior(&images).unwrap().as_diagonal().unwrap());
    let exact = model.log_marginal_nats(&images).unwrap();
    let prior = PriorTarget::new("log p(x)").drawable(3);
    let settings = ImportanceSettings {
        draws: 8000,
        chunk: 500,
        seed: 3,
    };
    let sampled = |proposal: &dyn Proposal| {
        importance_sampled(&model, &images, proposal, &[&prior], &settings, &Unobserved)
            .unwrap()
            .remove(0)
    };
    let plain = sampled(&wrong);
    let failed = plain
        .per_row
        .iter()
        .zip(&exact)
        .filter(|(row, exact)| row.log_mean_nats < *exact - 1.0)
        .count();
    assert!(failed >= 6, "{plain:?} against {exact:?}");
    assert!(matches!(
        plain.warning(),
        Some(EstimateWarning::LowEffectiveSampleSize { .. })
    ));
    let mixed = sampled(&MixtureProposal::new(&wrong).with(0.5, &prior).unwrap());
    let chains = annealed(
        &model,
        &images,
        &prior,
        &prior,
        &annealing(200, 200, 3),
        &Unobserved,
    )
    .unwrap();
    for estimate in [&mixed, &chains.estimate] {
        assert_eq!(estimate.warning(), None);
        for (row, exact) in estimate.per_row.iter().zip(&exact) {
            let miss = (row.log_mean_nats - exact) / row.standard_error;
            assert!(
                miss.abs() < 3.5 && row.standard_error < 0.25,
                "{row:?} against {exact}"
            );
        }
    }
    println!(
        "acceptance {:?}, annealed {:?}",
        chains.acceptance_per_row,
        chains.estimate.summary()
    );
    assert!(
        chains.least_acceptance > 0.1 && chains.mean_acceptance < 0.9,
        "{:?}",
        chains.acceptance_per_row
    );
}

/// 16 latents in 24 pixels with little noise: the posterior has 10⁻¹² of the prior's volume.
#[test]
fn annealing_from_the_prior_is_right_in_sixteen_dimensions() {
    let columns = Array2::from_shape_fn((16, 24), |(latent, pixel)| match pixel == latent {
        true => 1.0 + 0.1 * latent as f64,
        false => 0.0,
    });
    let model = LinearGaussianModel::new(columns, Array1::zeros(24), 0.3).unwrap();
    let clean = model
        .decode(&DiagonalGaussian::standard(2, 16).sample(&mut RandomStream::named(1, "images")))
        .unwrap();
    let prior = PriorTarget::new("log p(x)").drawable(16);
    let settings = AnnealingSettings {
        chains: 32,
        temperatures: 400,
        transitions: 2,
        pilot_chains: 16,
        chunk: 32,
        seed: 2,
    };
    let found = annealed(&model, &clean, &prior, &prior, &settings, &Unobserved).unwrap();
    let naive = ImportanceSettings {
        draws: 30_000,
        chunk: 1000,
        seed: 2,
    };
    let naive = naive_monte_carlo(&model, &clean, &prior, &naive, &Unobserved).unwrap();
    for (row, exact) in model
        .log_marginal_nats(&clean)
        .unwrap()
        .into_iter()
        .enumerate()
    {
        let annealed = found.estimate.per_row[row];
        println!(
            "acceptance {:?}, exact {exact:.2}, annealed {annealed:?}, naive {:?}",
            found.acceptance_per_row, naive.per_row[row].log_mean_likelihood
        );
        assert!(
            (annealed.log_mean_nats - exact).abs() < 1.0,
            "{annealed:?} against {exact}"
        );
        assert!(naive.per_row[row].log_mean_likelihood.log_mean_nats < exact - 3.0);
    }
}

#[test]
fn one_temperature_is_the_naive_estimate_and_a_path_of_no_length_is_exact() {
    let model = model();
    let images = images(&model, 3);
    let prior = PriorTarget::new("log p(x)").drawable(3);
    let short = AnnealingSettings {
        temperatures: 1,
        ..annealing(500, 500, 1)
    };
    let found = annealed(&model, &images, &prior, &prior, &short, &Unobserved).unwrap();
    assert_eq!(found.mean_acceptance, 1.0);
    let posterior = model
        .posterior(&images)
        .unwrap()
        .as_diagonal()
        .unwrap()
        .clone();
    let start = PosteriorDensity::new("p(z|x)", &posterior);
    let exact = model.log_marginal_nats(&images).unwrap();
    let found = annealed(
        &model,
        &images,
        &start,
        &prior,
        &annealing(4, 4, 1),
        &Unobserved,
    )
    .unwrap();
    for (row, exact) in found.estimate.per_row.iter().zip(exact) {
        assert!(
            (row.log_mean_nats - exact).abs() < 1e-4,
            "{row:?} against {exact}"
        );
    }
}

#[test]
fn an_exact_posterior_in_a_mixture_has_next_to_no_error_and_several_targets_are_served() {
    let model = model();
    let images = images(&model, 4);
    let posterior = model
        .posterior(&images)
        .unwrap()
        .as_diagonal()
        .unwrap()
        .clone();
    let prior = PriorTarget::new("log p(x)").drawable(3);
    let conditional = ConditionalTarget::new("log p(x|y)", &[context()], vec![0; 4]).unwrap();
    let proposal = MixtureProposal::new(&posterior)
        .with(0.25, &prior)
        .unwrap()
        .with(0.25, &conditional)
        .unwrap();
    let targets: [&dyn TargetDensity; 2] = [&prior, &conditional];
    let settings = ImportanceSettings {
        draws: 4000,
        chunk: 333,
        seed: 1,
    };
    let found =
        importance_sampled(&model, &images, &proposal, &targets, &settings, &Unobserved).unwrap();
    let plain = importance_sampled(
        &model,
        &images,
        &posterior,
        &targets,
        &settings,
        &Unobserved,
    )
    .unwrap();
    let contexts = context().select(&[0, 0, 0, 0]);
    let exact = [
        model.log_marginal_nats(&images).unwrap(),
        model.log_marginal_given_nats(&images, &contexts).unwrap(),
    ];
    for (estimate, exact) in found.iter().zip(exact) {
        for (row, exact) in estimate.per_row.iter().zip(exact) {
            assert!(
                (row.log_mean_nats - exact).abs() < 3.5 * row.standard_error,
                "{row:?} against {exact}"
            );
            assert!(row.standard_error < 0.03, "{row:?}");
        }
    }
    // For its own target the exact posterior is exact; for the conditional the mixture costs less
    // than twice the error.
    for (mixed, plain) in found[1].per_row.iter().zip(&plain[1].per_row) {
        assert!(
            mixed.standard_error < 2.0 * plain.standard_error,
            "{mixed:?} against {plain:?}"
        );
    }
}

#[test]
fn no_more_than_a_chunk_goes_through_the_decoder_at_once() {
    let model = Largest {
        inner: model(),
        rows: AtomicUsize::new(0),
    };
    let images = images(&model.inner, 3);
    let posterior = model
        .posterior(&images)
        .unwrap()
        .as_diagonal()
        .unwrap()
        .clone();
    let prior = PriorTarget::new("log p(x)").drawable(3);
    let proposal = MixtureProposal::new(&posterior).with(0.3, &prior).unwrap();
    for draws in [100, 10_000] {
        let settings = ImportanceSettings {
            draws,
            chunk: 50,
            seed: 1,
        };
        importance_sampled(
            &model,
            &images,
            &proposal,
            &[&prior],
            &settings,
            &Unobserved,
        )
        .unwrap();
        naive_monte_carlo(&model, &images, &prior, &settings, &Unobserved).unwrap();
    }
    annealed(
        &model,
        &images,
        &prior,
        &prior,
        &annealing(300, 50, 1),
        &Unobserved,
    )
    .unwrap();
    assert_eq!(model.rows.into_inner(), 50);
}

#[test]
fn both_factorisations_of_one_joint_agree() {
    let joint = GaussianJoint::new();
    let found = joint.likelihood(&joint.x_given_y());
    let exact = joint.exact();
    for (row, exact) in found.per_row.iter().zip(&exact) {
        assert!(
            (row.by_x_first_nats - exact).abs() < 4.0 * row.gap_error_nats,
            "{row:?} against {exact}"
        );
        assert!(row.gap_nats().abs() < 4.0 * row.gap_error_nats, "{row:?}");
    }
    assert!(
        found.gap_nats.mean.abs() < 3.5 * found.gap_nats.standard_error + 1e-3,
        "{:?}",
        found.gap_nats
    );
    assert!(found.absolute_gap_nats.mean < 0.05);
    // A direction y → x that ignores y belongs to no joint with the other.
    let apart = joint.likelihood(&DiagonalGaussian::standard(joint.x.rows(), 1));
    assert!(
        apart.gap_nats.mean > 0.2 && apart.absolute_gap_nats.mean > 0.3,
        "{:?}",
        apart.gap_nats
    );
}

/// z_x and z_y standard normal with correlation 0.9, each seen through a model of its own.
struct GaussianJoint {
    x_model: LinearGaussianModel,
    y_model: LinearGaussianModel,
    x: Observations,
    y: Observations,
}

impl GaussianJoint {
    const CORRELATION: f32 = 0.9;

    fn new() -> Self {
        let x_model = LinearGaussianModel::new(array![[1.0, 0.5]], array![0.1, 0.0], 0.4).unwrap();
        let y_model =
            LinearGaussianModel::new(array![[0.3, 0.8, 0.5]], array![0.0, 0.1, 0.2], 0.5).unwrap();
        let mut stream = RandomStream::named(4, "joint");
        let mut normal = |count: usize| {
            let mut values = vec![0.0; count];
            stream.fill_standard_normal(&mut values);
            values
        };
        let (z_x, own) = (normal(60), normal(60));
        let rest = (1.0 - Self::CORRELATION.powi(2)).sqrt();
        let z_y = z_x
            .iter()
            .zip(own)
            .map(|(z, e)| Self::CORRELATION * z + rest * e)
            .collect();
        let mut seen = |model: &LinearGaussianModel, z: Vec<f32>, sd: f32| {
            let clean = model.decode(&Latents::from_vec(z, 1).unwrap()).unwrap();
            let clean = clean.into_array();
            let noise = Array2::from_shape_vec(clean.dim(), normal(clean.len())).unwrap();
            model.observations(clean + sd * noise).unwrap()
        };
        let (x, y) = (seen(&x_model, z_x, 0.4), seen(&y_model, z_y, 0.5));
        Self {
            x_model,
            y_model,
            x,
            y,
        }
    }

    /// p(z of the other side|observation): N(ρm, ρ²v + 1 − ρ²) of the exact posterior N(m, v).
    fn carried(posterior: &Posterior) -> DiagonalGaussian {
        let posterior = posterior.as_diagonal().unwrap();
        let rho = Self::CORRELATION;
        let mean = posterior.mean().values().iter().map(|m| rho * m).collect();
        let log_var = posterior
            .log_var()
            .values()
            .iter()
            .map(|v| (rho * rho * v.exp() + 1.0 - rho * rho).ln());
        DiagonalGaussian::new(
            Latents::from_vec(mean, 1).unwrap(),
            Latents::from_vec(log_var.collect(), 1).unwrap(),
        )
        .unwrap()
    }

    fn y_given_x(&self) -> DiagonalGaussian {
        Self::carried(&self.x_model.posterior(&self.x).unwrap())
    }

    fn x_given_y(&self) -> DiagonalGaussian {
        Self::carried(&self.y_model.posterior(&self.y).unwrap())
    }

    fn exact(&self) -> Vec<f64> {
        let x = self.x_model.log_marginal_nats(&self.x).unwrap();
        let y = self
            .y_model
            .log_marginal_given_nats(&self.y, &self.y_given_x())
            .unwrap();
        x.iter().zip(y).map(|(x, y)| x + y).collect()
    }

    fn likelihood(&self, x_given_y: &DiagonalGaussian) -> JointLikelihood {
        let [x, x_given_y] = Self::estimates(&self.x_model, &self.x, x_given_y);
        let [y, y_given_x] = Self::estimates(&self.y_model, &self.y, &self.y_given_x());
        JointLikelihood::of(&JointFactors {
            x: &x,
            y_given_x: &y_given_x,
            y: &y,
            x_given_y: &x_given_y,
        })
        .unwrap()
    }

    /// log p of observations, and given the other side.
    fn estimates(
        model: &LinearGaussianModel,
        observations: &Observations,
        conditional: &DiagonalGaussian,
    ) -> [TargetEstimate; 2] {
        let rows: Vec<usize> = (0..observations.rows()).collect();
        let contexts: Vec<DiagonalGaussian> =
            rows.iter().map(|&row| conditional.select(&[row])).collect();
        let (prior, conditional) = (
            PriorTarget::new("log p"),
            ConditionalTarget::new("log p given the other", &contexts, rows).unwrap(),
        );
        let settings = ImportanceSettings {
            draws: 4000,
            chunk: 500,
            seed: 9,
        };
        let proposal = wider(
            model
                .posterior(observations)
                .unwrap()
                .as_diagonal()
                .unwrap(),
            1.3,
        );
        let targets: [&dyn TargetDensity; 2] = [&prior, &conditional];
        let found = importance_sampled(
            model,
            observations,
            &proposal,
            &targets,
            &settings,
            &Unobserved,
        )
        .unwrap();
        found.try_into().unwrap()
    }
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let model = model();
    let images = images(&model, 1);
    let prior = PriorTarget::new("p").drawable(3);
    let run = |settings: AnnealingSettings| -> Result<AnnealedEstimate, EvalError> {
        annealed(&model, &images, &prior, &prior, &settings, &Unobserved)
    };
    let good = annealing(2, 2, 1);
    assert!(run(good).is_ok());
    for (name, settings) in [
        ("chains", AnnealingSettings { chains: 0, ..good }),
        (
            "temperatures",
            AnnealingSettings {
                temperatures: 0,
                ..good
            },
        ),
        (
            "transitions",
            AnnealingSettings {
                transitions: 0,
                ..good
            },
        ),
        (
            "pilot_chains",
            AnnealingSettings {
                pilot_chains: 1,
                ..good
            },
        ),
        ("chunk", AnnealingSettings { chunk: 0, ..good }),
    ] {
        assert!(
            matches!(run(settings), Err(EvalError::Setting { name: found, .. }) if found == name),
            "{name}"
        );
    }
    let narrow = PriorTarget::new("p").drawable(2);
    assert!(annealed(&model, &images, &narrow, &narrow, &good, &Unobserved).is_err());
}

/// Remembers the most latents that were asked about at once.
struct Largest {
    inner: LinearGaussianModel,
    rows: AtomicUsize,
}

impl LatentModel for Largest {
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

    fn log_likelihood_nats(
        &self,
        observations: &Observations,
        latents: &Latents,
    ) -> Result<Vec<f32>, LatentModelError> {
        self.rows.fetch_max(latents.rows(), Ordering::Relaxed);
        self.inner.log_likelihood_nats(observations, latents)
    }
}
