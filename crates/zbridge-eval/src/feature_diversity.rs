use crate::EvalError;
use crate::checks::{expect_count, expect_items};
use crate::panels::Panels;
use crate::parallel_rows::each_block;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use zbridge_core::{Estimate, Interrupted, Latents, Observer, Stage};

/// Rows of a task: an observer is called after each task.
const BLOCK: usize = 16;

/// How much generated observations of one condition differ from each other, relative to real ones.
///
/// Unlike the standard deviation of pixels it does not count noise as diversity, as far as the
/// features do not. 1 is as diverse as reality, 0 is one output for each condition. Values above 1
/// may come from outputs that do not belong to their condition: read it together with coherence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureDiversity {
    /// Mean over conditions of generated / real, with the standard error over conditions.
    pub ratio: Estimate,
    /// Each condition that was generated, in order.
    pub per_condition: Vec<ConditionFeatureDiversity>,
}

/// Diversity within one condition.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ConditionFeatureDiversity {
    /// The condition, from 0.
    pub condition: usize,
    /// Mean distance between two generated observations of it.
    pub generated: f64,
    /// Mean distance between two real ones.
    pub real: f64,
    /// generated / real; NaN if all real ones are equal.
    pub ratio: f64,
}

/// Returns the mean pairwise feature distance of generated observations over that of real ones,
/// condition by condition.
///
/// It is 1/(n(n − 1)) Σ_{i≠j} ‖f_i − f_j‖ within each condition: unbiased for any number of
/// observations, so that the two sets may differ in it. `observer` is called after every few rows.
///
/// # Shapes
/// `generated` `[n, features]` with `generated_conditions` `[n]`; `real` `[m, features]` with
/// `real_conditions` `[m]`.
///
/// # Errors
/// [`EvalError::Mismatch`] if counts or widths differ, [`EvalError::TooFew`] without observations,
/// [`EvalError::SingleObservation`] if a condition of the generated set has fewer than two
/// observations in one of the sets, [`EvalError::Interrupted`] if the observer stops the
/// computation. Conditions that were not generated are left out.
///
/// ```
/// use ndarray::array;
/// use zbridge_core::{Latents, Unobserved};
/// use zbridge_eval::feature_diversity;
///
/// let real = Latents::new(array![[0.0], [4.0], [10.0], [14.0]])?;
/// let generated = Latents::new(array![[1.0], [3.0], [11.0], [13.0]])?;
/// let conditions = [0, 0, 1, 1];
/// let found = feature_diversity(&generated, &conditions, &real, &conditions, &Unobserved)?;
/// assert_eq!(found.ratio.mean, 0.5);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
pub fn feature_diversity(
    generated: &Latents,
    generated_conditions: &[u8],
    real: &Latents,
    real_conditions: &[u8],
    observer: &dyn Observer,
) -> Result<FeatureDiversity, EvalError> {
    expect_count("features of the generated set", real.dim(), generated.dim())?;
    let generated = ConditionedFeatures::new(generated, generated_conditions)?;
    let real = ConditionedFeatures::new(real, real_conditions)?;
    let rows = generated.features.rows() + real.features.rows();
    let stage = Stage::new(observer, "feature diversity", rows as u64);
    let mut per_condition = Vec::new();
    for condition in generated.different_conditions() {
        let generated = generated.mean_distance_within(condition, &stage)?;
        let real = real.mean_distance_within(condition, &stage)?;
        per_condition.push(ConditionFeatureDiversity::new(condition, generated, real));
    }
    expect_items("generated observations", 1, per_condition.len())?;
    Ok(FeatureDiversity::over(per_condition))
}

impl FeatureDiversity {
    fn over(per_condition: Vec<ConditionFeatureDiversity>) -> Self {
        let ratios = per_condition.iter().map(|of_condition| of_condition.ratio);
        Self {
            ratio: Estimate::of(ratios),
            per_condition,
        }
    }
}

impl ConditionFeatureDiversity {
    fn new(condition: u8, generated: f64, real: f64) -> Self {
        Self {
            condition: condition.into(),
            generated,
            real,
            ratio: generated / real,
        }
    }
}

/// Features with the condition of each row.
struct ConditionedFeatures<'a> {
    features: &'a Latents,
    conditions: &'a [u8],
}

