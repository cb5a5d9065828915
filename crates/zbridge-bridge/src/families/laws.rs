//! The laws that every family is held to, whatever it is made of.

use crate::learner::Learner;
use zbridge_core::{ConditionalDensity, Latents, RandomStream};

/// Checks a density over a plane: it integrates to one, its draws fall where its density says,
/// draws and densities of a batch are those of its rows alone, and wrong shapes are refused.
/// `tolerance` is on the integral.
///
/// The density's mass must lie within ±6 in both directions.
pub(crate) fn hold_for(density: &(dyn ConditionalDensity + Sync), tolerance: f64) {
    assert_eq!(density.dims().1, 2, "the laws are checked in the plane");
    let mut values = vec![0.0; 3 * density.dims().0];
    RandomStream::named(11, "laws/sources").fill_standard_normal(&mut values);
    let sources = Latents::from_vec(values, density.dims().0).unwrap();
    for row in 0..sources.rows() {
        mass_and_draws_agree(density, &sources.select(&[row]), tolerance);
    }
    a_batch_is_its_rows(density, &sources);
    assert!(
        density
            .given(&Latents::filled(1, density.dims().0 + 1, 0.0))
            .is_err(),
        "a source of another width"
    );
    assert!(
        density
            .given(&sources)
            .unwrap()
            .log_prob(&Latents::filled(3, 3, 0.0))
            .is_err(),
        "points of another width"
    );
    assert!(
        density
            .given(&sources)
            .unwrap()
            .log_prob(&Latents::filled(2, 2, 0.0))
            .is_err(),
        "too few points"
    );
}

/// A grid of cells over [−6, 6]²: their masses sum to 1, and draws fall into the coarse cells
/// accordingly.
fn mass_and_draws_agree(density: &dyn ConditionalDensity, source: &Latents, tolerance: f64) {
    const FINE: usize = 240;
    const COARSE: usize = 8;
    const DRAWS: usize = 20_000;
    let width = 12.0 / FINE as f32;
    let centre = |i: usize| -6.0 + width * (i as f32 + 0.5);
    let points: Vec<f32> = (0..FINE * FINE)
        .flat_map(|i| [centre(i % FINE), centre(i / FINE)])
        .collect();
    let points = Latents::from_vec(points, 2).unwrap();
    let everywhere = source.repeat_each(points.rows());
    let nats = density
        .given(&everywhere)
        .unwrap()
        .log_prob(&points)
        .unwrap();
    let mut masses = [0.0f64; COARSE * COARSE];
    let coarse =
        |value: f32| (((value + 6.0) / 12.0 * COARSE as f32).max(0.0) as usize).min(COARSE - 1);
    for (point, nats) in points.values().chunks_exact(2).zip(&nats) {
        masses[coarse(point[1]) * COARSE + coarse(point[0])] +=
            nats.exp() * f64::from(width * width);
    }
    let total: f64 = masses.iter().sum();
    assert!(
        (total - 1.0).abs() < tolerance,
        "the density integrates to {total}"
    );
    let draws = density
        .given(source)
        .unwrap()
        .sample_each(DRAWS, &mut RandomStream::named(12, "laws/draws"))
        .unwrap();
    assert_eq!((draws.rows(), draws.dim()), (DRAWS, 2));
    let mut counts = [0.0f64; COARSE * COARSE];
    for draw in draws.values().chunks_exact(2) {
        counts[coarse(draw[1]) * COARSE + coarse(draw[0])] += 1.0;
    }
    for (cell, (mass, count)) in masses.iter().zip(counts).enumerate() {
        let (expected, deviation) = (mass * DRAWS as f64, (mass * DRAWS as f64).sqrt());
        let allowed = 5.0 * deviation + 5.0 + 2.0 * tolerance * DRAWS as f64;
        assert!(
            (count - expected).abs() < allowed,
            "cell {cell}: {count} draws where {expected:.1} are due"
        );
    }
}

fn a_batch_is_its_rows(density: &dyn ConditionalDensity, sources: &Latents) {
    let points = Latents::from_vec(vec![0.3, -0.2, 1.0, 0.5, -0.7, 0.1], 2).unwrap();
    let batch = density.given(sources).unwrap();
    assert_eq!(batch.shape(), (3, 2));
    let together = batch.log_prob(&points).unwrap();
    for (row, &together) in together.iter().enumerate() {
        let alone = density
            .given(&sources.select(&[row]))
            .unwrap()
            .log_prob(&points.select(&[row]))
            .unwrap()[0];
        assert!(
            (alone - together).abs() < 1e-4 * alone.abs().max(1.0),
            "{alone} alone, {together} together"
        );
    }
    let stream = || RandomStream::named(13, "laws/again");
    assert_eq!(
        batch.sample_each(4, &mut stream()).unwrap(),
        batch.sample_each(4, &mut stream()).unwrap(),
        "same stream, same draws"
    );
    assert_eq!(batch.sample_each(4, &mut stream()).unwrap().rows(), 12);
}

/// The gradient that a learner gives equals central differences of its objective, parameter by
/// parameter.
pub(crate) fn gradients_are_exact<L: Learner>(learner: &L, step: f32, tolerance: f64) {
    const ROWS: usize = 5;
    let (inputs, outputs) = learner.dims();
    let (mut source, mut target) = (vec![0.0; ROWS * inputs], vec![0.0; ROWS * outputs]);
    let mut stream = RandomStream::named(14, "laws/gradients");
    stream.fill_standard_normal(&mut source);
    stream.fill_standard_normal(&mut target);
    let objective = |learner: &L, gradients: &mut [f32]| {
        let mut stream = RandomStream::named(15, "laws/objective");
        learner.backward(
            &source,
            &target,
            0.5,
            &mut stream,
            gradients,
            &mut L::Tape::default(),
        )
    };
    let mut gradients = vec![0.0; learner.parameters().len()];
    objective(learner, &mut gradients);
    let mut moved = learner.clone();
    let mut unused = vec![0.0; gradients.len()];
    for i in (0..gradients.len()).step_by((gradients.len() / 200).max(1)) {
        let centre = moved.parameters()[i];
        let mut at = |value: f32| {
            moved.parameters_mut()[i] = value;
            objective(&moved, &mut unused)
        };
        let numeric = 0.5 * (at(centre + step) - at(centre - step)) / (2.0 * f64::from(step));
        moved.parameters_mut()[i] = centre;
        let found = f64::from(gradients[i]);
        assert!(
            (found - numeric).abs() < tolerance * numeric.abs().max(1.0),
            "parameter {i}: {found} against {numeric}"
        );
    }
}
