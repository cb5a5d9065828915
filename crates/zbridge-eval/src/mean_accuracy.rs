use crate::active_space::squared_distance;
use crate::checks::{expect_count, expect_items, expect_setting};
use crate::parallel_rows::each_row;
use crate::{ActiveSpace, EvalError};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};
use zbridge_core::{Estimate, Latents, Moments, Observer, Posterior, Stage};

/// How near the means of a conditional density come to held-out targets.
///
/// The prediction for a pair is the mean of some draws from q(·|its source); the truth is the mean
/// of the target's posterior. Only active dimensions of the targets count
/// ([`ActiveSpace`]): nothing can predict the others.
///
/// R² of a dimension is 1 − Σ (truth − prediction)² / Σ (truth − mean truth)²: 1 if predictions are
/// exact, 0 if they are no better than the mean of all targets, below 0 if they are worse. If the
/// conditional's mean has no closed form, that of `K` draws has noise of its own, which adds 1/K of
/// the conditional's variance to the error.
///
/// # Source
/// Standard errors are those of the jackknife over pairs: Efron and Stein (1981), *The jackknife
/// estimate of variance*. FOSCTTM: Liu, Huang, Singh, Vert, Noble (2019), *Jointly embedding
/// multiple single-cell omics measurements*.
///
/// ```
/// use zbridge_core::{DiagonalGaussian, Latents, Posterior, RandomStream, Unobserved};
/// use zbridge_eval::MeanAccuracy;
///
/// let truth = DiagonalGaussian::standard(50, 2).sample(&mut RandomStream::named(7, "truth"));
/// let posterior = DiagonalGaussian::new(truth.clone(), Latents::filled(50, 2, -9.0))?;
/// let exact = MeanAccuracy::of(&truth, &Posterior::from(posterior), 32, &Unobserved)?;
/// assert_eq!((exact.r2.mean, exact.foscttm.mean), (1.0, 0.0));
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeanAccuracy {
    /// Draws of which each prediction is the mean.
    pub draws: usize,
    /// The number of pairs.
    pub count: usize,
    /// The active dimensions of the targets, from 0.
    pub active: Vec<usize>,
    /// R² of each active dimension, in the order of `active`.
    pub r2_per_dimension: Vec<f64>,
    /// The mean of R² over active dimensions; NaN if there are none.
    pub r2: Estimate,
    /// 1 − squared error of all active dimensions together, over their variance together: each
    /// dimension counts as much as it varies. NaN if there are none.
    pub r2_variance_weighted: Estimate,
    /// FOSCTTM, the fraction of samples closer than the true match: of the other targets that are
    /// closer to a prediction than its own, and of the other predictions that are closer to a
    /// target than its own, the mean of both; in standardised active dimensions. 0 is perfect, ½
    /// is chance. NaN if there are no active dimensions.
    pub foscttm: Estimate,
}

impl MeanAccuracy {
    /// Returns the figures of `predictions`, each the mean of `draws` draws, beside the posteriors
    /// of the targets. The distances of n² pairs of prediction and target are computed, in
    /// parallel; `observer` is called after each row.
    ///
    /// # Shapes
    /// `predictions` `[n, dim]`, `targets` n posteriors over `[dim]`.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] if the two differ in shape, [`EvalError::TooFew`] with fewer than
    /// two pairs, [`EvalError::Setting`] without draws, [`EvalError::Interrupted`] if the observer
    /// stops the computation.
    pub fn of(
        predictions: &Latents,
        targets: &Posterior,
        draws: usize,
        observer: &dyn Observer,
    ) -> Result<Self, EvalError> {
        expect_setting("draws", 1, draws)?;
        let count = targets.rows();
        expect_count("predictions, one per target", count, predictions.rows())?;
        expect_count(
            "dimensions of the predictions",
            targets.dim(),
            predictions.dim(),
        )?;
        expect_items("held-out pairs", 2, count)?;
        let space = ActiveSpace::of(targets);
        let truth = targets.moments().mean().clone();
        let stage = Stage::new(observer, "distances of means", count as u64);
        let near = space.points(predictions);
        let closer = closer_than_match(near.view(), space.points(&truth).view(), &stage)?;
        let errors = Errors::of(predictions, &truth, space.columns());
        let r2_per_dimension = errors.r2_per_dimension(&Totals::default());
        Ok(Self {
            draws,
            count,
            r2: errors.jackknifed(Errors::mean_r2),
            r2_variance_weighted: errors.jackknifed(Errors::variance_weighted_r2),
            foscttm: match space.columns() {
                [] => unknown(count),
                _ => Estimate::of(closer),
            },
            active: space.columns().to_vec(),
            r2_per_dimension,
        })
    }
}

/// Returns an estimate that does not exist.
fn unknown(count: usize) -> Estimate {
    Estimate {
        mean: f64::NAN,
        standard_error: f64::NAN,
        count,
    }
}

