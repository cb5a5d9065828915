//! How chains of annealed importance sampling move, and the pilot that finds out how far.

use zbridge_core::{Latents, Moments, RandomStream, ShapeError};

/// Share of accepted proposals that is aimed at: for a random walk some more than the 0.234 of many
/// dimensions (Roberts, Gelman, Gilks 1997), for a pull as much as leaves both long steps and
/// acceptances.
const DESIRED_ACCEPTANCE: [f64; 2] = [0.3, 0.5];
/// How fast steps follow acceptance rates.
const STEP_GAIN: f64 = 0.7;
/// How much a transition of the pilot adds to what it knows of means and variances.
const MOMENT_GAIN: f64 = 0.15;
/// Variances never fall below this, so that a dimension whose draws are all equal still has a
/// density.
const LEAST_VARIANCE: f64 = 1e-12;

/// A proposal of a Metropolis–Hastings transition.
#[derive(Debug, Clone)]
pub(crate) enum Move {
    /// z′ = z + s·ε, s for each dimension: needs no idea of where the density lies, and is slow in
    /// many dimensions.
    Walk { scales: Vec<f32> },
    /// z′ = m + √(1 − b²)·(z − m) + b·σ·ε, which leaves N(m, diag(σ²)) as it is: where that is the
    /// density, every proposal is accepted, and b = 1 forgets the past at once.
    Pull {
        mean: Vec<f32>,
        spread: Vec<f32>,
        length: f32,
    },
}

impl Move {
    /// One proposal for each chain, from its own stream.
    ///
    /// # Shapes
    /// `points` and result `[chains, dim]`, `streams` `[chains]`.
    pub(crate) fn propose(
        &self,
        points: &Latents,
        streams: &mut [RandomStream],
    ) -> Result<Latents, ShapeError> {
        let dim = points.dim();
        let mut values = vec![0.0; points.values().len()];
        for (chain, (cells, stream)) in values.chunks_exact_mut(dim).zip(streams).enumerate() {
            stream.fill_standard_normal(cells);
            self.carry(points.row_values(chain), cells);
        }
        Latents::clamped(values, dim)
    }

    /// Turns noise into the proposal from `point`.
    fn carry(&self, point: &[f32], cells: &mut [f32]) {
        match self {
            Self::Walk { scales } => {
                for ((cell, scale), z) in cells.iter_mut().zip(scales).zip(point) {
                    *cell = z + scale * *cell;
                }
            }
            Self::Pull {
                mean,
                spread,
                length,
            } => {
                let kept = (1.0 - length * length).max(0.0).sqrt();
                for (((cell, spread), mean), z) in cells.iter_mut().zip(spread).zip(mean).zip(point)
                {
                    *cell = mean + kept * (z - mean) + length * spread * *cell;
                }
            }
        }
    }

    /// log (probability of the way back / that of the way there): 0 for a walk, log N(from) − log
    /// N(to) for a pull.
    pub(crate) fn log_asymmetry(&self, from: &[f32], to: &[f32]) -> f64 {
        match self {
            Self::Walk { .. } => 0.0,
            Self::Pull { mean, spread, .. } => {
                let square = |point: &[f32]| -> f64 {
                    let terms = point.iter().zip(mean).zip(spread);
                    terms
                        .map(|((&z, &m), &s)| {
                            ((f64::from(z) - f64::from(m)) / f64::from(s)).powi(2)
                        })
                        .sum()
                };
                0.5 * (square(to) - square(from))
            }
        }
    }
}

/// What pilot chains have found out so far about a density that changes slowly.
pub(crate) struct Pilot {
    means: Vec<f64>,
    variances: Vec<f64>,
    /// Of the walk, in standard deviations, and of the pull (b, at most 1).
    log_steps: [f64; 2],
}

impl Pilot {
    /// From where the chains start; 2.38/√dim is the best walk for a Gaussian (Roberts, Gelman,
    /// Gilks 1997).
    pub(crate) fn new(points: &Latents) -> Self {
        let (means, variances) = moments(points).into_iter().unzip();
        Self {
            means,
            variances,
            log_steps: [(2.38 / (points.dim() as f64).sqrt()).ln(), 0.0],
        }
    }

