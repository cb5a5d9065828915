//! Transposed matrices.

/// `target[c, r] ← source[r, c]` for each matrix `[rows, columns]` of `source`, which lie one
/// behind the other.
pub fn transpose_each<T: Copy>(source: &[T], rows: usize, columns: usize, target: &mut [T]) {
    let size = rows * columns;
    for (source, target) in source.chunks_exact(size).zip(target.chunks_exact_mut(size)) {
        for (row, values) in source.chunks_exact(columns).enumerate() {
            for (to, from) in target[row..].iter_mut().step_by(rows).zip(values) {
                *to = *from;
            }
        }
    }
}

/// Side of the squares that are transposed one after the other: a line of the cache.
const SIDE: usize = 16;

/// `target[c, r] ← source[r, c]` for one matrix `[rows, columns]`, several times as fast as
/// [`transpose_each`] for large ones.
pub(crate) fn transpose(source: &[f32], rows: usize, columns: usize, target: &mut [f32]) {
    let four_by_four = FourByFour::new();
    let (below, right) = (rows / SIDE * SIDE, columns / SIDE * SIDE);
    for row in (0..below).step_by(SIDE) {
        for column in (0..right).step_by(SIDE) {
            let source = &source[row * columns + column..];
            let target = &mut target[column * rows + row..];
            transpose_square(four_by_four, source, columns, target, rows);
        }
    }
    // What is left at the right of the squares, and below them.
    for row in 0..rows {
        let first = if row < below { right } else { 0 };
        for column in first..columns {
            target[column * rows + row] = source[row * columns + column];
        }
    }
}

/// Transposes a square of [`SIDE`] rows, which lie `source_stride` apart.
#[inline(always)]
fn transpose_square(
    four_by_four: FourByFour,
    source: &[f32],
    source_stride: usize,
    target: &mut [f32],
    target_stride: usize,
) {
    let lines: [&[f32]; SIDE] = std::array::from_fn(|i| &source[i * source_stride..][..SIDE]);
    for across in 0..SIDE / 4 {
        for (down, lines) in lines.as_chunks::<4>().0.iter().enumerate() {
            let rows = lines.map(|line| line.as_chunks::<4>().0[across]);
            for (i, column) in four_by_four.transpose(rows).into_iter().enumerate() {
                let target = &mut target[(4 * across + i) * target_stride..][..SIDE];
                target.as_chunks_mut::<4>().0[down] = column;
            }
        }
    }
}

/// Transposes four rows of four, in registers where the processor can.
#[derive(Clone, Copy)]
struct FourByFour {
    #[cfg(target_arch = "x86_64")]
    sse: Option<pulp::core_arch::x86::Sse>,
}

impl FourByFour {
    fn new() -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            sse: pulp::core_arch::x86::Sse::try_new(),
        }
    }

    #[inline(always)]
    fn transpose(self, rows: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
        #[cfg(target_arch = "x86_64")]
        if let Some(sse) = self.sse {
            let [a, b, c, d] = rows.map(pulp::cast);
            let (low, high) = (sse._mm_unpacklo_ps(a, b), sse._mm_unpackhi_ps(a, b));
            let (other_low, other_high) = (sse._mm_unpacklo_ps(c, d), sse._mm_unpackhi_ps(c, d));
            let columns = [
                sse._mm_movelh_ps(low, other_low),
                sse._mm_movehl_ps(other_low, low),
                sse._mm_movelh_ps(high, other_high),
                sse._mm_movehl_ps(other_high, high),
            ];
            return columns.map(pulp::cast);
        }
        std::array::from_fn(|column| rows.map(|row| row[column]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_matrix_is_transposed_and_back() {
        let source: Vec<usize> = (0..12).collect();
        let (mut once, mut twice) = (vec![0; 12], vec![0; 12]);
        transpose_each(&source, 2, 3, &mut once);
        assert_eq!(once, [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
        transpose_each(&once, 3, 2, &mut twice);
        assert_eq!(twice, source);
    }

    #[test]
    fn squares_and_what_is_beside_them_are_transposed() {
        for (rows, columns) in [(16, 16), (35, 50), (48, 17), (15, 33), (33, 1), (1, 40)] {
            let source: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
            let (mut plain, mut fast) = (vec![0.0; rows * columns], vec![0.0; rows * columns]);
            transpose_each(&source, rows, columns, &mut plain);
            transpose(&source, rows, columns, &mut fast);
            assert_eq!(fast, plain);
        }
    }
}
