//! Principal directions: what few pairs can show of a latent space of many dimensions.

use rayon::prelude::*;
use std::path::Path;
use zbridge_core::{LN_TWO_PI, RandomStream};
use zbridge_nn::{NnError, StoredTensor, WeightsFile};

/// The directions along which points vary most, and how much is left beside them.
///
/// A density models the coordinates along these directions. The rest is a Gaussian of one variance,
/// so that a density over the whole space remains one: probabilistic principal components (Tipping
/// and Bishop 1999, eq. 12) with a free density in place of their Gaussian.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Principal {
    /// Orthonormal rows, `[count, columns]`.
    directions: Vec<f32>,
    /// Standard deviation along each.
    scales: Vec<f32>,
    /// Standard deviation of everything else, along any direction.
    residual: f32,
}

/// Rounds of subspace iteration; directions that matter are settled by then.
const ROUNDS: usize = 12;
/// Directions beyond those asked for, which make the last of these settle.
const SPARE: usize = 8;
/// Below this the rest counts for nothing, and would make densities infinite.
const LEAST_RESIDUAL: f32 = 1e-4;

impl Principal {
    /// The first `count` directions of centred points, `[rows, columns]`; none when there are no
    /// more columns than that, or not enough rows to tell.
    pub(crate) fn of(points: &[f32], columns: usize, count: usize) -> Option<Self> {
        let rows = points.len() / columns;
        if count >= columns || rows <= count {
            return None;
        }
        let wide = (count + SPARE).min(columns).min(rows);
        let mut basis = vec![0.0; wide * columns];
        RandomStream::named(0, "bridge/principal").fill_standard_normal(&mut basis);
        orthonormalise(&mut basis, columns);
        for _ in 0..ROUNDS {
            basis = spread(points, &coordinates(points, &basis, columns), columns, wide);
            orthonormalise(&mut basis, columns);
        }
        let mut along = by_variance(points, basis, columns);
        along.truncate(count);
        let total: f64 = points.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / rows as f64;
        let kept: f64 = along.iter().map(|(variance, _)| variance).sum();
        let residual = ((total - kept).max(0.0) / (columns - count) as f64).sqrt() as f32;
        Some(Self {
            scales: along
                .iter()
                .map(|(variance, _)| (variance.sqrt() as f32).max(LEAST_RESIDUAL))
                .collect(),
            directions: along
                .into_iter()
                .flat_map(|(_, direction)| direction)
                .collect(),
            residual: residual.max(LEAST_RESIDUAL),
        })
    }

    /// How many directions.
    pub(crate) fn count(&self) -> usize {
        self.scales.len()
    }

    fn columns(&self) -> usize {
        self.directions.len() / self.count()
    }

    /// Points `[rows, columns]` as coordinates in units of the scales, `[rows, count]`.
    pub(crate) fn inside(&self, points: &[f32]) -> Vec<f32> {
        let mut inside = coordinates(points, &self.directions, self.columns());
        for row in inside.chunks_exact_mut(self.count()) {
            row.iter_mut()
                .zip(&self.scales)
                .for_each(|(value, scale)| *value /= scale);
        }
        inside
    }

    /// Points of these coordinates: what lies beside the directions is drawn. `noise` is standard
    /// normal, `[rows, columns]`, and becomes the points.
    pub(crate) fn restore(&self, inside: &[f32], noise: &mut [f32]) {
        let along = coordinates(noise, &self.directions, self.columns());
        let rows = noise
            .chunks_exact_mut(self.columns())
            .zip(along.chunks_exact(self.count()));
        for ((point, along), inside) in rows.zip(inside.chunks_exact(self.count())) {
            point.iter_mut().for_each(|value| *value *= self.residual);
            let directions = self.directions.chunks_exact(point.len()).zip(&self.scales);
            for ((direction, scale), (inside, along)) in directions.zip(inside.iter().zip(along)) {
                let step = scale * inside - self.residual * along;
                point
                    .iter_mut()
                    .zip(direction)
                    .for_each(|(value, part)| *value += step * part);
            }
        }
    }

