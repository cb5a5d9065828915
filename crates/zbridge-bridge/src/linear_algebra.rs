//! Decompositions of matrices: `ndarray` outside, `nalgebra` inside. No other module knows
//! `nalgebra`.
//!
//! A row-major array `[rows, columns]` has the memory layout of a column-major matrix
//! `[columns, rows]`, its transpose. `nalgebra` works on such views, so that nothing is copied.

use crate::BridgeError;
use crate::rows::{block, block_mut, flat, row_major};
use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, SymmetricEigen};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;
use zbridge_core::Stage;

/// The factorisation L Lᵀ of a covariance, with L lower-triangular `[dim, dim]`, in f64.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cholesky {
    /// L; zeros above the diagonal.
    lower: Array2<f64>,
}

/// Rows and columns of a block: large enough for fast products, small enough that an observer is
/// asked often.
const BLOCK: usize = 128;
/// A mean variance below this counts as this, so that a constant still has a density.
const MIN_VARIANCE: f64 = 1e-6;
/// After this many powers of ten, the diagonal of every finite matrix dominates it.
const MAX_JITTERS: usize = 40;

impl Cholesky {
    /// Returns the factorisation of `matrix` `[dim, dim]`, of which only the lower triangle is
    /// read.
    ///
    /// # Errors
    /// [`BridgeError::NotPositiveDefinite`], also for NaN and infinities;
    /// [`BridgeError::Interrupted`] if the observer of the stage stops it.
    ///
    /// # Source
    /// The blocked outer-product form (Golub & Van Loan 2013, section 4.2.6).
    pub(crate) fn of(matrix: Array2<f64>, stage: &Stage<'_>) -> Result<Self, BridgeError> {
        let mut matrix = row_major(matrix);
        let dim = matrix.nrows();
        for start in (0..dim).step_by(BLOCK) {
            let end = (start + BLOCK).min(dim);
            let diagonal = Self::of_block(block(&matrix, start..end, start..end))
                .ok_or(BridgeError::NotPositiveDefinite { dim })?;
            block_mut(&mut matrix, start..end, start..end).assign(&diagonal.lower);
            // L₂₁ = A₂₁ L₁₁⁻ᵀ: every row r of A₂₁ becomes L₁₁⁻¹ r.
            let mut below = block(&matrix, end..dim, start..end).to_owned();
            diagonal.whiten(below.view_mut());
            block_mut(&mut matrix, end..dim, start..end).assign(&below);
            block_mut(&mut matrix, start..end, end..dim).fill(0.0);
            subtract_outer_product(&mut matrix, end, below.view(), stage)?;
        }
        Ok(Self { lower: matrix })
    }

    /// Returns the factorisation of a single block; `None` if it is not positive definite.
    fn of_block(matrix: ArrayView2<'_, f64>) -> Option<Self> {
        let dim = matrix.nrows();
        let factor = copied(matrix).cholesky()?.unpack();
        let lower = Array2::from_shape_fn((dim, dim), |(i, j)| factor[(i, j)]);
        lower
            .iter()
            .all(|value| value.is_finite())
            .then_some(Self { lower })
    }

    /// Returns the factorisation of a covariance that may be singular: of the matrix with as little
    /// added to its diagonal as makes it positive definite, a ten-millionth of the mean variance
    /// first, then ten times more.
    ///
    /// # Errors
    /// [`BridgeError::NotPositiveDefinite`] if the matrix holds NaN or infinities;
    /// [`BridgeError::Interrupted`] if the observer of the stage stops it.
    pub(crate) fn of_nearly(
        mut matrix: Array2<f64>,
        stage: &Stage<'_>,
    ) -> Result<Self, BridgeError> {
        let dim = matrix.nrows();
        let mean_variance = matrix.diag().sum() / dim.max(1) as f64;
        let mut jitter = 1e-7 * mean_variance.clamp(MIN_VARIANCE, f64::MAX);
        for _ in 0..MAX_JITTERS {
            // What is added adds up: after a failure the diagonal has both amounts.
            matrix.diag_mut().mapv_inplace(|variance| variance + jitter);
            match Self::of(matrix.clone(), stage) {
                Err(BridgeError::NotPositiveDefinite { .. }) => jitter *= 10.0,
                factored => return factored,
            }
        }
        Err(BridgeError::NotPositiveDefinite { dim })
    }

