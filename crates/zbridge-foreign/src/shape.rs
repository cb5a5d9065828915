//! Sizes of shapes that files ask for.

/// Returns the number of elements of an array of this shape, 1 for no dimensions; `None` if no
/// array can have it.
pub(crate) fn checked_size(shape: &[usize]) -> Option<usize> {
    let mut size = 1usize;
    for &dim in shape {
        // Dimensions of 0 do not excuse others that overflow: `ndarray` panics on such shapes.
        size = size.checked_mul(dim.max(1))?;
    }
    // The limit of memory, and of `ndarray`.
    let fits = isize::try_from(size).is_ok();
    let is_empty = shape.contains(&0);
    fits.then_some(if is_empty { 0 } else { size })
}

/// Returns whether arrays of both shapes have the same number of elements.
pub(crate) fn same_size(one: &[usize], other: &[usize]) -> bool {
    checked_size(one).is_some() && checked_size(one) == checked_size(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_overflow_are_none() {
        assert_eq!(checked_size(&[]), Some(1));
        assert_eq!(checked_size(&[2, 3]), Some(6));
        assert_eq!(checked_size(&[2, 0]), Some(0));
        assert_eq!(checked_size(&[usize::MAX, 2]), None);
        assert_eq!(checked_size(&[0, usize::MAX]), None);
        assert!(same_size(&[2, 3], &[6]));
        assert!(!same_size(&[usize::MAX, 2], &[usize::MAX, 2]));
    }
}
