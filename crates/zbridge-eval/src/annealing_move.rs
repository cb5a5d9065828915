//! Proposals of annealed chains, and the pilot that finds their scales.

use zbridge_core::{Latents, Moments, RandomStream, ShapeError};

/// How fast steps follow acceptance rates.
const STEP_GAIN: f64 = 0.7;
/// The weight of the newest means and variances in those of the pilot.
const MOMENT_GAIN: f64 = 0.15;
/// Variances never fall below this, so that a dimension whose draws are all equal still has a
/// density.
const LEAST_VARIANCE: f64 = 1e-12;

/// A kind of proposal; the two kinds take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MoveKind {
    RandomWalk,
    CrankNicolson,
}

impl MoveKind {
    /// Returns the kind of transition `number` at a temperature.
    pub(crate) fn of_transition(number: usize) -> Self {
        if number.is_multiple_of(2) {
            Self::RandomWalk
        } else {
            Self::CrankNicolson
        }
    }

    /// Returns the share of accepted proposals that steps are adapted to.
    fn desired_acceptance(self) -> f64 {
        match self {
            // Some more than the 0.234 of many dimensions (Roberts, Gelman, Gilks 1997).
            Self::RandomWalk => 0.3,
            // Both long steps and acceptances: most are possible where the density is Gaussian.
            Self::CrankNicolson => 0.5,
        }
    }
}

/// A proposal of a Metropolis–Hastings transition.
#[derive(Debug, Clone)]
pub(crate) enum Move {
    /// z′ = z + s·ε, with s for each dimension. It needs no knowledge of the density, and is slow
    /// in many dimensions.
    RandomWalk { scales: Vec<f32> },
    /// z′ = m + √(1 − b²)·(z − m) + b·σ·ε, which has N(m, diag(σ²)) as its stationary distribution:
    /// if that is the density, every proposal is accepted, and b = 1 is an independent draw.
    CrankNicolson {
        mean: Vec<f32>,
        sd: Vec<f32>,
        step: f32,
    },
}

impl Move {
    /// Returns one proposal for each chain, from its own stream.
    ///
    /// # Shapes
    /// `points` and result `[chains, dim]`, `streams` `[chains]`.
    ///
    /// # Errors
    /// [`ShapeError::NotFinite`] for a proposal that is NaN.
    pub(crate) fn propose(
        &self,
        points: &Latents,
        streams: &mut [RandomStream],
    ) -> Result<Latents, ShapeError> {
        let dim = points.dim();
        let mut values = vec![0.0; points.values().len()];
        for (chain, (cells, stream)) in values.chunks_exact_mut(dim).zip(streams).enumerate() {
            stream.fill_standard_normal(cells);
            self.fill_proposal(points.row_values(chain), cells);
        }
        Latents::clamped(values, dim)
    }

    /// Turns noise into the proposal from `point`.
    fn fill_proposal(&self, point: &[f32], noise: &mut [f32]) {
        let cells = noise.iter_mut().zip(point).enumerate();
        match self {
            Self::RandomWalk { scales } => {
                for (column, (cell, z)) in cells {
                    *cell = z + scales[column] * *cell;
                }
            }
            Self::CrankNicolson { mean, sd, step } => {
                // A step of 1 may be a little more after rounding to f32.
                let kept = (1.0 - step * step).max(0.0).sqrt();
                for (column, (cell, z)) in cells {
                    let (mean, sd) = (mean[column], sd[column]);
                    *cell = mean + kept * (z - mean) + step * sd * *cell;
                }
            }
        }
    }

    /// Returns log (density of proposing `from` at `to` / density of proposing `to` at `from`): 0
    /// for a random walk, log N(from) − log N(to) for Crank–Nicolson.
    pub(crate) fn log_asymmetry(&self, from: &[f32], to: &[f32]) -> f64 {
        match self {
            Self::RandomWalk { .. } => 0.0,
            Self::CrankNicolson { mean, sd, .. } => {
                0.5 * (squared_distance(to, mean, sd) - squared_distance(from, mean, sd))
            }
        }
    }
}

/// Returns Σ ((z − m)/σ)².
fn squared_distance(point: &[f32], mean: &[f32], sd: &[f32]) -> f64 {
    // In f64: two of these sums are subtracted.
    let terms = point.iter().zip(mean).zip(sd);
    let squares =
        terms.map(|((&z, &m), &s)| ((f64::from(z) - f64::from(m)) / f64::from(s)).powi(2));
    squares.sum()
}

/// The proposals at one temperature, one of each kind.
pub(crate) struct Moves {
    random_walk: Move,
    crank_nicolson: Move,
}

impl Moves {
    /// Returns the proposal of this kind.
    pub(crate) fn of_kind(&self, kind: MoveKind) -> &Move {
        match kind {
            MoveKind::RandomWalk => &self.random_walk,
            MoveKind::CrankNicolson => &self.crank_nicolson,
        }
    }
}

