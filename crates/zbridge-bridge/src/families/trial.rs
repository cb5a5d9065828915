//! What a flexible family must be able to do: learn a target that no Gaussian describes. And how
//! long it takes.

use crate::learner::Learner;
use crate::rows::standard_normal;
use ndarray::{Array2, aview1};
use std::f32::consts::PI;
use std::time::{Duration, Instant};
use zbridge_core::{Latents, RandomStream};
use zbridge_nn::Adam;

/// Returns the learner with random numbers added to all parameters: far from any start, and from a
/// standard normal.
pub(crate) fn perturbed<L: Learner>(mut learner: L, strength: f32) -> L {
    let mut stream = RandomStream::named(31, "trial/perturbation");
    perturb(learner.parameters_mut(), strength, &mut stream);
    learner
}

/// Adds normal draws of deviation `strength` to the parameters.
pub(crate) fn perturb(parameters: &mut [f32], strength: f32, stream: &mut RandomStream) {
    let mut noise = vec![0.0; parameters.len()];
    stream.fill_standard_normal(&mut noise);
    for (parameter, noise) in parameters.iter_mut().zip(noise) {
        *parameter += strength * noise;
    }
}

/// A learner in a fit with a falling learning rate.
struct Fit<L: Learner> {
    learner: L,
    adam: Adam,
    gradients: Vec<f32>,
    tape: L::Tape,
}

impl<L: Learner> Fit<L> {
    fn of(learner: L) -> Self {
        let count = learner.parameters().len();
        Self {
            learner,
            adam: Adam::new(count),
            gradients: vec![0.0; count],
            tape: L::Tape::default(),
        }
    }

    fn step(&mut self, source: &Latents, target: &Latents, rate: f32, stream: &mut RandomStream) {
        self.gradients.fill(0.0);
        let (gradients, tape) = (&mut self.gradients, &mut self.tape);
        let scale = 1.0 / target.rows() as f32;
        self.learner
            .backward(source.view(), target.view(), scale, stream, gradients, tape);
        self.adam
            .step(self.learner.parameters_mut(), gradients, rate);
    }
}

/// Fits two moons that the source rotates, and checks that the density of new pairs is at least
/// `margin` nats above what the best Gaussian for each source has.
pub(crate) fn beats_every_gaussian<L: Learner>(
    learner: L,
    steps: usize,
    learning_rate: f32,
    margin: f64,
) {
    const BATCH: usize = 256;
    let mut stream = RandomStream::named(32, "trial/fit");
    let mut fit = Fit::of(learner);
    for step in 0..steps {
        let moons = Moons::draw(BATCH, &mut stream);
        let rate = learning_rate * (1.0 - step as f32 / steps as f32);
        fit.step(&moons.source, &moons.rotated, rate, &mut stream);
    }
    let moons = Moons::draw(4000, &mut stream);
    let given = fit.learner.given(&moons.source).unwrap();
    let nats = given.log_prob(&moons.rotated).unwrap();
    let mean = nats.iter().sum::<f64>() / nats.len() as f64;
    let best = best_gaussian_nats(&moons.unrotated);
    assert!(
        mean > best + margin,
        "{mean} nats, and {best} for the best Gaussian"
    );
}

struct Moons {
    /// Angles, `[rows, 1]`.
    source: Latents,
    /// Points of two moons, `[rows, 2]`.
    unrotated: Latents,
    /// The same points rotated by their source.
    rotated: Latents,
}

impl Moons {
    fn draw(rows: usize, stream: &mut RandomStream) -> Self {
        let source = standard_normal((rows, 1), stream);
        let noise = standard_normal((rows, 2), stream);
        let mut unrotated = Array2::zeros((rows, 2));
        let mut rotated = Array2::zeros((rows, 2));
        for row in 0..rows {
            let [x, y] = point_of_moons(stream);
            let (x, y) = (x + 0.1 * noise[[row, 0]], y + 0.1 * noise[[row, 1]]);
            unrotated.row_mut(row).assign(&aview1(&[x, y]));
            let (sin, cos) = source[[row, 0]].sin_cos();
            let turned = [cos * x - sin * y, sin * x + cos * y];
            rotated.row_mut(row).assign(&aview1(&turned));
        }
        let latents = |values| Latents::new(values).unwrap();
        Self {
            source: latents(source),
            unrotated: latents(unrotated),
            rotated: latents(rotated),
        }
    }
}

/// Returns a point of one of two half circles that face each other.
fn point_of_moons(stream: &mut RandomStream) -> [f32; 2] {
    let angle = PI * stream.uniform();
    let side = if stream.uniform() < 0.5 { 1.0 } else { -1.0 };
    [side * (angle.cos() - 0.5), side * (angle.sin() - 0.25)]
}

/// Returns −½ ln det(2πe Σ): the mean log-density of points in the plane under the Gaussian of
/// their own covariance.
fn best_gaussian_nats(points: &Latents) -> f64 {
    let points = points.view().mapv(f64::from);
    let centred = &points - &points.mean_axis(ndarray::Axis(0)).unwrap();
    let covariance = centred.t().dot(&centred) / points.nrows() as f64;
    let determinant =
        covariance[[0, 0]] * covariance[[1, 1]] - covariance[[0, 1]] * covariance[[1, 0]];
    -(zbridge_core::LN_TWO_PI + 1.0) - 0.5 * determinant.ln()
}

/// Prints how long a training step of 256 pairs, a density and a draw take.
#[allow(clippy::print_stdout)]
pub(crate) fn measure<L: Learner>(learner: L) {
    const BATCH: usize = 256;
    const STEPS: u32 = 100;
    const POINTS: usize = 1 << 14;
    let (source_dim, target_dim) = learner.dims();
    let mut stream = RandomStream::named(33, "trial/measure");
    let mut normal =
        |rows: usize, dim: usize| Latents::new(standard_normal((rows, dim), &mut stream)).unwrap();
    let (source, target) = (normal(BATCH, source_dim), normal(BATCH, target_dim));
    let (sources, points) = (normal(POINTS, source_dim), normal(POINTS, target_dim));
    let mut fit = Fit::of(learner);
    let mut steps = |count: u32, stream: &mut RandomStream| {
        let start = Instant::now();
        (0..count).for_each(|_| fit.step(&source, &target, 1e-4, stream));
        start.elapsed() / count
    };
    // The first steps reserve memory: they do not count.
    steps(10, &mut stream);
    println!("{:?} a training step", steps(STEPS, &mut stream));
    let given = fit.learner.given(&sources).unwrap();
    let density = timed(|| given.log_prob(&points).unwrap());
    println!("{:?} a density", density / POINTS as u32);
    let draw = timed(|| given.sample_each(1, &mut stream).unwrap());
    println!("{:?} a draw", draw / POINTS as u32);
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
