//! Batch normalisation: statistics of columns, the normalisation itself, and its gradient.
//!
//! Each function is one or two passes over the rows. Rows are added one after the other, so that
//! every instruction set adds in the same order.

use super::elementwise::add_rows;
use crate::instruction_set::vectorise;

/// What batch normalisation adds to every variance before its root.
pub const BATCH_NORM_EPSILON: f32 = 1e-5;

/// Mean and biased variance of every column of a batch, and working space.
#[derive(Debug, Default, Clone)]
pub(crate) struct BatchStatistics {
    pub(crate) mean: Vec<f32>,
    pub(crate) variance: Vec<f32>,
    /// 1/√(variance + ε).
    inverse: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    third: Vec<f32>,
    /// Sums of the columns of the gradient that [`backward`](Self::backward) left: that of a bias
    /// below.
    pub(crate) gradient_sums: Vec<f32>,
}

impl BatchStatistics {
    /// Those of a batch `[rows, width]`.
    pub(crate) fn measure(&mut self, x: &[f32], width: usize) {
        let rows = (x.len() / width) as f32;
        reset(&mut self.mean, width);
        reset(&mut self.variance, width);
        add_rows(x, &mut self.mean);
        for mean in &mut self.mean {
            *mean /= rows;
        }
        add_squared_distances(x, &self.mean, &mut self.variance);
        for variance in &mut self.variance {
            *variance /= rows;
        }
        self.invert();
    }

    /// Takes running statistics over.
    pub(crate) fn adopt(&mut self, mean: &[f32], variance: &[f32]) {
        self.mean.clear();
        self.mean.extend_from_slice(mean);
        self.variance.clear();
        self.variance.extend_from_slice(variance);
        self.invert();
    }

    fn invert(&mut self) {
        self.inverse.clear();
        for variance in &self.variance {
            self.inverse
                .push(1.0 / (variance + BATCH_NORM_EPSILON).sqrt());
        }
    }

    /// `y ← scale · (x − mean) / √(variance + ε) + shift`, and where that is negative `slope` times
    /// as much.
    pub(crate) fn normalise(
        &mut self,
        x: &[f32],
        scale: &[f32],
        shift: &[f32],
        slope: f32,
        y: &mut [f32],
    ) {
        let (factors, offsets) = (&mut self.first, &mut self.second);
        products(&self.inverse, scale, factors);
        offsets.clear();
        for ((mean, factor), shift) in self.mean.iter().zip(&*factors).zip(shift) {
            offsets.push(shift - mean * factor);
        }
        scale_and_shift(x, factors, offsets, slope, y);
    }

    /// The gradient through statistics of the batch itself, in place; Ioffe & Szegedy 2015, section
    /// 3. `leaky` is what [`normalise`](Self::normalise) returned and its slope, if that is not 1.
    pub(crate) fn backward(
        &mut self,
        x: &[f32],
        leaky: Option<(&[f32], f32)>,
        scale: &[f32],
        gradient: &mut [f32],
        scale_gradient: &mut [f32],
        shift_gradient: &mut [f32],
    ) {
        let width = scale.len();
        let per_row = 1.0 / (x.len() / width) as f32;
        self.add_gradients(x, leaky, gradient);
        let (along, total) = (&mut self.first, &mut self.second);
        for (along, inverse) in along.iter_mut().zip(&self.inverse) {
            *along *= inverse;
        }
        add(along, scale_gradient);
        add(total, shift_gradient);
        for ((along, total), inverse) in along.iter_mut().zip(total).zip(&self.inverse) {
            *along *= inverse * per_row;
            *total *= per_row;
        }
        products(&self.inverse, scale, &mut self.third);
        reset(&mut self.gradient_sums, width);
        let numbers = [&*self.third, &self.first, &self.second];
        centre(x, &self.mean, numbers, gradient, &mut self.gradient_sums);
    }

    /// Leaves Σ gradient · (x − mean) in `first` and Σ gradient in `second`, once the gradient is
    /// that below the leaky activation.
    fn add_gradients(&mut self, x: &[f32], leaky: Option<(&[f32], f32)>, gradient: &mut [f32]) {
        let (along, total) = (&mut self.first, &mut self.second);
        reset(along, self.mean.len());
        reset(total, self.mean.len());
        match leaky {
            Some((y, slope)) => {
                add_leaky_gradients(x, &self.mean, y, slope, gradient, along, total);
            }
            None => add_gradients(x, &self.mean, gradient, along, total),
        }
    }
}

