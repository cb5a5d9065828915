//! Outputs that see the same inputs, and their weights.

use crate::axis::Axis;
use crate::grid_convolution::GridConvolution;
use crate::weighted_sums::TileWidths;
use std::ops::Range;

/// An output of a convolution: the phases of its place, and its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) down: usize,
    pub(crate) across: usize,
    pub(crate) channel: usize,
}

/// Outputs that see the same window of the grid, in tiles whose sums are computed together.
#[derive(Debug, Clone)]
pub(crate) struct ReceptiveField {
    /// The window, in offsets from a place.
    pub(crate) down: Range<isize>,
    pub(crate) across: Range<isize>,
    /// The first channel of the input that it sees.
    pub(crate) first_channel: usize,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) tiles: Vec<Tile>,
    /// `[piece, tile, input of the piece, output of the tile]`: the order in which they are read.
    weights: Vec<f32>,
}

/// A part of a window that stays in the nearest cache while all tiles read it.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) bands: Range<usize>,
    /// Inputs of each band.
    pub(crate) inputs: Range<usize>,
    /// Inputs of the window in the pieces before.
    before: usize,
}

/// A few outputs whose sums are computed together.
#[derive(Debug, Clone)]
pub(crate) struct Tile {
    pub(crate) outputs: Vec<Output>,
    /// As many as the tile has space for, which can be more than it has outputs.
    pub(crate) biases: Vec<f32>,
    /// Whether the tile is full and its outputs are channels of one place, one behind the other.
    pub(crate) is_side_by_side: bool,
    /// Space for outputs in the tiles before.
    before: usize,
}

impl Tile {
    fn new(outputs: Vec<Output>, biases: Vec<f32>) -> Self {
        let is_side_by_side = is_side_by_side(&outputs, biases.len());
        Self {
            outputs,
            biases,
            is_side_by_side,
            before: 0,
        }
    }

    /// Moves channel c of the output to `places[c]`.
    pub(crate) fn permute(&mut self, places: &[usize]) {
        for output in &mut self.outputs {
            output.channel = places[output.channel];
        }
        self.is_side_by_side = is_side_by_side(&self.outputs, self.biases.len());
    }
}

fn is_side_by_side(outputs: &[Output], space: usize) -> bool {
    let follows = |pair: &[Output]| {
        let next = Output {
            channel: pair[0].channel + 1,
            ..pair[0]
        };
        pair[1] == next
    };
    outputs.len() == space && outputs.windows(2).all(follows)
}

/// Inputs of a piece at most, unless a band of a grouped convolution has more: 16 KiB, half of the
/// nearest cache of most processors.
const PIECE: usize = 128;

impl Piece {
    /// The pieces of a window of `bands` bands of `inputs` inputs each.
    fn split(bands: usize, inputs: usize, grouped: bool) -> Vec<Self> {
        if bands * inputs <= PIECE {
            return vec![Self {
                bands: 0..bands,
                inputs: 0..inputs,
                before: 0,
            }];
        }
        let most = if grouped { inputs } else { PIECE };
        let parts = inputs.div_ceil(most).max(1);
        let mut pieces = vec![];
        for band in 0..bands {
            for part in 0..parts {
                let range = part * inputs / parts..(part + 1) * inputs / parts;
                let before = band * inputs + range.start;
                pieces.push(Self {
                    bands: band..band + 1,
                    inputs: range,
                    before,
                });
            }
        }
        pieces
    }

    /// How many inputs it has.
    pub(crate) fn len(&self) -> usize {
        self.bands.len() * self.inputs.len()
    }
}

/// The fields of the outputs of one group of channels.
pub(crate) struct FieldBuilder<'a, W> {
    pub(crate) shape: &'a GridConvolution,
    pub(crate) axes: [Axis; 2],
    pub(crate) widths: TileWidths,
    pub(crate) bias: &'a [f32],
    /// The weight of (row and column of the kernel, input channel, channel).
    pub(crate) weight: W,
}

