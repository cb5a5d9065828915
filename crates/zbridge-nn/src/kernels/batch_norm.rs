//! Batch normalisation: statistics of columns, the normalisation itself, and its gradient.
//!
//! Each function is one or two passes over the rows, compiled for AVX-512, for AVX2 and for the
//! baseline. Rows are added one after the other, so that every variant adds in the same order.

use super::elementwise::add_rows;
use multiversion::multiversion;

/// Added to every variance before its root.
pub(crate) const BATCH_NORM_EPSILON: f32 = 1e-5;

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
        self.mean.iter_mut().for_each(|mean| *mean /= rows);
        add_squared_distances(x, &self.mean, &mut self.variance);
        self.variance
            .iter_mut()
            .for_each(|variance| *variance /= rows);
        self.invert();
    }

    /// Takes running statistics over.
    pub(crate) fn adopt(&mut self, mean: &[f32], variance: &[f32]) {
        for (own, other) in [(&mut self.mean, mean), (&mut self.variance, variance)] {
            own.clear();
            own.extend_from_slice(other);
        }
        self.invert();
    }

    fn invert(&mut self) {
        self.inverse.clear();
        self.inverse.extend(
            self.variance
                .iter()
                .map(|variance| 1.0 / (variance + BATCH_NORM_EPSILON).sqrt()),
        );
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
        factors.clear();
        factors.extend(
            self.inverse
                .iter()
                .zip(scale)
                .map(|(inverse, scale)| inverse * scale),
        );
        offsets.clear();
        offsets.extend(
            self.mean
                .iter()
                .zip(&*factors)
                .zip(shift)
                .map(|((mean, factor), shift)| shift - mean * factor),
        );
        scale_and_shift(x, factors, offsets, slope, y);
    }

    /// The gradient through statistics of the batch itself, in place; Ioffe & Szegedy 2015, section
    /// 3. `leak` is what [`normalise`](Self::normalise) gave with which slope, where it was not 1.
    pub(crate) fn backward(
        &mut self,
        x: &[f32],
        leak: Option<(&[f32], f32)>,
        scale: &[f32],
        gradient: &mut [f32],
        scale_gradient: &mut [f32],
        shift_gradient: &mut [f32],
    ) {
        let width = scale.len();
        let (along, total) = (&mut self.first, &mut self.second);
        reset(along, width);
        reset(total, width);
        match leak {
            Some((y, slope)) => {
                add_leaky_gradients(x, &self.mean, y, slope, gradient, along, total)
            }
            None => add_gradients(x, &self.mean, gradient, along, total),
        }
        along
            .iter_mut()
            .zip(&self.inverse)
            .for_each(|(along, inverse)| *along *= inverse);
        scale_gradient
            .iter_mut()
            .zip(&*along)
            .for_each(|(sum, value)| *sum += value);
        shift_gradient
            .iter_mut()
            .zip(&*total)
            .for_each(|(sum, value)| *sum += value);
        let per_row = 1.0 / (x.len() / width) as f32;
        let factors = &mut self.third;
        factors.clear();
        factors.extend(
            self.inverse
                .iter()
                .zip(scale)
                .map(|(inverse, scale)| inverse * scale),
        );
        for ((along, total), inverse) in along.iter_mut().zip(total).zip(&self.inverse) {
            *along *= inverse * per_row;
            *total *= per_row;
        }
        reset(&mut self.gradient_sums, width);
        centre(
            x,
            &self.mean,
            [factors, &self.first, &self.second],
            gradient,
            &mut self.gradient_sums,
        );
    }
}

fn reset(values: &mut Vec<f32>, width: usize) {
    values.clear();
    values.resize(width, 0.0);
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
fn add_squared_distances(x: &[f32], mean: &[f32], totals: &mut [f32]) {
    for row in x.chunks_exact(mean.len()) {
        for ((total, x), mean) in totals.iter_mut().zip(row).zip(mean) {
            *total += (x - mean) * (x - mean);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
fn scale_and_shift(x: &[f32], factors: &[f32], offsets: &[f32], slope: f32, y: &mut [f32]) {
    for (x, y) in x
        .chunks_exact(factors.len())
        .zip(y.chunks_exact_mut(factors.len()))
    {
        for (((y, x), factor), offset) in y.iter_mut().zip(x).zip(factors).zip(offsets) {
            let value = x * factor + offset;
            *y = value.max(slope * value);
        }
    }
}

/// `along += Σ gradient · (x − mean)` and `total += Σ gradient`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
fn add_gradients(x: &[f32], mean: &[f32], gradient: &[f32], along: &mut [f32], total: &mut [f32]) {
    for (x, g) in x
        .chunks_exact(mean.len())
        .zip(gradient.chunks_exact(mean.len()))
    {
        for ((((along, total), x), g), mean) in
            along.iter_mut().zip(&mut *total).zip(x).zip(g).zip(mean)
        {
            *along += g * (x - mean);
            *total += g;
        }
    }
}

/// The same for `gradient · d leaky_relu`, which takes the gradient's place; `y` are the
/// activation's values.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
fn add_leaky_gradients(
    x: &[f32],
    mean: &[f32],
    y: &[f32],
    slope: f32,
    gradient: &mut [f32],
    along: &mut [f32],
    total: &mut [f32],
) {
    let width = mean.len();
    let rows = x
        .chunks_exact(width)
        .zip(y.chunks_exact(width))
        .zip(gradient.chunks_exact_mut(width));
    for ((x, y), g) in rows {
        let values = x.iter().zip(y).zip(g).zip(mean);
        for ((along, total), (((x, y), g), mean)) in along.iter_mut().zip(&mut *total).zip(values) {
            *g *= if *y > 0.0 { 1.0 } else { slope };
            *along += *g * (x - mean);
            *total += *g;
        }
    }
}

/// `gradient ← factor · (gradient − offset − (x − mean) · slope)` and `sums += Σ gradient`, for
/// `[factors, slopes, offsets]`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
fn centre(x: &[f32], mean: &[f32], numbers: [&[f32]; 3], gradient: &mut [f32], sums: &mut [f32]) {
    let [factors, slopes, offsets] = numbers;
    for (x, g) in x
        .chunks_exact(mean.len())
        .zip(gradient.chunks_exact_mut(mean.len()))
    {
        let columns = mean.iter().zip(factors).zip(slopes).zip(offsets);
        for (((g, x), sum), (((mean, factor), slope), offset)) in
            g.iter_mut().zip(x).zip(&mut *sums).zip(columns)
        {
            *g = factor * (*g - offset - (x - mean) * slope);
            *sum += *g;
        }
    }
}
