//! Principal components: what few pairs can show of a latent space of many dimensions.

use crate::BridgeError;
use crate::linear_algebra::{Eigen, orthonormal_rows};
use crate::rows::{flat, rows_of, standard_normal};
use crate::scale_mixture::ScaleMixture;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use std::path::Path;
use zbridge_core::{RandomStream, Stage};
use zbridge_nn::{NnError, StoredTensor, WeightsFile};

/// The orthonormal directions along which points vary most, and the standard deviation beside them.
///
/// A density models the coordinates along these directions. The rest is a Gaussian of one variance,
/// times a scale that differs from point to point, so that a density over the whole space remains
/// one.
///
/// # Source
/// Probabilistic principal component analysis (Tipping & Bishop 1999, equation 12), with a free
/// density in place of their Gaussian.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PrincipalComponents {
    /// Orthonormal rows, `[count, columns]`.
    directions: Array2<f32>,
    /// Standard deviation along each direction, `[count]`.
    deviations: Array1<f32>,
    /// Standard deviation along every direction that is orthogonal to these.
    residual: f32,
    /// How the scale of what is orthogonal varies: the tails of noise may be heavy.
    scales: ScaleMixture,
}

/// Rounds of subspace iteration.
const ROUNDS: usize = 12;
/// Directions that are iterated beyond those that are kept: the last kept ones converge faster.
const EXTRA: usize = 8;
/// Smaller deviations would make densities infinite.
const MIN_DEVIATION: f32 = 1e-4;
/// Rows of the points that a core works on at a time.
const ROWS_AT_ONCE: usize = 256;

impl PrincipalComponents {
    /// Returns the first `count` principal components of centred points `[rows, columns]`; `None`
    /// if there are no more columns than that, or too few rows to tell.
    ///
    /// # Errors
    /// [`BridgeError::Interrupted`] if the observer of the stage stops it.
    ///
    /// # Source
    /// Randomised subspace iteration with a Rayleigh–Ritz step at its end (Halko, Martinsson &
    /// Tropp 2011, algorithms 4.4 and 5.3). A symmetric decomposition of the whole covariance would
    /// take time cubic in the number of columns.
    pub(crate) fn of(
        points: ArrayView2<'_, f32>,
        count: usize,
        stage: &Stage<'_>,
    ) -> Result<Option<Self>, BridgeError> {
        let (rows, columns) = points.dim();
        if count >= columns || rows <= count {
            return Ok(None);
        }
        let basis = leading_subspace(points, (count + EXTRA).min(columns).min(rows), stage)?;
        let covariance = covariance_within(points, basis.view());
        // Eigenvalues come in falling order.
        let eigen = Eigen::of_symmetric(covariance.view());
        let variances = eigen.values.slice_axis(Axis(0), (0..count).into());
        let rotation = eigen.vectors.slice_axis(Axis(0), (0..count).into());

        // What the directions do not explain is spread evenly over all others.
        let kept = variances.sum();
        let total = sum_of_squares(points.iter()) / rows as f64;
        let left = (total - kept).max(0.0) / (columns - count) as f64;
        let mut found = Self {
            directions: rotation.mapv(|value| value as f32).dot(&basis),
            deviations: variances.mapv(|variance| deviation_of(variance.max(0.0))),
            residual: deviation_of(left),
            scales: ScaleMixture::standard(),
        };
        let squares: Vec<f64> = (0..rows)
            .into_par_iter()
            .map(|row| found.square_beside(points.row(row)))
            .collect();
        found.scales = ScaleMixture::fit_many_dimensions(&squares, columns - count);
        Ok(Some(found))
    }

    /// Returns the number of directions.
    pub(crate) fn count(&self) -> usize {
        self.directions.nrows()
    }

