//! A layer with weights - a linear one, a convolution or a transposed one - on a block of rows.
//!
//! All three are sums over a window of a grid; see [`Axis`] for transposed ones: every output is
//! summed once, from the few inputs that reach it, instead of being added to by each of them.

use crate::activation::{Activation, activate_with_simd};
use crate::axis::{Axis, Inside};
use crate::column_steps::Affine;
use crate::grid_convolution::GridConvolution;
use crate::lanes::Lanes;
use crate::receptive_field::{FieldBuilder, Piece, ReceptiveField, Tile};
use crate::weighted_sums::{Patch, Start, TileWidths, weighted_sums};
use pulp::{Simd, WithSimd};
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
        let tiles = self.fields.iter_mut().flat_map(|field| &mut field.tiles);
        for output in tiles.flat_map(|tile| &mut tile.outputs) {
            output.channel = places[output.channel];
        }
    }

    /// Numbers of a row's output.
    pub(crate) fn width(&self) -> usize {
        self.down.outputs * self.across.outputs * self.shape.channels
    }

    /// The layer's outputs for the first `rows` rows, `[height, width, channels]`. `sums` is
    /// working space.
    pub(crate) fn apply(
        &self,
        set: InstructionSet,
        inputs: &[Lanes],
        rows: usize,
        sums: &mut Vec<Lanes>,
        outputs: &mut Vec<Lanes>,
    ) {
        let space = self
            .fields
            .iter()
            .map(ReceptiveField::space)
            .max()
            .unwrap_or(0);
        sums.resize(space.max(sums.len()), Lanes::ZERO);
        outputs.resize(self.width(), Lanes::ZERO);
        set.run(Application {
            stencil: self,
            inputs,
            rows,
            sums,
            outputs,
        });
    }
}

/// A stencil on a block of rows, as a kernel.
struct Application<'a> {
    stencil: &'a Stencil,
    inputs: &'a [Lanes],
    rows: usize,
    sums: &'a mut [Lanes],
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
            let (is_first, is_last) = (index == 0, index + 1 == field.pieces.len());
            let patch = stencil.patch(field, piece, tops, lefts, self.inputs);
            for tile in &field.tiles {
                // Sums of a field with one piece need no space of their own.
                let first_sum = if is_first && is_last { 0 } else { tile.before };
                let sums = &mut self.sums[first_sum..][..tile.biases.len()];
                let start = if is_first {
                    Start::Biases(&tile.biases)
                } else {
                    Start::Sums
                };
                let weights = field.weights(piece, tile);
                weighted_sums(simd, patch, weights, start, self.rows, sums);
                if is_last {
                    let sums = &mut sums[..tile.outputs.len()];
                    activate_with_simd(simd, stencil.activation, sums);
                    stencil.store(tile, sums, place, self.outputs);
                }
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
        let top = piece.bands.start.max(tops.skipped);
        let bottom = piece.bands.end.min(tops.skipped + tops.count).max(top);
        let left = piece.inputs.start.max(lefts.skipped * seen);
        let right = piece
            .inputs
            .end
            .min((lefts.skipped + lefts.count) * seen)
            .max(left);
        let length = right - left;
        // Without groups, neighbours across lie side by side.
        let runs = if self.shape.groups == 1 {
            1
        } else {
            length / seen
        };
        let bands = if length == 0 { 0 } else { bottom - top };
        let first_input = if bands == 0 {
            0
        } else {
            (tops.first + top - tops.skipped) * grid_row
                + lefts.first * channels
                + (left - lefts.skipped * seen)
                + field.first_channel
        };
        Patch {
            inputs: &inputs[first_input..],
            bands,
            runs,
            length: if runs == 1 { length } else { seen },
            input_strides: [grid_row, channels],
            first_weight: (top - piece.bands.start) * piece.inputs.len() + left
                - piece.inputs.start,
            weight_strides: [piece.inputs.len(), seen],
        }
    }

    /// Copies a tile's sums to where they belong; a last place may have phases beyond the edge.
    #[inline(always)]
    fn store(&self, tile: &Tile, sums: &[Lanes], place: [usize; 2], outputs: &mut [Lanes]) {
        for (output, sum) in tile.outputs.iter().zip(sums) {
            let y = place[0] * self.down.step + output.down;
            let x = place[1] * self.across.step + output.across;
            if y < self.down.outputs && x < self.across.outputs {
                let channel = output.channel;
                outputs[(y * self.across.outputs + x) * self.shape.channels + channel] = *sum;
            }
        }
    }
}
