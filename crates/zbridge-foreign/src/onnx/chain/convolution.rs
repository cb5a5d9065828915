use super::graph_lowering::{GraphLowering, MOST_NUMBERS};
use super::view::View;
use crate::onnx::operator::Operator;
use crate::shape::checked_size;
use ndarray::{Array4, ArrayD, Axis, Ix4};
use zbridge_infer::{GridConvolution, GridSide};

/// Outputs of a group below which sums of that group alone leave most of a register's work undone.
const LEAST_OF_GROUP: usize = 4;

/// Outputs between neighbouring inputs above which a transposed convolution is none of an image.
const MOST_STRIDE: usize = 16;

/// A side of one place, across which a sound is an image.
const ONLY_PLACE: GridSide = GridSide {
    inputs: 1,
    outputs: 1,
    kernel: 1,
    stride: 1,
    padding: 0,
};

/// The channels of a convolution, and how they are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Channels {
    inputs: usize,
    outputs: usize,
    groups: usize,
    transposed: bool,
}

/// A window that moves along one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    inputs: usize,
    kernel: usize,
    stride: usize,
    /// Before the first and behind the last input.
    padding: [usize; 2],
    /// Outputs of a transposed convolution behind the last.
    output_padding: usize,
}

impl<'a> GraphLowering<'a> {
    /// Lowers a convolution, or a transposed one, of an image `[channels, height, width]` or of a
    /// sound `[channels, length]`.
    pub(super) fn convolution(&mut self, node: Operator<'a>) -> Option<View> {
        let kernel = self.constants.floats(node.input(1)?)?;
        let view = self.take_only_input(node)?;
        let shape = grid_convolution(node, view.shape(), kernel.shape())?;
        let bias = self.convolution_bias(node, shape.channels)?;
        // The kernel of the network takes channels last.
        self.gather(&view.grid_columns())?;
        let kernel = image_kernel(kernel)?;
        let weight = |y, x, input, output| kernel[kernel_place(&shape, y, x, input, output)];
        self.network.convolution(&shape, &bias, weight);
        let is_sound = view.shape().len() == 2;
        Some(output_view(&shape, is_sound))
    }

    fn convolution_bias(&self, node: Operator<'_>, channels: usize) -> Option<Vec<f32>> {
        match node.input(2) {
            Some(name) => Some(self.constants.vector(name, channels)?.to_vec()),
            None => Some(vec![0.0; channels]),
        }
    }
}

fn output_view(shape: &GridConvolution, is_sound: bool) -> View {
    let [height, width] = shape.sides.map(|side| side.outputs);
    match is_sound {
        true => View::of_grid(&[shape.channels, width]),
        false => View::of_grid(&[shape.channels, height, width]),
    }
}

/// Returns the kernel `[channels, channels, height, width]`; that of a sound has the height 1.
fn image_kernel(kernel: ArrayD<f32>) -> Option<Array4<f32>> {
    let kernel = match kernel.ndim() {
        // `[channels, channels, length]`.
        3 => kernel.insert_axis(Axis(2)),
        _ => kernel,
    };
    kernel.into_dimensionality::<Ix4>().ok()
}

/// Returns where a kernel has the weight from an input channel to an output channel, at row y and
/// column x of the window. One of the two channels counts within its group only.
fn kernel_place(
    shape: &GridConvolution,
    y: usize,
    x: usize,
    input: usize,
    output: usize,
) -> [usize; 4] {
    match shape.transposed {
        true => [input, output % (shape.channels / shape.groups), y, x],
        false => [output, input % (shape.input_channels / shape.groups), y, x],
    }
}

/// Returns the convolution of a value `[channels, places..]` by a kernel `[channels, channels,
/// places..]`; `None` if it is of a kind that is not supported.
fn grid_convolution(
    node: Operator<'_>,
    input: &[usize],
    kernel: &[usize],
) -> Option<GridConvolution> {
    let (&input_channels, places) = input.split_first()?;
    let (kernel_channels, kernel_places) = kernel.split_first_chunk::<2>()?;
    let channels = channels(node, input_channels, *kernel_channels)?;
    if !has_stated_padding(node) || kernel_places.len() != places.len() {
        return None;
    }
    let windows = windows(node, places, kernel_places)?;
    let sides = grid_sides(&windows, channels.transposed)?;
    let size = checked_size(&[sides[0].outputs, sides[1].outputs, channels.outputs])?;
    (size <= MOST_NUMBERS).then_some(GridConvolution {
        sides,
        input_channels: channels.inputs,
        channels: channels.outputs,
        groups: channels.groups,
        transposed: channels.transposed,
    })
}

