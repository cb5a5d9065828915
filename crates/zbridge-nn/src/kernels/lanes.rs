//! Weighted sums for many rows at once: one lane for each row, so that every loop over rows is a vector.
//!
//! Nothing is packed, gathered or scattered: inputs are read where the layer before has left them. Each lane adds in
//! the order of the weights, whatever its neighbours hold, so a row's result does not depend on the rows beside it.

use super::elementwise::exp_with;
use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use pulp::{Arch, Simd, WithSimd};

/// Rows that go through a network together.
pub(crate) const ROWS: usize = 32;

/// One number of each of [`ROWS`] rows.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(64))]
pub(crate) struct Lanes(pub(crate) [f32; ROWS]);

impl Lanes {
    pub(crate) const ZERO: Self = Self([0.0; ROWS]);
}

/// Outputs that are summed together: as many as keep their totals in registers.
pub(crate) const TILE: usize = 8;

/// Half a tile, for layers with few outputs.
pub(crate) const HALF_TILE: usize = 4;

/// The inputs that a tile's outputs see, and the tile's weights: `runs` stretches of `length` inputs each.
#[derive(Clone, Copy)]
pub(crate) struct Patch<'a> {
    pub(crate) inputs: &'a [Lanes],
    /// `[inputs, outputs of the tile]`.
    pub(crate) weights: &'a [f32],
    pub(crate) runs: usize,
    pub(crate) length: usize,
    /// From the beginning of a run's inputs to that of the next.
    pub(crate) input_stride: usize,
    /// The same for its weights.
    pub(crate) weight_stride: usize,
}

impl Patch<'_> {
    /// Where no input is seen.
    pub(crate) const EMPTY: Self =
        Self { inputs: &[], weights: &[], runs: 0, length: 0, input_stride: 0, weight_stride: 0 };
}

/// What follows a sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Activation {
    Identity,
    Silu,
    /// With its slope on the negative side.
    LeakyRelu(f32),
}

/// `sums[t] ← biases[t] + Σ weight · input` in the lanes of the first `rows` rows at least, for as many outputs as there
/// are biases: [`TILE`] or [`HALF_TILE`].
pub(crate) fn weighted_sums(patch: Patch<'_>, biases: &[f32], rows: usize, sums: &mut [Lanes; TILE]) {
    Arch::new().dispatch(WeightedSums { patch, biases, rows, sums });
}

struct WeightedSums<'a> {
    patch: Patch<'a>,
    biases: &'a [f32],
    rows: usize,
    sums: &'a mut [Lanes; TILE],
}

impl WithSimd for WeightedSums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Two vectors for each output hide more of an addition's latency, where there are registers for them.
        let two = S::F32_LANES != 8 && self.rows > S::F32_LANES;
        match (self.biases.len(), two) {
            (TILE, true) => self.sum::<S, TILE, 2>(simd),
            (TILE, false) => self.sum::<S, TILE, 1>(simd),
            (_, true) => self.sum::<S, HALF_TILE, 2>(simd),
            (_, false) => self.sum::<S, HALF_TILE, 1>(simd),
        }
    }
}

impl WeightedSums<'_> {
    /// The sums of `T` outputs, `V` vectors of rows at a time.
    #[inline(always)]
    fn sum<S: Simd, const T: usize, const V: usize>(self, simd: S) {
        let Self { patch, biases, rows, sums } = self;
        for part in 0..rows.div_ceil(V * S::F32_LANES) {
            let mut totals = [[simd.splat_f32s(0.0); V]; T];
            totals.iter_mut().zip(biases).for_each(|(total, bias)| *total = [simd.splat_f32s(*bias); V]);
            for run in 0..patch.runs {
                let inputs = &patch.inputs[run * patch.input_stride..][..patch.length];
                let weights = &patch.weights[run * patch.weight_stride..][..patch.length * T];
                for (input, weights) in inputs.iter().zip(weights.as_chunks::<T>().0) {
                    let input = S::as_simd_f32s(&input.0).0.as_chunks::<V>().0[part];
                    for t in 0..T {
                        let weight = simd.splat_f32s(weights[t]);
                        for v in 0..V {
                            totals[t][v] = simd.mul_add_e_f32s(weight, input[v], totals[t][v]);
                        }
                    }
                }
            }
            for (total, sum) in totals.iter().zip(sums.iter_mut()) {
                S::as_mut_simd_f32s(&mut sum.0).0.as_chunks_mut::<V>().0[part] = *total;
            }
        }
    }
}