    /// Returns the standard deviation along each direction, `[count]`.
    pub(crate) fn deviations(&self) -> ArrayView1<'_, f32> {
        self.deviations.view()
    }

    fn columns(&self) -> usize {
        self.directions.ncols()
    }

    /// Returns the coordinates `[rows, count]` of points `[rows, columns]`, in standard deviations.
    pub(crate) fn coordinates(&self, points: ArrayView2<'_, f32>) -> Array2<f32> {
        along(points, self.directions.view()) / &self.deviations
    }

    /// Returns points `[rows, columns]` with these coordinates `[rows, count]`. What is orthogonal
    /// to the directions is drawn.
    pub(crate) fn drawn_points(
        &self,
        coordinates: ArrayView2<'_, f32>,
        stream: &mut RandomStream,
    ) -> Array2<f32> {
        let mut beside = standard_normal((coordinates.nrows(), self.columns()), stream);
        for mut row in beside.rows_mut() {
            row *= self.residual * self.scales.draw_deviation(stream);
        }
        // What the noise has along the directions is replaced by the coordinates.
        let noise_along = along(beside.view(), self.directions.view());
        let steps = &coordinates * &self.deviations - noise_along;
        beside + steps.dot(&self.directions)
    }

    /// Returns the means of the points with these coordinates, `[rows, columns]`.
    pub(crate) fn mean_points(&self, coordinates: ArrayView2<'_, f32>) -> Array2<f32> {
        (&coordinates * &self.deviations).dot(&self.directions)
    }

    /// Returns what the log density of a point `[columns]` has beyond that of its coordinates, in
    /// nats: the change of scale, and the density of what is orthogonal to the directions.
    pub(crate) fn log_density_beside(&self, point: ArrayView1<'_, f32>) -> f64 {
        let dimensions = self.columns() - self.count();
        let log_residual = f64::from(self.residual).ln();
        let log_scales: f64 = self.deviations.iter().map(|&d| f64::from(d).ln()).sum();
        let beside = self.scales.log_prob(self.square_beside(point), dimensions);
        beside - log_scales - dimensions as f64 * log_residual
    }

    /// Returns the sum of squares of what a point `[columns]` has orthogonal to the directions, in
    /// standard deviations.
    fn square_beside(&self, point: ArrayView1<'_, f32>) -> f64 {
        let along = self.directions.dot(&point);
        let beside = (sum_of_squares(point.iter()) - sum_of_squares(along.iter())).max(0.0);
        beside / f64::from(self.residual).powi(2)
    }

    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) {
        let (count, columns) = self.directions.dim();
        let directions = flat(self.directions.view()).to_vec();
        for (name, shape, values) in [
            ("directions", vec![count, columns], directions),
            ("scales", vec![count], self.deviations.to_vec()),
            ("residual", vec![1], vec![self.residual]),
        ] {
            let tensor = StoredTensor { shape, values };
            file.tensors.insert(format!("{prefix}.{name}"), tensor);
        }
        self.scales.put_into(file, prefix);
    }

    /// Returns the components stored under `prefix`, for `columns` columns; `None` if nothing is
    /// stored there.
    ///
    /// # Errors
    /// [`NnError::Weights`] if the tensors are no principal components of so many columns.
    pub(crate) fn from_file(
        file: &WeightsFile,
        prefix: &str,
        columns: usize,
        path: &Path,
    ) -> Result<Option<Self>, BridgeError> {
        let Some(scales) = file.tensors.get(&format!("{prefix}.scales")) else {
            return Ok(None);
        };
        let count = scales.values.len();
        let tensor = |name: &str, shape: &[usize]| {
            file.tensor(&format!("{prefix}.{name}"), shape, path)
                .map(<[f32]>::to_vec)
        };
        let directions = tensor("directions", &[count, columns])?;
        let deviations = tensor("scales", &[count])?;
        let residual = tensor("residual", &[1])?[0];
        // Files of earlier versions have one scale.
        let scales = match file
            .tensors
            .contains_key(&format!("{prefix}.scale-variances"))
        {
            true => ScaleMixture::from_file(file, prefix, path)?,
            false => ScaleMixture::standard(),
        };
        let positive = residual > 0.0 && deviations.iter().all(|deviation| *deviation > 0.0);
        if !positive || !(1..columns).contains(&count) {
            let reason =
                format!("tensors `{prefix}.…` are no principal directions of {columns} columns");
            let path = path.to_owned();
            return Err(NnError::Weights { path, reason }.into());
        }
        Ok(Some(Self {
            directions: rows_of(&directions, columns).to_owned(),
            deviations: deviations.into(),
            residual,
            scales,
        }))
    }
}

/// Returns an orthonormal basis `[width, columns]` of the space in which the points vary most.
fn leading_subspace(
    points: ArrayView2<'_, f32>,
    width: usize,
    stage: &Stage<'_>,
) -> Result<Array2<f32>, BridgeError> {
    let mut stream = RandomStream::named(0, "bridge/principal");
    let start = standard_normal((width, points.ncols()), &mut stream);
    let mut basis = orthonormal_rows(start.view());
    for _ in 0..ROUNDS {
        stage.check()?;
        basis = orthonormal_rows(times_scatter(points, basis.view()).view());
    }
    Ok(basis)
}

