//! A linear layer, a convolution or a transposed one, laid out for [`ROWS`](crate::kernels::lanes::ROWS) rows at once.
//!
//! All three are sums over a window of a grid. A transposed convolution with stride s is s × s ordinary ones that take
//! turns, one for each *phase* of an output's place modulo s (Shi et al. 2016, "sub-pixel convolution"): every output
//! is summed once, from the few inputs that reach it, instead of being added to by each of them.

use crate::kernels::lanes::{Activation, HALF_TILE, Lanes, Patch, TILE, activate, weighted_sums};
use crate::layer::Convolution;
use std::ops::Range;

/// A layer with weights, and the activation that follows it.
#[derive(Debug, Clone)]
pub(crate) struct Stencil {
    down: Axis,
    across: Axis,
    input_channels: usize,
    channels: usize,
    tiles: Vec<Tile>,
    pub(crate) activation: Activation,
}

/// How outputs lie over inputs along one side of the grid: from place q, output `step · q + phase` sees the inputs
/// `input_step · q + offset`, for a few offsets.
#[derive(Debug, Clone, Copy)]
struct Axis {
    inputs: usize,
    outputs: usize,
    kernel: usize,
    padding: usize,
    input_step: usize,
    step: usize,
    /// From the kernel's row for one offset to that for the next: 1, or, transposed, back by the stride.
    tap_step: isize,
}

/// A few outputs that are summed together at every place of the grid.
#[derive(Debug, Clone)]
struct Tile {
    outputs: Vec<Output>,
    down: Range<isize>,
    across: Range<isize>,
    /// `[offset down, offset across, input channel, output of the tile]`.
    weights: Vec<f32>,
    biases: Vec<f32>,
}

/// An output of a tile: the phases of its place, and its channel.
#[derive(Debug, Clone, Copy)]
struct Output {
    down: usize,
    across: usize,
    channel: usize,
}

impl Stencil {
    /// A linear layer, weight `[outputs, inputs]`: a grid of one place.
    pub(crate) fn linear(inputs: usize, outputs: usize, weight: &[f32], bias: &[f32]) -> Self {
        let conv = Convolution { input: [1, 1, inputs], channels: outputs, kernel: 1, stride: 1, padding: 0 };
        Self::convolution(&conv, weight, bias)
    }

    /// A convolution, weight `[channels, kernel, kernel, input channels]`.
    pub(crate) fn convolution(conv: &Convolution, weight: &[f32], bias: &[f32]) -> Self {
        let (side, inputs) = (conv.kernel, conv.input[2]);
        let axes = Axis::pair(conv, conv.output()).map(|axis| axis.forward(conv.stride));
        Self::new(axes, conv, bias, |y, x, input, channel| weight[((channel * side + y) * side + x) * inputs + input])
    }

    /// A transposed convolution, weight `[input channels, kernel, kernel, channels]`.
    pub(crate) fn transposed(conv: &Convolution, weight: &[f32], bias: &[f32]) -> Self {
        let (side, channels) = (conv.kernel, conv.channels);
        let axes = Axis::pair(conv, conv.transposed_output()).map(|axis| axis.transposed(conv.stride));
        Self::new(axes, conv, bias, |y, x, input, channel| weight[((input * side + y) * side + x) * channels + channel])
    }

    fn new(
        [down, across]: [Axis; 2],
        conv: &Convolution,
        bias: &[f32],
        weight: impl Fn(usize, usize, usize, usize) -> f32,
    ) -> Self {
        let (input_channels, channels) = (conv.input[2], conv.channels);
        let tiles = outputs(channels, down.step).into_iter().map(|outputs| {
            let mut tile = Tile::new(outputs, down, across, bias);
            tile.fill(down, across, input_channels, &weight);
            tile
        });
        Self { down, across, input_channels, channels, tiles: tiles.collect(), activation: Activation::Identity }
    }

    /// Numbers of a row's output.
    pub(crate) fn width(&self) -> usize {
        self.down.outputs * self.across.outputs * self.channels
    }