    /// Returns the factorisation with this L; `None` unless it is square, lower-triangular and has
    /// a positive diagonal.
    pub(crate) fn from_lower(lower: Array2<f64>) -> Option<Self> {
        let sound = |((i, j), &value): ((usize, usize), &f64)| match i.cmp(&j) {
            std::cmp::Ordering::Less => value == 0.0,
            std::cmp::Ordering::Equal => value > 0.0,
            std::cmp::Ordering::Greater => true,
        };
        let sound = lower.is_square() && !lower.is_empty() && lower.indexed_iter().all(sound);
        sound.then_some(Self { lower })
    }

    /// Returns the factorisation with every entry of L as close as f32 comes to it: as files keep
    /// it. Entries stay finite, and the diagonal stays positive.
    pub(crate) fn rounded(mut self) -> Self {
        for ((i, j), value) in self.lower.indexed_iter_mut() {
            // A diagonal entry that rounds to 0 would make the matrix singular.
            let least = if i == j { f32::MIN_POSITIVE } else { f32::MIN };
            *value = f64::from((*value as f32).clamp(least, f32::MAX));
        }
        self
    }

    /// Returns the factorisation with L multiplied by a factor above 0, [rounded](Self::rounded).
    pub(crate) fn scaled(self, factor: f64) -> Self {
        let lower = self.lower * factor;
        Self { lower }.rounded()
    }

    /// Returns the number of rows and of columns.
    pub(crate) fn dim(&self) -> usize {
        self.lower.nrows()
    }