/// What pilot chains have found out so far about a density that changes slowly.
pub(crate) struct Pilot {
    means: Vec<f64>,
    variances: Vec<f64>,
    /// Logarithm of the step of the random walk, in standard deviations.
    log_walk_step: f64,
    /// Logarithm of b, at most 0.
    log_crank_nicolson_step: f64,
}

impl Pilot {
    /// Returns the pilot before its first transition, from the points at which the chains start.
    pub(crate) fn new(points: &Latents) -> Self {
        let moments = column_moments(points);
        Self {
            means: moments.iter().map(Moments::mean).collect(),
            variances: moments.iter().map(Moments::variance).collect(),
            // 2.38/√dim is the best walk for a Gaussian (Roberts, Gelman, Gilks 1997).
            log_walk_step: (2.38 / (points.dim() as f64).sqrt()).ln(),
            log_crank_nicolson_step: 0.0,
        }
    }

    /// Adapts to the share of accepted proposals of one kind, and to the points of the chains after
    /// them.
    pub(crate) fn learn(&mut self, kind: MoveKind, acceptance: f64, points: &Latents) {
        let change = STEP_GAIN * (acceptance - kind.desired_acceptance());
        match kind {
            MoveKind::RandomWalk => self.log_walk_step += change,
            MoveKind::CrankNicolson => {
                // b above 1 would leave the mean behind; there is nothing longer than a new draw.
                self.log_crank_nicolson_step = (self.log_crank_nicolson_step + change).min(0.0);
            }
        }
        for (column, moments) in column_moments(points).iter().enumerate() {
            // The density changes with the temperature: old points count less and less.
            self.means[column] += MOMENT_GAIN * (moments.mean() - self.means[column]);
            self.variances[column] += MOMENT_GAIN * (moments.variance() - self.variances[column]);
        }
    }

    /// Returns the proposals with the means, variances and steps so far.
    pub(crate) fn moves(&self) -> Moves {
        Moves {
            random_walk: Move::RandomWalk {
                scales: self.scaled_deviations(self.log_walk_step.exp()),
            },
            crank_nicolson: Move::CrankNicolson {
                mean: self.means.iter().map(|&mean| mean as f32).collect(),
                sd: self.scaled_deviations(1.0),
                step: self.log_crank_nicolson_step.exp() as f32,
            },
        }
    }

    fn scaled_deviations(&self, scale: f64) -> Vec<f32> {
        let scaled = |variance: &f64| (scale * variance.max(LEAST_VARIANCE).sqrt()) as f32;
        self.variances.iter().map(scaled).collect()
    }
}

/// Returns the moments of each dimension over points.
fn column_moments(points: &Latents) -> Vec<Moments> {
    let mut moments = vec![Moments::default(); points.dim()];
    for point in points.view().outer_iter() {
        for (moments, &z) in moments.iter_mut().zip(point) {
            moments.push(f64::from(z));
        }
    }
    moments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crank_nicolson_keeps_its_gaussian() {
        let crank_nicolson = Move::CrankNicolson {
            mean: vec![1.5],
            sd: vec![0.4],
            step: 0.6,
        };
        let (count, mut stream) = (50_000, RandomStream::named(1, "pull"));
        let mut values = vec![0.0; count];
        stream.fill_standard_normal(&mut values);
        let points = Latents::from_vec(values.iter().map(|e| 1.5 + 0.4 * e).collect(), 1).unwrap();
        let mut streams: Vec<_> = (0..count).map(|chain| stream.child(chain as u64)).collect();
        let proposed = crank_nicolson.propose(&points, &mut streams).unwrap();
        let moments = column_moments(&proposed)[0];
        let (mean, variance) = (moments.mean(), moments.variance());
        assert!(
            (mean - 1.5).abs() < 0.008 && (variance / 0.16 - 1.0).abs() < 0.03,
            "{mean} {variance}"
        );
    }

    #[test]
    fn the_asymmetry_is_that_of_the_gaussian() {
        let crank_nicolson = Move::CrankNicolson {
            mean: vec![1.0, 0.0],
            sd: vec![1.0, 2.0],
            step: 0.5,
        };
        let found = crank_nicolson.log_asymmetry(&[1.0, 0.0], &[3.0, 2.0]);
        assert!((found - 0.5 * (4.0 + 1.0)).abs() < 1e-12);
        let walk = Move::RandomWalk {
            scales: vec![1.0, 1.0],
        };
        assert_eq!(walk.log_asymmetry(&[1.0, 0.0], &[3.0, 2.0]), 0.0);
    }

    #[test]
    fn steps_follow_acceptances_and_crank_nicolson_steps_never_exceed_one() {
        let points = Latents::from_vec(vec![0.0, 1.0, 2.0, 5.0], 1).unwrap();
        let mut pilot = Pilot::new(&points);
        let before = pilot.log_walk_step;
        pilot.learn(MoveKind::RandomWalk, 1.0, &points);
        pilot.learn(MoveKind::CrankNicolson, 1.0, &points);
        assert!(pilot.log_walk_step > before && pilot.log_crank_nicolson_step == 0.0);
        pilot.learn(MoveKind::CrankNicolson, 0.0, &points);
        assert!(pilot.log_crank_nicolson_step < 0.0);
    }
}
