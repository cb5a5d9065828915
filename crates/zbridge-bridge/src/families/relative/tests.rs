use super::*;
use crate::density::Density;
use crate::families::{CouplingFlow, FamilyDensity, FlowShape, KernelMean, laws};
use crate::linear_algebra::Cholesky;
use crate::maximum_likelihood::PairBatch;
use crate::rows::standard_normal;
use ndarray::{array, aview1};
use std::path::Path;
use zbridge_core::{DiagonalGaussian, Stage, Unobserved};
use zbridge_nn::WeightsFile;

/// Draws behind a normaliser that is exact enough for the laws.
const MANY_DRAWS: usize = 1 << 15;

/// Returns pairs of standard normal sources and the same turned by a right angle, with noise.
fn turned(pairs: usize) -> PairBatch {
    let mut stream = RandomStream::named(7, "turned");
    let source = standard_normal((pairs, 2), &mut stream);
    let mut target = 0.3 * standard_normal((pairs, 2), &mut stream);
    for (mut target, source) in target.rows_mut().into_iter().zip(source.rows()) {
        target += &array![-source[1], source[0]];
    }
    PairBatch { source, target }
}

fn tilt(pairs: PairBatch, others: bool) -> Arc<Tilt> {
    let mut stream = RandomStream::named(8, "others");
    let mut side = |spreads| SideInGeneral {
        spreads,
        others: others.then(|| standard_normal((200, 2), &mut stream)),
    };
    let (source, target) = (side(None), side(Some(aview1(&[2.0, 1.0]))));
    let stage = Stage::new(&Unobserved, "tilt", 0);
    let stream = &mut RandomStream::named(9, "tilt");
    Arc::new(Tilt::fit(pairs, &source, &target, stream, &stage).unwrap())
}

fn marginal() -> Base {
    let means = Latents::new(array![[-1.0, 0.5], [1.0, 0.0]]).unwrap();
    let log_var = Latents::filled(2, 2, -0.3);
    let components = DiagonalGaussian::new(means, log_var).unwrap();
    Base::Marginal(Mixture::independent(2, components, &[-0.5, -1.0]).unwrap())
}

fn kernel_regression() -> KernelRegression {
    let PairBatch { source, target } = turned(40);
    let stage = Stage::new(&Unobserved, "kernel regression", 0);
    let stream = &mut RandomStream::named(1, "kernel regression");
    let fitted = KernelMean::fit(source.view(), target.view(), None, stream, &stage).unwrap();
    let lower = Cholesky::from_lower(array![[0.5, 0.0], [0.2, 0.6]]).unwrap();
    let residuals = standard_normal((100, 2), &mut RandomStream::named(3, "residuals"));
    KernelRegression::new(fitted.mean, lower, residuals.view())
}

/// Returns both kinds of densities, whose normalisers are means over this many draws.
fn densities(draws: usize) -> [Relative; 2] {
    let tilt = tilt(turned(30), true);
    [marginal(), Base::Regression(kernel_regression())]
        .map(|base| Relative::with_fixed_draws(base, Arc::clone(&tilt), draws).unwrap())
}

fn log_prob(density: &Relative, source: [f32; 2], point: [f32; 2]) -> f64 {
    let latents = |values: [f32; 2]| Latents::from_vec(values.to_vec(), 2).unwrap();
    let source = latents(source);
    let given = density.given(&source).unwrap();
    given.log_prob(&latents(point)).unwrap()[0]
}

#[test]
fn it_obeys_the_laws_of_densities() {
    for density in densities(MANY_DRAWS) {
        // The normaliser is a mean over draws.
        laws::hold_for(&density, 0.03);
        laws::hold_for(&density.with_inverse_temperature(0.5), 0.02);
    }
}

#[test]
fn partners_are_more_likely_than_under_the_marginal() {
    let [density, _] = densities(512);
    assert!(density.tilt.strength >= 1.0, "{}", density.tilt.strength);
    let PairBatch { source, target } = turned(200);
    let rows = |values: Array2<f32>| {
        let new = values.slice_axis(Axis(0), (100..200).into());
        Latents::new(new.to_owned()).unwrap()
    };
    let (sources, targets) = (rows(source), rows(target));
    let mean = |density: &dyn ConditionalDensity| {
        let given = density.given(&sources).unwrap();
        given.log_prob(&targets).unwrap().iter().sum::<f64>() / 100.0
    };
    let gain = mean(&density) - mean(density.base.as_dyn());
    assert!(gain > 0.3, "{gain}");
}

