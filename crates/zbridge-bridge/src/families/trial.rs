//! What a flexible family must be able to do: learn a target that no Gaussian describes. And how
//! long it takes.

use crate::learner::Learner;
use std::f32::consts::PI;
use std::time::Instant;
use zbridge_core::{Latents, RandomStream};
use zbridge_nn::Adam;

/// The learner with random numbers added to all parameters: far from any start, and from a standard
/// normal.
pub(crate) fn perturbed<L: Learner>(mut learner: L, strength: f32) -> L {
    let mut noise = vec![0.0; learner.parameters().len()];
    RandomStream::named(31, "trial/perturbation").fill_standard_normal(&mut noise);
    learner
        .parameters_mut()
        .iter_mut()
        .zip(noise)
        .for_each(|(parameter, noise)| *parameter += strength * noise);
    learner
}

/// Fits two moons that the source turns, and checks that the density of pairs it has not seen is at
/// least `margin` nats above what the best Gaussian for each source has.
pub(crate) fn beats_every_gaussian<L: Learner>(
    mut learner: L,
    steps: usize,
    learning_rate: f32,
    margin: f64,
) {
    const BATCH: usize = 256;
    let mut stream = RandomStream::named(32, "trial/fit");
    let (mut adam, mut tape) = (Adam::new(learner.parameters().len()), L::Tape::default());
    let mut gradients = vec![0.0; learner.parameters().len()];
    for step in 0..steps {
        let (source, _, target) = moons(BATCH, &mut stream);
        gradients.fill(0.0);
        let scale = 1.0 / BATCH as f32;
        learner.backward(
            source.values(),
            target.values(),
            scale,
            &mut stream,
            &mut gradients,
            &mut tape,
        );
        let rate = learning_rate * (1.0 - step as f32 / steps as f32);
        adam.step(learner.parameters_mut(), &gradients, rate);
    }
    let (source, unturned, target) = moons(4000, &mut stream);
    let nats = learner.given(&source).unwrap().log_prob(&target).unwrap();
    let (mean, best) = (
        nats.iter().sum::<f64>() / nats.len() as f64,
        best_gaussian_nats(&unturned),
    );
    assert!(
        mean > best + margin,
        "{mean} nats, and {best} for the best Gaussian"
    );
}

/// (sources `[rows, 1]`, moons, the same moons turned by their source).
fn moons(rows: usize, stream: &mut RandomStream) -> (Latents, Latents, Latents) {
    let (mut source, mut noise) = (vec![0.0; rows], vec![0.0; 2 * rows]);
    stream.fill_standard_normal(&mut source);
    stream.fill_standard_normal(&mut noise);
    let (mut unturned, mut turned) = (Vec::new(), Vec::new());
    for (source, noise) in source.iter().zip(noise.chunks_exact(2)) {
        let angle = PI * stream.uniform();
        let side = if stream.uniform() < 0.5 { 1.0 } else { -1.0 };
        let x = side * (angle.cos() - 0.5) + 0.1 * noise[0];
        let y = side * (angle.sin() - 0.25) + 0.1 * noise[1];
        let (sin, cos) = source.sin_cos();
        unturned.extend([x, y]);
        turned.extend([cos * x - sin * y, sin * x + cos * y]);
    }
    let latents = |values| Latents::from_vec(values, 2).unwrap();
    (
        Latents::from_vec(source, 1).unwrap(),
        latents(unturned),
        latents(turned),
    )
}

/// −½ ln det(2πe Σ): the mean log-density of points in the plane under the Gaussian of their own
/// covariance.
fn best_gaussian_nats(points: &Latents) -> f64 {
    let mean = |of: &dyn Fn(f64, f64) -> f64| {
        let all = points
            .values()
            .chunks_exact(2)
            .map(|point| of(f64::from(point[0]), f64::from(point[1])));
        all.sum::<f64>() / points.rows() as f64
    };
    let (x, y) = (mean(&|x, _| x), mean(&|_, y| y));
    let (xx, yy) = (mean(&|x, _| x * x) - x * x, mean(&|_, y| y * y) - y * y);
    let xy = mean(&|x, y| x * y) - x * y;
    -(zbridge_core::LN_TWO_PI + 1.0) - 0.5 * (xx * yy - xy * xy).ln()
}

/// Prints how long a training step of 256 pairs, a density and a draw take.
#[allow(clippy::print_stdout)]
pub(crate) fn measure<L: Learner>(mut learner: L) {
    const BATCH: usize = 256;
    const STEPS: usize = 100;
    const POINTS: usize = 1 << 14;
    let ((source_dim, target_dim), mut stream) =
        (learner.dims(), RandomStream::named(33, "trial/measure"));
    let mut normal = |rows: usize, dim: usize| {
        let mut values = vec![0.0; rows * dim];
        stream.fill_standard_normal(&mut values);
        Latents::from_vec(values, dim).unwrap()
    };
    let (source, target) = (normal(BATCH, source_dim), normal(BATCH, target_dim));
    let (sources, points) = (normal(POINTS, source_dim), normal(POINTS, target_dim));
    let (mut adam, mut tape) = (Adam::new(learner.parameters().len()), L::Tape::default());
    let mut gradients = vec![0.0; learner.parameters().len()];
    let mut step = || {
        gradients.fill(0.0);
        learner.backward(
            source.values(),
            target.values(),
            1.0 / 256.0,
            &mut stream,
            &mut gradients,
            &mut tape,
        );
        adam.step(learner.parameters_mut(), &gradients, 1e-4);
    };
    (0..10).for_each(|_| step());
    let start = Instant::now();
    (0..STEPS).for_each(|_| step());
    println!(
        "{:.2} ms a training step",
        start.elapsed().as_secs_f64() * 1e3 / STEPS as f64
    );
    let given = learner.given(&sources).unwrap();
    let start = Instant::now();
    given.log_prob(&points).unwrap();
    println!(
        "{:.0} ns a density",
        start.elapsed().as_nanos() as f64 / POINTS as f64
    );
    let start = Instant::now();
    given.sample_each(1, &mut stream).unwrap();
    println!(
        "{:.0} ns a draw",
        start.elapsed().as_nanos() as f64 / POINTS as f64
    );
}
