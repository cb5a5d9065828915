use crate::EvalError;
use serde::{Deserialize, Serialize};
use zbridge_core::{Moments, Observations};

/// How much observations of the same condition differ from each other.
///
/// Real digits have 0.139 (our prototype's decoded posterior samples); a bridge that only knows
/// each class's mean image has far less, whatever its coherence is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diversity {
    /// Mean of the conditions' values, each condition counting once.
    pub within_condition_sd: f64,
    /// The value of each condition that has observations, in order.
    pub per_condition: Vec<ConditionDiversity>,
}

/// Diversity within one condition.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ConditionDiversity {
    /// The condition, from 0.
    pub condition: usize,
    /// How many observations it has.
    pub count: usize,
    /// Mean over pixels of the standard deviation of the pixel over the condition's observations.
    pub pixel_sd: f64,
}

/// The within-condition standard deviation of a pixel, averaged over pixels, then over conditions.
///
/// (1/C) Σ_c (1/P) Σ_p sd_c,p with sd_c,p² = Σ_{i in c} (x_ip − x̄_cp)² / (n_c − 1). The root is
/// taken for each pixel *before* averaging: pixels that never change pull the value down, and it is
/// not the root of the mean variance.
///
/// # Shapes
/// `observations` `[n, event]`, `conditions` `[n]`.
///
/// # Errors
/// [`EvalError::Mismatch`] when the two differ in number, [`EvalError::Empty`] without
/// observations, [`EvalError::SingleObservation`] when a condition has exactly one.
pub fn diversity(observations: &Observations, conditions: &[u8]) -> Result<Diversity, EvalError> {
    EvalError::expect_count(
        "conditions, one per observation",
        observations.rows(),
        conditions.len(),
    )?;
    let members = |condition: usize| -> Vec<usize> {
        (0..conditions.len())
            .filter(|&row| usize::from(conditions[row]) == condition)
            .collect()
    };
    let groups = (0..=usize::from(u8::MAX)).map(|condition| (condition, members(condition)));
    let per_condition = groups
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(condition, rows)| ConditionDiversity::of(observations, condition, &rows))
        .collect::<Result<Vec<_>, _>>()?;
    match per_condition.len() {
        0 => Err(EvalError::Empty {
            what: "observations whose diversity is asked for",
        }),
        n => Ok(Diversity {
            within_condition_sd: per_condition.iter().map(|c| c.pixel_sd).sum::<f64>() / n as f64,
            per_condition,
        }),
    }
}

impl ConditionDiversity {
    fn of(
        observations: &Observations,
        condition: usize,
        rows: &[usize],
    ) -> Result<Self, EvalError> {
        if rows.len() < 2 {
            return Err(EvalError::SingleObservation { condition });
        }
        let mut pixels = vec![Moments::default(); observations.kind().size()];
        for &row in rows {
            pixels
                .iter_mut()
                .zip(observations.row(row))
                .for_each(|(pixel, &value)| pixel.push(f64::from(value)));
        }
        let total: f64 = pixels.iter().map(|pixel| pixel.variance().sqrt()).sum();
        Ok(Self {
            condition,
            count: rows.len(),
            pixel_sd: total / pixels.len() as f64,
        })
    }
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
            Err(EvalError::Empty { .. })
        ));
    }
}
