//! Evaluation of a conditional density on held-out latents alone, against a jointly Gaussian pair
//! of latents.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

use zbridge_core::{
    ConditionalDensity, DensityError, DiagonalGaussian, LatentDistribution, Latents, RandomStream,
    Unobserved,
};
use zbridge_eval::{CrossDensities, EvalError, LatentPairs, PitCalibration, PitSettings};

const CORRELATION: f32 = 0.8;
const DIM: usize = 2;

/// q(t|s) = N(slope·s + shift, scale²(1 − ρ²)): the true conditional for slope ρ, shift 0 and scale
/// 1.
#[derive(Clone, Copy)]
struct Linear {
    slope: f32,
    shift: f32,
    scale: f32,
}

const TRUTH: Linear = Linear {
    slope: CORRELATION,
    shift: 0.0,
    scale: 1.0,
};

impl ConditionalDensity for Linear {
    fn dims(&self) -> (usize, usize) {
        (DIM, DIM)
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        let mean = source
            .values()
            .iter()
            .map(|s| self.slope * s + self.shift)
            .collect();
        let log_var = (self.scale * self.scale * (1.0 - CORRELATION * CORRELATION)).ln();
        let log_var = Latents::filled(source.rows(), DIM, log_var);
        Ok(Box::new(DiagonalGaussian::new(
            Latents::from_vec(mean, DIM)?,
            log_var,
        )?))
    }
}

/// The marginal of the target, whatever the source is.
fn marginal() -> Linear {
    Linear {
        slope: 0.0,
        shift: 0.0,
        scale: 1.0 / (1.0 - CORRELATION * CORRELATION).sqrt(),
    }
}

fn pairs(count: usize, seed: u64) -> LatentPairs {
    let mut stream = RandomStream::named(seed, "pairs");
    let sources = DiagonalGaussian::standard(count, DIM).sample(&mut stream);
    let targets = TRUTH
        .given(&sources)
        .unwrap()
        .sample_each(1, &mut stream)
        .unwrap();
    LatentPairs::new(sources, targets).unwrap()
}

fn shuffled(pairs: &LatentPairs) -> LatentPairs {
    let order = RandomStream::named(1, "shuffle").permutation(pairs.count());
    LatentPairs::new(pairs.sources().clone(), pairs.targets().select(&order)).unwrap()
}

fn cross(density: &Linear, pairs: &LatentPairs) -> CrossDensities {
    CrossDensities::of(density, pairs, &Unobserved).unwrap()
}

fn pit(density: &Linear, pairs: &LatentPairs) -> PitCalibration {
    PitCalibration::of(
        density,
        pairs,
        &PitSettings { draws: 99, seed: 3 },
        &Unobserved,
    )
    .unwrap()
}

#[test]
fn the_two_gains_of_the_true_conditional_have_the_mutual_information_between_them() {
    let information = -0.5 * DIM as f64 * (1.0 - f64::from(CORRELATION).powi(2)).ln();
    let gain = cross(&TRUTH, &pairs(500, 1)).gain();
    let (low, high) = (gain.gain_nats, gain.leave_one_out_nats);
    println!("{low:?} … {high:?} around {information}");
    assert!(
        low.mean < high.mean && high.mean - low.mean < 0.1,
        "{low:?} … {high:?}"
    );
    assert!(
        (low.mean - information).abs() < 3.0 * low.standard_error,
        "{low:?} against {information}"
    );
    assert!(
        (high.mean - information).abs() < 3.0 * high.standard_error,
        "{high:?} against {information}"
    );
    assert!(
        gain.per_pair_nats
            .iter()
            .all(|&nats| nats <= gain.ceiling_nats)
    );
}

#[test]
fn gains_of_few_pairs_lie_on_the_sides_that_are_stated() {
    let information = -0.5 * DIM as f64 * (1.0 - f64::from(CORRELATION).powi(2)).ln();
    let gains: Vec<_> = (0..100)
        .map(|seed| cross(&TRUTH, &pairs(10, seed)).gain())
        .collect();
    let mean = |value: &dyn Fn(&zbridge_eval::LatentGain) -> f64| {
        gains.iter().map(value).sum::<f64>() / 100.0
    };
    assert!(mean(&|gain| gain.gain_nats.mean) < information - 0.02);
    assert!(mean(&|gain| gain.leave_one_out_nats.mean) > information + 0.1);
}

#[test]
fn shuffled_pairs_gain_nothing_and_are_found_by_chance_only() {
    let pairs = shuffled(&pairs(300, 1));
    let densities = cross(&TRUTH, &pairs);
    assert!(densities.gain().gain_nats.mean < -0.5);
    for found in [densities.retrieve_targets(), densities.retrieve_sources()] {
        let reciprocal = found.mean_reciprocal_rank;
        assert!(
            (reciprocal.mean - found.chance_mean_reciprocal_rank).abs()
                < 3.0 * reciprocal.standard_error
        );
        assert!(
            (found.median_rank / found.chance_median_rank - 1.0).abs() < 0.15,
            "{found:?}"
        );
    }
    let ignoring = cross(&marginal(), &pairs);
    assert!(ignoring.gain().gain_nats.mean.abs() < 1e-6);
    assert_eq!(
        ignoring.retrieve_sources().median_rank,
        ignoring.retrieve_sources().chance_median_rank
    );
}

