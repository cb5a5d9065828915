use super::*;
use crate::families::laws;
use crate::families::{CouplingFlow, FlowShape};
use crate::rows::standard_normal;
use ndarray::{ArrayView2, array};
use zbridge_core::{Stage, Unobserved};

/// Returns sources `[pairs, 2]` and targets `[pairs, 2]` on a curved surface, with noise.
fn curved(pairs: usize, noise: f32) -> (Array2<f32>, Array2<f32>) {
    let mut stream = RandomStream::named(5, "curved");
    let sources = standard_normal((pairs, 2), &mut stream);
    let noise = noise * standard_normal((pairs, 2), &mut stream);
    let targets = Array2::from_shape_fn((pairs, 2), |(row, column)| match column {
        0 => (1.5 * sources[[row, 0]]).sin(),
        _ => sources[[row, 0]] * sources[[row, 1]] / 2.0,
    });
    (sources, targets + noise)
}

fn fit(sources: ArrayView2<'_, f32>, targets: ArrayView2<'_, f32>) -> FittedMean {
    let stage = Stage::new(&Unobserved, "kernel regression", 0);
    let stream = &mut RandomStream::named(1, "kernel regression");
    KernelMean::fit(sources, targets, None, stream, &stage).unwrap()
}

fn mean_square(values: &Array2<f32>) -> f32 {
    values.mapv(|value| value * value).mean().unwrap()
}

fn regression() -> KernelRegression {
    let (sources, targets) = curved(60, 0.2);
    let FittedMean { mean, .. } = fit(sources.view(), targets.view());
    let lower = Cholesky::from_lower(array![[0.5, 0.0], [0.2, 0.4]]).unwrap();
    // Residuals of two scales: some lie far out.
    let mut residuals = standard_normal((100, 2), &mut RandomStream::named(3, "residuals"));
    for mut row in residuals.rows_mut().into_iter().take(10) {
        row *= 3.0;
    }
    KernelRegression::new(mean, lower, residuals.view())
}

fn with_flow() -> KernelRegression {
    let shape = FlowShape {
        couplings: 2,
        hidden: vec![4],
        bins: 4,
    };
    let mut stream = RandomStream::named(2, "flow");
    let flow = CouplingFlow::initial(2, 2, &shape, &mut stream).unwrap();
    regression().with_residual(Density::Flow(flow))
}

#[test]
fn it_obeys_the_laws_of_densities() {
    laws::hold_for(&regression().with_inverse_temperature(0.7), 1e-3);
    laws::hold_for(&regression(), 1e-3);
    laws::hold_for(&with_flow(), 1e-3);
}

#[test]
fn it_finds_a_curved_mean_where_new_pairs_are() {
    let (sources, targets) = curved(300, 0.1);
    let FittedMean { mean, .. } = fit(
        sources.slice_axis(Axis(0), (0..200).into()),
        targets.slice_axis(Axis(0), (0..200).into()),
    );
    let new = sources.slice_axis(Axis(0), (200..300).into());
    let errors = &targets.slice_axis(Axis(0), (200..300).into()) - &mean.at(new);
    // The noise alone has a mean square of 0.01, a linear function leaves 0.3.
    assert!(mean_square(&errors) < 0.03, "{}", mean_square(&errors));
}

#[test]
fn means_that_leave_a_pair_out_are_those_of_fits_without_it() {
    // With the settings held, a fit without a pair is one of fewer rows: here the pair is far from
    // all others, so that settings stay nearly the same.
    let (mut sources, mut targets) = curved(80, 0.1);
    sources.row_mut(0).fill(0.3);
    targets.row_mut(0).assign(&array![5.0, -5.0]);
    let all = fit(sources.view(), targets.view());
    let outlier = all.left_out.row(0).to_owned();
    // What the outlier itself says must not be in the mean that leaves it out.
    assert!(outlier.iter().all(|value| value.abs() < 2.0), "{outlier}");
}

#[test]
fn more_pairs_than_landmarks_describe_the_same_surface() {
    // The last block of rows has one of them.
    let (sources, targets) = curved(2049, 0.1);
    let FittedMean { mean, left_out } = fit(sources.view(), targets.view());
    let errors = &targets - &left_out;
    assert!(mean_square(&errors) < 0.02, "{}", mean_square(&errors));
    let fitted = &targets - &mean.at(sources.view());
    assert!(mean_square(&fitted) < mean_square(&errors));
}

#[test]
fn noise_alone_has_a_constant_mean() {
    let mut stream = RandomStream::named(9, "noise");
    let sources = standard_normal((200, 3), &mut stream);
    let targets = standard_normal((200, 2), &mut stream);
    let FittedMean { mean, left_out } = fit(sources.view(), targets.view());
    assert!(mean_square(&(&targets - &left_out)) < 1.1 * mean_square(&targets));
    assert!(mean_square(&mean.at(sources.view())) < 0.2);
}

#[test]
fn a_file_gives_back_what_was_put_into_it() {
    for density in [regression(), with_flow()] {
        let mut file = WeightsFile::default();
        density.put_into(&mut file, "q").unwrap();
        let read = KernelRegression::from_file(&file, "q", Path::new("bridge")).unwrap();
        let sources = Latents::filled(2, 2, 0.3);
        let points = Latents::filled(2, 2, 0.1);
        let nats = |density: &KernelRegression| {
            let given = density.given(&sources).unwrap();
            given.log_prob(&points).unwrap()
        };
        for (a, b) in nats(&density).into_iter().zip(nats(&read)) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }
}

#[test]
fn heavy_tails_are_described_better_than_by_one_normal() {
    let mut residuals = standard_normal((400, 3), &mut RandomStream::named(4, "tails"));
    for mut row in residuals.rows_mut().into_iter().step_by(10) {
        row *= 4.0;
    }
    let given = |mixture: &ScaleMixture| {
        let points = Latents::new(residuals.clone()).unwrap();
        let nats = mixture.for_rows(400, 3).log_prob(&points).unwrap();
        nats.iter().sum::<f64>() / 400.0
    };
    let variance = f64::from(mean_square(&residuals));
    let one_normal = -1.5 * (1.0 + variance.ln() + zbridge_core::LN_TWO_PI);
    let mixture = ScaleMixture::fit(residuals.view());
    assert!(given(&mixture) > one_normal + 0.3, "{}", given(&mixture));
}

#[test]
fn files_that_lie_are_refused() {
    let tampered: [fn(&mut WeightsFile); 3] = [
        |file| {
            let kernel = r#"{"length_scale":0.0,"linear":0.3}"#;
            file.metadata.insert("q.kernel".into(), kernel.into());
        },
        |file| {
            file.tensors.remove("q.weights");
        },
        |file| {
            let shape = "[1,2,3]";
            file.metadata
                .insert("q.kernel-regression".into(), shape.into());
        },
    ];
    for tamper in tampered {
        let mut file = WeightsFile::default();
        regression().put_into(&mut file, "q").unwrap();
        tamper(&mut file);
        assert!(KernelRegression::from_file(&file, "q", Path::new("bridge")).is_err());
    }
}
