use serde::Serialize;
use std::collections::HashSet;
use zbridge_core::{DiagonalGaussian, Moments, Posterior};

/// What the posteriors of many observations say of a latent space, before anything is fitted on
/// them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LatentHealth {
    /// Observations.
    pub rows: usize,
    /// Dimensions.
    pub dim: usize,
    /// Observations whose posterior no earlier one has: few where the modality is discrete.
    pub distinct_rows: usize,
    /// Dimensions along which all means are equal.
    pub constant: Vec<usize>,
    /// Dimensions along which the means vary, but by less than a fiftieth of the whole variance:
    /// the encoder says next to nothing there (a collapsed posterior). Constant ones are not
    /// counted again.
    pub collapsed: Vec<usize>,
    /// Dimensions that carry the observations: all others.
    pub active: usize,
    /// Participation ratio (Σλ)² / Σλ² of the covariance of the means: in how many directions they
    /// really vary.
    pub effective_dim: f64,
    /// Least and largest standard deviation of the means over active dimensions.
    pub scale: [f64; 2],
    /// The value of any mean that is farthest from zero, with its row and column.
    pub farthest: (f64, usize, usize),
    /// Mean over active dimensions of the share of variance that is the posteriors' own: 0 for
    /// points, near 1 where posteriors overlap so much that they tell observations hardly apart.
    pub posterior_share: f64,
}

/// Share of the whole variance below which the means' own counts for nothing.
const COLLAPSED_BELOW: f64 = 0.02;
/// Standard deviation below which values count as equal.
const CONSTANT_BELOW: f64 = 1e-7;
/// Rows that the covariance is taken over at most.
const ROWS_OF_COVARIANCE: usize = 512;

impl LatentHealth {
    /// The health of a batch of posteriors.
    pub fn of(posterior: &Posterior) -> Self {
        let moments = posterior.moments();
        let (rows, dim) = (moments.rows(), moments.dim());
        let columns: Vec<Column> = (0..dim)
            .map(|column| Column::of(&moments, column))
            .collect();
        let places = |test: &dyn Fn(&Column) -> bool| -> Vec<usize> {
            columns
                .iter()
                .enumerate()
                .filter(|(_, column)| test(column))
                .map(|(place, _)| place)
                .collect()
        };
        let constant = places(&|column| column.is_constant());
        let collapsed = places(&|column| column.is_collapsed());
        let active = places(&|column| !column.is_constant() && !column.is_collapsed());
        let deviations = active.iter().map(|&place| columns[place].between.sqrt());
        let scale = deviations.fold([f64::INFINITY, 0.0f64], |[low, high], sd| {
            [low.min(sd), high.max(sd)]
        });
        let shares = active
            .iter()
            .map(|&place| columns[place].within / columns[place].total());
        Self {
            rows,
            dim,
            distinct_rows: distinct_rows(&moments),
            active: active.len(),
            effective_dim: effective_dim(&moments),
            scale: if active.is_empty() { [0.0; 2] } else { scale },
            farthest: farthest(&moments),
            posterior_share: shares.sum::<f64>() / active.len().max(1) as f64,
            constant,
            collapsed,
        }
    }
}

/// One dimension: the variance of the means, and the mean of the variances.
struct Column {
    between: f64,
    within: f64,
}

impl Column {
    fn of(moments: &DiagonalGaussian, column: usize) -> Self {
        let (mut means, mut variances) = (Moments::default(), Moments::default());
        for row in 0..moments.rows() {
            means.push(f64::from(moments.mean().row_values(row)[column]));
            variances.push(f64::from(moments.log_var().row_values(row)[column]).exp());
        }
        Self {
            between: if moments.rows() > 1 {
                means.variance()
            } else {
                0.0
            },
            within: variances.mean(),
        }
    }

    fn total(&self) -> f64 {
        self.between + self.within
    }

    fn is_constant(&self) -> bool {
        self.between.sqrt() < CONSTANT_BELOW
    }

    fn is_collapsed(&self) -> bool {
        !self.is_constant() && self.between < COLLAPSED_BELOW * self.total()
    }
}

