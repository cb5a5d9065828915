use serde::Serialize;
use zbridge_core::{Latents, RandomStream};

/// Whether rows of two latent spaces have to do with each other at all: distance correlation,
/// tested by permutations of the partners.
///
/// # Source
/// Székely, Rizzo and Bakirov 2007, eq. 2.10 and section 5 there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Dependence {
    /// Distance correlation: 0 for independence in large samples, 1 for a similarity.
    pub distance_correlation: f64,
    /// The same after a permutation, in the mean: what chance gives at this number of rows.
    pub by_chance: f64,
    /// Share of permutations, the pairs themselves counted in, with at least this correlation.
    pub p_value: f64,
    /// Rows looked at.
    pub rows: usize,
}

/// Rows that are looked at, drawn at random where there are more.
const ROWS: usize = 400;
const PERMUTATIONS: usize = 199;

impl Dependence {
    /// The dependence of rows `x`, `[rows, dim]`, on rows `y`, `[rows, other dim]`; nothing below 8
    /// rows. Every dimension counts by its own deviation.
    ///
    /// # Panics
    /// When the numbers of rows differ.
    pub fn of(x: &Latents, y: &Latents, seed: u64) -> Option<Self> {
        assert_eq!(x.rows(), y.rows(), "pairs");
        let mut stream = RandomStream::named(seed, "dependence");
        let mut chosen = stream.permutation(x.rows());
        chosen.truncate(ROWS);
        let rows = chosen.len();
        if rows < 8 {
            return None;
        }
        let (x, y) = (
            centred_distances(&x.select(&chosen)),
            centred_distances(&y.select(&chosen)),
        );
        let scale = (mean_product(&x, &x, None) * mean_product(&y, &y, None)).sqrt();
        let correlation = |order: Option<&[usize]>| {
            (mean_product(&x, &y, order).max(0.0) / scale.max(1e-30)).sqrt()
        };
        let found = correlation(None);
        let chance: Vec<f64> = (0..PERMUTATIONS)
            .map(|_| correlation(Some(&stream.permutation(rows))))
            .collect();
        let as_large = 1 + chance.iter().filter(|&&permuted| permuted >= found).count();
        Some(Self {
            distance_correlation: found,
            by_chance: chance.iter().sum::<f64>() / PERMUTATIONS as f64,
            p_value: as_large as f64 / (PERMUTATIONS + 1) as f64,
            rows,
        })
    }
}

/// Distances between rows in standardised dimensions, less the means of their row and column, plus
/// the mean of all.
fn centred_distances(points: &Latents) -> Vec<Vec<f32>> {
    let (rows, points) = (points.rows(), standardised(points));
    let distance = |a: usize, b: usize| {
        let squares = points[a]
            .iter()
            .zip(&points[b])
            .map(|(a, b)| (a - b) * (a - b));
        squares.sum::<f32>().sqrt()
    };
    let mut all: Vec<Vec<f32>> = (0..rows)
        .map(|a| (0..rows).map(|b| distance(a, b)).collect())
        .collect();
    let means: Vec<f32> = all
        .iter()
        .map(|row| row.iter().sum::<f32>() / rows as f32)
        .collect();
    let whole = means.iter().sum::<f32>() / rows as f32;
    for (row, mean) in all.iter_mut().zip(&means) {
        row.iter_mut()
            .zip(&means)
            .for_each(|(value, other)| *value += whole - mean - other);
    }
    all
}

fn standardised(points: &Latents) -> Vec<Vec<f32>> {
    let (rows, dim) = (points.rows() as f32, points.dim());
    let (mut mean, mut square) = (vec![0.0f32; dim], vec![0.0f32; dim]);
    for row in 0..points.rows() {
        mean.iter_mut()
            .zip(points.row_values(row))
            .for_each(|(sum, value)| *sum += value / rows);
    }
    for row in 0..points.rows() {
        let gaps = points
            .row_values(row)
            .iter()
            .zip(&mean)
            .map(|(value, mean)| value - mean);
        square
            .iter_mut()
            .zip(gaps)
            .for_each(|(sum, gap)| *sum += gap * gap / rows);
    }
    let scaled = |row: usize| {
        let columns = points.row_values(row).iter().zip(&mean).zip(&square);
        columns
            .map(|((value, mean), square)| (value - mean) / square.sqrt().max(1e-12))
            .collect()
    };
    (0..points.rows()).map(scaled).collect()
}

/// Mean over all pairs of rows of the product of `a` there and `b` at the permuted pair.
fn mean_product(a: &[Vec<f32>], b: &[Vec<f32>], order: Option<&[usize]>) -> f64 {
    let rows = a.len();
    let place = |row: usize| order.map_or(row, |order| order[row]);
    let of_row = |row: usize| -> f64 {
        let other = &b[place(row)];
        (0..rows)
            .map(|column| f64::from(a[row][column] * other[place(column)]))
            .sum()
    };
    (0..rows).map(of_row).sum::<f64>() / (rows * rows) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, rows: usize, dim: usize) -> Latents {
        let mut values = vec![0.0; rows * dim];
        RandomStream::named(seed, "noise").fill_standard_normal(&mut values);
        Latents::from_vec(values, dim).unwrap()
    }

    #[test]
    fn a_dependence_without_correlation_is_found() {
        let x = noise(1, 300, 2);
        let bent = x
            .values()
            .chunks_exact(2)
            .map(|row| row[0] * row[0])
            .collect();
        let found = Dependence::of(&x, &Latents::from_vec(bent, 1).unwrap(), 1).unwrap();
        assert!(
            found.p_value <= 0.01 && found.distance_correlation > 2.0 * found.by_chance,
            "{found:?}"
        );
    }

    #[test]
    fn independent_rows_look_independent_as_often_as_they_should() {
        let small = (0..60).filter(|&seed| {
            let (x, y) = (noise(2 * seed, 60, 3), noise(2 * seed + 1, 60, 2));
            Dependence::of(&x, &y, seed).unwrap().p_value <= 0.1
        });
        let count = small.count();
        assert!(count <= 14, "{count} of 60 below 0.1");
    }

    #[test]
    fn an_equal_space_correlates_fully_and_few_rows_say_nothing() {
        let x = noise(5, 50, 4);
        assert!((Dependence::of(&x, &x, 1).unwrap().distance_correlation - 1.0).abs() < 1e-6);
        assert_eq!(Dependence::of(&noise(1, 7, 1), &noise(2, 7, 1), 1), None);
    }
}