    /// Returns L, `[dim, dim]`.
    pub(crate) fn lower(&self) -> ArrayView2<'_, f64> {
        self.lower.view()
    }

    /// Returns ½ log det L Lᵀ = Σ log L_ii.
    pub(crate) fn half_log_determinant(&self) -> f64 {
        self.lower.diag().iter().map(|scale| scale.ln()).sum()
    }

    /// Returns L z for every row z of `noise` `[rows, dim]`: draws of covariance L Lᵀ, if the noise
    /// is standard normal.
    pub(crate) fn coloured(&self, noise: ArrayView2<'_, f64>) -> Array2<f64> {
        noise.dot(&self.lower.t())
    }

    /// Replaces every row r of `rows` `[rows, dim]` by L⁻¹ r, of unit covariance if r has
    /// covariance L Lᵀ.
    pub(crate) fn whiten(&self, mut rows: ArrayViewMut2<'_, f64>) {
        if self.dim() <= BLOCK {
            self.whiten_at_once(rows);
            return;
        }
        let chunks: Vec<_> = rows.axis_chunks_iter_mut(Axis(0), BLOCK).collect();
        chunks
            .into_par_iter()
            .for_each(|rows| self.whiten_in_blocks(rows, 0));
    }

    fn whiten_at_once(&self, rows: ArrayViewMut2<'_, f64>) {
        let mut columns = transposed_mut(rows);
        let solved = self.upper().tr_solve_upper_triangular_mut(&mut columns);
        debug_assert!(solved, "the diagonal is positive");
    }

    /// Whitens block by block of columns: fast products in place of slow substitutions. The first
    /// `zeros` columns of the rows are 0, and stay so; they are whole blocks.
    fn whiten_in_blocks(&self, mut rows: ArrayViewMut2<'_, f64>, zeros: usize) {
        for start in (zeros..self.dim()).step_by(BLOCK) {
            let end = (start + BLOCK).min(self.dim());
            let (done, rest) = rows.view_mut().split_at(Axis(1), start);
            let (_, done) = done.split_at(Axis(1), zeros);
            let (mut own, _) = rest.split_at(Axis(1), end - start);
            let beside = block(&self.lower, start..end, zeros..start);
            general_mat_mul(-1.0, &done, &beside.t(), 1.0, &mut own);
            let diagonal = block(&self.lower, start..end, start..end).to_owned();
            let mut solved = own.to_owned();
            Self { lower: diagonal }.whiten_at_once(solved.view_mut());
            own.assign(&solved);
        }
    }

    /// Replaces every row r of `rows` `[rows, dim]` by L⁻ᵀ r.
    pub(crate) fn solve_transposed(&self, rows: ArrayViewMut2<'_, f64>) {
        let mut columns = transposed_mut(rows);
        let solved = self.upper().solve_upper_triangular_mut(&mut columns);
        debug_assert!(solved, "the diagonal is positive");
    }

    /// Returns the diagonal of (L Lᵀ)⁻¹, `[dim]`.
    pub(crate) fn inverse_diagonal(&self) -> Array1<f64> {
        let mut rows = Array2::eye(self.dim());
        // Row i becomes L⁻¹ e_i, whose values before the i-th are 0.
        let chunks: Vec<_> = rows.axis_chunks_iter_mut(Axis(0), BLOCK).collect();
        chunks
            .into_par_iter()
            .enumerate()
            .for_each(|(chunk, rows)| self.whiten_in_blocks(rows, chunk * BLOCK));
        (&rows * &rows).sum_axis(Axis(1))
    }

    /// Returns (L Lᵀ)⁻¹ c for every column c of `columns` `[dim, columns]`.
    pub(crate) fn solved(&self, columns: ArrayView2<'_, f64>) -> Array2<f64> {
        let mut rows = columns.t().as_standard_layout().into_owned();
        self.whiten(rows.view_mut());
        self.solve_transposed(rows.view_mut());
        rows.reversed_axes()
    }

    /// Returns [`coloured`](Self::coloured) draws in f32.
    pub(crate) fn coloured_f32(&self, noise: ArrayView2<'_, f32>) -> Array2<f32> {
        let noise = noise.mapv(f64::from);
        self.coloured(noise.view()).mapv(|value| value as f32)
    }

    /// Returns L⁻¹ r in f32 for every row r of `rows` `[rows, dim]`.
    pub(crate) fn whitened_f32(&self, rows: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut rows = rows.mapv(f64::from);
        self.whiten(rows.view_mut());
        rows.mapv(|value| value as f32)
    }

    /// Returns Lᵀ as nalgebra's.
    fn upper(&self) -> DMatrixView<'_, f64> {
        let dim = self.dim();
        DMatrixView::from_slice(flat(self.lower.view()), dim, dim)
    }
}

/// Replaces the lower triangle of A₂₂ = `matrix[start.., start..]` by that of A₂₂ − L₂₁ L₂₁ᵀ, block
/// row by block row.
fn subtract_outer_product(
    matrix: &mut Array2<f64>,
    start: usize,
    below: ArrayView2<'_, f64>,
    stage: &Stage<'_>,
) -> Result<(), BridgeError> {
    let dim = matrix.nrows();
    for first in (start..dim).step_by(BLOCK) {
        stage.check()?;
        let end = (first + BLOCK).min(dim);
        let rows = below.slice_axis(Axis(0), (first - start..end - start).into());
        // As far as the block on the diagonal: what is right of it is never read.
        let columns = below.slice_axis(Axis(0), (0..end - start).into());
        let mut target = block_mut(matrix, first..end, start..end);
        general_mat_mul(-1.0, &rows, &columns.t(), 1.0, &mut target);
    }
    Ok(())
}

/// Eigenvalues of a symmetric matrix, the largest first, and its eigenvectors as rows.
pub(crate) struct Eigen {
    /// `[dim]`.
    pub(crate) values: Array1<f64>,
    /// `[dim, dim]`.
    pub(crate) vectors: Array2<f64>,
}

