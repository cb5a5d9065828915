//! A linear layer, a convolution or a transposed one, laid out for
//! [`ROWS`](crate::kernels::lanes::ROWS) rows at once.
//!
//! All three are sums over a window of a grid. A transposed convolution with stride s is s × s
//! ordinary ones that take turns, one for each *phase* of an output's place modulo s (Shi et al.
//! 2016, "sub-pixel convolution"): every output is summed once, from the few inputs that reach it,
//! instead of being added to by each of them.

use crate::kernels::activation::{Activation, activate};
use crate::kernels::lanes::{HALF_TILE, Lanes, Patch, TILE, weighted_sums};
use crate::layer::Convolution;
use std::ops::Range;

/// A convolution of a grid `[height, width, channels]`, or a transposed one. All sizes are at least
/// 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GridConvolution {
    /// Down and across.
    pub sides: [GridSide; 2],
    /// Channels of the input.
    pub input_channels: usize,
    /// Channels of the output.
    pub channels: usize,
    /// Parts of the channels that do not see each other; it divides the channels of input and
    /// output.
    pub groups: usize,
    /// Whether each input adds to a window of outputs, instead of each output seeing a window of
    /// inputs.
    pub transposed: bool,
}

/// A convolution along one side of a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GridSide {
    /// Size of the input.
    pub inputs: usize,
    /// Size of the output.
    pub outputs: usize,
    /// Size of the kernel.
    pub kernel: usize,
    /// Step between windows (between outputs of neighbouring inputs when transposed).
    pub stride: usize,
    /// Zeros before the first input (outputs cut off before the first when transposed).
    pub padding: usize,
}

/// A layer with weights, and the activation that follows it.
#[derive(Debug, Clone)]
pub(crate) struct Stencil {
    down: Axis,
    across: Axis,
    input_channels: usize,
    channels: usize,
    groups: usize,
    tiles: Vec<Tile>,
    pub(crate) activation: Activation,
}

/// How outputs lie over inputs along one side of the grid: from place q, output `step · q + phase`
/// sees the inputs `input_step · q + offset`, for a few offsets.
#[derive(Debug, Clone, Copy)]
struct Axis {
    inputs: usize,
    outputs: usize,
    kernel: usize,
    padding: usize,
    input_step: usize,
    step: usize,
    /// From the kernel's row for one offset to that for the next: 1, or, transposed, back by the
    /// stride.
    tap_step: isize,
}