impl<W: Fn(usize, usize, usize, usize) -> f32> FieldBuilder<'_, W> {
    /// The fields of all groups.
    pub(crate) fn fields(&self) -> Vec<ReceptiveField> {
        let groups = 0..self.shape.groups;
        let mut fields: Vec<_> = groups
            .flat_map(|group| self.fields_of_group(group))
            .collect();
        for field in &mut fields {
            self.fill(field);
        }
        fields
    }

    /// The fields of one group of channels, without their weights.
    fn fields_of_group(&self, group: usize) -> Vec<ReceptiveField> {
        let seen = self.shape.seen_channels();
        let own = self.shape.channels / self.shape.groups;
        let mut fields: Vec<ReceptiveField> = vec![];
        for outputs in self.outputs_that_share_tiles(group * own..(group + 1) * own) {
            for tile in self.tiles(&outputs) {
                let [down, across] = self.window(&tile.outputs);
                match fields.last_mut() {
                    Some(field) if field.down == down && field.across == across => field.push(tile),
                    _ => fields.push(ReceptiveField::new(down, across, group * seen, tile)),
                }
            }
        }
        fields
    }

    /// Outputs of these channels that may share a tile. Phases see different windows, so they do
    /// only where the channels of a phase would not fill one.
    fn outputs_that_share_tiles(&self, channels: Range<usize>) -> Vec<Vec<Output>> {
        let [down, across] = self.axes;
        let phases_share = channels.len() < self.widths.widest();
        let mut groups: Vec<Vec<Output>> = vec![];
        for (down, across) in phases([down.step, across.step]) {
            let outputs = channels.clone().map(|channel| Output {
                down,
                across,
                channel,
            });
            match groups.last_mut() {
                Some(group) if phases_share => group.extend(outputs),
                _ => groups.push(outputs.collect()),
            }
        }
        groups
    }

    fn tiles(&self, mut outputs: &[Output]) -> Vec<Tile> {
        let mut tiles = vec![];
        for width in self.widths.split(outputs.len()) {
            let (own, others) = outputs.split_at(width.min(outputs.len()));
            tiles.push(self.tile(own.to_vec(), width));
            outputs = others;
        }
        tiles
    }

    /// The offsets down and across at which one of these outputs sees an input.
    fn window(&self, outputs: &[Output]) -> [Range<isize>; 2] {
        let [down, across] = self.axes;
        let down = down.offsets(outputs.iter().map(|output| output.down));
        [
            down,
            across.offsets(outputs.iter().map(|output| output.across)),
        ]
    }

    fn tile(&self, outputs: Vec<Output>, width: usize) -> Tile {
        let mut biases: Vec<f32> = outputs.iter().map(|o| self.bias[o.channel]).collect();
        biases.resize(width, 0.0);
        Tile::new(outputs, biases)
    }

    /// Splits the window of a field, and copies its weights.
    fn fill(&self, field: &mut ReceptiveField) {
        let seen = self.shape.seen_channels();
        let grouped = self.shape.groups > 1;
        field.pieces = Piece::split(field.down.len(), field.across.len() * seen, grouped);
        for piece in &field.pieces {
            for tile in &field.tiles {
                for band in piece.bands.clone() {
                    for input in piece.inputs.clone() {
                        let dy = field.down.start + band as isize;
                        let dx = field.across.start + (input / seen) as isize;
                        let channel = field.first_channel + input % seen;
                        self.push_weights(tile, [dy, dx], channel, &mut field.weights);
                    }
                }
            }
        }
    }

    /// The weights of a tile's outputs for one input; zero where an output does not see an input
    /// that others do, and in the space that is left.
    fn push_weights(&self, tile: &Tile, [dy, dx]: [isize; 2], input: usize, to: &mut Vec<f32>) {
        let [down, across] = self.axes;
        let end = to.len() + tile.biases.len();
        for output in &tile.outputs {
            let taps = down.tap(output.down, dy).zip(across.tap(output.across, dx));
            to.push(taps.map_or(0.0, |(y, x)| (self.weight)(y, x, input, output.channel)));
        }
        to.resize(end, 0.0);
    }
}

/// All pairs of phases.
fn phases([down, across]: [usize; 2]) -> impl Iterator<Item = (usize, usize)> {
    (0..down).flat_map(move |y| (0..across).map(move |x| (y, x)))
}

impl ReceptiveField {
    fn new(down: Range<isize>, across: Range<isize>, first_channel: usize, tile: Tile) -> Self {
        let (pieces, weights) = (vec![], vec![]);
        Self {
            down,
            across,
            first_channel,
            pieces,
            tiles: vec![tile],
            weights,
        }
    }

    fn push(&mut self, mut tile: Tile) {
        tile.before = self.space();
        self.tiles.push(tile);
    }

    /// Space for outputs of all tiles.
    pub(crate) fn space(&self) -> usize {
        self.tiles
            .last()
            .map_or(0, |tile| tile.before + tile.biases.len())
    }

    /// `[inputs of the piece, outputs of the tile]`.
    pub(crate) fn weights(&self, piece: &Piece, tile: &Tile) -> &[f32] {
        &self.weights[self.weight_range(piece, tile)]
    }

    fn weight_range(&self, piece: &Piece, tile: &Tile) -> Range<usize> {
        let start = piece.before * self.space() + piece.len() * tile.before;
        start..start + piece.len() * tile.biases.len()
    }

    /// Makes each output `x · factor + offset`.
    pub(crate) fn affine(&mut self, of_output: impl Fn(&Output) -> (f32, f32)) {
        for index in 0..self.tiles.len() {
            for piece in 0..self.pieces.len() {
                let tile = &self.tiles[index];
                let range = self.weight_range(&self.pieces[piece], tile);
                for weights in self.weights[range].chunks_exact_mut(tile.biases.len()) {
                    for (weight, output) in weights.iter_mut().zip(&tile.outputs) {
                        *weight *= of_output(output).0;
                    }
                }
            }
            let tile = &mut self.tiles[index];
            for (bias, output) in tile.biases.iter_mut().zip(&tile.outputs) {
                let (factor, offset) = of_output(output);
                *bias = *bias * factor + offset;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_a_window_once_and_in_order() {
        for (bands, inputs) in [(1, 1), (3, 96), (2, 128), (1, 784), (5, 300), (0, 0)] {
            let pieces = Piece::split(bands, inputs, false);
            let mut next = 0;
            for piece in &pieces {
                assert!(piece.len() <= PIECE);
                assert_eq!(piece.before, next);
                next += piece.len();
            }
            assert_eq!(next, bands * inputs);
        }
        assert_eq!(
            Piece::split(3, 300, true).len(),
            3,
            "a band of groups stays whole"
        );
    }
}
