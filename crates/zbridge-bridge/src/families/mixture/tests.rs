use super::*;
use crate::families::FamilyDensity;
use crate::families::laws;
use crate::learner::Learner;
use crate::rows::standard_normal;
use ndarray::array;
use std::path::Path;
use zbridge_nn::WeightsFile;

const WEIGHTS: [f32; 4] = [0.5, 0.25, 0.2, 0.05];

fn gaussians(count: usize, dim: usize) -> DiagonalGaussian {
    let mut stream = RandomStream::named(61, "components");
    let means = standard_normal((count, dim), &mut stream);
    let log_vars = standard_normal((count, dim), &mut stream).mapv(|v| 0.5 * v - 1.0);
    DiagonalGaussian::new(
        Latents::new(means).unwrap(),
        Latents::new(log_vars).unwrap(),
    )
    .unwrap()
}

fn untrained(dim: usize, dropout: f32, moving: bool) -> Mixture {
    let mut stream = RandomStream::named(62, "mixture");
    let (components, log_weights) = (gaussians(4, dim), WEIGHTS.map(f32::ln));
    Mixture::initial(
        3,
        components,
        &log_weights,
        &[16, 8],
        dropout,
        moving,
        &mut stream,
    )
    .unwrap()
}

/// Away from the start, so that sources matter.
fn mixture(dim: usize, dropout: f32, moving: bool) -> Mixture {
    let mut mixture = untrained(dim, dropout, moving);
    let last = mixture.conditioner.last_layer_mut();
    last.weights.iter_mut().for_each(|weight| *weight *= 20.0);
    mixture
}

fn log_prob(mixture: &Mixture, source: &Latents, point: &Latents) -> f64 {
    mixture.given(source).unwrap().log_prob(point).unwrap()[0]
}

#[test]
fn laws_hold() {
    laws::hold_for(&mixture(2, 0.0, false), 1e-3);
    laws::hold_for(&mixture(2, 0.0, true), 1e-3);
    laws::hold_for(&mixture(2, 0.0, true).with_inverse_temperature(0.6), 1e-3);
    let independent = Mixture::independent(3, gaussians(4, 2), &[0.0; 4]).unwrap();
    laws::hold_for(&independent, 1e-3);
}

#[test]
fn gradients_are_exact() {
    for (dropout, moving) in [(0.0, false), (0.0, true), (0.3, false), (0.3, true)] {
        laws::gradients_are_exact(&mixture(3, dropout, moving));
    }
}

#[test]
fn a_fresh_mixture_is_next_to_the_given_one() {
    let point = Latents::filled(1, 2, 0.2);
    let mut density = 0.0;
    for (k, weight) in WEIGHTS.into_iter().enumerate() {
        let component = gaussians(4, 2).select(&[k]);
        density += f64::from(weight) * component.log_prob(&point).unwrap()[0].exp();
    }
    let expected = density.ln();
    for moving in [false, true] {
        let nats = log_prob(
            &untrained(2, 0.0, moving),
            &Latents::filled(1, 3, 0.5),
            &point,
        );
        assert!((nats - expected).abs() < 0.15, "{nats} against {expected}");
    }
    let independent = Mixture::independent(3, gaussians(4, 2), &WEIGHTS.map(f32::ln)).unwrap();
    let nats = log_prob(&independent, &Latents::filled(1, 3, 9.0), &point);
    assert!((nats - expected).abs() < 1e-5, "{nats} against {expected}");
}

#[test]
fn objective_is_minus_the_log_density_at_temperature_1() {
    for moving in [false, true] {
        let mixture = mixture(4, 0.0, moving);
        laws::objective_is_minus_the_log_density(&mixture, 1e-4);
        // Training does not use the temperature.
        let (source, target) = (array![[0.4, -0.1, 0.2]], array![[0.3, 0.1, -0.5, 1.0]]);
        let objective = |mixture: &Mixture| {
            let mut stream = RandomStream::named(63, "objective");
            let mut gradients = vec![0.0; mixture.parameters().len()];
            let (source, target) = (source.view(), target.view());
            let tape = &mut MixtureTape::default();
            mixture.backward(source, target, 1.0, &mut stream, &mut gradients, tape)
        };
        let cold = mixture.clone().with_inverse_temperature(3.0);
        assert_eq!(objective(&mixture), objective(&cold));
    }
}