impl Eigen {
    /// Returns the eigenvalues and eigenvectors of a symmetric matrix `[dim, dim]`.
    pub(crate) fn of_symmetric(matrix: ArrayView2<'_, f64>) -> Self {
        let dim = matrix.nrows();
        let eigen = SymmetricEigen::new(copied(matrix));
        let mut order: Vec<usize> = (0..dim).collect();
        // nalgebra gives them in no order.
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        Self {
            values: order
                .iter()
                .map(|&place| eigen.eigenvalues[place])
                .collect(),
            vectors: Array2::from_shape_fn((dim, dim), |(row, column)| {
                eigen.eigenvectors[(column, order[row])]
            }),
        }
    }
}

/// Returns an orthonormal basis, as rows, of a space that holds all rows of `rows`
/// `[rows, columns]`. There must be no more rows than columns.
pub(crate) fn orthonormal_rows(rows: ArrayView2<'_, f32>) -> Array2<f32> {
    let (count, columns) = rows.dim();
    // Row-major rows are the columns of the transpose, in the same order.
    let transposed = DMatrix::from_iterator(columns, count, rows.iter().copied());
    let basis = transposed.qr().q();
    Array2::from_shape_vec((count, columns), basis.as_slice().to_vec()).expect("as many rows")
}

/// Returns the matrix as nalgebra's.
fn copied(matrix: ArrayView2<'_, f64>) -> DMatrix<f64> {
    DMatrix::from_fn(matrix.nrows(), matrix.ncols(), |i, j| matrix[[i, j]])
}

