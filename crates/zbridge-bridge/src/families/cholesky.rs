use super::dot::dot;

/// The lower-triangular factor L of a symmetric positive definite matrix L Lᵀ, row-major `[dim,
/// dim]`, in f64.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cholesky {
    factor: Vec<f64>,
    dim: usize,
}

impl Cholesky {
    /// The factor of `matrix` `[dim, dim]`, of which only the lower triangle is read; none where it
    /// is not positive definite.
    ///
    /// # Source
    /// Cholesky–Banachiewicz, row by row (Golub & Van Loan 2013, section 4.2).
    pub(crate) fn of(matrix: &[f64], dim: usize) -> Option<Self> {
        let mut factor = vec![0.0; dim * dim];
        for i in 0..dim {
            let (done, row) = factor.split_at_mut(i * dim);
            for j in 0..i {
                let above = &done[j * dim..];
                row[j] = (matrix[i * dim + j] - dot(&row[..j], &above[..j])) / above[j];
            }
            let pivot = matrix[i * dim + i] - dot(&row[..i], &row[..i]);
            // An infinite pivot, and NaN, which is not greater than anything, are refused too.
            if !(pivot > 0.0 && pivot < f64::INFINITY) {
                return None;
            }
            row[i] = pivot.sqrt();
        }
        Some(Self { factor, dim })
    }

    /// The factor of `matrix` `[dim, dim]`, a covariance, with as little added to its diagonal as
    /// makes it positive definite: a ten-millionth of the mean variance first, then ten times more.
    pub(crate) fn of_nearly(mut matrix: Vec<f64>, dim: usize) -> Self {
        let scale = (0..dim).map(|i| matrix[i * dim + i]).sum::<f64>() / dim.max(1) as f64;
        let mut jitter = 1e-7 * scale.clamp(LEAST_VARIANCE, f64::MAX);
        for _ in 0..MOST_JITTERS {
            (0..dim).for_each(|i| matrix[i * dim + i] += jitter);
            if let Some(factor) = Self::of(&matrix, dim) {
                return factor;
            }
            jitter *= 10.0;
        }
        Self::identity(dim)
    }

    /// The factor of the identity.
    fn identity(dim: usize) -> Self {
        let factor = (0..dim * dim)
            .map(|at| f64::from(at % (dim + 1) == 0))
            .collect();
        Self { factor, dim }
    }

    /// The factor of these numbers `[dim, dim]`; none unless they are lower-triangular with a
    /// positive diagonal.
    pub(crate) fn from_factor(factor: Vec<f64>, dim: usize) -> Option<Self> {
        let sound = |(i, row): (usize, &[f64])| {
            row[i] > 0.0 && row[i + 1..].iter().all(|value| *value == 0.0)
        };
        let rows = dim > 0 && dim.checked_mul(dim) == Some(factor.len());
        (rows && factor.chunks_exact(dim).enumerate().all(sound)).then_some(Self { factor, dim })
    }

    /// The same in single precision, as files keep it.
    pub(crate) fn rounded(mut self) -> Self {
        self.factor
            .iter_mut()
            .for_each(|value| *value = f64::from(*value as f32));
        self
    }

    /// Rows and columns.
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// L, row-major `[dim, dim]`.
    pub(crate) fn factor(&self) -> &[f64] {
        &self.factor
    }

    /// Row `i` of L up to its diagonal.
    fn row(&self, i: usize) -> &[f64] {
        &self.factor[i * self.dim..][..=i]
    }

    /// ½ log det L Lᵀ = Σ log L_ii.
    pub(crate) fn half_log_determinant(&self) -> f64 {
        (0..self.dim).map(|i| self.row(i)[i].ln()).sum()
    }

    /// L z in place of `noise` z.
    pub(crate) fn colour(&self, noise: &mut [f64]) {
        for i in (0..self.dim).rev() {
            noise[i] = dot(self.row(i), &noise[..=i]);
        }
    }

    /// L⁻¹ r in place of `residual` r: of unit covariance where r has covariance L Lᵀ.
    pub(crate) fn whiten(&self, residual: &mut [f64]) {
        for i in 0..self.dim {
            let row = self.row(i);
            residual[i] = (residual[i] - dot(&row[..i], &residual[..i])) / row[i];
        }
    }

    /// L⁻¹ B in place of `right` B `[dim, columns]`, row-major.
    pub(crate) fn solve_lower(&self, right: &mut [f64], columns: usize) {
        for i in 0..self.dim {
            let (above, from_here) = right.split_at_mut(i * columns);
            let (row, here) = (self.row(i), &mut from_here[..columns]);
            for (above, factor) in above.chunks_exact(columns).zip(row) {
                subtract_scaled(here, *factor, above);
            }
            here.iter_mut().for_each(|value| *value /= row[i]);
        }
    }

