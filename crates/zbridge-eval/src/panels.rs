//! Euclidean distances between two sets of points, panel by panel, without a matrix of all of them.

use std::ops::Range;
use zbridge_core::Latents;

/// Points of a panel: they fill the vector registers of any processor together with the sums of
/// [`QUERIES`].
const LANES: usize = 16;
/// Rows that are compared with a panel at once, so that each load of it serves several.
const QUERIES: usize = 2;

/// Points arranged for distances to them: panels of [`LANES`] points, dimension by dimension.
///
/// Distances are computed from differences, not by ‖a‖² + ‖b‖² − 2a·b, which loses all digits
/// between near neighbours.
pub(crate) struct Panels {
    /// `[panels · dim]` of one coordinate of [`LANES`] points; the last panel is padded with zeros.
    cells: Vec<[f32; LANES]>,
    rows: usize,
    dim: usize,
}

impl Panels {
    pub(crate) fn of(points: &Latents) -> Self {
        let (rows, dim) = (points.rows(), points.dim());
        let mut cells = vec![[0.0; LANES]; rows.div_ceil(LANES) * dim];
        for ((row, column), &value) in points.view().indexed_iter() {
            cells[row / LANES * dim + column][row % LANES] = value;
        }
        Self { cells, rows, dim }
    }

    /// Calls `take(i, j, d²)` for each row `i` of `queries` in `rows` and each point `j`, in
    /// ascending order of `j` for each `i`.
    pub(crate) fn for_each(
        &self,
        queries: &Latents,
        rows: Range<usize>,
        mut take: impl FnMut(usize, usize, f32),
    ) {
        for start in rows.clone().step_by(QUERIES) {
            // The last group is padded with the last row, whose distances are then ignored.
            let row_of = |q: usize| (start + q).min(rows.end - 1);
            let group: [&[f32]; QUERIES] = std::array::from_fn(|q| queries.row_values(row_of(q)));
            let used = QUERIES.min(rows.end - start);
            for (panel, cells) in self.cells.chunks_exact(self.dim).enumerate() {
                let squares = squared_distances(group, cells);
                let points = self.points_of(panel);
                for (q, squares) in squares.iter().enumerate().take(used) {
                    for (point, &square) in points.clone().zip(squares) {
                        take(start + q, point, square);
                    }
                }
            }
        }
    }

    /// Returns the rows of the points in a panel.
    fn points_of(&self, panel: usize) -> Range<usize> {
        let first = panel * LANES;
        first..(first + LANES).min(self.rows)
    }
}

/// Returns Σ_j (a_j − b_j)² of each query to each point of a panel, in f32.
#[inline]
fn squared_distances(
    queries: [&[f32]; QUERIES],
    cells: &[[f32; LANES]],
) -> [[f32; LANES]; QUERIES] {
    let mut sums = [[0.0; LANES]; QUERIES];
    // Slices of the length of the loop, so that the compiler drops the checks of bounds.
    let [a, b] = queries.map(|query| &query[..cells.len()]);
    for (column, cell) in cells.iter().enumerate() {
        for (sum, value) in sums.iter_mut().zip([a[column], b[column]]) {
            for lane in 0..LANES {
                let gap = value - cell[lane];
                sum[lane] += gap * gap;
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::RandomStream;

    #[test]
    fn every_pair_has_its_distance_once_and_in_order() {
        for (rows, points, dim) in [(1, 1, 1), (5, 33, 7), (2, 16, 3), (3, 15, 96)] {
            let mut stream = RandomStream::named(1, "distances");
            let mut normal = |n: usize| {
                let mut values = vec![0.0; n * dim];
                stream.fill_standard_normal(&mut values);
                Latents::from_vec(values, dim).unwrap()
            };
            let (queries, points) = (normal(rows), normal(points));
            let mut seen = Vec::new();
            Panels::of(&points)
                .for_each(&queries, 0..rows, |i, j, square| seen.push((i, j, square)));
            assert_eq!(seen.len(), rows * points.rows());
            for (i, j, square) in &seen {
                let plain: f32 = queries
                    .row_values(*i)
                    .iter()
                    .zip(points.row_values(*j))
                    .map(|(a, b)| (a - b) * (a - b))
                    .sum();
                assert!((square - plain).abs() <= 1e-5 * plain);
            }
            for row in 0..rows {
                assert!(
                    seen.iter()
                        .filter(|s| s.0 == row)
                        .map(|s| s.1)
                        .eq(0..points.rows())
                );
            }
        }
    }

    #[test]
    fn a_part_of_the_rows_is_that_part() {
        let points = Latents::from_vec((0..10).map(|i| i as f32).collect(), 1).unwrap();
        let mut rows = Vec::new();
        Panels::of(&points).for_each(&points, 3..8, |i, j, square| {
            assert_eq!(square, (i as f32 - j as f32).powi(2));
            rows.push(i);
        });
        rows.dedup();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows, [3, 4, 5, 6, 7]);
    }
}
