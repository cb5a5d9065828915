//! Weighted sums for many rows at once: one lane for each row, so that every loop over rows is a
//! vector.
//!
//! Nothing is packed, gathered or scattered: inputs are read where the layer before has left them.
//! Each lane adds in the order of the weights, whatever its neighbours hold, so a row's result does
//! not depend on the rows beside it.

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

/// The inputs that a tile's outputs see, and the tile's weights: `bands` times `runs` stretches of
/// `length` inputs each.
#[derive(Clone, Copy)]
pub(crate) struct Patch<'a> {
    pub(crate) inputs: &'a [Lanes],
    /// `[inputs, outputs of the tile]`.
    pub(crate) weights: &'a [f32],
    pub(crate) bands: usize,
    pub(crate) runs: usize,
    pub(crate) length: usize,
    /// From the beginning of a band's inputs, and of a run's, to that of the next.
    pub(crate) input_strides: [usize; 2],
    /// The same for its weights.
    pub(crate) weight_strides: [usize; 2],
}

impl Patch<'_> {
    /// Where no input is seen.
    pub(crate) const EMPTY: Self = Self {
        inputs: &[],
        weights: &[],
        bands: 0,
        runs: 0,
        length: 0,
        input_strides: [0; 2],
        weight_strides: [0; 2],
    };
}

/// `sums[t] ← biases[t] + Σ weight · input` in the lanes of the first `rows` rows at least, for as
/// many outputs as there are biases: [`TILE`] or [`HALF_TILE`].
pub(crate) fn weighted_sums(
    patch: Patch<'_>,
    biases: &[f32],
    rows: usize,
    sums: &mut [Lanes; TILE],
) {
    Arch::new().dispatch(WeightedSums {
        patch,
        biases,
        rows,
        sums,
    });
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
        // Two vectors for each output hide more of an addition's latency, where there are registers
        // for them.
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
        let Self {
            patch,
            biases,
            rows,
            sums,
        } = self;
        for part in 0..rows.div_ceil(V * S::F32_LANES) {
            let mut totals = [[simd.splat_f32s(0.0); V]; T];
            totals
                .iter_mut()
                .zip(biases)
                .for_each(|(total, bias)| *total = [simd.splat_f32s(*bias); V]);
            for band in 0..patch.bands {
                for run in 0..patch.runs {
                    let start = |strides: [usize; 2]| band * strides[0] + run * strides[1];
                    let inputs = &patch.inputs[start(patch.input_strides)..][..patch.length];
                    let weights = &patch.weights[start(patch.weight_strides)..][..patch.length * T];
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
            }
            for (total, sum) in totals.iter().zip(sums.iter_mut()) {
                S::as_mut_simd_f32s(&mut sum.0).0.as_chunks_mut::<V>().0[part] = *total;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two bands of two runs of five inputs out of seven.
    #[test]
    fn sums_agree_on_every_kind_of_processor() {
        let lanes = |i: usize| {
            Lanes(std::array::from_fn(|row| {
                ((i * 31 + row * 17) % 23) as f32 - 11.0
            }))
        };
        let (inputs, weights): (Vec<Lanes>, Vec<f32>) = (
            (0..30).map(lanes).collect(),
            (0..240).map(|i| (i % 13) as f32).collect(),
        );
        for tile in [TILE, HALF_TILE] {
            let patch = Patch {
                inputs: &inputs[1..],
                weights: &weights,
                bands: 2,
                runs: 2,
                length: 5,
                input_strides: [15, 7],
                weight_strides: [15 * tile, 7 * tile],
            };
            let biases: Vec<f32> = (0..tile).map(|t| t as f32).collect();
            let expected = |t: usize, row: usize| {
                let runs = [0, 7, 15, 22];
                let places = runs
                    .into_iter()
                    .flat_map(|run| (0..5).map(move |k| run + k));
                biases[t]
                    + places
                        .map(|i| weights[i * tile + t] * inputs[1 + i].0[row])
                        .sum::<f32>()
            };
            for rows in [1, 7, 16, 17, ROWS] {
                for (kind, sums) in on_every_kind(patch, &biases, rows) {
                    let (t, row) = (tile - 1, rows - 1);
                    assert_eq!(
                        sums[t].0[row],
                        expected(t, row),
                        "output {t} of row {row} on {kind}"
                    );
                    assert_eq!(sums[0].0[0], expected(0, 0), "output 0 of row 0 on {kind}");
                }
            }
        }
    }

    fn on_every_kind(
        patch: Patch<'_>,
        biases: &[f32],
        rows: usize,
    ) -> Vec<(&'static str, [Lanes; TILE])> {
        fn sums<S: Simd>(simd: S, patch: Patch<'_>, biases: &[f32], rows: usize) -> [Lanes; TILE] {
            let mut sums = [Lanes::ZERO; TILE];
            simd.vectorize(WeightedSums {
                patch,
                biases,
                rows,
                sums: &mut sums,
            });
            sums
        }
        let mut best = [Lanes::ZERO; TILE];
        weighted_sums(patch, biases, rows, &mut best);
        let mut all = vec![
            ("this", best),
            ("any", sums(pulp::Scalar::new(), patch, biases, rows)),
        ];
        #[cfg(target_arch = "x86_64")]
        all.extend(pulp::x86::V3::try_new().map(|simd| ("AVX2", sums(simd, patch, biases, rows))));
        all
    }
}
