//! Weighted sums for many rows at once: one lane for each row, so that every loop over rows is a
//! vector.
//!
//! Nothing is packed, gathered or scattered: inputs are read where the layer before has left them.
//! Each lane adds in the order of the weights, whatever its neighbours hold, so a row's result does
//! not depend on the rows beside it.
//!
//! A tile of outputs keeps its sums in registers. How many fit depends on the instruction set: with
//! 32 registers of 16 numbers, 8 outputs of 2 vectors of rows; with 16 registers of 8 numbers, 3
//! outputs of 4 vectors, which leaves three registers for weights and one for the input.

use crate::lanes::{Lanes, ROWS};
use pulp::Simd;
use zbridge_nn::InstructionSet;

/// Inputs that a tile's outputs see: `bands` times `runs` stretches of `length` inputs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patch<'a> {
    pub(crate) inputs: &'a [Lanes],
    pub(crate) bands: usize,
    pub(crate) runs: usize,
    pub(crate) length: usize,
    /// From the beginning of a band's inputs, and of a run's, to that of the next.
    pub(crate) input_strides: [usize; 2],
    /// The weight of the first input, counted for one output.
    pub(crate) first_weight: usize,
    /// From the first weight of a band, and of a run, to that of the next; for one output.
    pub(crate) weight_strides: [usize; 2],
}

impl Patch<'_> {
    /// Where no input is seen.
    pub(crate) const EMPTY: Self = Self {
        inputs: &[],
        bands: 0,
        runs: 0,
        length: 0,
        input_strides: [0; 2],
        first_weight: 0,
        weight_strides: [0; 2],
    };
}

/// What a tile's sums begin with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start<'a> {
    /// One number for each output.
    Biases(&'a [f32]),
    /// Sums of other inputs, which are there already.
    Sums,
}

/// The numbers of outputs that tiles have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TileWidths {
    wide: usize,
    narrow: usize,
}

impl TileWidths {
    pub(crate) fn of(set: InstructionSet) -> Self {
        match set {
            InstructionSet::Avx2 => Self { wide: 3, narrow: 2 },
            _ => Self { wide: 8, narrow: 4 },
        }
    }

    /// The most outputs of a tile of any instruction set.
    pub(crate) const MOST: usize = 8;

    /// The most outputs of a tile.
    pub(crate) fn widest(self) -> usize {
        self.wide
    }

    /// Widths of the tiles of `outputs` outputs; the last may have space for more.
    pub(crate) fn split(self, outputs: usize) -> Vec<usize> {
        let mut widths = vec![self.wide; outputs / self.wide];
        let rest = outputs % self.wide;
        // 3 + 1 = 2 + 2: no output of a tile is unused.
        if rest > 0 && self.wide + rest == 2 * self.narrow && widths.pop().is_some() {
            widths.extend([self.narrow; 2]);
        } else if rest > 0 {
            widths.push(if rest <= self.narrow {
                self.narrow
            } else {
                self.wide
            });
        }
        widths
    }
}

/// What the sums of a tile are made of.
#[derive(Clone, Copy)]
pub(crate) struct Products<'a> {
    pub(crate) patch: Patch<'a>,
    /// `[inputs, outputs of the tile]`.
    pub(crate) weights: &'a [f32],
    pub(crate) start: Start<'a>,
    /// The rows of the block that are needed, from the first.
    pub(crate) rows: usize,
}