#[test]
fn gradient_through_the_weights_equals_central_differences() {
    let mut mixture = mixture(2, 0.0, false);
    let source = array![[0.4, -0.1, 0.2], [1.0, 0.7, -0.3]];
    let teacher = array![[0.1f32, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]];
    let mut tape = MixtureTape::default();
    // Cross-entropy with the teacher's weights: its gradient by the logits is weight − teacher.
    let weights = mixture.weights(source.view(), &mut tape);
    assert!(
        weights
            .rows()
            .into_iter()
            .all(|row| (row.sum() - 1.0).abs() < 1e-6)
    );
    let mut gradients = vec![0.0; mixture.parameters().len()];
    mixture.backward_weights((weights - &teacher).view(), &mut gradients, &mut tape);
    for i in (0..gradients.len()).step_by(7) {
        let centre = mixture.parameters()[i];
        let mut at = |value: f32| {
            mixture.parameters_mut()[i] = value;
            let weights = mixture.weights(source.view(), &mut tape).mapv(f64::from);
            -(teacher.mapv(f64::from) * weights.ln()).sum()
        };
        let numeric = (at(centre + 1e-2) - at(centre - 1e-2)) / 2e-2;
        at(centre);
        let found = f64::from(gradients[i]);
        assert!(
            (numeric - found).abs() < 1e-3,
            "{i}: {found} against {numeric}"
        );
    }
}

#[test]
fn every_draw_of_every_row_has_a_choice_of_its_own() {
    const ROWS: usize = 600;
    let means = Latents::from_vec(vec![-100.0, 100.0], 1).unwrap();
    let apart = DiagonalGaussian::new(means, Latents::filled(2, 1, 0.0)).unwrap();
    let mixture = Mixture::independent(1, apart, &[0.5f32.ln(); 2]).unwrap();
    let given = mixture.given(&Latents::filled(ROWS, 1, 0.0)).unwrap();
    let draws = given
        .sample_each(3, &mut RandomStream::named(67, "choices"))
        .unwrap();
    let mut stream = RandomStream::named(67, "choices");
    stream.fill_standard_normal(&mut [0.0; 3 * ROWS]);
    for draw in draws.values() {
        assert_eq!(*draw > 0.0, stream.uniform() >= 0.5);
    }
    assert_eq!(given.sample_each(0, &mut stream).unwrap().rows(), 0);
}

#[test]
fn log_weights_are_those_of_the_weights_at_another_temperature() {
    for moving in [false, true] {
        let mixture = mixture(2, 0.3, moving);
        let source = Latents::new(array![[0.4, -0.1, 0.2], [1.0, 0.7, -0.3]]).unwrap();
        let weights = mixture.weights(source.view(), &mut MixtureTape::default());
        let cold = mixture.clone().with_inverse_temperature(2.0);
        let log_weights = cold.log_weights_given(&source).unwrap();
        let squares = weights.mapv(|weight| weight * weight);
        for (squares, log_weights) in squares.rows().into_iter().zip(log_weights.view().rows()) {
            for (square, log_weight) in squares.iter().zip(log_weights) {
                assert!((square / squares.sum() - log_weight.exp()).abs() < 1e-5);
            }
        }
        assert!(
            mixture
                .log_weights_given(&Latents::filled(1, 4, 0.0))
                .is_err()
        );
    }
}

#[test]
fn dropout_is_drawn_in_training_only() {
    let (mixture, mut stream) = (mixture(2, 0.3, false), RandomStream::named(64, "dropout"));
    let (source, mut tape) = (array![[0.4, -0.1, 0.2]], MixtureTape::default());
    let mut in_training = || mixture.weights_in_training(source.view(), &mut stream, &mut tape);
    assert_ne!(in_training(), in_training());
    let mut tape = MixtureTape::default();
    let mut at_rest = || mixture.weights(source.view(), &mut tape);
    assert_eq!(at_rest(), at_rest());
}

