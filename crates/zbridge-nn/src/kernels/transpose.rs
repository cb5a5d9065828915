//! Matrices turned over.

/// `target[c, r] ← source[r, c]` for each matrix `[rows, columns]` that lies in `source`, one
/// behind the other.
pub(crate) fn transpose<T: Copy>(source: &[T], rows: usize, columns: usize, target: &mut [T]) {
    let size = rows * columns;
    for (source, target) in source.chunks_exact(size).zip(target.chunks_exact_mut(size)) {
        for (row, values) in source.chunks_exact(columns).enumerate() {
            target[row..]
                .iter_mut()
                .step_by(rows)
                .zip(values)
                .for_each(|(to, from)| *to = *from);
        }
    }
}

/// Side of the squares that are turned over: a line of the cache.
const SIDE: usize = 16;

/// The same for one matrix of plain numbers, in squares.
pub(crate) fn turn(source: &[f32], rows: usize, columns: usize, target: &mut [f32]) {
    let (squares_down, squares_along) = (rows / SIDE, columns / SIDE);
    let quarter = Quarter::new();
    for (row, column) in
        (0..squares_down).flat_map(|i| (0..squares_along).map(move |j| (i * SIDE, j * SIDE)))
    {
        let lines: [&[f32]; SIDE] =
            std::array::from_fn(|i| &source[(row + i) * columns + column..][..SIDE]);
        for (at, target) in target[column * rows..][..SIDE * rows]
            .chunks_exact_mut(4 * rows)
            .enumerate()
        {
            for (down, lines) in lines.as_chunks::<4>().0.iter().enumerate() {
                let turned = quarter.turn(lines.map(|line| line.as_chunks::<4>().0[at]));
                for (target, turned) in target.chunks_exact_mut(rows).zip(turned) {
                    target[row..row + SIDE].as_chunks_mut::<4>().0[down] = turned;
                }
            }
        }
    }
    // What is left at the right of the squares, and below them.
    let (below, right) = (squares_down * SIDE, squares_along * SIDE);
    for row in 0..rows {
        for column in if row < below {
            right..columns
        } else {
            0..columns
        } {
            target[column * rows + row] = source[row * columns + column];
        }
    }
}

/// Turns over four rows of four, in registers where the processor can.
#[derive(Clone, Copy)]
struct Quarter {
    #[cfg(target_arch = "x86_64")]
    sse: Option<pulp::core_arch::x86::Sse>,
}

impl Quarter {
    fn new() -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            sse: pulp::core_arch::x86::Sse::try_new(),
        }
    }

    #[inline(always)]
    fn turn(self, rows: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
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
    fn each_matrix_is_turned_over_and_back() {
        let source: Vec<usize> = (0..12).collect();
        let (mut once, mut twice) = (vec![0; 12], vec![0; 12]);
        transpose(&source, 2, 3, &mut once);
        assert_eq!(once, [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
        transpose(&once, 3, 2, &mut twice);
        assert_eq!(twice, source);
    }

    #[test]
    fn squares_and_rests_come_together() {
        for (rows, columns) in [(16, 16), (35, 50), (48, 17), (15, 33), (33, 1), (1, 40)] {
            let source: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
            let (mut plain, mut whole) = (vec![0.0; rows * columns], vec![0.0; rows * columns]);
            transpose(&source, rows, columns, &mut plain);
            turn(&source, rows, columns, &mut whole);
            assert_eq!(whole, plain);
        }
    }
}
