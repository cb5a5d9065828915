use crate::EvalError;
use nalgebra::{DMatrix, DVector, SymmetricEigen};
use zbridge_core::Latents;

/// The Fréchet distance between Gaussians fitted to two sets of features (Dowson & Landau 1982; as
/// a quality of generated images: Heusel et al. 2017): ‖m_a − m_b‖² + tr(A + B − 2 (A^½ B A^½)^½).
///
/// It is 0 for equal moments. The estimate is biased upwards by about 1/n: compare values from
/// equal numbers of rows only, and give the number with the value.
///
/// # Shapes
/// `a` and `b` `[n, features]`, each with rows of its own number.
///
/// # Errors
/// [`EvalError::Mismatch`] when the widths differ, [`EvalError::Empty`] with fewer than two rows.
pub fn frechet_distance(a: &Latents, b: &Latents) -> Result<f64, EvalError> {
    EvalError::expect_count("features of the second set", a.dim(), b.dim())?;
    if a.rows() < 2 || b.rows() < 2 {
        return Err(EvalError::Empty {
            what: "features to compare: at least two rows of each",
        });
    }
    let ((mean_a, a), (mean_b, b)) = (moments(a), moments(b));
    let root = square_root(&a);
    let cross = square_root(&(&root * &b * &root));
    Ok(((mean_a - mean_b).norm_squared() + a.trace() + b.trace() - 2.0 * cross.trace()).max(0.0))
}

fn moments(features: &Latents) -> (DVector<f64>, DMatrix<f64>) {
    let (rows, dim) = (features.rows(), features.dim());
    let mut centred = DMatrix::from_fn(rows, dim, |row, column| {
        f64::from(features.row(row)[column])
    });
    let mean = centred.row_mean().transpose();
    for mut row in centred.row_iter_mut() {
        row -= mean.transpose();
    }
    (mean, centred.tr_mul(&centred) / (rows as f64 - 1.0))
}

/// The square root of a symmetric matrix that is positive up to rounding.
fn square_root(matrix: &DMatrix<f64>) -> DMatrix<f64> {
    let symmetric = (matrix + matrix.transpose()) * 0.5;
    let SymmetricEigen {
        eigenvectors,
        eigenvalues,
    } = SymmetricEigen::new(symmetric);
    let roots = DMatrix::from_diagonal(&eigenvalues.map(|value| value.max(0.0).sqrt()));
    &eigenvectors * roots * eigenvectors.transpose()
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
