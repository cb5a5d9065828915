use crate::checks::expect_count;
use crate::{EvalError, TargetEstimate};
use serde::{Deserialize, Serialize};
use zbridge_core::Estimate;

/// The four estimates that two factorisations of p(x, y) consist of, all over the same pairs in the
/// same order.
#[derive(Debug, Clone, Copy)]
pub struct JointFactors<'a> {
    /// log p(x_i).
    pub x: &'a TargetEstimate,
    /// log p(y_i|x_i), by the direction x → y.
    pub y_given_x: &'a TargetEstimate,
    /// log p(y_i).
    pub y: &'a TargetEstimate,
    /// log p(x_i|y_i), by the direction y → x.
    pub x_given_y: &'a TargetEstimate,
}

/// log p(x, y) of pairs by both factorisations, log p(x) + log p(y|x) and log p(y) + log p(x|y),
/// and their gap.
///
/// A joint density has one value. Two directions that were fitted separately, together with two
/// given models, have two: the gap is what the direction gap of the latents is in the space of
/// observations. A mean gap of 0 does not imply agreement (gaps of both signs cancel). The mean of
/// the absolute gap does, but it is biased up by the noise of the draws, by about √(2/π) times a
/// row's error if the true gap is 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JointLikelihood {
    /// One value for each pair.
    pub per_row: Vec<JointRow>,
    /// Mean over pairs of log p(x) + log p(y|x), in nats.
    pub by_x_first_nats: Estimate,
    /// Mean over pairs of log p(y) + log p(x|y), in nats.
    pub by_y_first_nats: Estimate,
    /// Mean over pairs of (x first − y first), in nats, with the standard error of the difference
    /// over pairs.
    pub gap_nats: Estimate,
    /// Mean over pairs of |x first − y first|, in nats.
    pub absolute_gap_nats: Estimate,
}

/// log p(x, y) of one pair.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct JointRow {
    /// log p(x) + log p(y|x), in nats.
    pub by_x_first_nats: f64,
    /// log p(y) + log p(x|y), in nats.
    pub by_y_first_nats: f64,
    /// Standard error of their difference over draws, in nats, as if the four estimates had
    /// independent draws. Estimates that share draws (log p(x) and log p(x|y)) enter with opposite
    /// signs, so that the true error is smaller.
    pub gap_error_nats: f64,
}

impl JointRow {
    /// Returns x first − y first, in nats; NaN if both are −∞.
    pub fn gap_nats(&self) -> f64 {
        self.by_x_first_nats - self.by_y_first_nats
    }
}

impl JointLikelihood {
    /// Returns both factorisations of the pairs of the four estimates.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] if the four differ in number.
    pub fn of(factors: &JointFactors<'_>) -> Result<Self, EvalError> {
        let pairs = factors.pairs()?;
        let per_row: Vec<JointRow> = (0..pairs).map(|pair| factors.row(pair)).collect();
        let by_x_first = per_row.iter().map(|row| row.by_x_first_nats);
        let by_y_first = per_row.iter().map(|row| row.by_y_first_nats);
        // Two factorisations that are both −∞ have a gap of NaN, which stays visible in the mean.
        let gaps = per_row.iter().map(JointRow::gap_nats);
        Ok(Self {
            by_x_first_nats: Estimate::of_log_densities(by_x_first),
            by_y_first_nats: Estimate::of_log_densities(by_y_first),
            gap_nats: Estimate::of(gaps.clone()),
            absolute_gap_nats: Estimate::of(gaps.map(f64::abs)),
            per_row,
        })
    }
}

impl JointFactors<'_> {
    /// Returns the number of pairs, if it is that of all four estimates.
    fn pairs(&self) -> Result<usize, EvalError> {
        let pairs = self.x.per_row.len();
        for other in [self.y_given_x, self.y, self.x_given_y] {
            expect_count("estimates, one per pair", pairs, other.per_row.len())?;
        }
        Ok(pairs)
    }

    fn row(&self, row: usize) -> JointRow {
        let [x, y_given_x, y, x_given_y] =
            [self.x, self.y_given_x, self.y, self.x_given_y].map(|factor| factor.per_row[row]);
        let squares = [x, y_given_x, y, x_given_y].map(|estimate| estimate.standard_error.powi(2));
        JointRow {
            by_x_first_nats: x.log_mean_nats + y_given_x.log_mean_nats,
            by_y_first_nats: y.log_mean_nats + x_given_y.log_mean_nats,
            gap_error_nats: squares.iter().sum::<f64>().sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RowEstimate;

    fn estimate(values: &[f64]) -> TargetEstimate {
        let row = |&log_mean_nats: &f64| RowEstimate {
            log_mean_nats,
            standard_error: 0.1,
            effective_sample_size: 50.0,
        };
        TargetEstimate::new("log p", 100, values.iter().map(row).collect())
    }

    #[test]
    fn two_pairs_worked_out_by_hand() {
        let [x, y_given_x, y, x_given_y] =
            [[-5.0, -6.0], [-1.0, -2.0], [-2.0, -2.5], [-4.5, -4.5]].map(|v| estimate(&v));
        let joint = JointLikelihood::of(&JointFactors {
            x: &x,
            y_given_x: &y_given_x,
            y: &y,
            x_given_y: &x_given_y,
        });
        let joint = joint.unwrap();
        assert_eq!(
            (joint.by_x_first_nats.mean, joint.by_y_first_nats.mean),
            (-7.0, -6.75)
        );
        assert_eq!(
            joint
                .per_row
                .iter()
                .map(JointRow::gap_nats)
                .collect::<Vec<_>>(),
            [0.5, -1.0]
        );
        assert_eq!(
            (joint.gap_nats.mean, joint.absolute_gap_nats.mean),
            (-0.25, 0.75)
        );
        assert!((joint.gap_nats.standard_error - 0.75).abs() < 1e-12);
        assert!((joint.per_row[0].gap_error_nats - 0.2).abs() < 1e-12);
    }

    #[test]
    fn estimates_of_different_pairs_are_refused() {
        let (two, one) = (estimate(&[-1.0, -2.0]), estimate(&[-1.0]));
        let refused = JointLikelihood::of(&JointFactors {
            x: &two,
            y_given_x: &two,
            y: &two,
            x_given_y: &one,
        });
        assert!(matches!(
            refused,
            Err(EvalError::Mismatch {
                expected: 2,
                found: 1,
                ..
            })
        ));
    }
}