    /// What the log density of a point, `[columns]`, has beyond that of its coordinates, in nats.
    pub(crate) fn log_density_beside(&self, point: &[f32]) -> f64 {
        let along = coordinates(point, &self.directions, self.columns());
        let square = |values: &[f32]| values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        let (beside, rest) = (
            (square(point) - square(&along)).max(0.0),
            (self.columns() - self.count()) as f64,
        );
        let residual = f64::from(self.residual);
        let scales: f64 = self.scales.iter().map(|scale| f64::from(*scale).ln()).sum();
        -scales - rest * residual.ln() - 0.5 * (beside / (residual * residual) + rest * LN_TWO_PI)
    }

    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) {
        let tensors = [
            (
                "directions",
                vec![self.count(), self.columns()],
                self.directions.clone(),
            ),
            ("scales", vec![self.count()], self.scales.clone()),
            ("residual", vec![1], vec![self.residual]),
        ];
        for (name, shape, values) in tensors {
            file.tensors
                .insert(format!("{prefix}.{name}"), StoredTensor { shape, values });
        }
    }

    /// As stored, for `columns` columns; none where nothing is stored.
    pub(crate) fn from_file(
        file: &WeightsFile,
        prefix: &str,
        columns: usize,
        path: &Path,
    ) -> Result<Option<Self>, NnError> {
        let Some(scales) = file.tensors.get(&format!("{prefix}.scales")) else {
            return Ok(None);
        };
        let count = scales.values.len();
        let part = |name: &str, shape: &[usize]| {
            Ok::<_, NnError>(
                file.tensor(&format!("{prefix}.{name}"), shape, path)?
                    .to_vec(),
            )
        };
        let (directions, scales) = (
            part("directions", &[count, columns])?,
            part("scales", &[count])?,
        );
        let residual = part("residual", &[1])?[0];
        let sound = count > 0
            && count < columns
            && residual > 0.0
            && scales.iter().all(|scale| *scale > 0.0);
        match sound {
            true => Ok(Some(Self {
                directions,
                scales,
                residual,
            })),
            false => {
                let reason = format!(
                    "tensors `{prefix}.…` are no principal directions of {columns} columns"
                );
                Err(NnError::Weights {
                    path: path.to_owned(),
                    reason,
                })
            }
        }
    }
}

/// Coordinates of points along directions, `[rows, directions]`.
fn coordinates(points: &[f32], directions: &[f32], columns: usize) -> Vec<f32> {
    let of_point = |point: &[f32]| -> Vec<f32> {
        directions
            .chunks_exact(columns)
            .map(|d| dot(point, d))
            .collect()
    };
    points
        .par_chunks_exact(columns)
        .flat_map_iter(of_point)
        .collect()
}

/// Σ over points of coordinate · point, for each of `wide` directions: the covariance applied to
/// them, but for its scale.
fn spread(points: &[f32], coordinates: &[f32], columns: usize, wide: usize) -> Vec<f32> {
    let of_direction = |direction: usize| {
        let mut sum = vec![0.0f32; columns];
        for (point, along) in points
            .chunks_exact(columns)
            .zip(coordinates.chunks_exact(wide))
        {
            sum.iter_mut()
                .zip(point)
                .for_each(|(sum, value)| *sum += along[direction] * value);
        }
        sum
    };
    (0..wide)
        .into_par_iter()
        .flat_map_iter(of_direction)
        .collect()
}

/// Gram and Schmidt, twice over each direction, so that rounding leaves nothing.
fn orthonormalise(basis: &mut [f32], columns: usize) {
    for place in 0..basis.len() / columns {
        let (before, rest) = basis.split_at_mut(place * columns);
        let direction = &mut rest[..columns];
        for _ in 0..2 {
            for other in before.chunks_exact(columns) {
                let along = dot(direction, other);
                direction
                    .iter_mut()
                    .zip(other)
                    .for_each(|(value, part)| *value -= along * part);
            }
        }
        let length = dot(direction, direction).sqrt().max(1e-20);
        direction.iter_mut().for_each(|value| *value /= length);
    }
}