    /// The layer's outputs for the first `rows` rows, `[height, width, channels]`.
    pub(crate) fn apply(&self, inputs: &[Lanes], rows: usize, outputs: &mut Vec<Lanes>) {
        outputs.resize(self.width(), Lanes::ZERO);
        let mut sums = [Lanes::ZERO; TILE];
        // Places first: a window stays in the nearest cache while all tiles read it.
        for (down, across) in (0..self.down.places()).flat_map(|y| (0..self.across.places()).map(move |x| (y, x))) {
            for tile in &self.tiles {
                weighted_sums(self.patch(tile, inputs, down, across), &tile.biases, rows, &mut sums);
                activate(self.activation, &mut sums[..tile.outputs.len()]);
                self.store(&tile.outputs, &sums, down, across, outputs);
            }
        }
    }

    /// What `tile` sees from a place: the part of its window that lies inside the grid.
    fn patch<'a>(&self, tile: &'a Tile, inputs: &'a [Lanes], down: usize, across: usize) -> Patch<'a> {
        let (tops, lefts) = (self.down.inside(&tile.down, down), self.across.inside(&tile.across, across));
        if tops.count == 0 || lefts.count == 0 {
            return Patch::EMPTY;
        }
        let wide = tile.across.len() * self.input_channels * tile.biases.len();
        let skipped = lefts.skipped * self.input_channels * tile.biases.len();
        Patch {
            inputs: &inputs[(tops.first * self.across.inputs + lefts.first) * self.input_channels..],
            weights: &tile.weights[tops.skipped * wide + skipped..],
            runs: tops.count,
            length: lefts.count * self.input_channels,
            input_stride: self.across.inputs * self.input_channels,
            weight_stride: wide,
        }
    }

    /// Puts a tile's sums where they belong; a last place may have phases beyond the edge.
    fn store(&self, places: &[Output], sums: &[Lanes; TILE], down: usize, across: usize, outputs: &mut [Lanes]) {
        for (output, sum) in places.iter().zip(sums) {
            let (y, x) = (down * self.down.step + output.down, across * self.across.step + output.across);
            if y < self.down.outputs && x < self.across.outputs {
                outputs[(y * self.across.outputs + x) * self.channels + output.channel] = *sum;
            }
        }
    }
}

/// The outputs of every tile. Phases see different windows, so they share a tile only where a phase's channels would
/// not fill one.
fn outputs(channels: usize, step: usize) -> Vec<Vec<Output>> {
    let phases = (0..step).flat_map(|down| (0..step).map(move |across| (down, across)));
    let of_phase = |(down, across)| (0..channels).map(move |channel| Output { down, across, channel });
    let groups: Vec<Vec<Output>> = match channels < TILE {
        true => vec![phases.flat_map(of_phase).collect()],
        false => phases.map(|phase| of_phase(phase).collect()).collect(),
    };
    groups.iter().flat_map(|group| group.chunks(TILE).map(<[Output]>::to_vec)).collect()
}

impl Tile {
    /// The tile of these outputs, still without weights.
    fn new(outputs: Vec<Output>, down: Axis, across: Axis, bias: &[f32]) -> Self {
        let mut biases: Vec<f32> = outputs.iter().map(|output| bias[output.channel]).collect();
        biases.resize(if outputs.len() <= HALF_TILE { HALF_TILE } else { TILE }, 0.0);
        Self {
            down: down.offsets(outputs.iter().map(|output| output.down)),
            across: across.offsets(outputs.iter().map(|output| output.across)),
            outputs,
            weights: vec![],
            biases,
        }
    }

    /// Copies the weights to where the kernel reads them; zero where an output does not see an
    /// input that others do, and for what is missing to a whole tile.
    fn fill(
        &mut self,
        down: Axis,
        across: Axis,
        input_channels: usize,
        weight: &impl Fn(usize, usize, usize, usize) -> f32,
    ) {
        for (dy, dx) in self.down.clone().flat_map(|dy| self.across.clone().map(move |dx| (dy, dx))) {
            let taps: Vec<_> =
                self.outputs.iter().map(|o| down.tap(o.down, dy).zip(across.tap(o.across, dx))).collect();
            for input in 0..input_channels {
                let of = |(tap, output): (&Option<_>, &Output)| {
                    tap.map_or(0.0, |(y, x)| weight(y, x, input, output.channel))
                };
                let row = taps.iter().zip(&self.outputs).map(of);
                self.weights.extend(row.chain(std::iter::repeat(0.0)).take(self.biases.len()));
            }
        }
    }
}

