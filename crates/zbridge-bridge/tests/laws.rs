//! Laws that a fitted bridge obeys.
#![allow(clippy::unwrap_used)] // the helpers of a test file are tests too

use std::ops::ControlFlow;
use zbridge_bridge::{
    Bridge, BridgeConfig, BridgeError, Direction, Divergence, FitData, PaperConfig,
};
use zbridge_core::{
    ConditionalDensity, DiagonalGaussian, Latents, Posterior, Progress, RandomStream, Unobserved,
};

/// `rows` posteriors whose means are standard normal and whose log-variances vary.
fn posteriors(rows: usize, dim: usize, name: &str) -> Posterior {
    let mut stream = RandomStream::named(11, name);
    let (mut mean, mut log_var) = (vec![0.0; rows * dim], vec![0.0; rows * dim]);
    stream.fill_standard_normal(&mut mean);
    stream.fill_standard_normal(&mut log_var);
    log_var.iter_mut().for_each(|v| *v = 0.5 * *v - 1.0);
    DiagonalGaussian::new(
        Latents::from_vec(mean, dim).unwrap(),
        Latents::from_vec(log_var, dim).unwrap(),
    )
    .unwrap()
    .into()
}

/// `rows` identical, almost certain posteriors: one source for many targets.
fn one_source(rows: usize, dim: usize) -> Posterior {
    DiagonalGaussian::new(
        Latents::filled(rows, dim, 0.7),
        Latents::filled(rows, dim, -30.0),
    )
    .unwrap()
    .into()
}

fn fit(x: &Posterior, y: &Posterior, settings: PaperConfig) -> Result<Bridge, BridgeError> {
    let config = BridgeConfig::paper(settings).check().unwrap();
    Bridge::fit(&FitData::pairs(x, y), &config, &Unobserved)
}

/// What averaged divergences over many targets of one source are minimised by (column of means, of
/// variances).
fn closed_form(targets: &DiagonalGaussian, divergence: Divergence) -> Vec<(f64, f64)> {
    let (rows, dim) = (targets.rows(), targets.dim());
    let column = |values: &Latents, j: usize| -> Vec<f64> {
        (0..rows).map(|i| f64::from(values.row(i)[j])).collect()
    };
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / rows as f64;
    (0..dim)
        .map(|j| {
            let (means, variances) = (column(targets.mean(), j), column(targets.log_var(), j));
            let variances: Vec<f64> = variances.into_iter().map(f64::exp).collect();
            match divergence {
                Divergence::ReverseKl => {
                    let precision = mean(&mut variances.iter().map(|v| 1.0 / v));
                    (
                        mean(&mut means.iter().zip(&variances).map(|(m, v)| m / v)) / precision,
                        1.0 / precision,
                    )
                }
                _ => {
                    let centre = mean(&mut means.iter().copied());
                    let spread = mean(
                        &mut means
                            .iter()
                            .zip(&variances)
                            .map(|(m, v)| v + (m - centre).powi(2)),
                    );
                    (centre, spread)
                }
            }
        })
        .collect()
}

#[test]
fn both_kls_land_on_their_closed_forms() {
    let (rows, dim) = (64, 3);
    let targets = posteriors(rows, dim, "targets");
    for divergence in [Divergence::ReverseKl, Divergence::ForwardKl] {
        let config = PaperConfig {
            divergence,
            batch: rows,
            steps: 4000,
            learning_rate: 3e-3,
            ..PaperConfig::default()
        };
        let bridge = fit(&one_source(rows, 2), &targets, config).unwrap();
        let fitted = bridge
            .x_to_y()
            .as_gaussian()
            .unwrap()
            .gaussians(&Latents::filled(1, 2, 0.7))
            .unwrap();
        for (j, (mean, variance)) in closed_form(targets.as_diagonal().unwrap(), divergence)
            .into_iter()
            .enumerate()
        {
            let (m, v) = (
                f64::from(fitted.mean().row(0)[j]),
                f64::from(fitted.log_var().row(0)[j]).exp(),
            );
            assert!(
                (m - mean).abs() < 0.02 * variance.sqrt(),
                "{divergence} mean {j}: {m} against {mean}"
            );
            assert!(
                (v / variance - 1.0).abs() < 0.03,
                "{divergence} variance {j}: {v} against {variance}"
            );
        }
    }
}

#[test]
fn jeffreys_lies_between_the_two() {
    let targets = posteriors(64, 1, "targets");
    let variance = |divergence| {
        let config = PaperConfig {
            divergence,
            batch: 64,
            steps: 3000,
            learning_rate: 3e-3,
            ..PaperConfig::default()
        };
        let bridge = fit(&one_source(64, 1), &targets, config).unwrap();
        bridge
            .x_to_y()
            .as_gaussian()
            .unwrap()
            .gaussians(&Latents::filled(1, 1, 0.7))
            .unwrap()
            .log_var()
            .row(0)[0]
    };
    let (reverse, forward) = (
        variance(Divergence::ReverseKl),
        variance(Divergence::ForwardKl),
    );
    let jeffreys = variance(Divergence::Jeffreys);
    assert!(
        reverse < jeffreys && jeffreys < forward,
        "{reverse} {jeffreys} {forward}"
    );
}

