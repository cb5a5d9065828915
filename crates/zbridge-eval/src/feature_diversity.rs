use crate::EvalError;
use crate::distances::Panels;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zbridge_core::{Estimate, Latents};

/// How much generated observations of one condition differ from each other, against how much real
/// ones do.
///
/// Unlike the standard deviation of pixels it does not count noise as diversity, as far as the
/// features do not. 1 is as diverse as reality, 0 is one output for each condition. Above 1:
/// outputs that do not belong to their condition are diverse too, so read it beside coherence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureDiversity {
    /// Mean over conditions of generated over real, with the standard error over conditions.
    pub ratio: Estimate,
    /// Each condition that has observations, in order.
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
    /// generated / real; NaN where all real ones are equal.
    pub ratio: f64,
}

/// Mean pairwise feature distance of generated observations over that of real ones, condition by
/// condition.
///
/// 1/(n(n − 1)) Σ_{i≠j} ‖f_i − f_j‖ within each condition: unbiased for any number of observations,
/// so that the two sets may differ in it.
///
/// # Shapes
/// `generated` `[n, features]` with `generated_conditions` `[n]`; `real` `[m, features]` with
/// `real_conditions` `[m]`.
///
/// # Errors
/// [`EvalError::Mismatch`] when counts or widths differ, [`EvalError::Empty`] without observations,
/// [`EvalError::SingleObservation`] when a condition of the generated set has fewer than two
/// observations in one of the sets. Conditions that were not generated are left out.
pub fn feature_diversity(
    generated: &Latents,
    generated_conditions: &[u8],
    real: &Latents,
    real_conditions: &[u8],
) -> Result<FeatureDiversity, EvalError> {
    EvalError::expect_count("features of the generated set", real.dim(), generated.dim())?;
    EvalError::expect_count(
        "conditions of generated observations",
        generated.rows(),
        generated_conditions.len(),
    )?;
    EvalError::expect_count(
        "conditions of real observations",
        real.rows(),
        real_conditions.len(),
    )?;
    let mut conditions = generated_conditions.to_vec();
    conditions.sort_unstable();
    conditions.dedup();
    let of_condition = |condition: u8| {
        let spread = |features: &Latents, conditions: &[u8]| {
            mean_distance_within(features, conditions, condition)
        };
        let (generated, real) = (
            spread(generated, generated_conditions)?,
            spread(real, real_conditions)?,
        );
        Ok(ConditionFeatureDiversity {
            condition: condition.into(),
            generated,
            real,
            ratio: generated / real,
        })
    };
    let per_condition = conditions
        .into_iter()
        .map(of_condition)
        .collect::<Result<Vec<_>, EvalError>>()?;
    match per_condition.len() {
        0 => Err(EvalError::Empty {
            what: "observations whose diversity is asked for",
        }),
        _ => Ok(FeatureDiversity {
            ratio: Estimate::of(per_condition.iter().map(|c| c.ratio)),
            per_condition,
        }),
    }
}

fn mean_distance_within(
    features: &Latents,
    conditions: &[u8],
    condition: u8,
) -> Result<f64, EvalError> {
    let members: Vec<usize> = (0..conditions.len())
        .filter(|&row| conditions[row] == condition)
        .collect();
    if members.len() < 2 {
        return Err(EvalError::SingleObservation {
            condition: condition.into(),
        });
    }
    Ok(mean_distance(&features.select(&members)))
}

/// 1/(n(n − 1)) Σ_{i≠j} ‖p_i − p_j‖; rows are summed apart, so that threads change nothing.
fn mean_distance(points: &Latents) -> f64 {
    let panels = Panels::of(points);
    let of_row = |row: usize| {
        let mut sum = 0.0;
        panels.for_each(points, row, 1, |_, _, square| {
            sum += f64::from(square).sqrt()
        });
        sum
    };
    let sums: Vec<f64> = (0..points.rows()).into_par_iter().map(of_row).collect();
    let count = points.rows() as f64;
    sums.iter().sum::<f64>() / (count * (count - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::RandomStream;

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
        let found = feature_diversity(&pair, &[7, 7], &triangle, &[7, 7, 7]).unwrap();
        let only = found.per_condition[0];
        assert_eq!(
            (only.condition, only.generated, only.real, found.ratio.mean),
            (7, 2.0, 4.0, 0.5)
        );
    }

    #[test]
    fn half_the_spread_is_half_the_diversity_whatever_lies_between_conditions() {
        let mut values = normal(800, 0.5, 1).into_vec();
        values
            .chunks_exact_mut(3)
            .enumerate()
            .for_each(|(row, point)| point[0] += 50.0 * (row % 2) as f32);
        let (generated, real) = (Latents::from_vec(values, 3).unwrap(), normal(800, 1.0, 2));
        let conditions: Vec<u8> = (0..800).map(|row| (row % 2) as u8).collect();
        let found = feature_diversity(&generated, &conditions, &real, &conditions).unwrap();
        assert!((found.ratio.mean - 0.5).abs() < 0.03, "{found:?}");
    }

    #[test]
    fn copies_have_no_diversity_and_singles_are_refused() {
        let (copies, real) = (Latents::filled(4, 3, 1.0), normal(4, 1.0, 1));
        assert_eq!(
            feature_diversity(&copies, &[0; 4], &real, &[0; 4])
                .unwrap()
                .ratio
                .mean,
            0.0
        );
        let refused = feature_diversity(&copies, &[0; 4], &real, &[1, 1, 1, 0]);
        assert_eq!(refused, Err(EvalError::SingleObservation { condition: 0 }));
    }
}