fn distinct_rows(moments: &DiagonalGaussian) -> usize {
    let bits = |row: usize| -> Vec<u32> {
        let values = moments
            .mean()
            .row_values(row)
            .iter()
            .chain(moments.log_var().row_values(row));
        values.map(|value| value.to_bits()).collect()
    };
    (0..moments.rows()).map(bits).collect::<HashSet<_>>().len()
}

/// (tr C)² / tr C² of the means' covariance C, from the inner products of centred rows: tr C² is
/// theirs squared, whatever the number of dimensions.
fn effective_dim(moments: &DiagonalGaussian) -> f64 {
    let (rows, dim) = (moments.rows().min(ROWS_OF_COVARIANCE), moments.dim());
    let mut centre = vec![0.0f64; dim];
    for row in 0..rows {
        let values = moments.mean().row_values(row);
        centre
            .iter_mut()
            .zip(values)
            .for_each(|(sum, value)| *sum += f64::from(*value) / rows as f64);
    }
    let centred = |row: usize| {
        moments
            .mean()
            .row_values(row)
            .iter()
            .zip(&centre)
            .map(|(value, c)| f64::from(*value) - c)
    };
    let centred: Vec<Vec<f64>> = (0..rows).map(|row| centred(row).collect()).collect();
    let product = |a: usize, b: usize| {
        centred[a]
            .iter()
            .zip(&centred[b])
            .map(|(a, b)| a * b)
            .sum::<f64>()
    };
    let (mut trace, mut squares) = (0.0, 0.0);
    for a in 0..rows {
        let own = product(a, a);
        trace += own;
        squares += own.powi(2) + 2.0 * (0..a).map(|b| product(a, b).powi(2)).sum::<f64>();
    }
    if squares > 0.0 {
        trace * trace / squares
    } else {
        0.0
    }
}

fn farthest(moments: &DiagonalGaussian) -> (f64, usize, usize) {
    let values = moments.mean().values();
    let place = (0..values.len())
        .max_by(|&a, &b| values[a].abs().total_cmp(&values[b].abs()))
        .unwrap_or(0);
    let value = values.get(place).copied().unwrap_or(0.0);
    (
        f64::from(value),
        place / moments.dim(),
        place % moments.dim(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_core::{Latents, RandomStream};

    /// Means that vary along two of five dimensions, hardly along a third and not along the others.
    fn posterior(rows: usize) -> Posterior {
        let mut mean = vec![0.0; rows * 5];
        RandomStream::named(1, "health").fill_standard_normal(&mut mean);
        for row in mean.chunks_exact_mut(5) {
            (row[0], row[1], row[2], row[3], row[4]) =
                (row[0], 2.0 * row[1], 0.05 * row[2], 0.7, row[0]);
        }
        mean[7 * 5 + 1] = -40.0;
        let log_var = (0..rows)
            .flat_map(|_| [-3.0, -3.0, 0.0, 0.0, -3.0])
            .collect();
        DiagonalGaussian::new(
            Latents::from_vec(mean, 5).unwrap(),
            Latents::from_vec(log_var, 5).unwrap(),
        )
        .unwrap()
        .into()
    }

    #[test]
    fn constant_and_collapsed_dimensions_are_named() {
        let health = LatentHealth::of(&posterior(500));
        assert_eq!(
            (health.constant, health.collapsed, health.active),
            (vec![3], vec![2], 3)
        );
        assert_eq!(health.farthest, (-40.0, 7, 1));
        assert!((0.8..1.2).contains(&health.scale[0]) && health.scale[1] > 2.0);
        assert!(health.posterior_share < 0.1);
        assert_eq!(health.distinct_rows, 500);
    }

    #[test]
    fn the_effective_dimension_counts_directions() {
        let mut mean = vec![0.0; 400 * 3];
        RandomStream::named(2, "health").fill_standard_normal(&mut mean);
        let even = |mean: Vec<f32>| {
            let log_var = Latents::filled(400, 3, -9.0);
            LatentHealth::of(
                &DiagonalGaussian::new(Latents::from_vec(mean, 3).unwrap(), log_var)
                    .unwrap()
                    .into(),
            )
        };
        assert!((even(mean.clone()).effective_dim - 3.0).abs() < 0.1);
        mean.chunks_exact_mut(3)
            .for_each(|row| (row[1], row[2]) = (row[0], -row[0]));
        assert!((even(mean).effective_dim - 1.0).abs() < 1e-6);
    }
}
