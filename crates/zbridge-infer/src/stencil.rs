//! A layer with weights - a linear one, a convolution or a transposed one - on a block of rows.
//!
//! All three are sums over a window of a grid; see [`Axis`] for transposed ones: every output is
//! summed once, from the few inputs that reach it, instead of being added to by each of them.

use crate::activation::{Activation, activate_with_simd};
use crate::axis::{Axis, Inside};
use crate::column_steps::Affine;
use crate::grid_convolution::GridConvolution;
use crate::lanes::Lanes;
use crate::receptive_field::{FieldBuilder, Output, Piece, ReceptiveField, Tile};
use crate::weighted_sums::{Patch, Products, Start, TileWidths, weighted_sums};
use pulp::{Simd, WithSimd};
use std::ops::Range;
use zbridge_nn::InstructionSet;

/// A layer with weights, and the activation that follows it.
#[derive(Debug, Clone)]
pub(crate) struct Stencil {
    down: Axis,
    across: Axis,
    shape: GridConvolution,
    fields: Vec<ReceptiveField>,
    pub(crate) activation: Activation,
}

impl Stencil {
    /// A convolution with the weight of (row and column of the kernel, input channel, channel).
    pub(crate) fn new(
        set: InstructionSet,
        shape: &GridConvolution,
        bias: &[f32],
        weight: impl Fn(usize, usize, usize, usize) -> f32,
    ) -> Self {
        let axes = shape.sides.map(|side| Axis::new(side, shape.transposed));
        let widths = TileWidths::of(set);
        let fields = FieldBuilder {
            shape,
            axes,
            widths,
            bias,
            weight,
        }
        .fields();
        let [down, across] = axes;
        Self {
            down,
            across,
            shape: *shape,
            fields,
            activation: Activation::Identity,
        }
    }

    /// Channels of the output.
    pub(crate) fn channels(&self) -> usize {
        self.shape.channels
    }

    /// Whether its grid is one place, so that an output is nothing but channels.
    pub(crate) fn is_linear(&self) -> bool {
        self.down.outputs == 1 && self.across.outputs == 1
    }

    /// Makes the output `x · factor + offset`, `columns` being repeated along its channels.
    pub(crate) fn affine(&mut self, columns: &[Affine]) {
        for field in &mut self.fields {
            field.affine(|output| {
                let column = columns[output.channel % columns.len()];
                (column.factor, column.offset)
            });
        }
    }

    /// Moves channel c of the output to `places[c]`.
    pub(crate) fn permute(&mut self, places: &[usize]) {
        for tile in self.fields.iter_mut().flat_map(|field| &mut field.tiles) {
            tile.permute(places);
        }
    }

    /// Numbers of a row's output.
    pub(crate) fn width(&self) -> usize {
        self.down.outputs * self.across.outputs * self.shape.channels
    }

    /// The layer's outputs for the first `rows` rows, `[height, width, channels]`. `tile` is
    /// working space for the outputs of a tile.
    pub(crate) fn apply(
        &self,
        set: InstructionSet,
        inputs: &[Lanes],
        rows: usize,
        tile: &mut [Lanes],
        outputs: &mut [Lanes],
    ) {
        set.run(Application {
            stencil: self,
            inputs,
            rows,
            tile,
            outputs,
        });
    }
}

/// A stencil on a block of rows, as a kernel.
struct Application<'a> {
    stencil: &'a Stencil,
    inputs: &'a [Lanes],
    rows: usize,
    tile: &'a mut [Lanes],
    outputs: &'a mut [Lanes],
}

impl WithSimd for Application<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let stencil = self.stencil;
        // Places first: a window stays in the nearest cache while all tiles read it.
        for down in 0..stencil.down.places() {
            for across in 0..stencil.across.places() {
                for field in &stencil.fields {
                    self.sum_field(simd, field, [down, across]);
                }
            }
        }
    }
}