#[test]
fn any_number_of_pairs_from_two_works_and_one_is_refused() {
    for rows in [2, 3, 127, 129, 257] {
        let config = PaperConfig {
            steps: 20,
            ..PaperConfig::default()
        };
        let bridge = fit(&posteriors(rows, 4, "x"), &posteriors(rows, 2, "y"), config).unwrap();
        assert_eq!((bridge.pairs(), bridge.dims()), (rows, (4, 2)));
    }
    let alone = fit(
        &posteriors(1, 4, "x"),
        &posteriors(1, 2, "y"),
        PaperConfig::default(),
    );
    assert!(matches!(alone, Err(BridgeError::TooFewPairs { pairs: 1 })));
    let unpaired = fit(
        &posteriors(5, 4, "x"),
        &posteriors(4, 2, "y"),
        PaperConfig::default(),
    );
    assert!(matches!(
        unpaired,
        Err(BridgeError::Unpaired { x: 5, y: 4 })
    ));
}

#[test]
fn constant_and_almost_certain_dimensions_are_survived() {
    let constant: Posterior =
        DiagonalGaussian::new(Latents::filled(40, 3, 2.0), Latents::filled(40, 3, -20.0))
            .unwrap()
            .into();
    let bridge = fit(
        &constant,
        &posteriors(40, 2, "y"),
        PaperConfig {
            steps: 50,
            ..PaperConfig::default()
        },
    )
    .unwrap();
    let back = bridge
        .y_to_x()
        .as_gaussian()
        .unwrap()
        .gaussians(&Latents::filled(2, 2, 0.3))
        .unwrap();
    assert!(back.mean().values().iter().all(|m| m.is_finite()));
}

#[test]
fn the_same_seed_gives_the_same_bridge_and_another_does_not() {
    let (x, y) = (posteriors(100, 4, "x"), posteriors(100, 2, "y"));
    let run = |seed| {
        let short = PaperConfig {
            steps: 30,
            ..PaperConfig::default()
        };
        let config = BridgeConfig::paper(short).with_seed(seed).check().unwrap();
        Bridge::fit(&FitData::pairs(&x, &y), &config, &Unobserved).unwrap()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).x_to_y(), run(2).x_to_y());
}

#[test]
fn a_saved_bridge_comes_back_identical() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bridge");
    let config = PaperConfig {
        steps: 30,
        ..PaperConfig::default()
    };
    let mut bridge = fit(&posteriors(50, 4, "x"), &posteriors(50, 2, "y"), config).unwrap();
    bridge.record_provenance("x", "somewhere");
    bridge.write(&path).unwrap();
    assert_eq!(Bridge::read(&path).unwrap(), bridge);
    std::fs::write(&path, &std::fs::read(&path).unwrap()[..1000]).unwrap();
    let message = Bridge::read(&path).unwrap_err().to_string();
    assert!(
        message.contains("a.bridge") && message.contains("safetensors"),
        "{message}"
    );
}

#[test]
fn shuffled_pairs_bring_the_bridge_down_to_the_marginal() {
    let x = posteriors(512, 2, "x");
    let y = x.clone();
    let shuffled = y.select(&RandomStream::named(3, "shuffle").permutation(512));
    let config = PaperConfig {
        divergence: Divergence::ForwardKl,
        steps: 600,
        ..PaperConfig::default()
    };
    let last = |y: &Posterior| {
        let bridge = fit(&x, y, config.clone()).unwrap();
        *bridge.curve(Direction::XToY).objective_nats.last().unwrap()
    };
    let (paired, unpaired) = (last(&y), last(&shuffled));
    assert!(
        unpaired > paired + 0.5,
        "paired {paired}, shuffled {unpaired}"
    );
}

#[test]
fn an_observer_can_stop_a_fit() {
    let (x, y) = (posteriors(50, 4, "x"), posteriors(50, 2, "y"));
    let config = BridgeConfig::paper(PaperConfig::default()).check().unwrap();
    let stop_after_five = |progress: &Progress<'_>| match progress.done {
        0..5 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    };
    let stopped = Bridge::fit(&FitData::pairs(&x, &y), &config, &stop_after_five);
    assert!(matches!(stopped, Err(BridgeError::Interrupted(_))));
}

#[test]
fn a_batch_equals_row_by_row() {
    let config = PaperConfig {
        steps: 20,
        ..PaperConfig::default()
    };
    let bridge = fit(&posteriors(50, 4, "x"), &posteriors(50, 2, "y"), config).unwrap();
    let source = posteriors(5, 4, "new")
        .as_diagonal()
        .unwrap()
        .mean()
        .clone();
    let batch = bridge.x_to_y().given(&source).unwrap();
    assert_eq!(batch.shape(), (5, 2));
    let batch = bridge
        .x_to_y()
        .as_gaussian()
        .unwrap()
        .gaussians(&source)
        .unwrap();
    for row in 0..5 {
        let alone = bridge
            .x_to_y()
            .as_gaussian()
            .unwrap()
            .gaussians(&source.select(&[row]))
            .unwrap();
        for (a, b) in alone.mean().row(0).iter().zip(batch.mean().row(row)) {
            assert!((a - b).abs() < 1e-5);
        }
    }
    assert!(
        bridge
            .x_to_y()
            .as_gaussian()
            .unwrap()
            .gaussians(&Latents::filled(1, 3, 0.0))
            .is_err()
    );
}