    /// Takes in where the chains are after move `kind` (0 walk, 1 pull) was accepted with this
    /// frequency.
    pub(crate) fn learn(&mut self, kind: usize, acceptance: f64, points: &Latents) {
        self.log_steps[kind] += STEP_GAIN * (acceptance - DESIRED_ACCEPTANCE[kind]);
        self.log_steps[1] = self.log_steps[1].min(0.0);
        let known = self.means.iter_mut().zip(&mut self.variances);
        for ((known_mean, known_variance), (mean, variance)) in known.zip(moments(points)) {
            *known_mean += MOMENT_GAIN * (mean - *known_mean);
            *known_variance += MOMENT_GAIN * (variance - *known_variance);
        }
    }

    /// The walk and the pull that this amounts to.
    pub(crate) fn moves(&self) -> [Move; 2] {
        let [walk, pull] = self.log_steps.map(f64::exp);
        let scaled = |scale: f64| {
            self.variances
                .iter()
                .map(|v| (scale * v.max(LEAST_VARIANCE).sqrt()) as f32)
                .collect::<Vec<f32>>()
        };
        let mean = self.means.iter().map(|&mean| mean as f32).collect();
        [
            Move::Walk {
                scales: scaled(walk),
            },
            Move::Pull {
                mean,
                spread: scaled(1.0),
                length: pull as f32,
            },
        ]
    }
}

/// (mean, variance) of each dimension over points.
fn moments(points: &Latents) -> Vec<(f64, f64)> {
    let mut moments = vec![Moments::default(); points.dim()];
    for point in points.values().chunks_exact(points.dim()) {
        moments
            .iter_mut()
            .zip(point)
            .for_each(|(moments, &z)| moments.push(f64::from(z)));
    }
    moments
        .iter()
        .map(|moments| (moments.mean(), moments.variance()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_leaves_its_gaussian_as_it_is() {
        let pull = Move::Pull {
            mean: vec![1.5],
            spread: vec![0.4],
            length: 0.6,
        };
        let (count, mut stream) = (50_000, RandomStream::named(1, "pull"));
        let mut values = vec![0.0; count];
        stream.fill_standard_normal(&mut values);
        let points = Latents::from_vec(values.iter().map(|e| 1.5 + 0.4 * e).collect(), 1).unwrap();
        let mut streams: Vec<_> = (0..count).map(|chain| stream.child(chain as u64)).collect();
        let (mean, variance) = moments(&pull.propose(&points, &mut streams).unwrap())[0];
        assert!(
            (mean - 1.5).abs() < 0.008 && (variance / 0.16 - 1.0).abs() < 0.03,
            "{mean} {variance}"
        );
    }

    #[test]
    fn the_asymmetry_is_that_of_the_gaussian() {
        let pull = Move::Pull {
            mean: vec![1.0, 0.0],
            spread: vec![1.0, 2.0],
            length: 0.5,
        };
        assert!((pull.log_asymmetry(&[1.0, 0.0], &[3.0, 2.0]) - 0.5 * (4.0 + 1.0)).abs() < 1e-12);
        assert_eq!(
            Move::Walk {
                scales: vec![1.0, 1.0]
            }
            .log_asymmetry(&[1.0, 0.0], &[3.0, 2.0]),
            0.0
        );
    }

    #[test]
    fn steps_follow_acceptances_and_a_pull_never_overshoots() {
        let points = Latents::from_vec(vec![0.0, 1.0, 2.0, 5.0], 1).unwrap();
        let mut pilot = Pilot::new(&points);
        let step = |pilot: &Pilot| pilot.log_steps;
        let before = step(&pilot);
        pilot.learn(0, 1.0, &points);
        pilot.learn(1, 1.0, &points);
        assert!(step(&pilot)[0] > before[0] && step(&pilot)[1] == 0.0);
        pilot.learn(1, 0.0, &points);
        assert!(step(&pilot)[1] < 0.0);
    }
}
