use crate::EvalError;
use nalgebra::{DMatrix, SymmetricEigen};
use zbridge_core::Latents;

/// The plane in which points vary most: principal component analysis, two components.
#[derive(Debug, Clone, PartialEq)]
pub struct PrincipalPlane {
    mean: Vec<f64>,
    /// Two directions of length 1.
    axes: [Vec<f64>; 2],
    /// Share of the points' variance along each of them.
    pub explained: [f64; 2],
}

impl PrincipalPlane {
    /// The plane of these points.
    ///
    /// The direction of an axis is free; here its largest component is positive.
    ///
    /// # Shapes
    /// `points` `[n, dim]`.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] with fewer than two dimensions, [`EvalError::Empty`] with fewer than
    /// two points.
    pub fn of(points: &Latents) -> Result<Self, EvalError> {
        let (rows, dim) = (points.rows(), points.dim());
        if dim < 2 {
            return Err(EvalError::Mismatch {
                what: "dimensions of points in a plane",
                expected: 2,
                found: dim,
            });
        }
        if rows < 2 {
            return Err(EvalError::Empty {
                what: "points that span a plane",
            });
        }
        let values = points.values().iter().map(|&value| f64::from(value));
        let mut centred = DMatrix::from_row_iterator(rows, dim, values);
        let mean: Vec<f64> = centred.column_iter().map(|column| column.mean()).collect();
        for (mut column, mean) in centred.column_iter_mut().zip(&mean) {
            column.add_scalar_mut(-mean);
        }
        let eigen = SymmetricEigen::new(centred.transpose() * &centred);
        let total: f64 = eigen.eigenvalues.iter().map(|value| value.max(0.0)).sum();
        let mut order: Vec<usize> = (0..dim).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let axis = |place: usize| {
            upright(
                eigen
                    .eigenvectors
                    .column(order[place])
                    .iter()
                    .copied()
                    .collect(),
            )
        };
        let explained = |place: usize| {
            if total > 0.0 {
                eigen.eigenvalues[order[place]].max(0.0) / total
            } else {
                0.0
            }
        };
        Ok(Self {
            mean,
            axes: [axis(0), axis(1)],
            explained: [explained(0), explained(1)],
        })
    }

    /// Coordinates in the plane of points of the same space, one pair for each row.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] when they have another dimension.
    pub fn coordinates(&self, points: &Latents) -> Result<Vec<(f64, f64)>, EvalError> {
        EvalError::expect_count(
            "dimensions of points in the plane",
            self.mean.len(),
            points.dim(),
        )?;
        let along = |row: &[f32], axis: &[f64]| -> f64 {
            row.iter()
                .zip(&self.mean)
                .zip(axis)
                .map(|((&value, mean), axis)| (f64::from(value) - mean) * axis)
                .sum()
        };
        let rows = points.values().chunks_exact(points.dim());
        Ok(rows
            .map(|row| (along(row, &self.axes[0]), along(row, &self.axes[1])))
            .collect())
    }
}

/// The axis or its opposite, whichever has a positive largest component.
fn upright(axis: Vec<f64>) -> Vec<f64> {
    let largest = axis.iter().copied().fold(0.0f64, |best, value| {
        if value.abs() > best.abs() {
            value
        } else {
            best
        }
    });
    if largest < 0.0 {
        axis.into_iter().map(|value| -value).collect()
    } else {
        axis
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::RandomStream;

    #[test]
    fn the_plane_holds_the_directions_of_most_variance() {
        let mut noise = vec![0.0; 3000];
        RandomStream::named(1, "plane").fill_standard_normal(&mut noise);
        // Most along (0.6, 0.8, 0), less along the third axis, next to none across.
        let points = noise.chunks_exact(3).flat_map(|n| {
            let (long, short, thin) = (5.0 * n[0], 2.0 * n[1], 0.1 * n[2]);
            [
                0.6 * long - 0.8 * thin + 1.0,
                0.8 * long + 0.6 * thin,
                short,
            ]
        });
        let points = Latents::from_vec(points.collect(), 3).unwrap();
        let plane = PrincipalPlane::of(&points).unwrap();
        assert!(
            (plane.axes[0][0] - 0.6).abs() < 0.02 && (plane.axes[0][1] - 0.8).abs() < 0.02,
            "{:?}",
            plane.axes
        );
        assert!(plane.axes[1][2] > 0.99, "{:?}", plane.axes);
        assert!(plane.explained[0] > 0.8 && plane.explained.iter().sum::<f64>() > 0.999);
        let coordinates = plane.coordinates(&points).unwrap();
        let spread = coordinates.iter().map(|(x, _)| x * x).sum::<f64>() / 1000.0;
        assert!((spread.sqrt() - 5.0).abs() < 0.5, "{spread}");
        assert!(plane.coordinates(&Latents::filled(1, 2, 0.0)).is_err());
    }

    #[test]
    fn points_without_spread_lie_in_some_plane() {
        let plane = PrincipalPlane::of(&Latents::filled(4, 3, 1.0)).unwrap();
        assert_eq!(plane.explained, [0.0, 0.0]);
        assert!(PrincipalPlane::of(&Latents::filled(4, 1, 1.0)).is_err());
        assert!(PrincipalPlane::of(&Latents::filled(1, 2, 1.0)).is_err());
    }
}