/// `values ← activation(values)`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+avx512dq", "x86_64+avx2+fma"))]
pub(crate) fn activate(activation: Activation, values: &mut [Lanes]) {
    // Where there is no such instruction, `mul_add` is a slow call.
    let fused = target_cfg_f!(any(target_feature = "fma", target_feature = "avx512f", target_arch = "aarch64"));
    match activation {
        Activation::Identity => {}
        Activation::Silu if fused => each(values, |x| x / (1.0 + exp_with(f32::mul_add, -x))),
        Activation::Silu => each(values, |x| x / (1.0 + exp_with(|a, b, c| a * b + c, -x))),
        Activation::LeakyRelu(slope) => each(values, |x| x.max(slope * x)),
    }
}

#[inline(always)]
fn each(values: &mut [Lanes], function: impl Fn(f32) -> f32) {
    values.iter_mut().for_each(|lanes| lanes.0.iter_mut().for_each(|x| *x = function(*x)));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two runs of five inputs out of seven.
    #[test]
    fn sums_agree_on_every_kind_of_processor() {
        let lanes = |i: usize| Lanes(std::array::from_fn(|row| ((i * 31 + row * 17) % 23) as f32 - 11.0));
        let (inputs, weights): (Vec<Lanes>, Vec<f32>) =
            ((0..14).map(lanes).collect(), (0..120).map(|i| (i % 13) as f32).collect());
        for tile in [TILE, HALF_TILE] {
            let patch = Patch {
                inputs: &inputs[1..],
                weights: &weights,
                runs: 2,
                length: 5,
                input_stride: 7,
                weight_stride: 7 * tile,
            };
            let biases: Vec<f32> = (0..tile).map(|t| t as f32).collect();
            let expected = |t: usize, row: usize| {
                let places = (0..2).flat_map(|run| (0..5).map(move |k| 7 * run + k));
                biases[t] + places.map(|i| weights[i * tile + t] * inputs[1 + i].0[row]).sum::<f32>()
            };
            for rows in [1, 7, 16, 17, ROWS] {
                for (kind, sums) in on_every_kind(patch, &biases, rows) {
                    let (t, row) = (tile - 1, rows - 1);
                    assert_eq!(sums[t].0[row], expected(t, row), "output {t} of row {row} on {kind}");
                    assert_eq!(sums[0].0[0], expected(0, 0), "output 0 of row 0 on {kind}");
                }
            }
        }
    }

    fn on_every_kind(patch: Patch<'_>, biases: &[f32], rows: usize) -> Vec<(&'static str, [Lanes; TILE])> {
        fn sums<S: Simd>(simd: S, patch: Patch<'_>, biases: &[f32], rows: usize) -> [Lanes; TILE] {
            let mut sums = [Lanes::ZERO; TILE];
            simd.vectorize(WeightedSums { patch, biases, rows, sums: &mut sums });
            sums
        }
        let mut best = [Lanes::ZERO; TILE];
        weighted_sums(patch, biases, rows, &mut best);
        let mut all = vec![("this", best), ("any", sums(pulp::Scalar::new(), patch, biases, rows))];
        #[cfg(target_arch = "x86_64")]
        all.extend(pulp::x86::V3::try_new().map(|simd| ("AVX2", sums(simd, patch, biases, rows))));
        all
    }

    #[test]
    fn silu_is_accurate_on_both_sides() {
        for i in -2750..2750 {
            let mut values = [Lanes([i as f32 * 0.03125; ROWS])];
            let x = f64::from(values[0].0[0]);
            activate(Activation::Silu, &mut values);
            let exact = x / (1.0 + (-x).exp());
            assert!((f64::from(values[0].0[ROWS - 1]) - exact).abs() <= 1e-6 * exact.abs(), "silu({x})");
        }
    }
}