#[test]
fn pairs_that_do_not_belong_together_tilt_little() {
    let PairBatch { source, target } = turned(60);
    let order = RandomStream::named(4, "order").permutation(60);
    let target = target.select(Axis(0), &order);
    for others in [true, false] {
        let (source, target) = (source.clone(), target.clone());
        let tilt = tilt(PairBatch { source, target }, others);
        assert!(tilt.strength <= 1.0, "{} {others}", tilt.strength);
    }
}

#[test]
fn few_pairs_and_no_others_still_give_a_density() {
    for pairs in [1, 3, 4, 12, 30] {
        let tilt = tilt(turned(pairs), false);
        let density = Relative::new(marginal(), tilt).unwrap();
        assert!(log_prob(&density, [0.0, 0.0], [0.1, 0.2]).is_finite());
        assert!(log_prob(&density, [f32::MAX, 0.0], [1e5, -1e5]).is_finite());
    }
}

#[test]
fn products_around_means_are_those_of_the_sums() {
    let anchors = &tilt(turned(20), true).target;
    let draws = |name, rows| standard_normal((rows, 2), &mut RandomStream::named(2, name));
    let (means, deviations) = (draws("means", 3), draws("deviations", 5));
    let others = anchors.relative(draws("others", 3).view());
    let products = anchors.products_around(others.view(), means.view(), deviations.view());
    for row in 0..3 {
        let points = &deviations + &means.row(row);
        let expected = anchors.relative(points.view()).dot(&others.row(row));
        for (draw, expected) in expected.into_iter().enumerate() {
            assert!((products[[row, draw]] - expected).abs() < 1e-4);
        }
    }
}

#[test]
fn a_file_gives_back_what_was_put_into_it() {
    for density in densities(64) {
        let density = density.with_inverse_temperature(0.75);
        let mut file = WeightsFile::default();
        density.put_into(&mut file, "q").unwrap();
        let read = Relative::from_file(&file, "q", Path::new("bridge")).unwrap();
        let nats = |density: &Relative| log_prob(density, [0.3, -0.4], [0.1, 0.2]);
        let (before, after) = (nats(&density), nats(&read));
        assert!((before - after).abs() < 1e-5, "{before} {after}");
        assert_eq!(read.tilt, density.tilt);
    }
}

#[test]
fn files_that_lie_are_refused() {
    fn describe(file: &mut WeightsFile, from: &str, to: &str) {
        let description = file.metadata.get_mut("q.relative").unwrap();
        assert!(description.contains(from), "{description}");
        *description = description.replace(from, to);
    }
    let tampered: [fn(&mut WeightsFile); 8] = [
        |file| describe(file, r#""draws":64"#, r#""draws":0"#),
        |file| describe(file, r#""draws":64"#, r#""draws":1000000000000"#),
        |file| describe(file, r#""views":3"#, r#""views":0"#),
        |file| describe(file, r#""anchors":30"#, r#""anchors":9223372036854775807"#),
        |file| {
            describe(
                file,
                r#""inverse_temperature":1.0"#,
                r#""inverse_temperature":-1.0"#,
            )
        },
        |file| describe(file, r#""inputs":2"#, r#""inputs":3"#),
        |file| drop(file.tensors.remove("q.target-anchors")),
        |file| file.tensors.get_mut("q.source-centres").unwrap().values[0] = f32::NAN,
    ];
    for density in densities(64) {
        for tamper in tampered {
            let mut file = WeightsFile::default();
            density.put_into(&mut file, "q").unwrap();
            tamper(&mut file);
            assert!(Relative::from_file(&file, "q", Path::new("bridge")).is_err());
        }
    }
}

#[test]
fn a_regression_inside_has_no_density_inside_itself() {
    let shape = FlowShape {
        couplings: 2,
        hidden: vec![4],
        bins: 4,
    };
    let flow = CouplingFlow::initial(2, 2, &shape, &mut RandomStream::named(2, "flow")).unwrap();
    let [_, density] = densities(64);
    let mut file = WeightsFile::default();
    density.put_into(&mut file, "q").unwrap();
    let nested = kernel_regression().with_residual(Density::Flow(flow));
    nested.put_into(&mut file, "q.base").unwrap();
    assert!(Relative::from_file(&file, "q", Path::new("bridge")).is_err());
}