/// Squared errors of predictions and squared deviations of targets, pair by pair.
struct Errors {
    /// `[pairs, active]`: (truth − prediction)².
    squared_errors: Array2<f64>,
    /// `[pairs, active]`: by how much Σ (truth − mean)² falls if the pair is left out.
    deviations: Array2<f64>,
    /// Of all pairs.
    totals: Totals,
}

/// Sums over pairs, each `[active]`; those of no pairs are empty.
#[derive(Default)]
struct Totals {
    squared_errors: Vec<f64>,
    deviations: Vec<f64>,
}

impl Errors {
    fn of(predictions: &Latents, truth: &Latents, columns: &[usize]) -> Self {
        let pairs = truth.rows();
        let shape = (pairs, columns.len());
        let (predicted, truth) = (predictions.view(), truth.view());
        let squared_errors = Array2::from_shape_fn(shape, |(row, place)| {
            let column = columns[place];
            (f64::from(truth[[row, column]]) - f64::from(predicted[[row, column]])).powi(2)
        });
        let mut totals = Totals::default();
        let mut deviations = Array2::zeros(shape);
        // Without pair i the mean moves too: Σ (t − t̄)² falls by n/(n−1) · (t_i − t̄)².
        let moved = pairs as f64 / (pairs as f64 - 1.0);
        for (place, &column) in columns.iter().enumerate() {
            let mut moments = Moments::default();
            for &value in truth.column(column) {
                moments.push(f64::from(value));
            }
            for (row, &value) in truth.column(column).iter().enumerate() {
                let deviation = f64::from(value) - moments.mean();
                deviations[[row, place]] = moved * deviation.powi(2);
            }
            totals
                .deviations
                .push(moments.variance() * (pairs as f64 - 1.0));
            totals
                .squared_errors
                .push(squared_errors.column(place).sum());
        }
        Self {
            squared_errors,
            deviations,
            totals,
        }
    }

    /// Returns the parts of pair `row` in the sums.
    fn part(&self, row: usize) -> Totals {
        Totals {
            squared_errors: self.squared_errors.row(row).to_vec(),
            deviations: self.deviations.row(row).to_vec(),
        }
    }

    /// Returns R² of each dimension over the pairs that are not in `left_out`.
    fn r2_per_dimension(&self, left_out: &Totals) -> Vec<f64> {
        let without = |total: &[f64], part: &[f64], place: usize| {
            total[place] - part.get(place).copied().unwrap_or(0.0)
        };
        let mut found = vec![];
        for place in 0..self.totals.deviations.len() {
            let (totals, part) = (&self.totals, left_out);
            let error = without(&totals.squared_errors, &part.squared_errors, place);
            let deviation = without(&totals.deviations, &part.deviations, place);
            found.push(1.0 - error / deviation);
        }
        found
    }

    fn mean_r2(&self, left_out: &Totals) -> f64 {
        let r2 = self.r2_per_dimension(left_out);
        r2.iter().sum::<f64>() / r2.len() as f64
    }

    fn variance_weighted_r2(&self, left_out: &Totals) -> f64 {
        let sum = |values: &[f64]| values.iter().sum::<f64>();
        let error = sum(&self.totals.squared_errors) - sum(&left_out.squared_errors);
        let deviation = sum(&self.totals.deviations) - sum(&left_out.deviations);
        1.0 - error / deviation
    }

    /// Returns a figure of all pairs with its standard error by the jackknife: that of the figures
    /// without one pair each, times √(n − 1).
    fn jackknifed(&self, figure: fn(&Self, &Totals) -> f64) -> Estimate {
        let pairs = self.squared_errors.nrows();
        let mut without = Moments::default();
        for row in 0..pairs {
            without.push(figure(self, &self.part(row)));
        }
        Estimate {
            mean: figure(self, &Totals::default()),
            // (n − 1)/n · Σ (θ_i − θ̄)², where the variance divides by n − 1.
            standard_error: (pairs as f64 - 1.0) * without.standard_error(),
            count: pairs,
        }
    }
}

/// Returns for each pair the mean of two shares: of the other targets that are closer to its
/// prediction than its target is, and of the other predictions that are closer to its target than
/// its prediction is. Ties count half.
fn closer_than_match(
    predictions: ArrayView2<'_, f64>,
    targets: ArrayView2<'_, f64>,
    stage: &Stage<'_>,
) -> Result<Vec<f64>, EvalError> {
    let count = targets.nrows();
    each_row(count, stage, |row| {
        let own = squared_distance(predictions.row(row), targets.row(row));
        let mut closer = 0.0;
        for other in (0..count).filter(|&other| other != row) {
            let of_target = squared_distance(predictions.row(row), targets.row(other));
            let of_prediction = squared_distance(predictions.row(other), targets.row(row));
            closer += closeness(of_target, own) + closeness(of_prediction, own);
        }
        Ok(closer / (2.0 * (count as f64 - 1.0)))
    })
}