impl Application<'_> {
    /// The outputs of a field at one place.
    #[inline(always)]
    fn sum_field<S: Simd>(&mut self, simd: S, field: &ReceptiveField, place: [usize; 2]) {
        let stencil = self.stencil;
        let tops = stencil.down.inside(&field.down, place[0]);
        let lefts = stencil.across.inside(&field.across, place[1]);
        for (index, piece) in field.pieces.iter().enumerate() {
            let is_last = index + 1 == field.pieces.len();
            let patch = stencil.patch(field, piece, tops, lefts, self.inputs);
            for tile in &field.tiles {
                let start = match index {
                    0 => Start::Biases(&tile.biases),
                    _ => Start::Sums,
                };
                let weights = field.weights(piece, tile);
                let products = Products {
                    patch,
                    weights,
                    start,
                    rows: self.rows,
                };
                if tile.is_side_by_side {
                    self.sum_in_place(simd, tile, products, place, is_last);
                } else {
                    self.sum_scattered(simd, tile, products, place, is_last);
                }
            }
        }
    }

    /// A tile whose outputs lie side by side: they hold the sums from the first piece on.
    #[inline(always)]
    fn sum_in_place<S: Simd>(
        &mut self,
        simd: S,
        tile: &Tile,
        products: Products<'_>,
        place: [usize; 2],
        is_last: bool,
    ) {
        // A last place may have phases beyond the edge.
        let Some(first) = self.stencil.output_index(&tile.outputs[0], place) else {
            return;
        };
        let sums = &mut self.outputs[first..][..tile.outputs.len()];
        weighted_sums(simd, products, sums);
        if is_last {
            activate_with_simd(simd, self.stencil.activation, sums);
        }
    }

    /// A tile whose outputs lie anywhere: sums are copied to them, and back for the next piece.
    #[inline(always)]
    fn sum_scattered<S: Simd>(
        &mut self,
        simd: S,
        tile: &Tile,
        products: Products<'_>,
        place: [usize; 2],
        is_last: bool,
    ) {
        let stencil = self.stencil;
        let sums = &mut self.tile[..tile.biases.len()];
        if matches!(products.start, Start::Sums) {
            for (output, sum) in tile.outputs.iter().zip(&mut *sums) {
                if let Some(index) = stencil.output_index(output, place) {
                    *sum = self.outputs[index];
                }
            }
        }
        weighted_sums(simd, products, sums);
        let sums = &mut sums[..tile.outputs.len()];
        if is_last {
            activate_with_simd(simd, stencil.activation, sums);
        }
        for (output, sum) in tile.outputs.iter().zip(sums) {
            if let Some(index) = stencil.output_index(output, place) {
                self.outputs[index] = *sum;
            }
        }
    }
}

impl Stencil {
    /// The part of `piece` that lies inside the grid, of which the window's part `tops` by `lefts`
    /// does.
    #[inline(always)]
    fn patch<'a>(
        &self,
        field: &ReceptiveField,
        piece: &Piece,
        tops: Inside,
        lefts: Inside,
        inputs: &'a [Lanes],
    ) -> Patch<'a> {
        let (channels, seen) = (self.shape.input_channels, self.shape.seen_channels());
        let grid_row = self.across.inputs * channels;
        let bands = overlap(&piece.bands, tops.offsets(1));
        let columns = overlap(&piece.inputs, lefts.offsets(seen));
        if bands.is_empty() || columns.is_empty() {
            return Patch::EMPTY;
        }
        let first_input = (tops.first + bands.start - tops.skipped) * grid_row
            + lefts.first * channels
            + (columns.start - lefts.skipped * seen)
            + field.first_channel;
        let first_weight = (bands.start - piece.bands.start) * piece.inputs.len()
            + (columns.start - piece.inputs.start);
        // Without groups, neighbours across lie side by side.
        let runs = if self.shape.groups == 1 {
            1
        } else {
            columns.len() / seen
        };
        Patch {
            inputs: &inputs[first_input..],
            bands: bands.len(),
            runs,
            length: columns.len() / runs,
            input_strides: [grid_row, channels],
            first_weight,
            weight_strides: [piece.inputs.len(), seen],
        }
    }

    /// Where an output lies that is seen from `place`; `None` beyond the edge.
    #[inline(always)]
    fn output_index(&self, output: &Output, place: [usize; 2]) -> Option<usize> {
        let y = place[0] * self.down.step + output.down;
        let x = place[1] * self.across.step + output.across;
        let is_inside = y < self.down.outputs && x < self.across.outputs;
        let index = (y * self.across.outputs + x) * self.shape.channels + output.channel;
        is_inside.then_some(index)
    }
}

fn overlap(one: &Range<usize>, other: Range<usize>) -> Range<usize> {
    one.start.max(other.start)..one.end.min(other.end)
}
