//! The shape of a convolution.

use zbridge_nn::Convolution;

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

impl GridConvolution {
    /// The shape of a layer that is a convolution.
    pub(crate) fn of_layer(conv: &Convolution) -> Self {
        Self::square(conv, conv.output(), false)
    }

    /// The shape of a layer that is a transposed convolution.
    pub(crate) fn of_transposed_layer(conv: &Convolution) -> Self {
        Self::square(conv, conv.transposed_output(), true)
    }

    fn square(conv: &Convolution, output: [usize; 3], transposed: bool) -> Self {
        let side = |i: usize| GridSide {
            inputs: conv.input[i],
            outputs: output[i],
            kernel: conv.kernel,
            stride: conv.stride,
            padding: conv.padding,
        };
        Self {
            sides: [side(0), side(1)],
            input_channels: conv.input[2],
            channels: conv.channels,
            groups: 1,
            transposed,
        }
    }

    /// The shape of a linear layer: a grid of one place.
    pub(crate) fn linear(inputs: usize, outputs: usize) -> Self {
        let one_place = GridSide {
            inputs: 1,
            outputs: 1,
            kernel: 1,
            stride: 1,
            padding: 0,
        };
        Self {
            sides: [one_place; 2],
            input_channels: inputs,
            channels: outputs,
            groups: 1,
            transposed: false,
        }
    }

    /// Numbers of a row's input.
    pub(crate) fn input_width(&self) -> usize {
        self.sides[0].inputs * self.sides[1].inputs * self.input_channels
    }

    /// Channels of the input that a channel of the output sees.
    pub(crate) fn seen_channels(&self) -> usize {
        self.input_channels / self.groups
    }
}