fn reset(values: &mut Vec<f32>, width: usize) {
    values.clear();
    values.resize(width, 0.0);
}

fn products(left: &[f32], right: &[f32], products: &mut Vec<f32>) {
    products.clear();
    products.extend(left.iter().zip(right).map(|(left, right)| left * right));
}

fn add(values: &[f32], sums: &mut [f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

fn add_squared_distances(x: &[f32], mean: &[f32], totals: &mut [f32]) {
    vectorise(
        #[inline(always)]
        move || {
            for row in x.chunks_exact(mean.len()) {
                for ((total, x), mean) in totals.iter_mut().zip(row).zip(mean) {
                    *total += (x - mean) * (x - mean);
                }
            }
        },
    );
}

fn scale_and_shift(x: &[f32], factors: &[f32], offsets: &[f32], slope: f32, y: &mut [f32]) {
    vectorise(
        #[inline(always)]
        move || {
            let width = factors.len();
            for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
                for (((y, x), factor), offset) in y.iter_mut().zip(x).zip(factors).zip(offsets) {
                    let value = x * factor + offset;
                    *y = value.max(slope * value);
                }
            }
        },
    );
}

/// `along += Σ gradient · (x − mean)` and `total += Σ gradient`.
fn add_gradients(x: &[f32], mean: &[f32], gradient: &[f32], along: &mut [f32], total: &mut [f32]) {
    #[inline(always)]
    fn add_row(x: &[f32], mean: &[f32], gradient: &[f32], along: &mut [f32], total: &mut [f32]) {
        let sums = along.iter_mut().zip(total);
        for (((along, total), (x, g)), mean) in sums.zip(x.iter().zip(gradient)).zip(mean) {
            *along += g * (x - mean);
            *total += g;
        }
    }
    vectorise(
        #[inline(always)]
        move || {
            let width = mean.len();
            for (x, gradient) in x.chunks_exact(width).zip(gradient.chunks_exact(width)) {
                add_row(x, mean, gradient, along, total);
            }
        },
    );
}

/// The same for `gradient · d leaky_relu`, which takes the gradient's place; `y` are the
/// activation's values.
fn add_leaky_gradients(
    x: &[f32],
    mean: &[f32],
    y: &[f32],
    slope: f32,
    gradient: &mut [f32],
    along: &mut [f32],
    total: &mut [f32],
) {
    #[inline(always)]
    fn add_row(
        [x, mean, y]: [&[f32]; 3],
        slope: f32,
        gradient: &mut [f32],
        along: &mut [f32],
        total: &mut [f32],
    ) {
        let values = x.iter().zip(y).zip(gradient).zip(mean);
        for ((along, total), (((x, y), g), mean)) in along.iter_mut().zip(total).zip(values) {
            *g *= if *y > 0.0 { 1.0 } else { slope };
            *along += *g * (x - mean);
            *total += *g;
        }
    }
    vectorise(
        #[inline(always)]
        move || {
            let width = mean.len();
            let rows = x.chunks_exact(width).zip(y.chunks_exact(width));
            for ((x, y), gradient) in rows.zip(gradient.chunks_exact_mut(width)) {
                add_row([x, mean, y], slope, gradient, along, total);
            }
        },
    );
}

/// `gradient ← factor · (gradient − offset − (x − mean) · slope)` and `sums += Σ gradient`, for
/// `[factors, slopes, offsets]`.
fn centre(x: &[f32], mean: &[f32], numbers: [&[f32]; 3], gradient: &mut [f32], sums: &mut [f32]) {
    #[inline(always)]
    fn centre_row(
        x: &[f32],
        mean: &[f32],
        [factors, slopes, offsets]: [&[f32]; 3],
        gradient: &mut [f32],
        sums: &mut [f32],
    ) {
        let columns = mean.iter().zip(factors).zip(slopes).zip(offsets);
        let values = gradient.iter_mut().zip(x).zip(sums);
        for (((g, x), sum), (((mean, factor), slope), offset)) in values.zip(columns) {
            *g = factor * (*g - offset - (x - mean) * slope);
            *sum += *g;
        }
    }
    vectorise(
        #[inline(always)]
        move || {
            let width = mean.len();
            for (x, gradient) in x.chunks_exact(width).zip(gradient.chunks_exact_mut(width)) {
                centre_row(x, mean, numbers, gradient, sums);
            }
        },
    );
}
