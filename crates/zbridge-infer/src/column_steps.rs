//! Steps between weighted sums, for all rows of a block at once.

use crate::lanes::{Lanes, ROWS};
use zbridge_nn::InstructionSet;

/// `x · factor + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// What a number is multiplied by.
    pub factor: f32,
    /// What is added to the product.
    pub offset: f32,
}

/// A column of the input, and its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tap {
    /// The column.
    pub column: u32,
    /// What it is multiplied by.
    pub weight: f32,
}

/// Which group each column belongs to, for a normalisation within groups.
#[derive(Debug, Clone)]
pub(crate) struct ColumnGroups {
    /// The group of each column.
    of_column: Vec<u32>,
    /// Columns in each group.
    sizes: Vec<f32>,
}

impl ColumnGroups {
    pub(crate) fn new(of_column: &[u32]) -> Self {
        let count = of_column.iter().max().map_or(0, |last| *last as usize + 1);
        let mut sizes = vec![0.0; count];
        for &group in of_column {
            sizes[group as usize] += 1.0;
        }
        Self {
            of_column: of_column.to_vec(),
            sizes,
        }
    }
}

/// `x ← x · factor + offset`, `columns` being repeated over the values.
pub(crate) fn affine(set: InstructionSet, values: &mut [Lanes], columns: &[Affine]) {
    set.run(
        #[inline(always)]
        move || {
            for (lanes, column) in values.iter_mut().zip(columns.iter().cycle()) {
                for x in &mut lanes.0 {
                    *x = *x * column.factor + column.offset;
                }
            }
        },
    );
}

/// `x ← slope · x` where x is negative, `slopes` being repeated over the values.
pub(crate) fn prelu(set: InstructionSet, values: &mut [Lanes], slopes: &[f32]) {
    set.run(
        #[inline(always)]
        move || {
            for (lanes, slope) in values.iter_mut().zip(slopes.iter().cycle()) {
                for x in &mut lanes.0 {
                    *x = if *x < 0.0 { slope * *x } else { *x };
                }
            }
        },
    );
}

/// Each output the weighted sum of four inputs.
pub(crate) fn interpolate(
    set: InstructionSet,
    inputs: &[Lanes],
    taps: &[[Tap; 4]],
    outputs: &mut [Lanes],
) {
    set.run(
        #[inline(always)]
        move || {
            for (output, taps) in outputs.iter_mut().zip(taps) {
                let [a, b, c, d] = taps.map(|tap| &inputs[tap.column as usize].0);
                let [wa, wb, wc, wd] = taps.map(|tap| tap.weight);
                for row in 0..ROWS {
                    output.0[row] = (wa * a[row] + wb * b[row]) + (wc * c[row] + wd * d[row]);
                }
            }
        },
    );
}

/// Subtracts from each number the mean of its group, and divides by the group's standard deviation;
/// `epsilon` is added to the variance. `statistics` is working space.
pub(crate) fn group_norm(
    set: InstructionSet,
    values: &mut [Lanes],
    groups: &ColumnGroups,
    epsilon: f32,
    statistics: &mut Vec<Lanes>,
) {
    let count = groups.sizes.len();
    statistics.clear();
    statistics.resize(2 * count, Lanes::ZERO);
    let (means, scales) = statistics.split_at_mut(count);
    set.run(
        #[inline(always)]
        move || {
            add_columns(values, groups, means);
            for (mean, size) in means.iter_mut().zip(&groups.sizes) {
                mean.0.iter_mut().for_each(|mean| *mean /= size);
            }
            subtract_means(values, groups, means, scales);
            for (scale, size) in scales.iter_mut().zip(&groups.sizes) {
                for scale in &mut scale.0 {
                    *scale = 1.0 / (*scale / size + epsilon).sqrt();
                }
            }
            multiply_columns(values, groups, scales);
        },
    );
}

#[inline(always)]
fn add_columns(values: &[Lanes], groups: &ColumnGroups, sums: &mut [Lanes]) {
    for (x, &group) in values.iter().zip(&groups.of_column) {
        for (sum, x) in sums[group as usize].0.iter_mut().zip(&x.0) {
            *sum += x;
        }
    }
}

/// Also adds the squares of the differences to `squares`.
#[inline(always)]
fn subtract_means(
    values: &mut [Lanes],
    groups: &ColumnGroups,
    means: &[Lanes],
    squares: &mut [Lanes],
) {
    for (x, &group) in values.iter_mut().zip(&groups.of_column) {
        let (mean, square) = (&means[group as usize].0, &mut squares[group as usize].0);
        for row in 0..ROWS {
            x.0[row] -= mean[row];
            square[row] += x.0[row] * x.0[row];
        }
    }
}

#[inline(always)]
fn multiply_columns(values: &mut [Lanes], groups: &ColumnGroups, factors: &[Lanes]) {
    for (x, &group) in values.iter_mut().zip(&groups.of_column) {
        for (x, factor) in x.0.iter_mut().zip(&factors[group as usize].0) {
            *x *= factor;
        }
    }
}