#[test]
fn true_pairs_are_found_far_above_chance_from_both_sides() {
    let densities = cross(&TRUTH, &pairs(300, 1));
    for found in [densities.retrieve_targets(), densities.retrieve_sources()] {
        println!("{found:?}");
        assert!(found.mean_reciprocal_rank.mean > 4.0 * found.chance_mean_reciprocal_rank);
        assert!(found.recall[2].share.mean > 4.0 * found.recall[2].chance);
        assert!(found.median_rank < 0.3 * found.chance_median_rank);
    }
    // The joint is symmetric, so that the same density serves the other direction.
    let other = cross(&TRUTH, &pairs(300, 1).swapped());
    assert!(other.retrieve_targets().median_rank < 0.35 * 150.5);
}

#[test]
fn transforms_of_the_true_conditional_are_uniform() {
    let mut least = 1.0f64;
    for seed in 0..20 {
        let found = pit(&TRUTH, &pairs(200, seed));
        assert_eq!(
            (
                found.count,
                found.per_dimension.len(),
                found.highest_density.count
            ),
            (200, DIM, 200)
        );
        let p_value = found
            .per_dimension
            .iter()
            .chain([&found.highest_density])
            .map(|test| test.ks_p_value);
        least = p_value.fold(least, f64::min);
    }
    // The smallest of 60 p-values is below 0.001 with probability 0.06 only, and the seeds are
    // fixed.
    assert!(least > 0.001, "{least}");
}

#[test]
fn the_true_conditional_covers_as_it_says_and_a_narrow_one_too_little() {
    let pairs = pairs(1000, 1);
    let (right, narrow) = (
        pit(&TRUTH, &pairs),
        pit(
            &Linear {
                scale: 0.6,
                ..TRUTH
            },
            &pairs,
        ),
    );
    for (mass, found, too_little) in [
        (0.5, right.coverage_50, narrow.coverage_50),
        (0.9, right.coverage_90, narrow.coverage_90),
    ] {
        for (found, too_little) in [
            (found.region, too_little.region),
            (found.intervals, too_little.intervals),
        ] {
            assert!(
                (found.mean - mass).abs() < 3.5 * found.standard_error,
                "{mass}: {found:?}"
            );
            assert!(too_little.mean < mass - 0.1, "{mass}: {too_little:?}");
        }
    }
}

#[test]
fn a_conditional_that_is_too_narrow_too_wide_or_shifted_is_rejected() {
    let pairs = pairs(400, 1);
    let narrow = pit(
        &Linear {
            scale: 0.6,
            ..TRUTH
        },
        &pairs,
    );
    assert!(
        narrow.dimensions_p_value < 1e-3 && narrow.highest_density.ks_p_value < 1e-6,
        "{narrow:?}"
    );
    assert!(narrow.highest_density.mean < 0.4);
    let ends = |bins: &[usize]| bins[0] + bins[19];
    assert!(
        ends(&narrow.per_dimension[0].bins) > 80,
        "{:?}",
        narrow.per_dimension[0].bins
    );
    let wide = pit(
        &Linear {
            scale: 1.8,
            ..TRUTH
        },
        &pairs,
    );
    assert!(
        wide.highest_density.ks_p_value < 1e-6 && wide.highest_density.mean > 0.6,
        "{wide:?}"
    );
    assert!(ends(&wide.per_dimension[0].bins) < 20);
    let shifted = pit(
        &Linear {
            shift: -0.3,
            ..TRUTH
        },
        &pairs,
    );
    assert!(
        shifted.dimensions_p_value < 1e-6 && shifted.per_dimension[0].mean > 0.6,
        "{shifted:?}"
    );
}

#[test]
fn the_marginal_is_calibrated_too_and_says_nothing_of_the_target() {
    let pairs = pairs(400, 1);
    let found = pit(&marginal(), &pairs);
    assert!(found.dimensions_p_value > 0.01 && found.highest_density.ks_p_value > 0.01);
    assert!(cross(&marginal(), &pairs).gain().gain_nats.mean.abs() < 1e-6);
}

#[test]
fn threads_change_nothing_and_seeds_do() {
    let pairs = pairs(60, 1);
    let run = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let settings = PitSettings { draws: 50, seed };
        pool.install(|| {
            (
                PitCalibration::of(&TRUTH, &pairs, &settings, &Unobserved).unwrap(),
                cross(&TRUTH, &pairs),
            )
        })
    };
    assert_eq!(run(1, 3), run(4, 3));
    assert_ne!(run(1, 3).0, run(1, 4).0);
}

#[test]
fn what_does_not_fit_is_refused() {
    let wide = LatentPairs::new(Latents::filled(3, 3, 0.0), Latents::filled(3, DIM, 0.0)).unwrap();
    assert!(matches!(
        CrossDensities::of(&TRUTH, &wide, &Unobserved),
        Err(EvalError::Mismatch { .. })
    ));
    let none = PitSettings { draws: 0, seed: 1 };
    let refused = PitCalibration::of(&TRUTH, &pairs(5, 1), &none, &Unobserved);
    assert!(matches!(
        refused,
        Err(EvalError::Setting { name: "draws", .. })
    ));
}
