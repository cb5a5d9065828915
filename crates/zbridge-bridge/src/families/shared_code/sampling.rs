//! Draws from a shared code.

use super::SharedCode;
use crate::families::categorical::category;
use crate::rows::values_of;
use ndarray::{Array2, ArrayView2};
use zbridge_core::{ConditionalDensity, DensityError, RandomStream};

/// Tries after which a draw is taken as it is.
const MAX_TRIES: usize = 200;

impl SharedCode {
    /// Returns `draws` points for each row of weights π(k|s) `[rows, K]`: `[rows · draws, dim]`.
    pub(super) fn sample(
        &self,
        weights: ArrayView2<'_, f32>,
        draws: usize,
        stream: &mut RandomStream,
    ) -> Result<Array2<f32>, DensityError> {
        let mut codes = Vec::with_capacity(weights.nrows() * draws);
        for weights in weights.rows() {
            codes.extend((0..draws).map(|_| category(values_of(weights), stream.uniform())));
        }
        self.sample_given_codes(&codes, stream)
    }

    /// Returns one draw from p(t|k) for each code, `[codes, dim]`, by rejection: f is drawn from
    /// until a draw is accepted.
    fn sample_given_codes(
        &self,
        codes: &[usize],
        stream: &mut RandomStream,
    ) -> Result<Array2<f32>, DensityError> {
        let mut points = Array2::zeros((codes.len(), self.dims().1));
        let mut waiting: Vec<usize> = (0..codes.len()).collect();
        for _ in 0..MAX_TRIES {
            let waiting_codes: Vec<usize> = waiting.iter().map(|&row| codes[row]).collect();
            let drawn = self.flow.draw(&waiting_codes, stream)?;
            let accepted = self.acceptance(&waiting_codes, drawn.view());
            let mut rejected = Vec::new();
            for ((&row, point), accepted) in waiting.iter().zip(drawn.rows()).zip(accepted) {
                // Kept even if it is rejected: the last try stands, should all fail.
                points.row_mut(row).assign(&point);
                if stream.uniform() >= accepted {
                    rejected.push(row);
                }
            }
            waiting = rejected;
            if waiting.is_empty() {
                break;
            }
        }
        Ok(points)
    }
}
