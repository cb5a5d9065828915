use super::fit::shrunk;
use super::*;
use crate::families::FamilyDensity;
use crate::families::laws;
use crate::rows::standard_normal;
use ndarray::{Axis, array, aview2};
use std::ops::ControlFlow;
use zbridge_core::{DiagonalGaussian, Progress, RandomStream, Stage, Unobserved};
use zbridge_nn::StoredTensor;

/// Returns posteriors of variance `exp(log_var)` whose means are `means` `[rows, dim]`.
fn posteriors(means: Array2<f32>, log_var: f32) -> DiagonalGaussian {
    let log_vars = Latents::filled(means.nrows(), means.ncols(), log_var);
    DiagonalGaussian::new(Latents::new(means).unwrap(), log_vars).unwrap()
}

const A: [[f32; 3]; 2] = [[0.8, -0.4, 0.1], [0.3, 0.5, -0.6]];
const B: [f32; 2] = [0.4, -0.3];
/// The factor of the noise: Σ = [[0.36, 0.24], [0.24, 0.41]].
const L: [[f32; 2]; 2] = [[0.6, 0.0], [0.4, 0.5]];

/// Returns sources `[pairs, 3]` and targets `[pairs, 2]` of a linear-Gaussian system:
/// t = A s + b + L z.
fn system(pairs: usize) -> (Array2<f32>, Array2<f32>) {
    let mut stream = RandomStream::named(21, "linear-gaussian");
    let sources = standard_normal((pairs, 3), &mut stream);
    let noise = standard_normal((pairs, 2), &mut stream);
    let targets = sources.dot(&aview2(&A).t()) + aview1(&B) + noise.dot(&aview2(&L).t());
    (sources, targets)
}

fn fit(
    source: &DiagonalGaussian,
    target: &DiagonalGaussian,
    pairs: usize,
    ridge: f64,
) -> LinearGaussian {
    let stage = Stage::new(&Unobserved, "linear Gaussian", 0);
    LinearGaussian::fit(source, target, pairs, ridge, &stage).unwrap()
}

fn fitted(pairs: usize, log_var: f32) -> LinearGaussian {
    let (sources, targets) = system(pairs);
    fit(
        &posteriors(sources, log_var),
        &posteriors(targets, log_var),
        pairs,
        1e-6,
    )
}

fn covariance(density: &LinearGaussian) -> Array2<f64> {
    density.noise.lower().dot(&density.noise.lower().t())
}

fn assert_close<'v, F: 'v + Copy + Into<f64>>(
    what: &str,
    found: impl IntoIterator<Item = &'v F>,
    expected: impl IntoIterator<Item = &'v F>,
    tolerance: f64,
) {
    for (&found, &expected) in found.into_iter().zip(expected) {
        let (found, expected): (f64, f64) = (found.into(), expected.into());
        assert!(
            (found - expected).abs() < tolerance,
            "{what}: {found} against {expected}"
        );
    }
}

#[test]
fn laws_hold() {
    laws::hold_for(&fitted(400, -3.0), 1e-3);
}

#[test]
fn a_known_system_is_recovered() {
    let density = fitted(5000, -20.0);
    assert_close("A", &density.matrix, aview2(&A), 0.03);
    assert_close("b", &density.offset, &B, 0.03);
    assert_close(
        "Σ",
        &covariance(&density),
        &array![[0.36, 0.24], [0.24, 0.41]],
        0.03,
    );
}

#[test]
fn closed_form_over_posteriors_is_the_limit_of_many_draws_from_them() {
    let (sources, targets) = system(300);
    let (source, target) = (posteriors(sources, -1.0), posteriors(targets, -1.5));
    let exact = fit(&source, &target, 300, 0.01);
    let mut stream = RandomStream::named(22, "draws");
    let drawn = |posterior: &DiagonalGaussian, stream: &mut RandomStream| {
        posteriors(posterior.sample_each(400, stream).into_array(), -60.0)
    };
    let (source, target) = (drawn(&source, &mut stream), drawn(&target, &mut stream));
    let sampled = fit(&source, &target, 300, 0.01);
    assert_close("A", &exact.matrix, &sampled.matrix, 0.02);
    assert_close("b", &exact.offset, &sampled.offset, 0.02);
    assert_close("Σ", &covariance(&exact), &covariance(&sampled), 0.02);
}

#[test]
fn correlations_count_as_much_as_the_pairs_that_show_them() {
    let shrunk = shrunk(array![[1.0, 0.5], [0.5, 2.0]], 3);
    assert_eq!(shrunk, array![[1.0, 0.25], [0.25, 2.0]]);
}