    /// L⁻ᵀ B in place of `right` B `[dim, columns]`, row-major.
    pub(crate) fn solve_upper(&self, right: &mut [f64], columns: usize) {
        for i in (0..self.dim).rev() {
            let (above, from_here) = right.split_at_mut(i * columns);
            let (row, here) = (self.row(i), &mut from_here[..columns]);
            here.iter_mut().for_each(|value| *value /= row[i]);
            for (above, factor) in above.chunks_exact_mut(columns).zip(row) {
                subtract_scaled(above, *factor, here);
            }
        }
    }
}

/// Below this a mean variance counts as none, so that what is constant still has a density.
const LEAST_VARIANCE: f64 = 1e-6;
/// After that many powers of ten, every matrix of finite numbers is dominated by its diagonal.
const MOST_JITTERS: usize = 40;

/// `values −= factor · others`.
fn subtract_scaled(values: &mut [f64], factor: f64, others: &[f64]) {
    values
        .iter_mut()
        .zip(others)
        .for_each(|(value, other)| *value -= factor * other);
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::RandomStream;

    /// G Gᵀ for a random G `[dim, rank]`.
    fn covariance(dim: usize, rank: usize) -> Vec<f64> {
        let mut draws = vec![0.0f32; dim * rank];
        RandomStream::named(1, "covariance").fill_standard_normal(&mut draws);
        let row = |i: usize| {
            draws[i * rank..(i + 1) * rank]
                .iter()
                .map(|&g| f64::from(g))
                .collect::<Vec<f64>>()
        };
        (0..dim * dim)
            .map(|at| dot(&row(at / dim), &row(at % dim)))
            .collect()
    }

    fn product_with_transpose(factor: &Cholesky) -> Vec<f64> {
        let (dim, l) = (factor.dim(), factor.factor());
        (0..dim * dim)
            .map(|at| dot(&l[at / dim * dim..][..dim], &l[at % dim * dim..][..dim]))
            .collect()
    }

    fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < tolerance, "{a} against {b}");
        }
    }

    #[test]
    fn factor_times_its_transpose_is_the_matrix() {
        let matrix = covariance(11, 30);
        let factor = Cholesky::of(&matrix, 11).unwrap();
        assert_close(&product_with_transpose(&factor), &matrix, 1e-10);
        assert_eq!(
            Cholesky::from_factor(factor.factor().to_vec(), 11),
            Some(factor)
        );
    }

    #[test]
    fn solves_undo_products() {
        let factor = Cholesky::of(&covariance(11, 30), 11).unwrap();
        let noise: Vec<f64> = (0..11).map(|i| f64::from(i) - 4.5).collect();
        let mut vector = noise.clone();
        factor.colour(&mut vector);
        let mut column = vector.clone();
        factor.whiten(&mut vector);
        assert_close(&vector, &noise, 1e-10);
        factor.solve_lower(&mut column, 1);
        assert_close(&column, &noise, 1e-10);
        // (L Lᵀ)⁻¹ (L Lᵀ) is the identity.
        let mut identity = covariance(11, 30);
        factor.solve_lower(&mut identity, 11);
        factor.solve_upper(&mut identity, 11);
        assert_close(&identity, Cholesky::identity(11).factor(), 1e-8);
    }

    #[test]
    fn half_log_determinant_is_that_of_a_known_matrix() {
        let factor = Cholesky::of(&[4.0, 2.0, 2.0, 3.0], 2).unwrap();
        assert!((factor.half_log_determinant() - 0.5 * 8.0f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn what_is_not_positive_definite_is_helped_along() {
        let deficient = covariance(6, 2);
        assert!(
            Cholesky::of(&[1.0, 2.0, 2.0, 1.0], 2).is_none(),
            "indefinite"
        );
        assert!(Cholesky::of(&[f64::NAN], 1).is_none());
        assert_close(
            &product_with_transpose(&Cholesky::of_nearly(deficient.clone(), 6)),
            &deficient,
            1e-5,
        );
        for matrix in [
            vec![0.0; 4],
            vec![1.0, 2.0, 2.0, 1.0],
            vec![1e300, 0.0, 0.0, 1e300],
            vec![f64::NAN; 4],
        ] {
            let factor = Cholesky::of_nearly(matrix, 2);
            assert!(factor.factor().iter().all(|value| value.is_finite()));
            assert!(factor.factor()[0] > 0.0 && factor.factor()[3] > 0.0);
        }
    }

    #[test]
    fn numbers_that_are_no_factor_are_refused() {
        assert!(
            Cholesky::from_factor(vec![1.0, 0.5, 0.0, 1.0], 2).is_none(),
            "an entry above the diagonal"
        );
        assert!(
            Cholesky::from_factor(vec![1.0, 0.0, 0.0, 0.0], 2).is_none(),
            "a diagonal of 0"
        );
        assert!(
            Cholesky::from_factor(vec![1.0; 3], 2).is_none(),
            "no square"
        );
    }
}
