//! Settings of a kernel ridge regression, chosen by left-out pairs.

use super::kernel::Kernel;
use super::regression::{Regression, ResidualSpread, Settings};
use crate::BridgeError;
use ndarray::{Array1, Array2};
use zbridge_core::Stage;

/// Settings whose noise is the same in all dimensions.
#[derive(Debug, Clone, Copy)]
struct SharedNoise {
    kernel: Kernel,
    noise: f64,
}

/// A way to change settings.
struct Step {
    factor: f64,
    apply: fn(SharedNoise, f64) -> SharedNoise,
}

/// What the noise of each dimension may be, relative to what suits all of them.
const RELATIVE_NOISES: [f64; 7] = [1.0 / 9.0, 1.0 / 3.0, 1.0, 3.0, 9.0, 27.0, 81.0];
/// The least and the largest noise.
const NOISES: [f64; 2] = [1e-5, 1e3];

impl Settings {
    /// Returns the settings of least left-out error, and Σ_d log of the mean squared left-out error
    /// of each dimension of the target: up to a factor, −log likelihood of Gaussian residuals of
    /// any scale.
    ///
    /// The kernel is that which suits a noise that all dimensions share. The noise of each
    /// dimension is chosen after it: those that a source tells little of need more.
    pub(super) fn best_for(
        regression: Regression,
        stage: &Stage<'_>,
    ) -> Result<(Self, f64), BridgeError> {
        let shared = SharedNoise::best_for(&regression, stage)?;
        let residuals = regression
            .solved(&shared.of(&regression), None, stage)?
            .residuals;
        let spread = ResidualSpread::of(residuals.view(), stage)?;
        let robust = regression.reweighted(spread.weights);
        let noises =
            RELATIVE_NOISES.map(|factor| (factor * shared.noise).clamp(NOISES[0], NOISES[1]));
        let mut errors = Array2::zeros((noises.len(), robust.offset().len()));
        for (mut errors, noise) in errors.rows_mut().into_iter().zip(noises) {
            let settings = SharedNoise { noise, ..shared }.of(&robust);
            errors.assign(&log_errors(&robust, &settings, stage)?);
        }
        let (mut noise, mut log_error) = (Array1::zeros(errors.ncols()), 0.0);
        for (noise, errors) in noise.iter_mut().zip(errors.columns()) {
            let best = (0..noises.len()).min_by(|&a, &b| errors[a].total_cmp(&errors[b]));
            let best = best.unwrap_or_default();
            *noise = noises[best];
            log_error += errors[best];
        }
        let kernel = shared.kernel;
        Ok((Self { kernel, noise }, log_error))
    }
}

impl SharedNoise {
    const STEPS: [Step; 3] = [
        Step {
            factor: 3.0,
            apply: |settings, factor| Self {
                noise: settings.noise * factor,
                ..settings
            },
        },
        Step {
            factor: 1.5,
            apply: |settings, factor| Self {
                kernel: Kernel {
                    length_scale: settings.kernel.length_scale * factor,
                    ..settings.kernel
                },
                ..settings
            },
        },
        Step {
            factor: 4.0,
            apply: |settings, factor| Self {
                kernel: Kernel {
                    linear: settings.kernel.linear * factor,
                    ..settings.kernel
                },
                ..settings
            },
        },
    ];

    /// Returns the settings of least left-out error among those on a path: settings are multiplied
    /// or divided by a factor, one at a time, until none of these steps helps.
    fn best_for(regression: &Regression, stage: &Stage<'_>) -> Result<Self, BridgeError> {
        const MAX_ROUNDS: usize = 4;
        let error = |settings: Self| -> Result<f64, BridgeError> {
            Ok(log_errors(regression, &settings.of(regression), stage)?.sum())
        };
        let mut best = Self {
            kernel: Kernel {
                length_scale: 2.0,
                linear: 0.3,
            },
            noise: 0.03,
        };
        let mut least = error(best)?;
        for _ in 0..MAX_ROUNDS {
            let before = least;
            for step in Self::STEPS {
                for factor in [step.factor, 1.0 / step.factor] {
                    // On in this direction for as long as it helps.
                    loop {
                        let candidate = (step.apply)(best, factor);
                        let error = error(candidate)?;
                        if error >= least || !candidate.within_bounds() {
                            break;
                        }
                        (best, least) = (candidate, error);
                    }
                }
            }
            if least >= before {
                break;
            }
        }
        Ok(best)
    }

    /// Returns the same with that noise in each dimension of a regression's target.
    fn of(self, regression: &Regression) -> Settings {
        Settings {
            kernel: self.kernel,
            noise: Array1::from_elem(regression.offset().len(), self.noise),
        }
    }

    fn within_bounds(&self) -> bool {
        let within = |value: f64, least: f64, most: f64| (least..=most).contains(&value);
        within(self.noise, NOISES[0], 100.0)
            && within(self.kernel.length_scale, 0.02, 50.0)
            && within(self.kernel.linear, 1e-3, 1e4)
    }
}

/// Returns the log of the mean squared left-out error of each dimension of the target, `[target]`.
fn log_errors(
    regression: &Regression,
    settings: &Settings,
    stage: &Stage<'_>,
) -> Result<Array1<f64>, BridgeError> {
    const SMALLEST_ERROR: f64 = 1e-12;
    let residuals = regression.solved(settings, None, stage)?.residuals;
    let squares = regression.mean_squares(residuals.view());
    Ok(squares.mapv(|square| square.max(SMALLEST_ERROR).ln()))
}