/// Returns `rows` `[rows, dim]` as nalgebra's `[dim, rows]`.
fn transposed_mut(rows: ArrayViewMut2<'_, f64>) -> DMatrixViewMut<'_, f64> {
    let (count, dim) = rows.dim();
    let values = rows.into_slice().expect("a batch in row-major layout");
    DMatrixViewMut::from_slice(values, dim, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::standard_normal;
    use ndarray::array;
    use std::ops::ControlFlow;
    use zbridge_core::{Progress, RandomStream, Unobserved};

    /// Returns G Gᵀ for a random G `[dim, rank]`.
    fn covariance(dim: usize, rank: usize) -> Array2<f64> {
        let mut stream = RandomStream::named(1, "covariance");
        let factor = standard_normal((dim, rank), &mut stream).mapv(f64::from);
        factor.dot(&factor.t())
    }

    fn unobserved() -> Stage<'static> {
        Stage::new(&Unobserved, "linear algebra", 0)
    }

    fn factored(matrix: Array2<f64>) -> Result<Cholesky, BridgeError> {
        Cholesky::of(matrix, &unobserved())
    }

    fn nearly(matrix: Array2<f64>) -> Result<Cholesky, BridgeError> {
        Cholesky::of_nearly(matrix, &unobserved())
    }

    fn product_with_transpose(factor: &Cholesky) -> Array2<f64> {
        factor.lower().dot(&factor.lower().t())
    }

    fn assert_close(found: &Array2<f64>, expected: &Array2<f64>, tolerance: f64) {
        assert_eq!(found.dim(), expected.dim());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < tolerance, "{a} against {b}");
        }
    }

    #[test]
    fn factor_times_its_transpose_is_the_matrix() {
        // One block, whole blocks, and blocks with a rest.
        for dim in [1, 11, BLOCK, 2 * BLOCK + 7] {
            let matrix = covariance(dim, 3 * dim);
            let factor = factored(matrix.clone()).unwrap();
            assert_close(
                &product_with_transpose(&factor),
                &matrix,
                1e-12 * (dim * dim) as f64,
            );
            let again = Cholesky::from_lower(factor.lower().to_owned());
            assert_eq!(again, Some(factor));
        }
    }

    #[test]
    fn solves_undo_products() {
        let factor = factored(covariance(11, 30)).unwrap();
        let noise =
            Array2::from_shape_fn((3, 11), |(row, i)| (i as f64 - 4.5) * (1.0 + row as f64));
        let mut rows = factor.coloured(noise.view());
        factor.whiten(rows.view_mut());
        assert_close(&rows, &noise, 1e-10);
        // (L Lᵀ)⁻¹ (L Lᵀ) is the identity.
        let mut identity = covariance(11, 30);
        factor.whiten(identity.view_mut());
        factor.solve_transposed(identity.view_mut());
        assert_close(&identity, &Array2::eye(11), 1e-8);
    }

    #[test]
    fn half_log_determinant_is_that_of_a_known_matrix() {
        let factor = factored(array![[4.0, 2.0], [2.0, 3.0]]).unwrap();
        assert!((factor.half_log_determinant() - 0.5 * 8.0f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn matrices_that_are_not_positive_definite_are_errors() {
        for matrix in [
            array![[1.0, 2.0], [2.0, 1.0]],
            array![[0.0]],
            array![[f64::NAN]],
        ] {
            let error = factored(matrix).unwrap_err();
            assert!(
                matches!(error, BridgeError::NotPositiveDefinite { .. }),
                "{error}"
            );
        }
    }

    #[test]
    fn singular_covariances_get_a_little_added_to_their_diagonal() {
        let deficient = covariance(6, 2);
        let factor = nearly(deficient.clone()).unwrap();
        assert_close(&product_with_transpose(&factor), &deficient, 1e-5);
        for matrix in [
            array![[0.0, 0.0], [0.0, 0.0]],
            array![[1.0, 2.0], [2.0, 1.0]],
            array![[1e300, 0.0], [0.0, 1e300]],
        ] {
            let factor = nearly(matrix).unwrap();
            assert!(factor.lower().iter().all(|value| value.is_finite()));
            assert!(factor.lower().diag().iter().all(|scale| *scale > 0.0));
        }
        assert!(
            nearly(Array2::from_elem((2, 2), f64::NAN)).is_err(),
            "no number is made of NaN"
        );
    }

    #[test]
    fn numbers_that_are_no_factor_are_refused() {
        let above = array![[1.0, 0.5], [0.0, 1.0]];
        assert!(
            Cholesky::from_lower(above).is_none(),
            "an entry above the diagonal"
        );
        let zero = array![[1.0, 0.0], [0.0, 0.0]];
        assert!(Cholesky::from_lower(zero).is_none(), "a diagonal of 0");
        assert!(
            Cholesky::from_lower(array![[1.0, 0.0]]).is_none(),
            "not square"
        );
    }

    #[test]
    fn an_observer_can_stop_between_blocks() {
        let few = |progress: &Progress<'_>| match progress.done {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let stage = Stage::new(&few, "linear algebra", 0);
        let stopped = Cholesky::of(covariance(2 * BLOCK, 3 * BLOCK), &stage);
        assert!(matches!(stopped, Err(BridgeError::Interrupted(_))));
    }

    #[test]
    fn eigenvectors_are_orthonormal_rows_by_falling_eigenvalue() {
        let matrix = covariance(7, 20);
        let Eigen { values, vectors } = Eigen::of_symmetric(matrix.view());
        assert!(values.as_slice().unwrap().is_sorted_by(|a, b| a >= b));
        assert_close(&vectors.dot(&vectors.t()), &Array2::eye(7), 1e-12);
        let diagonal = vectors.dot(&matrix).dot(&vectors.t());
        assert_close(&diagonal, &Array2::from_diag(&values), 1e-10);
    }

    #[test]
    fn orthonormal_rows_span_the_rows_also_of_fewer_dimensions() {
        let mut rows = standard_normal((4, 9), &mut RandomStream::named(2, "rows"));
        let first = rows.row(0).to_owned();
        rows.row_mut(3).assign(&first);
        let basis = orthonormal_rows(rows.view());
        let products = basis.dot(&basis.t()).mapv(f64::from);
        assert_close(&products, &Array2::eye(4), 1e-6);
        let projected = rows.dot(&basis.t()).dot(&basis);
        assert!(
            projected
                .iter()
                .zip(&rows)
                .all(|(a, b)| (a - b).abs() < 1e-5)
        );
    }
}