/// Returns the coordinates of points `[rows, columns]` along directions `[width, columns]`:
/// `[rows, width]`.
fn along(points: ArrayView2<'_, f32>, directions: ArrayView2<'_, f32>) -> Array2<f32> {
    points.dot(&directions.t())
}

/// Returns B Pᵀ P `[width, columns]` for a basis B `[width, columns]` and points P
/// `[rows, columns]`.
fn times_scatter(points: ArrayView2<'_, f32>, basis: ArrayView2<'_, f32>) -> Array2<f32> {
    let of_block = |points: &ArrayView2<'_, f32>| along(*points, basis).t().dot(points);
    let blocks: Vec<_> = points.axis_chunks_iter(Axis(0), ROWS_AT_ONCE).collect();
    let products: Vec<Array2<f32>> = blocks.par_iter().map(of_block).collect();
    // Added in the order of the blocks, so that the number of threads does not matter.
    let zeros = Array2::zeros(basis.dim());
    products.iter().fold(zeros, |sum, product| sum + product)
}

/// Returns the covariance `[width, width]` of the coordinates of centred points along the rows of
/// an orthonormal basis `[width, columns]`.
fn covariance_within(points: ArrayView2<'_, f32>, basis: ArrayView2<'_, f32>) -> Array2<f64> {
    let coordinates = along(points, basis).mapv(f64::from);
    coordinates.t().dot(&coordinates) / points.nrows() as f64
}

fn deviation_of(variance: f64) -> f32 {
    (variance.sqrt() as f32).max(MIN_DEVIATION)
}