/// Returns the sides down and across; a sound has one place down.
fn grid_sides(windows: &[Window], transposed: bool) -> Option<[GridSide; 2]> {
    match windows {
        [across] => Some([ONLY_PLACE, across.side(transposed)?]),
        [down, across] => Some([down.side(transposed)?, across.side(transposed)?]),
        _ => None,
    }
}

/// Returns the channels of a convolution; `None` if its kernel does not fit the input, or its
/// groups are too small to be fast.
fn channels(node: Operator<'_>, inputs: usize, kernel: [usize; 2]) -> Option<Channels> {
    let transposed = node.name() == "ConvTranspose";
    let groups = usize::try_from(node.int("group", 1)).ok()?;
    // A kernel has the channels of all groups on one side only.
    let (kernel_inputs, outputs) = match (transposed, kernel) {
        (true, [inputs, of_group]) => (inputs, of_group.checked_mul(groups)?),
        (false, [outputs, of_group]) => (of_group.checked_mul(groups)?, outputs),
    };
    let channels = Channels {
        inputs,
        outputs,
        groups,
        transposed,
    };
    let is_supported = kernel_inputs == inputs && channels.are_divided() && channels.are_fast();
    is_supported.then_some(channels)
}

impl Channels {
    /// Returns whether every group has the same number of channels, at least one.
    fn are_divided(self) -> bool {
        let is_divided = |channels: usize| channels.is_multiple_of(self.groups);
        self.groups > 0 && self.outputs > 0 && is_divided(self.inputs) && is_divided(self.outputs)
    }

    /// Returns whether the outputs of a group fill enough of a register.
    fn are_fast(self) -> bool {
        self.groups == 1 || self.outputs / self.groups >= LEAST_OF_GROUP
    }
}

/// Returns whether a convolution states its padding in numbers.
fn has_stated_padding(node: Operator<'_>) -> bool {
    node.text("auto_pad", "NOTSET") == "NOTSET" && node.attribute("output_shape").is_none()
}

/// Returns the window along each side; `None` for windows with holes.
fn windows(node: Operator<'_>, places: &[usize], kernel: &[usize]) -> Option<Vec<Window>> {
    let rank = places.len();
    let dilations = sizes_or(node, "dilations", 1, rank)?;
    if dilations.iter().any(|dilation| *dilation != 1) {
        return None;
    }
    let strides = sizes_or(node, "strides", 1, rank)?;
    // First those before each side, then those behind.
    let padding = sizes_or(node, "pads", 0, 2 * rank)?;
    let output_padding = sizes_or(node, "output_padding", 0, rank)?;
    let window = |i: usize| Window {
        inputs: places[i],
        kernel: kernel[i],
        stride: strides[i],
        padding: [padding[i], padding[rank + i]],
        output_padding: output_padding[i],
    };
    Some((0..rank).map(window).collect())
}

/// Returns `count` sizes of an attribute, or defaults if it is missing.
fn sizes_or(node: Operator<'_>, name: &str, default: usize, count: usize) -> Option<Vec<usize>> {
    match node.attribute(name) {
        Some(_) => node.sizes(name).filter(|sizes| sizes.len() == count),
        None => Some(vec![default; count]),
    }
}

impl Window {
    fn side(&self, transposed: bool) -> Option<GridSide> {
        let outputs = match transposed {
            _ if !self.is_usable() => return None,
            true => self.transposed_outputs()?,
            false => self.outputs()?,
        };
        (outputs > 0).then_some(GridSide {
            inputs: self.inputs,
            outputs,
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding[0],
        })
    }

    fn is_usable(&self) -> bool {
        self.kernel > 0
            && self.stride > 0
            // More padding would make outputs that no input reaches.
            && self.padding.iter().all(|padding| *padding <= self.kernel)
            && self.output_padding <= self.stride
    }

    fn outputs(&self) -> Option<usize> {
        let padded = self.inputs + self.padding[0] + self.padding[1];
        Some(padded.checked_sub(self.kernel)? / self.stride + 1)
    }

    fn transposed_outputs(&self) -> Option<usize> {
        if self.stride > MOST_STRIDE {
            return None;
        }
        // Each input adds to a window, `stride` outputs after the one before it.
        let all = (self.inputs - 1) * self.stride + self.kernel + self.output_padding;
        all.checked_sub(self.padding[0] + self.padding[1])
    }
}
