//! The laws that every family is held to, whatever it is made of.

use crate::learner::Learner;
use crate::rows::standard_normal;
use ndarray::{Array2, array};
use zbridge_core::{ConditionalDensity, Latents, RandomStream};

/// Checks a density over a plane: it integrates to one, its draws fall where its density says,
/// draws and densities of a batch are those of its rows alone, and wrong shapes are refused.
/// `tolerance` is on the integral.
///
/// The density's mass must lie within ±6 in both directions.
pub(crate) fn hold_for(density: &(dyn ConditionalDensity + Sync), tolerance: f64) {
    let (inputs, outputs) = density.dims();
    assert_eq!(outputs, 2, "the laws are checked in the plane");
    let mut stream = RandomStream::named(11, "laws/sources");
    let sources = Latents::new(standard_normal((3, inputs), &mut stream)).unwrap();
    for row in 0..sources.rows() {
        mass_and_draws_agree(density, &sources.select(&[row]), tolerance);
    }
    a_batch_is_its_rows(density, &sources);
    means_are_those_of_draws(density, &sources);
    other_shapes_are_refused(density, &sources);
}

fn means_are_those_of_draws(density: &dyn ConditionalDensity, sources: &Latents) {
    const DRAWS: usize = 20_000;
    let given = density.given(sources).unwrap();
    let Some(means) = given.means().unwrap() else {
        return;
    };
    let mut stream = RandomStream::named(12, "laws/means");
    let draws = given.sample_each(DRAWS, &mut stream).unwrap();
    for row in 0..sources.rows() {
        for axis in 0..2 {
            let values: Vec<f64> = (row * DRAWS..(row + 1) * DRAWS)
                .map(|draw| f64::from(draws.view()[[draw, axis]]))
                .collect();
            let found = zbridge_core::Estimate::of(values);
            let error = (found.mean - f64::from(means.view()[[row, axis]])).abs();
            assert!(
                error < 5.0 * found.standard_error + 1e-4,
                "the mean of {row} along {axis}: {means:?}, of draws {found:?}"
            );
        }
    }
}

fn other_shapes_are_refused(density: &dyn ConditionalDensity, sources: &Latents) {
    let another_width = Latents::filled(1, sources.dim() + 1, 0.0);
    assert!(
        density.given(&another_width).is_err(),
        "a source of another width"
    );
    let given = density.given(sources).unwrap();
    assert!(
        given.log_prob(&Latents::filled(3, 3, 0.0)).is_err(),
        "points of another width"
    );
    assert!(
        given.log_prob(&Latents::filled(2, 2, 0.0)).is_err(),
        "too few points"
    );
}

/// The square [−6, 6]² in `n · n` cells.
struct Cells {
    n: usize,
}

impl Cells {
    const FROM: f32 = -6.0;
    const SIDE: f32 = 12.0;

    fn width(&self) -> f32 {
        Self::SIDE / self.n as f32
    }

    /// Returns the centres of all cells.
    fn centres(&self) -> Latents {
        let n = self.n;
        let centre = |i: usize| Self::FROM + self.width() * (i as f32 + 0.5);
        let points = Array2::from_shape_fn((n * n, 2), |(i, axis)| match axis {
            0 => centre(i % n),
            _ => centre(i / n),
        });
        Latents::new(points).unwrap()
    }

    /// Returns the number of the cell that each point is in; those outside count to the border.
    fn of(&self, points: &Latents) -> Vec<usize> {
        let along = |value: f32| {
            let place = (value - Self::FROM) / Self::SIDE * self.n as f32;
            (place.max(0.0) as usize).min(self.n - 1)
        };
        let rows = points.view();
        let rows = rows.rows().into_iter();
        rows.map(|point| along(point[1]) * self.n + along(point[0]))
            .collect()
    }
}

const FINE: Cells = Cells { n: 240 };
const COARSE: Cells = Cells { n: 8 };

/// The masses of the fine cells sum to 1, and draws fall into the coarse cells accordingly.
fn mass_and_draws_agree(density: &dyn ConditionalDensity, source: &Latents, tolerance: f64) {
    const DRAWS: usize = 20_000;
    let masses = coarse_masses(density, source);
    let total: f64 = masses.iter().sum();
    assert!(
        (total - 1.0).abs() < tolerance,
        "the density integrates to {total}"
    );
    let mut stream = RandomStream::named(12, "laws/draws");
    let given = density.given(source).unwrap();
    let draws = given.sample_each(DRAWS, &mut stream).unwrap();
    assert_eq!((draws.rows(), draws.dim()), (DRAWS, 2));
    let mut counts = vec![0.0; masses.len()];
    for cell in COARSE.of(&draws) {
        counts[cell] += 1.0;
    }
    for (mass, count) in masses.iter().zip(counts) {
        let expected = mass * DRAWS as f64;
        // Five standard deviations of a Poisson count, some for small ones, and the integral's
        // error.
        let allowed = 5.0 * expected.sqrt() + 5.0 + 2.0 * tolerance * DRAWS as f64;
        assert!(
            (count - expected).abs() < allowed,
            "{count} draws in a cell of {expected:.1}"
        );
    }
}

/// Returns the mass of each coarse cell, by the midpoint rule over the fine cells in it.
fn coarse_masses(density: &dyn ConditionalDensity, source: &Latents) -> Vec<f64> {
    let points = FINE.centres();
    let given = density.given(&source.repeat_each(points.rows())).unwrap();
    let nats = given.log_prob(&points).unwrap();
    let area = f64::from(FINE.width() * FINE.width());
    let mut masses = vec![0.0; COARSE.n * COARSE.n];
    for (cell, nats) in COARSE.of(&points).into_iter().zip(nats) {
        masses[cell] += nats.exp() * area;
    }
    masses
}