impl<'a> ConditionedFeatures<'a> {
    fn new(features: &'a Latents, conditions: &'a [u8]) -> Result<Self, EvalError> {
        expect_count(
            "conditions, one per observation",
            features.rows(),
            conditions.len(),
        )?;
        Ok(Self {
            features,
            conditions,
        })
    }

    /// Returns each condition once, in order.
    fn different_conditions(&self) -> Vec<u8> {
        let mut conditions = self.conditions.to_vec();
        conditions.sort_unstable();
        conditions.dedup();
        conditions
    }

    fn mean_distance_within(&self, condition: u8, stage: &Stage<'_>) -> Result<f64, EvalError> {
        let rows = 0..self.conditions.len();
        let members: Vec<usize> = rows
            .filter(|&row| self.conditions[row] == condition)
            .collect();
        if members.len() < 2 {
            return Err(EvalError::SingleObservation {
                condition: condition.into(),
            });
        }
        Ok(mean_distance(&self.features.select(&members), stage)?)
    }
}

/// Returns 1/(n(n − 1)) Σ_{i≠j} ‖p_i − p_j‖.
fn mean_distance(points: &Latents, stage: &Stage<'_>) -> Result<f64, Interrupted> {
    let panels = Panels::of(points);
    // A sum for each row, so that the result does not depend on the number of threads.
    let sums = each_block(points.rows(), BLOCK, stage, |block: Range<usize>| {
        let mut sums = vec![0.0; block.len()];
        panels.for_each(points, block.clone(), |i, _, square| {
            // The distance of a point to itself is 0 and adds nothing.
            sums[i - block.start] += f64::from(square).sqrt();
        });
        sums
    })?;
    let count = points.rows() as f64;
    Ok(sums.concat().iter().sum::<f64>() / (count * (count - 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::{RandomStream, Unobserved};

    fn normal(rows: usize, scale: f32, seed: u64) -> Latents {
        let mut values = vec![0.0; rows * 3];
        RandomStream::named(seed, "diversity").fill_standard_normal(&mut values);
        Latents::from_vec(values.iter().map(|value| scale * value).collect(), 3).unwrap()
    }

    #[test]
    fn three_points_worked_out_by_hand() {
        // Distances 3, 4, 5 of a right triangle.
        let triangle = Latents::from_vec(vec![0.0, 0.0, 3.0, 0.0, 0.0, 4.0], 2).unwrap();
        let pair = Latents::from_vec(vec![0.0, 0.0, 2.0, 0.0], 2).unwrap();
        let found = feature_diversity(&pair, &[7, 7], &triangle, &[7, 7, 7], &Unobserved).unwrap();
        let only = found.per_condition[0];
        assert_eq!(
            (only.condition, only.generated, only.real, found.ratio.mean),
            (7, 2.0, 4.0, 0.5)
        );
    }

    #[test]
    fn half_the_spread_is_half_the_diversity_whatever_the_gap_between_conditions() {
        let mut values = normal(800, 0.5, 1).into_vec();
        for (row, point) in values.chunks_exact_mut(3).enumerate() {
            point[0] += 50.0 * (row % 2) as f32;
        }
        let (generated, real) = (Latents::from_vec(values, 3).unwrap(), normal(800, 1.0, 2));
        let conditions: Vec<u8> = (0..800).map(|row| (row % 2) as u8).collect();
        let found =
            feature_diversity(&generated, &conditions, &real, &conditions, &Unobserved).unwrap();
        assert!((found.ratio.mean - 0.5).abs() < 0.03, "{found:?}");
    }

    #[test]
    fn copies_have_no_diversity_and_single_observations_are_errors() {
        let (copies, real) = (Latents::filled(4, 3, 1.0), normal(4, 1.0, 1));
        let ratio = |real_conditions| {
            feature_diversity(&copies, &[0; 4], &real, real_conditions, &Unobserved)
                .map(|found| found.ratio.mean)
        };
        assert_eq!(ratio(&[0; 4]), Ok(0.0));
        let refused = ratio(&[1, 1, 1, 0]);
        assert_eq!(refused, Err(EvalError::SingleObservation { condition: 0 }));
    }
}
