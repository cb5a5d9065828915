/// A row of the network's outputs: μ `[dim]`, log L_ii before it is clamped `[dim]`, then the rows
/// of L left of its diagonal, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Outputs<'o> {
    pub(super) mean: &'o [f32],
    pub(super) log_scales: &'o [f32],
    lower: &'o [f32],
}

impl<'o> Outputs<'o> {
    pub(super) fn of(outputs: &'o [f32], dim: usize) -> Self {
        let (mean, rest) = outputs.split_at(dim);
        let (log_scales, lower) = rest.split_at(dim);
        Self {
            mean,
            log_scales,
            lower,
        }
    }

    /// Returns row `i` of L left of its diagonal, `[i]`.
    pub(super) fn left_of_diagonal(&self, i: usize) -> &'o [f32] {
        &self.lower[start_of_row(i)..][..i]
    }
}

/// The same for a gradient by the outputs.
pub(super) struct OutputsMut<'o> {
    pub(super) mean: &'o mut [f32],
    pub(super) log_scales: &'o mut [f32],
    lower: &'o mut [f32],
}

impl<'o> OutputsMut<'o> {
    pub(super) fn of(outputs: &'o mut [f32], dim: usize) -> Self {
        let (mean, rest) = outputs.split_at_mut(dim);
        let (log_scales, lower) = rest.split_at_mut(dim);
        Self {
            mean,
            log_scales,
            lower,
        }
    }

    /// Returns row `i` of L left of its diagonal, `[i]`.
    pub(super) fn left_of_diagonal(&mut self, i: usize) -> &mut [f32] {
        &mut self.lower[start_of_row(i)..][..i]
    }
}

/// Returns where row `i` begins among the rows left of the diagonal: 0 + 1 + … + (i − 1).
fn start_of_row(i: usize) -> usize {
    i * i.saturating_sub(1) / 2
}

/// Returns the number of outputs of a Gaussian in `dim` dimensions, dim (dim + 3) / 2; `None` if it
/// is too large for a number.
pub(super) fn outputs_in(dim: usize) -> Option<usize> {
    dim.checked_mul(dim.checked_add(3)?).map(|twice| twice / 2)
}