/// (variance along it, direction), largest variance first.
fn by_variance(points: &[f32], basis: Vec<f32>, columns: usize) -> Vec<(f64, Vec<f32>)> {
    let wide = basis.len() / columns;
    let along = coordinates(points, &basis, columns);
    let rows = (along.len() / wide) as f64;
    let variance = |place: usize| {
        along
            .iter()
            .skip(place)
            .step_by(wide)
            .map(|x| f64::from(*x).powi(2))
            .sum::<f64>()
            / rows
    };
    let directions = basis.chunks_exact(columns).enumerate();
    let mut found: Vec<_> = directions
        .map(|(place, direction)| (variance(place), direction.to_vec()))
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums side by side: a single one waits for itself.
    let (a_blocks, a_rest) = a.as_chunks::<8>();
    let (b_blocks, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        (0..8).for_each(|lane| sums[lane] += a[lane] * b[lane]);
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: usize = 20;

    /// Points that vary by 3 and 2 along two directions of their own, and by 0.1 everywhere.
    fn points(rows: usize) -> Vec<f32> {
        let mut stream = RandomStream::named(1, "points");
        let mut own = vec![0.0; 2 * COLUMNS];
        stream.fill_standard_normal(&mut own);
        orthonormalise(&mut own, COLUMNS);
        let mut points = vec![0.0; rows * COLUMNS];
        stream.fill_standard_normal(&mut points);
        for point in points.chunks_exact_mut(COLUMNS) {
            let mut along = [0.0; 2];
            stream.fill_standard_normal(&mut along);
            for (place, value) in point.iter_mut().enumerate() {
                *value = 0.1 * *value
                    + 3.0 * along[0] * own[place]
                    + 2.0 * along[1] * own[COLUMNS + place];
            }
        }
        points
    }

    #[test]
    fn the_directions_that_vary_are_found_with_their_scales() {
        let principal = Principal::of(&points(2000), COLUMNS, 2).unwrap();
        assert!(
            (principal.scales[0] - 3.0).abs() < 0.15 && (principal.scales[1] - 2.0).abs() < 0.1
        );
        assert!(
            (principal.residual - 0.1).abs() < 0.005,
            "{}",
            principal.residual
        );
        let inside = principal.inside(&points(2000));
        let square = inside.iter().map(|x| x * x).sum::<f32>() / inside.len() as f32;
        assert!((square - 1.0).abs() < 0.05, "{square}");
    }

    #[test]
    fn restored_points_have_the_coordinates_they_were_made_of_and_the_residual_beside_them() {
        let principal = Principal::of(&points(500), COLUMNS, 2).unwrap();
        let inside: Vec<f32> = (0..400).map(|i| (i as f32 * 0.37).sin()).collect();
        let mut made = vec![0.0; 200 * COLUMNS];
        RandomStream::named(2, "noise").fill_standard_normal(&mut made);
        principal.restore(&inside, &mut made);
        let again = principal.inside(&made);
        assert!(again.iter().zip(&inside).all(|(a, b)| (a - b).abs() < 1e-4));
        let square = |values: &[f32]| values.iter().map(|x| x * x).sum::<f32>();
        let scaled: Vec<f32> = inside
            .chunks_exact(2)
            .flat_map(|p| [p[0] * principal.scales[0], p[1] * principal.scales[1]])
            .collect();
        let beside = ((square(&made) - square(&scaled)) / (200 * (COLUMNS - 2)) as f32).sqrt();
        assert!((beside - principal.residual).abs() < 0.1 * principal.residual);
    }

    #[test]
    fn with_a_normal_density_inside_it_is_the_density_of_probabilistic_principal_components() {
        let principal = Principal::of(&points(500), COLUMNS, 2).unwrap();
        let point = &points(1)[..COLUMNS];
        let inside = principal.inside(point);
        let standard: f64 = inside
            .iter()
            .map(|x| -0.5 * (f64::from(*x).powi(2) + LN_TWO_PI))
            .sum();
        let found = standard + principal.log_density_beside(point);
        // The same by hand: a Gaussian along each of an orthonormal set of directions.
        let along = coordinates(point, &principal.directions, COLUMNS);
        let mut expected = 0.0;
        for (value, scale) in along.iter().zip(&principal.scales) {
            expected -=
                0.5 * f64::from(value / scale).powi(2) + f64::from(*scale).ln() + 0.5 * LN_TWO_PI;
        }
        let beside = dot(point, point) - dot(&along, &along);
        let rest = (COLUMNS - 2) as f64;
        expected -= 0.5 * f64::from(beside / principal.residual.powi(2))
            + rest * (f64::from(principal.residual).ln() + 0.5 * LN_TWO_PI);
        assert!((found - expected).abs() < 1e-3, "{found} for {expected}");
    }

    #[test]
    fn a_file_gives_it_back_and_too_few_rows_give_nothing() {
        let principal = Principal::of(&points(300), COLUMNS, 3).unwrap();
        let mut file = WeightsFile::default();
        principal.put_into(&mut file, "x");
        let path = Path::new("a");
        assert_eq!(
            Principal::from_file(&file, "x", COLUMNS, path).unwrap(),
            Some(principal)
        );
        assert!(Principal::from_file(&file, "x", COLUMNS + 1, path).is_err());
        assert_eq!(
            Principal::from_file(&file, "y", COLUMNS, path).unwrap(),
            None
        );
        assert_eq!(Principal::of(&points(3), COLUMNS, 3), None);
        assert_eq!(Principal::of(&points(300), COLUMNS, COLUMNS), None);
    }
}
