use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

/// A covariance between two sources: Matérn's of order 3/2, plus a linear part.
///
/// k(a, b) = (1 + √3 r) exp(−√3 r) + w ⟨a, b⟩ / dim, with r = ‖a − b‖ / (ℓ √dim).
///
/// # Source
/// Rasmussen & Williams 2006, equations 4.17 and 4.21. Order 3/2 assumes less smoothness than the
/// squared exponential, and predicts better between latent spaces of neural networks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kernel {
    /// ℓ, relative to the distance that is usual between standardised sources, √dim.
    pub(super) length_scale: f64,
    /// w, the prior variance of a linear function.
    pub(super) linear: f64,
}

impl Kernel {
    /// Returns k(a_i, b_j), `[rows of a, rows of b]`.
    ///
    /// # Shapes
    /// `a` `[rows, dim]`, `b` `[others, dim]`.
    pub(super) fn between(&self, a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Array2<f64> {
        let dim = a.ncols() as f64;
        let (a_squares, b_squares) = (squared_norms(a), squared_norms(b));
        let scale = 3f64.sqrt() / (self.length_scale * dim.sqrt());
        // Into an array of its own: products of a single row come out in the other layout.
        let mut covariances = Array2::zeros((a.nrows(), b.nrows()));
        general_mat_mul(1.0, &a, &b.t(), 0.0, &mut covariances);
        for (mut row, a_square) in covariances.outer_iter_mut().zip(a_squares) {
            for (value, b_square) in row.iter_mut().zip(&b_squares) {
                let product = *value;
                // Rounding can bring the square of a tiny distance below 0.
                let distance = (a_square + b_square - 2.0 * product).max(0.0).sqrt();
                let scaled = scale * distance;
                *value = (1.0 + scaled) * (-scaled).exp() + self.linear * product / dim;
            }
        }
        covariances
    }

    /// Returns whether both numbers are those of a covariance.
    pub(super) fn is_sound(&self) -> bool {
        let finite = self.length_scale.is_finite() && self.linear.is_finite();
        finite && self.length_scale > 0.0 && self.linear >= 0.0
    }
}

fn squared_norms(rows: ArrayView2<'_, f64>) -> Vec<f64> {
    rows.axis_iter(Axis(0)).map(|row| row.dot(&row)).collect()
}
