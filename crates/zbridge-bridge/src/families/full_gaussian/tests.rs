use super::*;
use crate::families::FamilyDensity;
use crate::families::laws;
use crate::learner::Learner;

fn density(dim: usize, dropout: f32) -> FullGaussian {
    let mut stream = RandomStream::named(31, "full-gaussian");
    let mut density = FullGaussian::initial(3, dim, &[16, 8], dropout, &mut stream).unwrap();
    // Away from the start, so that sources matter and correlations are strong.
    let last = density.conditioner.last_layer_mut();
    last.weights.iter_mut().for_each(|weight| *weight *= 20.0);
    last.biases.fill(0.3);
    density
}

#[test]
fn laws_hold() {
    laws::hold_for(&density(2, 0.0), 1e-3);
}

#[test]
fn gradients_are_exact() {
    for (dim, dropout) in [(1, 0.0), (2, 0.0), (5, 0.0), (5, 0.3)] {
        laws::gradients_are_exact(&density(dim, dropout));
    }
}

#[test]
fn a_fresh_density_is_next_to_the_standard_normal() {
    let mut stream = RandomStream::named(32, "fresh");
    let fresh = FullGaussian::initial(3, 4, &[16], 0.0, &mut stream).unwrap();
    let (source, point) = (Latents::filled(1, 3, 0.5), Latents::filled(1, 4, 0.7));
    let nats = fresh.given(&source).unwrap().log_prob(&point).unwrap()[0];
    assert!(
        (nats + 0.5 * 4.0 * (LN_TWO_PI + 0.49)).abs() < 0.2,
        "{nats}"
    );
}

#[test]
fn objective_is_minus_the_log_density() {
    laws::objective_is_minus_the_log_density(&density(4, 0.0), 1e-4);
}

#[test]
fn densities_far_off_are_finite() {
    let density = density(3, 0.0);
    for value in [f32::MAX, f32::MIN, 1e20] {
        let given = density.given(&Latents::filled(1, 3, value)).unwrap();
        assert!(given.log_prob(&Latents::filled(1, 3, -value)).unwrap()[0].is_finite());
        let draws = given
            .sample_each(3, &mut RandomStream::named(1, "far"))
            .unwrap();
        assert_eq!(draws.rows(), 3);
    }
}

#[test]
fn a_density_whose_parameters_are_nan_is_an_error_and_no_number() {
    let mut density = density(2, 0.0);
    density.parameters_mut().fill(f32::NAN);
    let given = density.given(&Latents::filled(1, 3, 1.0)).unwrap();
    let error = given.log_prob(&Latents::filled(1, 2, 0.0)).unwrap_err();
    assert!(
        matches!(error, DensityError::NotANumber { row: 0, .. }),
        "{error}"
    );
}

#[test]
fn a_file_gives_back_the_density_bit_by_bit() {
    let density = density(3, 0.3);
    let mut file = WeightsFile::default();
    density.put_into(&mut file, "q").unwrap();
    let bytes = file.to_bytes(zbridge_nn::Precision::Single).unwrap();
    let file = WeightsFile::from_bytes(&bytes, Path::new("f")).unwrap();
    assert_eq!(
        FullGaussian::from_file(&file, "q", Path::new("f")).unwrap(),
        density
    );
}

#[test]
fn a_file_with_another_dimension_than_its_network_is_refused() {
    for dim in ["0", "2", "4", "18446744073709551615"] {
        let mut file = WeightsFile::default();
        density(3, 0.0).put_into(&mut file, "q").unwrap();
        file.metadata.insert("q.full-gaussian".into(), dim.into());
        let error = FullGaussian::from_file(&file, "q", Path::new("f")).unwrap_err();
        assert!(error.to_string().contains("no full Gaussian"), "{error}");
    }
}

#[test]
#[ignore = "a measurement"]
fn time_of_a_step() {
    for dim in [16, 64] {
        let mut stream = RandomStream::named(34, "time");
        let density = FullGaussian::initial(32, dim, &[128, 128], 0.3, &mut stream).unwrap();
        crate::families::trial::measure(density);
    }
}
