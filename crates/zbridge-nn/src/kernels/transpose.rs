//! Matrices turned over.

/// `target[c, r] ← source[r, c]` for each matrix `[rows, columns]` that lies in `source`, one behind the other.
pub(crate) fn transpose<T: Copy>(source: &[T], rows: usize, columns: usize, target: &mut [T]) {
    let size = rows * columns;
    for (source, target) in source.chunks_exact(size).zip(target.chunks_exact_mut(size)) {
        for (row, values) in source.chunks_exact(columns).enumerate() {
            target[row..].iter_mut().step_by(rows).zip(values).for_each(|(to, from)| *to = *from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_matrix_is_turned_over_and_back() {
        let source: Vec<usize> = (0..12).collect();
        let (mut once, mut twice) = (vec![0; 12], vec![0; 12]);
        transpose(&source, 2, 3, &mut once);
        assert_eq!(once, [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
        transpose(&once, 3, 2, &mut twice);
        assert_eq!(twice, source);
    }
}