fn a_batch_is_its_rows(density: &dyn ConditionalDensity, sources: &Latents) {
    let points = Latents::new(array![[0.3, -0.2], [1.0, 0.5], [-0.7, 0.1]]).unwrap();
    let batch = density.given(sources).unwrap();
    assert_eq!(batch.shape(), (3, 2));
    for (row, together) in batch.log_prob(&points).unwrap().into_iter().enumerate() {
        let given = density.given(&sources.select(&[row])).unwrap();
        let alone = given.log_prob(&points.select(&[row])).unwrap()[0];
        assert!(
            (alone - together).abs() < 1e-4 * alone.abs().max(1.0),
            "{alone} alone, {together} together"
        );
    }
    let draws = || {
        let mut stream = RandomStream::named(13, "laws/again");
        batch.sample_each(4, &mut stream).unwrap()
    };
    assert_eq!(draws(), draws(), "same stream, same draws");
    assert_eq!(draws().rows(), 12);
}

/// A learner on a fixed batch of standard normal sources and targets.
struct Batch {
    source: Array2<f32>,
    target: Array2<f32>,
}

impl Batch {
    fn for_learner<L: Learner>(learner: &L) -> Self {
        const ROWS: usize = 5;
        let (inputs, outputs) = learner.dims();
        let mut stream = RandomStream::named(14, "laws/gradients");
        Self {
            source: standard_normal((ROWS, inputs), &mut stream),
            target: standard_normal((ROWS, outputs), &mut stream),
        }
    }

    /// Returns the learner's objective, and adds its gradient to `gradients`. What the objective
    /// draws is the same in every call.
    fn objective<L: Learner>(&self, learner: &L, gradients: &mut [f32]) -> f64 {
        let mut stream = RandomStream::named(15, "laws/objective");
        let (source, target) = (self.source.view(), self.target.view());
        learner.backward(
            source,
            target,
            1.0,
            &mut stream,
            gradients,
            &mut L::Tape::default(),
        )
    }
}

/// Checks that the objective of a learner is the sum of its negative log densities.
pub(crate) fn objective_is_minus_the_log_density<L: Learner>(learner: &L, tolerance: f64) {
    let batch = Batch::for_learner(learner);
    let objective = batch.objective(learner, &mut vec![0.0; learner.parameters().len()]);
    let (source, target) = (Latents::new(batch.source), Latents::new(batch.target));
    let given = learner.given(&source.unwrap()).unwrap();
    let nats: f64 = given.log_prob(&target.unwrap()).unwrap().iter().sum();
    assert!(
        (objective + nats).abs() < tolerance,
        "{objective} against {nats}"
    );
}

/// Checks the gradient of a learner against its objective, parameter by parameter: it agrees with
/// one of the estimates of the derivative to a thousandth.
pub(crate) fn gradients_are_exact<L: Learner>(learner: &L) {
    const TOLERANCE: f64 = 1e-3;
    const CHECKED: usize = 200;
    let batch = Batch::for_learner(learner);
    let count = learner.parameters().len();
    let mut gradients = vec![0.0; count];
    batch.objective(learner, &mut gradients);
    let mut moved = learner.clone();
    let mut unused = vec![0.0; count];
    for i in (0..count).step_by((count / CHECKED).max(1)) {
        let centre = moved.parameters()[i];
        let numeric = derivatives(centre, |value| {
            moved.parameters_mut()[i] = value;
            batch.objective(&moved, &mut unused)
        });
        moved.parameters_mut()[i] = centre;
        let found = f64::from(gradients[i]);
        let agrees = |&value: &f64| (found - value).abs() < TOLERANCE * value.abs().max(1.0);
        assert!(
            numeric.iter().any(agrees),
            "parameter {i}: {found} against {numeric:?}"
        );
    }
}

/// Returns estimates of the derivative of a function that is computed in f32, one for each first
/// step.
///
/// Central differences drown in rounding for small steps, and in curvature for large ones. Those of
/// falling steps are extrapolated to a step of 0 by polynomials of rising degree, and the
/// extrapolation that changed least is taken (Ridders 1982, "Accurate computation of F'(x) and
/// F'(x) F''(x)"). A kink (of a leaky ReLU, of a clamp) within the largest steps misleads all
/// extrapolations that use them, and no first step suits every parameter.
fn derivatives(centre: f32, mut function: impl FnMut(f32) -> f64) -> [f64; 4] {
    [0.2, 0.06, 0.02, 0.006].map(|first_step| ridders(centre, first_step, &mut function))
}

fn ridders(centre: f32, first_step: f32, mut function: impl FnMut(f32) -> f64) -> f64 {
    const STEPS: usize = 8;
    const RATIO: f64 = 1.5;
    let mut step = first_step;
    let (mut best, mut least_change) = (f64::NAN, f64::INFINITY);
    let mut previous: Vec<f64> = Vec::new();
    for _ in 0..STEPS {
        let mut row = vec![central_difference(centre, step, &mut function)];
        // The error of a central difference is a series in step²: each degree removes one term.
        let mut power = 1.0;
        for (degree, &before) in previous.iter().enumerate() {
            power *= RATIO * RATIO;
            let here = row[degree];
            let value = (power * here - before) / (power - 1.0);
            let change = (value - here).abs().max((value - before).abs());
            if change < least_change {
                (best, least_change) = (value, change);
            }
            row.push(value);
        }
        previous = row;
        step /= RATIO as f32;
    }
    best
}

fn central_difference(centre: f32, step: f32, function: &mut impl FnMut(f32) -> f64) -> f64 {
    // Divided by the step that is taken in f32.
    let (above, below) = (centre + step, centre - step);
    (function(above) - function(below)) / (f64::from(above) - f64::from(below))
}