/// A few outputs that are summed together at every place of the grid.
#[derive(Debug, Clone)]
struct Tile {
    outputs: Vec<Output>,
    /// The first channel of the input that its group sees.
    input: usize,
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
        let conv = Convolution {
            input: [1, 1, inputs],
            channels: outputs,
            kernel: 1,
            stride: 1,
            padding: 0,
        };
        Self::convolution(&conv, weight, bias)
    }

    /// A convolution, weight `[channels, kernel, kernel, input channels]`.
    pub(crate) fn convolution(conv: &Convolution, weight: &[f32], bias: &[f32]) -> Self {
        let (side, inputs) = (conv.kernel, conv.input[2]);
        let at = |y, x, input, channel| weight[((channel * side + y) * side + x) * inputs + input];
        Self::new(
            &GridConvolution::square(conv, conv.output(), false),
            bias,
            at,
        )
    }

    /// A transposed convolution, weight `[input channels, kernel, kernel, channels]`.
    pub(crate) fn transposed(conv: &Convolution, weight: &[f32], bias: &[f32]) -> Self {
        let (side, channels) = (conv.kernel, conv.channels);
        let at =
            |y, x, input, channel| weight[((input * side + y) * side + x) * channels + channel];
        Self::new(
            &GridConvolution::square(conv, conv.transposed_output(), true),
            bias,
            at,
        )
    }

    /// A convolution with the weight of (row and column of the kernel, input channel, channel).
    pub(crate) fn new(
        conv: &GridConvolution,
        bias: &[f32],
        weight: impl Fn(usize, usize, usize, usize) -> f32,
    ) -> Self {
        let [down, across] = conv.sides.map(|side| Axis::new(side, conv.transposed));
        let (inputs, channels) = (
            conv.input_channels / conv.groups,
            conv.channels / conv.groups,
        );
        let mut tiles = vec![];
        for group in 0..conv.groups {
            for outputs in outputs(
                group * channels..(group + 1) * channels,
                [down.step, across.step],
            ) {
                let mut tile = Tile::new(outputs, group * inputs, down, across, bias);
                tile.fill(down, across, inputs, &weight);
                tiles.push(tile);
            }
        }
        Self {
            down,
            across,
            input_channels: conv.input_channels,
            channels: conv.channels,
            groups: conv.groups,
            tiles,
            activation: Activation::Identity,
        }
    }

    /// Channels of the output.
    pub(crate) fn channels(&self) -> usize {
        self.channels
    }

    /// Whether its grid is one place, so that channels are all there is of an output.
    pub(crate) fn is_linear(&self) -> bool {
        self.down.outputs == 1 && self.across.outputs == 1
    }

    /// Makes the output `x · factor + offset`, the columns over and over along its channels.
    pub(crate) fn scale(&mut self, columns: &[(f32, f32)]) {
        for tile in &mut self.tiles {
            let width = tile.biases.len();
            for (place, output) in tile.outputs.iter().enumerate() {
                let (factor, offset) = columns[output.channel % columns.len()];
                tile.weights
                    .iter_mut()
                    .skip(place)
                    .step_by(width)
                    .for_each(|weight| *weight *= factor);
                tile.biases[place] = tile.biases[place] * factor + offset;
            }
        }
    }

    /// Puts channel c of the output to place[c].
    pub(crate) fn permute(&mut self, place: &[usize]) {
        let outputs = self.tiles.iter_mut().flat_map(|tile| &mut tile.outputs);
        outputs.for_each(|output| output.channel = place[output.channel]);
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
        for (down, across) in
            (0..self.down.places()).flat_map(|y| (0..self.across.places()).map(move |x| (y, x)))
        {
            for tile in &self.tiles {
                weighted_sums(
                    self.patch(tile, inputs, down, across),
                    &tile.biases,
                    rows,
                    &mut sums,
                );
                activate(self.activation, &mut sums[..tile.outputs.len()]);
                self.store(&tile.outputs, &sums, down, across, outputs);
            }
        }
    }

    /// What `tile` sees from a place: the part of its window that lies inside the grid.
    fn patch<'a>(
        &self,
        tile: &'a Tile,
        inputs: &'a [Lanes],
        down: usize,
        across: usize,
    ) -> Patch<'a> {
        let (tops, lefts) = (
            self.down.inside(&tile.down, down),
            self.across.inside(&tile.across, across),
        );
        if tops.count == 0 || lefts.count == 0 {
            return Patch::EMPTY;
        }
        let seen = self.input_channels / self.groups;
        let narrow = seen * tile.biases.len();
        let wide = tile.across.len() * narrow;
        // Without groups, neighbours across lie side by side.
        let (runs, length) = if self.groups == 1 {
            (1, lefts.count * seen)
        } else {
            (lefts.count, seen)
        };
        let first = (tops.first * self.across.inputs + lefts.first) * self.input_channels;
        Patch {
            inputs: &inputs[first + tile.input..],
            weights: &tile.weights[tops.skipped * wide + lefts.skipped * narrow..],
            bands: tops.count,
            runs,
            length,
            input_strides: [
                self.across.inputs * self.input_channels,
                self.input_channels,
            ],
            weight_strides: [wide, narrow],
        }
    }

    /// Puts a tile's sums where they belong; a last place may have phases beyond the edge.
    fn store(
        &self,
        places: &[Output],
        sums: &[Lanes; TILE],
        down: usize,
        across: usize,
        outputs: &mut [Lanes],
    ) {
        for (output, sum) in places.iter().zip(sums) {
            let (y, x) = (
                down * self.down.step + output.down,
                across * self.across.step + output.across,
            );
            if y < self.down.outputs && x < self.across.outputs {
                outputs[(y * self.across.outputs + x) * self.channels + output.channel] = *sum;
            }
        }
    }
}

/// The outputs of every tile, of these channels. Phases see different windows, so they share a tile
/// only where a phase's channels would not fill one.
fn outputs(channels: Range<usize>, steps: [usize; 2]) -> Vec<Vec<Output>> {
    let phases = (0..steps[0]).flat_map(|down| (0..steps[1]).map(move |across| (down, across)));
    let of_phase = |(down, across)| {
        channels.clone().map(move |channel| Output {
            down,
            across,
            channel,
        })
    };
    let groups: Vec<Vec<Output>> = match channels.len() < TILE {
        true => vec![phases.flat_map(of_phase).collect()],
        false => phases.map(|phase| of_phase(phase).collect()).collect(),
    };
    groups
        .iter()
        .flat_map(|group| group.chunks(TILE).map(<[Output]>::to_vec))
        .collect()
}