fn sum_of_squares<'v>(values: impl Iterator<Item = &'v f32>) -> f64 {
    values.map(|&value| f64::from(value).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::{LN_TWO_PI, Unobserved};

    const COLUMNS: usize = 20;

    /// Points that vary by 3 and 2 along two directions of their own, and by 0.1 everywhere.
    fn points(rows: usize) -> Array2<f32> {
        let mut stream = RandomStream::named(1, "points");
        let own = orthonormal_rows(standard_normal((2, COLUMNS), &mut stream).view());
        let mut points = standard_normal((rows, COLUMNS), &mut stream);
        for mut point in points.rows_mut() {
            let mut along = [0.0; 2];
            stream.fill_standard_normal(&mut along);
            point *= 0.1;
            point.scaled_add(3.0 * along[0], &own.row(0));
            point.scaled_add(2.0 * along[1], &own.row(1));
        }
        points
    }

    fn components(rows: usize, count: usize) -> Option<PrincipalComponents> {
        let stage = Stage::new(&Unobserved, "components", 0);
        PrincipalComponents::of(points(rows).view(), count, &stage).unwrap()
    }

    #[test]
    fn the_directions_that_vary_are_found_with_their_scales() {
        let principal = components(2000, 2).unwrap();
        let deviations = &principal.deviations;
        assert!((deviations[0] - 3.0).abs() < 0.15 && (deviations[1] - 2.0).abs() < 0.1);
        assert!(
            (principal.residual - 0.1).abs() < 0.005,
            "{}",
            principal.residual
        );
        let coordinates = principal.coordinates(points(2000).view());
        let square = coordinates.map(|x| x * x).mean().unwrap();
        assert!((square - 1.0).abs() < 0.05, "{square}");
    }

    #[test]
    fn directions_are_orthonormal_and_coordinates_uncorrelated() {
        let principal = components(2000, 4).unwrap();
        let products = principal.directions.dot(&principal.directions.t());
        for ((i, j), product) in products.indexed_iter() {
            assert!(
                (product - f32::from(u8::from(i == j))).abs() < 1e-5,
                "{i} {j}: {product}"
            );
        }
        let coordinates = principal.coordinates(points(2000).view());
        let covariance = coordinates.t().dot(&coordinates) / 2000.0;
        for ((i, j), entry) in covariance.indexed_iter() {
            assert!(
                (entry - f32::from(u8::from(i == j))).abs() < 1e-4,
                "{i} {j}: {entry}"
            );
        }
    }

    #[test]
    fn points_have_the_coordinates_they_were_made_of_and_the_residual_beside_them() {
        let principal = components(500, 2).unwrap();
        let coordinates =
            Array2::from_shape_fn((200, 2), |(i, j)| ((2 * i + j) as f32 * 0.37).sin());
        let stream = &mut RandomStream::named(2, "noise");
        let made = principal.drawn_points(coordinates.view(), stream);
        let again = principal.coordinates(made.view());
        assert!(
            again
                .iter()
                .zip(&coordinates)
                .all(|(a, b)| (a - b).abs() < 1e-4)
        );
        let along = &coordinates * &principal.deviations;
        let square = sum_of_squares(made.iter()) - sum_of_squares(along.iter());
        let beside = (square / (200 * (COLUMNS - 2)) as f64).sqrt() as f32;
        assert!((beside - principal.residual).abs() < 0.1 * principal.residual);
    }

    #[test]
    fn with_a_normal_density_inside_it_is_the_density_of_probabilistic_principal_components() {
        let principal = PrincipalComponents {
            scales: ScaleMixture::standard(),
            ..components(500, 2).unwrap()
        };
        let points = points(1);
        let inside = principal.coordinates(points.view());
        let standard = -0.5 * (sum_of_squares(inside.iter()) + 2.0 * LN_TWO_PI);
        let found = standard + principal.log_density_beside(points.row(0));
        // The same by hand: a Gaussian along each of an orthonormal set of directions.
        let along = principal.directions.dot(&points.row(0));
        let mut expected = 0.0;
        for (value, scale) in along.iter().zip(&principal.deviations) {
            expected -=
                0.5 * f64::from(value / scale).powi(2) + f64::from(*scale).ln() + 0.5 * LN_TWO_PI;
        }
        let beside = points.row(0).dot(&points.row(0)) - along.dot(&along);
        let rest = (COLUMNS - 2) as f64;
        expected -= 0.5 * f64::from(beside / principal.residual.powi(2))
            + rest * (f64::from(principal.residual).ln() + 0.5 * LN_TWO_PI);
        assert!((found - expected).abs() < 1e-3, "{found} for {expected}");
    }

    #[test]
    fn a_file_gives_it_back_and_too_few_rows_give_nothing() {
        let principal = components(300, 3).unwrap();
        let mut file = WeightsFile::default();
        principal.put_into(&mut file, "x");
        let read = |prefix: &str, columns: usize| {
            PrincipalComponents::from_file(&file, prefix, columns, Path::new("a"))
        };
        assert_eq!(read("x", COLUMNS).unwrap(), Some(principal));
        assert!(read("x", COLUMNS + 1).is_err());
        assert_eq!(read("y", COLUMNS).unwrap(), None);
        assert_eq!(components(3, 3), None);
        assert_eq!(components(300, COLUMNS), None);
    }

    #[test]
    fn an_observer_can_stop_the_search() {
        use std::ops::ControlFlow;
        let stop = |_: &zbridge_core::Progress<'_>| ControlFlow::Break(());
        let stage = Stage::new(&stop, "components", 0);
        let stopped = PrincipalComponents::of(points(300).view(), 3, &stage);
        assert!(matches!(stopped, Err(BridgeError::Interrupted(_))));
    }

    #[test]
    fn noise_of_two_scales_is_described_and_drawn_as_such() {
        let mut points = points(2000);
        for mut point in points.rows_mut().into_iter().step_by(2) {
            point *= 3.0;
        }
        let stage = Stage::new(&Unobserved, "components", 0);
        let principal = PrincipalComponents::of(points.view(), 2, &stage)
            .unwrap()
            .unwrap();
        let even = PrincipalComponents {
            scales: ScaleMixture::standard(),
            ..principal.clone()
        };
        let nats = |of: &PrincipalComponents| -> f64 {
            let each = points
                .rows()
                .into_iter()
                .map(|row| of.log_density_beside(row));
            each.sum::<f64>() / points.nrows() as f64
        };
        assert!(
            nats(&principal) > nats(&even) + 3.0,
            "{}",
            nats(&principal) - nats(&even)
        );
        let coordinates = Array2::zeros((2000, 2));
        let drawn =
            principal.drawn_points(coordinates.view(), &mut RandomStream::named(3, "scales"));
        let squares: Vec<f64> = drawn
            .rows()
            .into_iter()
            .map(|row| principal.square_beside(row))
            .collect();
        // 18 dimensions of mean square 1/5 and 9/5.
        let far = squares.iter().filter(|&&square| square > 13.0).count();
        assert!((800..1200).contains(&far), "{far} of 2000 drawn far out");
    }
}