#[test]
fn few_pairs_and_constant_dimensions_still_have_a_density() {
    let mut stream = RandomStream::named(23, "few");
    for (pairs, ridge) in [(2, 0.0), (3, 1e-3), (5, 0.1)] {
        let sources = standard_normal((pairs, 12), &mut stream);
        let mut targets = standard_normal((pairs, 7), &mut stream);
        targets.column_mut(0).fill(2.5);
        let (source, target) = (posteriors(sources, -80.0), posteriors(targets, -80.0));
        let density = fit(&source, &target, pairs, ridge);
        let given = density.given(source.mean()).unwrap();
        let nats = given.log_prob(target.mean()).unwrap();
        assert!(
            nats.iter().all(|nats| nats.is_finite()),
            "{pairs} pairs: {nats:?}"
        );
        let draws = given.sample_each(5, &mut stream).unwrap();
        assert!(
            draws
                .view()
                .column(0)
                .iter()
                .all(|value| (value - 2.5).abs() < 0.05)
        );
    }
    let nothing = posteriors(Array2::zeros((2, 3)), f32::MIN);
    let density = fit(&nothing, &nothing, 2, 0.1);
    let given = density.given(nothing.mean()).unwrap();
    let nats = given.log_prob(nothing.mean()).unwrap();
    assert!(nats.iter().all(|nats| nats.is_finite()));
}

#[test]
fn densities_far_off_are_finite() {
    let density = fitted(50, -3.0);
    for value in [f32::MAX, f32::MIN, 1e20] {
        let given = density.given(&Latents::filled(1, 3, value)).unwrap();
        assert!(given.log_prob(&Latents::filled(1, 2, -value)).unwrap()[0] < -1e6);
        let draws = given
            .sample_each(3, &mut RandomStream::named(1, "far"))
            .unwrap();
        assert_eq!(draws.rows(), 3);
    }
}

#[test]
fn an_observer_can_stop_a_fit() {
    let stop = |_: &Progress<'_>| ControlFlow::Break(());
    let (sources, targets) = system(50);
    let (source, target) = (posteriors(sources, -3.0), posteriors(targets, -3.0));
    let stage = Stage::new(&stop, "linear Gaussian", 0);
    let stopped = LinearGaussian::fit(&source, &target, 50, 0.01, &stage);
    assert!(matches!(stopped, Err(BridgeError::Interrupted(_))));
}

#[test]
fn a_file_gives_back_the_density_bit_by_bit() {
    let density = fitted(40, -3.0);
    let mut file = WeightsFile::default();
    density.put_into(&mut file, "q").unwrap();
    let file = WeightsFile::from_bytes(
        &file.to_bytes(zbridge_nn::Precision::Single).unwrap(),
        Path::new("f"),
    )
    .unwrap();
    assert_eq!(
        LinearGaussian::from_file(&file, "q", Path::new("f")).unwrap(),
        density
    );
}

#[test]
fn tampered_files_are_refused() {
    let refused = |tamper: &dyn Fn(&mut WeightsFile)| {
        let mut file = WeightsFile::default();
        fitted(40, -3.0).put_into(&mut file, "q").unwrap();
        tamper(&mut file);
        LinearGaussian::from_file(&file, "q", Path::new("f"))
            .unwrap_err()
            .to_string()
    };
    let with_dims = |dims: &'static str| {
        refused(&move |file| {
            file.metadata
                .insert("q.linear-gaussian".into(), dims.into());
        })
    };
    assert!(with_dims("[0,2]").contains("no dimensions"));
    assert!(with_dims("[4,2]").contains("has shape [2, 3] where [2, 4] is needed"));
    let with_factor = |values: Vec<f32>| {
        refused(&move |file| {
            file.tensors.insert(
                "q.factor".into(),
                StoredTensor {
                    shape: vec![2, 2],
                    values: values.clone(),
                },
            );
        })
    };
    assert!(with_factor(vec![1.0, 0.5, 0.0, 1.0]).contains("not lower-triangular"));
    assert!(with_factor(vec![1.0, 0.0, 0.0]).contains("holds 3 values"));
}

#[test]
fn one_source_or_one_target_dimension_is_enough() {
    let (sources, targets) = system(50);
    let first = targets.slice_axis(Axis(1), (0..1).into()).to_owned();
    for targets in [targets, first] {
        let density = fit(
            &posteriors(sources.clone(), -9.0),
            &posteriors(targets.clone(), -9.0),
            50,
            1e-6,
        );
        for rows in [1, 2] {
            let of_rows = |values: &Array2<f32>| {
                Latents::new(values.slice_axis(Axis(0), (0..rows).into()).to_owned()).unwrap()
            };
            let given = density.given(&of_rows(&sources)).unwrap();
            assert_eq!(given.log_prob(&of_rows(&targets)).unwrap().len(), rows);
            assert_eq!(given.means().unwrap().unwrap().rows(), rows);
        }
    }
}