/// The part of a window that lies inside the grid.
struct Inside {
    first: usize,
    count: usize,
    skipped: usize,
}

impl Axis {
    /// Both axes of a convolution that makes `output`, without stride.
    fn pair(conv: &Convolution, output: [usize; 3]) -> [Self; 2] {
        let Convolution { kernel, padding, .. } = *conv;
        let axis = |i: usize| (conv.input[i], output[i]);
        [0, 1].map(axis).map(|(inputs, outputs)| Self {
            inputs,
            outputs,
            kernel,
            padding,
            input_step: 1,
            step: 1,
            tap_step: 1,
        })
    }

    /// With windows `stride` inputs apart.
    fn forward(self, stride: usize) -> Self {
        Self { input_step: stride, ..self }
    }

    /// With `stride` outputs to an input.
    fn transposed(self, stride: usize) -> Self {
        Self { step: stride, tap_step: -(stride as isize), ..self }
    }

    fn places(&self) -> usize {
        self.outputs.div_ceil(self.step)
    }

    /// Which row of the kernel joins an output of `phase` to the input at `offset`.
    fn tap(&self, phase: usize, offset: isize) -> Option<usize> {
        let tap = (self.padding + phase) as isize + self.tap_step * offset;
        usize::try_from(tap).ok().filter(|tap| *tap < self.kernel)
    }

    /// The offsets from the first to the last at which an output of one of these phases sees an input.
    fn offsets(&self, phases: impl Iterator<Item = usize>) -> Range<isize> {
        let far = (self.kernel + self.padding + self.step) as isize;
        let seen_by = |phase: usize| (-far..far).filter(move |offset| self.tap(phase, *offset).is_some());
        phases.flat_map(seen_by).fold(0..0, |all, offset| match all.is_empty() {
            true => offset..offset + 1,
            false => all.start.min(offset)..all.end.max(offset + 1),
        })
    }

    /// What of the window is inside, seen from `place`.
    fn inside(&self, offsets: &Range<isize>, place: usize) -> Inside {
        let at = (place * self.input_step) as isize;
        let first = offsets.start.max(-at).min(offsets.end);
        let end = offsets.end.min(self.inputs as isize - at).max(first);
        Inside {
            first: (at + first).max(0) as usize,
            count: (end - first) as usize,
            skipped: (first - offsets.start) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phases_of_a_transposed_convolution_share_its_kernel_out() {
        let conv = |kernel, padding| Convolution { input: [7, 7, 1], channels: 1, kernel, stride: 2, padding };
        let axis = |conv: Convolution| Axis::pair(&conv, conv.transposed_output())[0].transposed(2);
        let four = axis(conv(4, 1));
        assert_eq!([0, 1].map(|phase| four.offsets(std::iter::once(phase))), [-1..1, 0..2]);
        assert_eq!([-1, 0].map(|offset| four.tap(0, offset)), [Some(3), Some(1)]);
        assert_eq!([0, 1].map(|offset| four.tap(1, offset)), [Some(2), Some(0)]);
        let six = axis(conv(6, 2));
        assert_eq!(six.offsets(0..2), -1..2, "both phases see the same three inputs");
    }

    #[test]
    fn a_window_ends_at_the_edge() {
        let conv = Convolution { input: [5, 5, 1], channels: 1, kernel: 3, stride: 1, padding: 1 };
        let axis = Axis::pair(&conv, conv.output())[0];
        let inside = |place| {
            let Inside { first, count, skipped } = axis.inside(&(-1..2), place);
            (first, count, skipped)
        };
        assert_eq!([0, 2, 4].map(inside), [(0, 2, 1), (1, 3, 0), (3, 2, 0)]);
    }
}