#[test]
fn densities_far_off_are_finite() {
    for moving in [false, true] {
        let mixture = mixture(2, 0.0, moving);
        for value in [f32::MAX, f32::MIN, 1e20] {
            let given = mixture.given(&Latents::filled(1, 3, value)).unwrap();
            assert!(given.log_prob(&Latents::filled(1, 2, -value)).unwrap()[0].is_finite());
            let draws = given
                .sample_each(3, &mut RandomStream::named(1, "far"))
                .unwrap();
            assert_eq!(draws.rows(), 3);
            let mut gradients = vec![0.0; mixture.parameters().len()];
            let (mut stream, mut tape) = (RandomStream::named(65, "far"), MixtureTape::default());
            let (source, far) = (array![[0.1; 3]], array![[value, -value]]);
            let nats = mixture.backward(
                source.view(),
                far.view(),
                1.0,
                &mut stream,
                &mut gradients,
                &mut tape,
            );
            assert!(nats.is_finite() && gradients.iter().all(|gradient| gradient.is_finite()));
        }
    }
}

#[test]
fn log_weights_that_do_not_fit_the_components_are_refused() {
    let independent = |log_weights: &[f32]| Mixture::independent(3, gaussians(4, 2), log_weights);
    let mismatch = independent(&[0.0; 3]);
    assert!(matches!(
        mismatch,
        Err(BridgeError::Shape(ShapeError::Mismatch { .. }))
    ));
    let not_finite = independent(&[f32::NAN; 4]);
    assert!(matches!(
        not_finite,
        Err(BridgeError::Shape(ShapeError::NotFinite { .. }))
    ));
    let none = DiagonalGaussian::standard(0, 2);
    assert!(Mixture::independent(3, none, &[]).is_err());
}

#[test]
fn a_file_gives_back_the_density_bit_by_bit() {
    for moving in [false, true] {
        let mixture = mixture(3, 0.3, moving).with_inverse_temperature(0.1 + 0.2);
        let mut file = WeightsFile::default();
        mixture.put_into(&mut file, "q").unwrap();
        let bytes = file.to_bytes(zbridge_nn::Precision::Single).unwrap();
        let file = WeightsFile::from_bytes(&bytes, Path::new("f")).unwrap();
        assert_eq!(
            Mixture::from_file(&file, "q", Path::new("f")).unwrap(),
            mixture
        );
    }
}

#[test]
fn tampered_files_are_refused() {
    let refused = |shape: &str| {
        let mut file = WeightsFile::default();
        mixture(3, 0.0, true).put_into(&mut file, "q").unwrap();
        file.metadata.insert("q.mixture".into(), shape.into());
        Mixture::from_file(&file, "q", Path::new("f"))
            .unwrap_err()
            .to_string()
    };
    // `sharpness` is the name of the inverse temperature in files.
    let shape = |components: u64, dim: u64, moving: bool, inverse_temperature: &str| {
        let sizes = format!(r#""components":{components},"dim":{dim},"moving":{moving}"#);
        format!(r#"{{{sizes},"sharpness":{inverse_temperature}}}"#)
    };
    assert!(refused(&shape(4, 0, true, "1.0")).contains("all above 0"));
    assert!(refused(&shape(4, 3, true, "-1.0")).contains("all above 0"));
    assert!(refused(&shape(4, 3, true, "null")).contains("metadata"));
    assert!(refused(&shape(4, 3, false, "1.0")).contains("another number of outputs"));
    assert!(refused(&shape(3, 4, true, "1.0")).contains("has shape [4, 3]"));
    assert!(refused(&shape(u64::MAX, 3, true, "1.0")).contains("has shape [4, 3]"));
}

#[test]
#[ignore = "a measurement"]
fn time_of_a_step() {
    for (count, moving) in [(32, false), (8, true), (32, true)] {
        let (components, log_weights) = (gaussians(count, 16), vec![0.0; count]);
        let mut stream = RandomStream::named(66, "time");
        let mixture = Mixture::initial(
            32,
            components,
            &log_weights,
            &[128, 128],
            0.3,
            moving,
            &mut stream,
        );
        crate::families::trial::measure(mixture.unwrap());
    }
}
