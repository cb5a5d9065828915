use crate::EvalError;
use crate::checks::{expect_count, expect_items};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use zbridge_core::{Moments, Observations};

/// How much observations of the same condition differ from each other, pixel by pixel.
///
/// A bridge that only knows each class's mean image has far less than real images, whatever its
/// coherence is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diversity {
    /// Mean over conditions of their values, each condition counted once.
    pub within_condition_sd: f64,
    /// The value of each condition that has observations, in order.
    pub per_condition: Vec<ConditionDiversity>,
}

/// Diversity within one condition.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ConditionDiversity {
    /// The condition, from 0.
    pub condition: usize,
    /// The number of its observations.
    pub count: usize,
    /// Mean over pixels of the standard deviation of the pixel over the condition's observations.
    pub pixel_sd: f64,
}

/// Returns the within-condition standard deviation of a pixel, averaged over pixels, then over
/// conditions.
///
/// It is (1/C) Σ_c (1/P) Σ_p sd_c,p with sd_c,p² = Σ_{i in c} (x_ip − x̄_cp)² / (n_c − 1). The root
/// is taken for each pixel *before* averaging: pixels that never change lower the value, and it is
/// not the root of the mean variance.
///
/// # Shapes
/// `observations` `[n, event]`, `conditions` `[n]`.
///
/// # Errors
/// [`EvalError::Mismatch`] if the two differ in number, [`EvalError::TooFew`] without observations,
/// [`EvalError::SingleObservation`] if a condition has exactly one.
///
/// ```
/// use ndarray::array;
/// use zbridge_core::{EventKind, Observations};
/// use zbridge_eval::diversity;
///
/// let kind = EventKind::Image { channels: 1, height: 1, width: 2 };
/// let images = array![[0.0, 0.5], [1.0, 0.5], [0.5, 0.5], [0.5, 0.5]];
/// let images = Observations::from_array(images, kind)?;
/// // Of the first two images one pixel varies, with sd √½; the other two are equal.
/// let found = diversity(&images, &[0, 0, 1, 1])?;
/// assert!((found.per_condition[0].pixel_sd - 0.5 * 0.5f64.sqrt()).abs() < 1e-12);
/// assert_eq!(found.per_condition[1].pixel_sd, 0.0);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
pub fn diversity(observations: &Observations, conditions: &[u8]) -> Result<Diversity, EvalError> {
    expect_count(
        "conditions, one per observation",
        observations.rows(),
        conditions.len(),
    )?;
    expect_items("observations", 1, observations.rows())?;
    let mut per_condition = Vec::new();
    for (condition, rows) in rows_by_condition(conditions) {
        if rows.len() < 2 {
            return Err(EvalError::SingleObservation { condition });
        }
        per_condition.push(ConditionDiversity {
            condition,
            count: rows.len(),
            pixel_sd: mean_pixel_sd(observations, &rows),
        });
    }
    Ok(Diversity::over(per_condition))
}

impl Diversity {
    fn over(per_condition: Vec<ConditionDiversity>) -> Self {
        let sum: f64 = per_condition
            .iter()
            .map(|of_condition| of_condition.pixel_sd)
            .sum();
        Self {
            within_condition_sd: sum / per_condition.len() as f64,
            per_condition,
        }
    }
}

/// Returns the rows of each condition that occurs, in the order of conditions.
fn rows_by_condition(conditions: &[u8]) -> BTreeMap<usize, Vec<usize>> {
    // A map in the order of its keys: conditions may be any numbers up to 255.
    let mut rows: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (row, &condition) in conditions.iter().enumerate() {
        rows.entry(condition.into()).or_default().push(row);
    }
    rows
}

/// Returns the mean over pixels of the standard deviation over the observations at `rows`.
fn mean_pixel_sd(observations: &Observations, rows: &[usize]) -> f64 {
    let mut pixels = vec![Moments::default(); observations.kind().size()];
    for &row in rows {
        for (pixel, &value) in pixels.iter_mut().zip(observations.row_values(row)) {
            pixel.push(f64::from(value));
        }
    }
    let total: f64 = pixels.iter().map(|pixel| pixel.variance().sqrt()).sum();
    total / pixels.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::EventKind;

    fn images(values: &[f32]) -> Observations {
        Observations::new(
            values.to_vec(),
            EventKind::Image {
                channels: 1,
                height: 1,
                width: 2,
            },
        )
        .unwrap()
    }

    #[test]
    fn the_root_is_taken_pixel_by_pixel_within_conditions() {
        // Condition 3: pixel sds √½·1 and 0. Condition 7: √½·2 twice. Differences between
        // conditions do not count.
        let observations = images(&[0.0, 9.0, 50.0, 50.0, 1.0, 9.0, 52.0, 48.0]);
        let found = diversity(&observations, &[3, 7, 3, 7]).unwrap();
        let root = 0.5f64.sqrt();
        assert!((found.per_condition[0].pixel_sd - 0.5 * root).abs() < 1e-9);
        assert!((found.per_condition[1].pixel_sd - 2.0 * root).abs() < 1e-9);
        assert!((found.within_condition_sd - 1.25 * root).abs() < 1e-9);
        assert_eq!(
            found
                .per_condition
                .iter()
                .map(|c| (c.condition, c.count))
                .collect::<Vec<_>>(),
            [(3, 2), (7, 2)]
        );
    }

    #[test]
    fn copies_of_one_image_have_no_diversity() {
        assert_eq!(
            diversity(&images(&[0.3, 0.7, 0.3, 0.7]), &[1, 1])
                .unwrap()
                .within_condition_sd,
            0.0
        );
    }

    #[test]
    fn a_condition_with_one_observation_is_refused_by_name() {
        let refused = diversity(&images(&[0.0; 6]), &[1, 4, 1]);
        assert_eq!(refused, Err(EvalError::SingleObservation { condition: 4 }));
        assert!(matches!(
            diversity(&images(&[]), &[]),
            Err(EvalError::TooFew { .. })
        ));
    }
}