/// `sums[t] ← start[t] + Σ weights[.., t] · input`, in the lanes of the rows that are needed at
/// least, for as many outputs as there are sums.
#[inline(always)]
pub(crate) fn weighted_sums<S: Simd>(simd: S, products: Products<'_>, sums: &mut [Lanes]) {
    // The arms that another instruction set takes are no part of a compiled kernel.
    match (
        S::F32_LANES,
        sums.len(),
        products.rows.div_ceil(S::F32_LANES),
    ) {
        (8, 3, 1) => tile::<S, 3, 1>(simd, products, sums),
        (8, 3, 2) => tile::<S, 3, 2>(simd, products, sums),
        (8, 3, _) => tile::<S, 3, 4>(simd, products, sums),
        (8, 2, 1) => tile::<S, 2, 1>(simd, products, sums),
        (8, 2, 2) => tile::<S, 2, 2>(simd, products, sums),
        (8, 2, _) => tile::<S, 2, 4>(simd, products, sums),
        (_, 8, 1) => tile::<S, 8, 1>(simd, products, sums),
        (_, 8, _) => tile::<S, 8, 2>(simd, products, sums),
        (_, 4, 1) => tile::<S, 4, 1>(simd, products, sums),
        (_, 4, _) => tile::<S, 4, 2>(simd, products, sums),
        (_, width, _) => unreachable!("no tile of this instruction set has {width} outputs"),
    }
}

/// The sums of `T` outputs, `V` vectors of rows at a time.
#[inline(always)]
fn tile<S: Simd, const T: usize, const V: usize>(
    simd: S,
    products: Products<'_>,
    sums: &mut [Lanes],
) {
    // The second bound is never the smaller one; it tells the compiler that parts exist.
    let parts = products
        .rows
        .div_ceil(V * S::F32_LANES)
        .min(ROWS / (V * S::F32_LANES));
    for part in 0..parts {
        let mut totals = [[simd.splat_f32s(0.0); V]; T];
        for t in 0..T {
            totals[t] = match products.start {
                Start::Biases(biases) => [simd.splat_f32s(biases[t]); V],
                Start::Sums => vectors::<S, V>(&sums[t])[part],
            };
        }
        for band in 0..products.patch.bands {
            for run in 0..products.patch.runs {
                let (inputs, weights) = products.run::<T>(band, run);
                for (input, weights) in inputs.iter().zip(weights) {
                    add_products(simd, &vectors::<S, V>(input)[part], weights, &mut totals);
                }
            }
        }
        // Not before the loop has ended: a sum whose address is taken would leave its register.
        for t in 0..T {
            S::as_mut_simd_f32s(&mut sums[t]).0.as_chunks_mut::<V>().0[part] = totals[t];
        }
    }
}

/// Lanes as parts of `V` vectors.
#[inline(always)]
fn vectors<S: Simd, const V: usize>(lanes: &Lanes) -> &[[S::f32s; V]] {
    S::as_simd_f32s(lanes).0.as_chunks::<V>().0
}

impl<'a> Products<'a> {
    /// The inputs of a stretch, and their weights.
    #[inline(always)]
    fn run<const T: usize>(&self, band: usize, run: usize) -> (&'a [Lanes], &'a [[f32; T]]) {
        let Patch {
            inputs,
            length,
            input_strides,
            first_weight,
            weight_strides,
            ..
        } = self.patch;
        let first_input = band * input_strides[0] + run * input_strides[1];
        let first_weight = first_weight + band * weight_strides[0] + run * weight_strides[1];
        let weights = &self.weights[first_weight * T..][..length * T];
        (&inputs[first_input..][..length], weights.as_chunks::<T>().0)
    }
}

/// Adds one input's products to the sums.
#[inline(always)]
fn add_products<S: Simd, const T: usize, const V: usize>(
    simd: S,
    input: &[S::f32s; V],
    weights: &[f32; T],
    totals: &mut [[S::f32s; V]; T],
) {
    // Whichever there are fewer of is held in registers, the other read one by one.
    if T < V {
        let weights = weights.map(|weight| simd.splat_f32s(weight));
        for v in 0..V {
            for t in 0..T {
                totals[t][v] = simd.mul_add_e_f32s(weights[t], input[v], totals[t][v]);
            }
        }
    } else {
        for t in 0..T {
            let weight = simd.splat_f32s(weights[t]);
            for v in 0..V {
                totals[t][v] = simd.mul_add_e_f32s(weight, input[v], totals[t][v]);
            }
        }
    }
}