impl GridConvolution {
    /// One with a square kernel, from which `output` comes.
    fn square(conv: &Convolution, output: [usize; 3], transposed: bool) -> Self {
        let Convolution {
            kernel,
            stride,
            padding,
            ..
        } = *conv;
        let side = |i: usize| GridSide {
            inputs: conv.input[i],
            outputs: output[i],
            kernel,
            stride,
            padding,
        };
        let (input_channels, channels) = (conv.input[2], conv.channels);
        Self {
            sides: [0, 1].map(side),
            input_channels,
            channels,
            groups: 1,
            transposed,
        }
    }

    /// Numbers of a row's input.
    pub(crate) fn input_width(&self) -> usize {
        self.sides[0].inputs * self.sides[1].inputs * self.input_channels
    }
}

impl Tile {
    /// The tile of these outputs, still without weights.
    fn new(outputs: Vec<Output>, input: usize, down: Axis, across: Axis, bias: &[f32]) -> Self {
        let mut biases: Vec<f32> = outputs.iter().map(|output| bias[output.channel]).collect();
        biases.resize(
            if outputs.len() <= HALF_TILE {
                HALF_TILE
            } else {
                TILE
            },
            0.0,
        );
        Self {
            down: down.offsets(outputs.iter().map(|output| output.down)),
            across: across.offsets(outputs.iter().map(|output| output.across)),
            outputs,
            input,
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
        inputs: usize,
        weight: &impl Fn(usize, usize, usize, usize) -> f32,
    ) {
        for (dy, dx) in self
            .down
            .clone()
            .flat_map(|dy| self.across.clone().map(move |dx| (dy, dx)))
        {
            let taps: Vec<_> = self
                .outputs
                .iter()
                .map(|o| down.tap(o.down, dy).zip(across.tap(o.across, dx)))
                .collect();
            for input in self.input..self.input + inputs {
                let of = |(tap, output): (&Option<_>, &Output)| {
                    tap.map_or(0.0, |(y, x)| weight(y, x, input, output.channel))
                };
                let row = taps.iter().zip(&self.outputs).map(of);
                self.weights
                    .extend(row.chain(std::iter::repeat(0.0)).take(self.biases.len()));
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
    /// Windows `stride` inputs apart or, transposed, `stride` outputs to an input.
    fn new(side: GridSide, transposed: bool) -> Self {
        let GridSide {
            inputs,
            outputs,
            kernel,
            stride,
            padding,
        } = side;
        let (input_step, step) = if transposed { (1, stride) } else { (stride, 1) };
        let tap_step = if transposed { -(stride as isize) } else { 1 };
        Self {
            inputs,
            outputs,
            kernel,
            padding,
            input_step,
            step,
            tap_step,
        }
    }

    fn places(&self) -> usize {
        self.outputs.div_ceil(self.step)
    }

    /// Which row of the kernel joins an output of `phase` to the input at `offset`.
    fn tap(&self, phase: usize, offset: isize) -> Option<usize> {
        let tap = (self.padding + phase) as isize + self.tap_step * offset;
        usize::try_from(tap).ok().filter(|tap| *tap < self.kernel)
    }

    /// The offsets from the first to the last at which an output of one of these phases sees an
    /// input.
    fn offsets(&self, phases: impl Iterator<Item = usize>) -> Range<isize> {
        let far = (self.kernel + self.padding + self.step) as isize;
        let seen_by =
            |phase: usize| (-far..far).filter(move |offset| self.tap(phase, *offset).is_some());
        phases
            .flat_map(seen_by)
            .fold(0..0, |all, offset| match all.is_empty() {
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
        let axis = |kernel, padding| {
            let side = GridSide {
                inputs: 7,
                outputs: 14,
                kernel,
                stride: 2,
                padding,
            };
            Axis::new(side, true)
        };
        let four = axis(4, 1);
        assert_eq!(
            [0, 1].map(|phase| four.offsets(std::iter::once(phase))),
            [-1..1, 0..2]
        );
        assert_eq!(
            [-1, 0].map(|offset| four.tap(0, offset)),
            [Some(3), Some(1)]
        );
        assert_eq!([0, 1].map(|offset| four.tap(1, offset)), [Some(2), Some(0)]);
        let six = axis(6, 2);
        assert_eq!(
            six.offsets(0..2),
            -1..2,
            "both phases see the same three inputs"
        );
    }

    #[test]
    fn a_window_ends_at_the_edge() {
        let axis = Axis::new(
            GridSide {
                inputs: 5,
                outputs: 5,
                kernel: 3,
                stride: 1,
                padding: 1,
            },
            false,
        );
        let inside = |place| {
            let Inside {
                first,
                count,
                skipped,
            } = axis.inside(&(-1..2), place);
            (first, count, skipped)
        };
        assert_eq!([0, 2, 4].map(inside), [(0, 2, 1), (1, 3, 0), (3, 2, 0)]);
    }
}
