use crate::EvalError;
use crate::checks::{expect_count, expect_items};
use nalgebra::{DMatrix, DVector, SymmetricEigen};
use zbridge_core::Latents;

/// Returns the Fréchet distance between Gaussians fitted to two sets of features:
/// ‖m_a − m_b‖² + tr(A + B − 2 (A^½ B A^½)^½).
///
/// It is 0 for equal moments. The estimate is biased upwards by about 1/n: compare values from
/// equal numbers of rows only, and report the number together with the value.
///
/// # Shapes
/// `a` and `b` `[n, features]`, each with rows of its own number.
///
/// # Errors
/// [`EvalError::Mismatch`] if the widths differ, [`EvalError::TooFew`] with fewer than two rows.
///
/// # Source
/// Dowson & Landau (1982), *The Fréchet distance between multivariate normal distributions*; as a
/// quality of generated images: Heusel et al. (2017).
///
/// ```
/// use zbridge_core::{DiagonalGaussian, Latents, RandomStream};
/// use zbridge_eval::frechet_distance;
///
/// let mut stream = RandomStream::named(7, "features");
/// let a = DiagonalGaussian::standard(1000, 3).sample(&mut stream);
/// let shifted = Latents::new(a.view().mapv(|value| value + 2.0))?;
/// // Three features, each shifted by 2.
/// assert!((frechet_distance(&a, &shifted)? - 12.0).abs() < 1e-3);
/// # Ok::<(), zbridge_eval::EvalError>(())
/// ```
pub fn frechet_distance(a: &Latents, b: &Latents) -> Result<f64, EvalError> {
    expect_count("features of the second set", a.dim(), b.dim())?;
    expect_items("rows of the first set", 2, a.rows())?;
    expect_items("rows of the second set", 2, b.rows())?;
    let (a, b) = (FittedGaussian::of(a), FittedGaussian::of(b));
    // A^½ B A^½ has the eigenvalues of AB, and is symmetric: it has a real square root.
    let root = square_root(&a.covariance);
    let cross = square_root(&(&root * &b.covariance * &root));
    let squared_gap = (a.mean - b.mean).norm_squared();
    let traces = squared_gap + a.covariance.trace() + b.covariance.trace();
    // Rounding can make it negative. `clamp` keeps NaN, `max` would turn it into 0.
    Ok((traces - 2.0 * cross.trace()).clamp(0.0, f64::INFINITY))
}

/// The mean and covariance of features.
struct FittedGaussian {
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
}

impl FittedGaussian {
    fn of(features: &Latents) -> Self {
        let (rows, dim) = (features.rows(), features.dim());
        let view = features.view();
        let mut centred = DMatrix::from_fn(rows, dim, |row, column| f64::from(view[[row, column]]));
        let mean = centred.row_mean();
        for mut row in centred.row_iter_mut() {
            row -= &mean;
        }
        Self {
            mean: mean.transpose(),
            covariance: centred.tr_mul(&centred) / (rows as f64 - 1.0),
        }
    }
}

/// Returns the square root of a symmetric matrix that is positive up to rounding.
fn square_root(matrix: &DMatrix<f64>) -> DMatrix<f64> {
    // A product of three matrices is symmetric up to rounding only.
    let symmetric = (matrix + matrix.transpose()) * 0.5;
    let eigen = SymmetricEigen::new(symmetric);
    let roots = eigen
        .eigenvalues
        .map(|value| value.clamp(0.0, f64::INFINITY).sqrt());
    &eigen.eigenvectors * DMatrix::from_diagonal(&roots) * eigen.eigenvectors.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::RandomStream;

    fn normal(rows: usize, shift: f32, scale: f32, seed: u64) -> Latents {
        let mut values = vec![0.0; rows * 3];
        RandomStream::named(seed, "frechet").fill_standard_normal(&mut values);
        Latents::from_vec(
            values.iter().map(|value| shift + scale * value).collect(),
            3,
        )
        .unwrap()
    }

    #[test]
    fn the_distance_of_a_set_from_itself_is_zero() {
        let a = normal(500, 0.0, 1.0, 1);
        assert!(frechet_distance(&a, &a).unwrap() < 1e-9);
    }

    /// Isotropic Gaussians: 3 (shift² + (σ_a − σ_b)²).
    #[test]
    fn isotropic_gaussians_have_the_distance_of_the_formula() {
        let found =
            frechet_distance(&normal(100_000, 0.0, 1.0, 1), &normal(100_000, 2.0, 3.0, 2)).unwrap();
        assert!((found - 3.0 * (4.0 + 4.0)).abs() < 0.3, "{found}");
    }

    #[test]
    fn sets_that_cannot_be_compared_are_refused() {
        assert!(frechet_distance(&normal(1, 0.0, 1.0, 1), &normal(9, 0.0, 1.0, 1)).is_err());
        assert!(frechet_distance(&normal(9, 0.0, 1.0, 1), &Latents::filled(9, 2, 0.0)).is_err());
    }
}
