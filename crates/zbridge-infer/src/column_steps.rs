//! Steps between weighted sums, for all rows of a block at once.

use crate::lanes::Lanes;
use pulp::{Simd, WithSimd};

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
    pub(crate) sizes: Vec<f32>,
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

#[inline(always)]
fn vectors<S: Simd>(lanes: &Lanes) -> &[S::f32s] {
    S::as_simd_f32s(lanes).0
}

#[inline(always)]
fn vectors_mut<S: Simd>(lanes: &mut Lanes) -> &mut [S::f32s] {
    S::as_mut_simd_f32s(lanes).0
}

/// `x ← x · factor + offset`; columns are repeated over the values.
pub(crate) struct AffineKernel<'a> {
    pub(crate) values: &'a mut [Lanes],
    pub(crate) columns: &'a [Affine],
}

impl WithSimd for AffineKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (lanes, column) in self.values.iter_mut().zip(self.columns.iter().cycle()) {
            let factor = simd.splat_f32s(column.factor);
            let offset = simd.splat_f32s(column.offset);
            for x in vectors_mut::<S>(lanes) {
                *x = simd.add_f32s(simd.mul_f32s(*x, factor), offset);
            }
        }
    }
}

/// `x ← slope · x` where x is negative; slopes are repeated over the values.
pub(crate) struct PreluKernel<'a> {
    pub(crate) values: &'a mut [Lanes],
    pub(crate) slopes: &'a [f32],
}

impl WithSimd for PreluKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let zero = simd.splat_f32s(0.0);
        for (lanes, slope) in self.values.iter_mut().zip(self.slopes.iter().cycle()) {
            let slope = simd.splat_f32s(*slope);
            for x in vectors_mut::<S>(lanes) {
                let is_negative = simd.less_than_f32s(*x, zero);
                *x = simd.select_f32s(is_negative, simd.mul_f32s(slope, *x), *x);
            }
        }
    }
}

/// Each output the weighted sum of four inputs.
pub(crate) struct InterpolationKernel<'a> {
    pub(crate) inputs: &'a [Lanes],
    pub(crate) taps: &'a [[Tap; 4]],
    pub(crate) outputs: &'a mut [Lanes],
}

impl WithSimd for InterpolationKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (output, taps) in self.outputs.iter_mut().zip(self.taps) {
            let inputs = taps.map(|tap| vectors::<S>(&self.inputs[tap.column as usize]));
            let weights = taps.map(|tap| simd.splat_f32s(tap.weight));
            for (v, output) in vectors_mut::<S>(output).iter_mut().enumerate() {
                let product = |i: usize| simd.mul_f32s(weights[i], inputs[i][v]);
                let first = simd.add_f32s(product(0), product(1));
                *output = simd.add_f32s(first, simd.add_f32s(product(2), product(3)));
            }
        }
    }
}

/// Subtracts from each number the mean of its group, and divides by the group's standard deviation;
/// `epsilon` is added to the variance.
pub(crate) struct GroupNormKernel<'a> {
    pub(crate) values: &'a mut [Lanes],
    pub(crate) groups: &'a ColumnGroups,
    pub(crate) epsilon: f32,
    /// Working space: twice as many as there are groups.
    pub(crate) statistics: &'a mut [Lanes],
}

impl WithSimd for GroupNormKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            values,
            groups,
            epsilon,
            statistics,
        } = self;
        statistics.as_flattened_mut().fill(0.0);
        let (means, scales) = statistics.split_at_mut(groups.sizes.len());
        add_columns(simd, values, groups, means);
        for (mean, size) in means.iter_mut().zip(&groups.sizes) {
            mean.iter_mut().for_each(|mean| *mean /= size);
        }
        subtract_means(simd, values, groups, means, scales);
        for (scale, size) in scales.iter_mut().zip(&groups.sizes) {
            scale
                .iter_mut()
                .for_each(|scale| *scale = 1.0 / (*scale / size + epsilon).sqrt());
        }
        multiply_columns(simd, values, groups, scales);
    }
}

#[inline(always)]
fn add_columns<S: Simd>(simd: S, values: &[Lanes], groups: &ColumnGroups, sums: &mut [Lanes]) {
    for (x, &group) in values.iter().zip(&groups.of_column) {
        let sums = vectors_mut::<S>(&mut sums[group as usize]);
        for (sum, x) in sums.iter_mut().zip(vectors::<S>(x)) {
            *sum = simd.add_f32s(*sum, *x);
        }
    }
}

/// Also adds the squares of the differences to `squares`.
#[inline(always)]
fn subtract_means<S: Simd>(
    simd: S,
    values: &mut [Lanes],
    groups: &ColumnGroups,
    means: &[Lanes],
    squares: &mut [Lanes],
) {
    for (x, &group) in values.iter_mut().zip(&groups.of_column) {
        let means = vectors::<S>(&means[group as usize]);
        let squares = vectors_mut::<S>(&mut squares[group as usize]);
        for ((x, mean), square) in vectors_mut::<S>(x).iter_mut().zip(means).zip(squares) {
            *x = simd.sub_f32s(*x, *mean);
            *square = simd.add_f32s(*square, simd.mul_f32s(*x, *x));
        }
    }
}

#[inline(always)]
fn multiply_columns<S: Simd>(
    simd: S,
    values: &mut [Lanes],
    groups: &ColumnGroups,
    factors: &[Lanes],
) {
    for (x, &group) in values.iter_mut().zip(&groups.of_column) {
        let factors = vectors::<S>(&factors[group as usize]);
        for (x, factor) in vectors_mut::<S>(x).iter_mut().zip(factors) {
            *x = simd.mul_f32s(*x, *factor);
        }
    }
}
