//! Steps between weighted sums, for many rows at once.

use super::lanes::{Lanes, ROWS};
use multiversion::multiversion;

/// An input and its weight.
pub(crate) type Tap = (u32, f32);

/// `x ← x · factor + offset`, the columns over and over.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
pub(crate) fn scale(values: &mut [Lanes], columns: &[(f32, f32)]) {
    for (lanes, (factor, offset)) in values.iter_mut().zip(columns.iter().cycle()) {
        lanes.0.iter_mut().for_each(|x| *x = *x * factor + offset);
    }
}

/// `x ← slope · x` where x is negative, the slopes over and over.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
pub(crate) fn bend(values: &mut [Lanes], slopes: &[f32]) {
    for (lanes, slope) in values.iter_mut().zip(slopes.iter().cycle()) {
        lanes
            .0
            .iter_mut()
            .for_each(|x| *x = if *x < 0.0 { slope * *x } else { *x });
    }
}

/// Each output a sum of inputs by their weights.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
pub(crate) fn blend(inputs: &[Lanes], taps: &[[Tap; 4]], outputs: &mut [Lanes]) {
    for (output, taps) in outputs.iter_mut().zip(taps) {
        let [a, b, c, d] = taps.map(|(input, weight)| (&inputs[input as usize].0, weight));
        for row in 0..ROWS {
            output.0[row] = (a.1 * a.0[row] + b.1 * b.0[row]) + (c.1 * c.0[row] + d.1 * d.0[row]);
        }
    }
}

/// Numbers of a set become what is left without their mean, over their standard deviation; the
/// variance is `epsilon` larger. Number i belongs to sets[i].
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
pub(crate) fn standardise(
    values: &mut [Lanes],
    sets: &[u32],
    sizes: &[f32],
    epsilon: f32,
    means: &mut Vec<Lanes>,
) {
    means.clear();
    means.resize(2 * sizes.len(), Lanes::ZERO);
    let (means, scales) = means.split_at_mut(sizes.len());
    for (x, &set) in values.iter().zip(sets) {
        means[set as usize]
            .0
            .iter_mut()
            .zip(&x.0)
            .for_each(|(sum, x)| *sum += x);
    }
    for (mean, size) in means.iter_mut().zip(sizes) {
        mean.0.iter_mut().for_each(|mean| *mean /= size);
    }
    for (x, &set) in values.iter_mut().zip(sets) {
        let (mean, sum) = (&means[set as usize].0, &mut scales[set as usize].0);
        for row in 0..ROWS {
            x.0[row] -= mean[row];
            sum[row] += x.0[row] * x.0[row];
        }
    }
    for (scale, size) in scales.iter_mut().zip(sizes) {
        scale
            .0
            .iter_mut()
            .for_each(|scale| *scale = 1.0 / (*scale / size + epsilon).sqrt());
    }
    for (x, &set) in values.iter_mut().zip(sets) {
        x.0.iter_mut()
            .zip(&scales[set as usize].0)
            .for_each(|(x, scale)| *x *= scale);
    }
}
