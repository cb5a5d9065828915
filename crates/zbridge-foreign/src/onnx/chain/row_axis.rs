//! Axes of a batch, as axes of its rows.

/// Returns the axis of a row of `rank` dimensions that is `axis` of the batch, as ONNX writes it:
/// negative from the end. `None` for the axis of the rows, and for those that do not exist.
pub(super) fn row_axis(axis: i64, rank: usize) -> Option<usize> {
    let axis = match axis < 0 {
        true => axis
            .checked_add(i64::try_from(rank).ok()?)?
            .checked_add(1)?,
        false => axis,
    };
    let axis = usize::try_from(axis).ok()?.checked_sub(1)?;
    (axis < rank).then_some(axis)
}

/// Returns the axes of a row in ascending order; `None` if one does not exist or occurs twice.
pub(super) fn sorted_row_axes(axes: &[i64], rank: usize) -> Option<Vec<usize>> {
    let axes = axes.iter().map(|&axis| row_axis(axis, rank));
    let mut axes = axes.collect::<Option<Vec<_>>>()?;
    axes.sort_unstable();
    let is_repeated = axes.windows(2).any(|pair| pair[0] == pair[1]);
    (!is_repeated).then_some(axes)
}