/// Returns 1 if the other is closer, ½ if it is as close, else 0.
fn closeness(other: f64, own: f64) -> f64 {
    if other == own {
        0.5
    } else {
        f64::from(u8::from(other < own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::{DiagonalGaussian, RandomStream, Unobserved};

    fn normal(rows: usize, dim: usize, name: &str) -> Latents {
        let mut stream = RandomStream::named(1, name);
        DiagonalGaussian::standard(rows, dim).sample(&mut stream)
    }

    fn narrow(means: &Latents) -> Posterior {
        let log_var = Latents::filled(means.rows(), means.dim(), -12.0);
        DiagonalGaussian::new(means.clone(), log_var)
            .unwrap()
            .into()
    }

    fn of(predictions: &Latents, targets: &Latents) -> MeanAccuracy {
        MeanAccuracy::of(predictions, &narrow(targets), 32, &Unobserved).unwrap()
    }

    #[test]
    fn three_pairs_worked_out_by_hand() {
        let column = |values: &[f32]| Latents::from_vec(values.to_vec(), 1).unwrap();
        let found = of(&column(&[0.0, 3.0, 1.0]), &column(&[0.0, 1.0, 2.0]));
        // Squared errors 0, 4, 1; deviations from the mean 1, 0, 1.
        assert!((found.r2.mean - (1.0 - 5.0 / 2.0)).abs() < 1e-12);
        assert_eq!(found.r2.mean, found.r2_variance_weighted.mean);
        // R² without each: 1 − 5/½, 1 − 1/2, 1 − 4/½.
        let without = [-9.0, 0.5, -7.0f64];
        let mean = without.iter().sum::<f64>() / 3.0;
        let squares: f64 = without.iter().map(|value| (value - mean).powi(2)).sum();
        assert!((found.r2.standard_error - (2.0 / 3.0 * squares).sqrt()).abs() < 1e-9);
        // Pair 0: no target and no prediction is closer. Pair 1: target 2 is closer to 3 than
        // target 1 is; predictions 0 and 1 are closer to 1 than 3 is. Pair 2: target 1 is closer
        // to 1 than 2 is, target 0 as close; prediction 3 is as close to 2.
        let expected = (0.0 + 3.0 / 4.0 + 2.0 / 4.0) / 3.0;
        assert!((found.foscttm.mean - expected).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn predictions_without_relation_are_at_chance() {
        let found = of(&normal(400, 3, "predictions"), &normal(400, 3, "targets"));
        // Var(target − prediction) is twice Var(target).
        assert!((found.r2.mean + 1.0).abs() < 4.0 * found.r2.standard_error);
        assert!((found.foscttm.mean - 0.5).abs() < 0.05);
    }

    #[test]
    fn the_jackknife_agrees_with_the_spread_over_data_sets() {
        let mut found = vec![];
        for seed in 0..200 {
            let mut stream = RandomStream::named(seed, "jackknife");
            let truth = DiagonalGaussian::standard(60, 2).sample(&mut stream);
            let noise = DiagonalGaussian::standard(60, 2).sample(&mut stream);
            let predictions = Latents::new(&truth.view() + &(&noise.view() * 0.5)).unwrap();
            found.push(of(&predictions, &truth));
        }
        let spread = |figure: fn(&MeanAccuracy) -> Estimate| {
            let mut moments = Moments::default();
            found
                .iter()
                .for_each(|found| moments.push(figure(found).mean));
            let mut errors = Moments::default();
            found
                .iter()
                .for_each(|found| errors.push(figure(found).standard_error));
            errors.mean() / moments.variance().sqrt()
        };
        for ratio in [
            spread(|found| found.r2),
            spread(|found| found.r2_variance_weighted),
        ] {
            assert!((0.8..1.25).contains(&ratio), "{ratio}");
        }
    }

    #[test]
    fn collapsed_dimensions_do_not_count() {
        let truth = normal(200, 2, "targets");
        let mut means = truth.view().to_owned();
        means.column_mut(1).fill(0.3);
        let targets = narrow(&Latents::new(means).unwrap());
        let found = MeanAccuracy::of(&truth, &targets, 32, &Unobserved).unwrap();
        assert_eq!((found.active, found.r2.mean), (vec![0], 1.0));
    }

    #[test]
    fn without_active_dimensions_there_are_no_figures() {
        let same = Latents::filled(10, 2, 0.5);
        let found = of(&same, &same);
        assert!(found.r2.mean.is_nan() && found.r2_variance_weighted.mean.is_nan());
        assert!(found.foscttm.mean.is_nan() && found.active.is_empty());
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let targets = narrow(&normal(5, 2, "targets"));
        let of = |rows, dim, draws| {
            MeanAccuracy::of(
                &Latents::filled(rows, dim, 0.0),
                &targets,
                draws,
                &Unobserved,
            )
        };
        assert!(matches!(of(4, 2, 1), Err(EvalError::Mismatch { .. })));
        assert!(matches!(of(5, 3, 1), Err(EvalError::Mismatch { .. })));
        assert!(matches!(of(5, 2, 0), Err(EvalError::Setting { .. })));
    }
}
