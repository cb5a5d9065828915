use crate::parameter::ParameterRole::{self, Bias, RunningMean, RunningVariance, Weight};
use serde::{Deserialize, Serialize};

/// One layer of a [`Network`](crate::Network). Grids are `[height, width, channels]`, channels
/// innermost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "layer")]
#[non_exhaustive]
pub enum Layer {
    /// `y = x Wᵀ + b`, weight `[outputs, inputs]`.
    Linear {
        /// Width of the input.
        inputs: usize,
        /// Width of the output.
        outputs: usize,
    },
    /// A convolution, weight `[channels, kernel, kernel, input channels]`.
    Conv(Convolution),
    /// A transposed convolution, weight `[input channels, kernel, kernel, channels]`.
    ConvTranspose(Convolution),
    /// Batch normalisation (Ioffe & Szegedy 2015) with running statistics, momentum 0.1, ε = 1e-5.
    BatchNorm {
        /// Width of input and output.
        width: usize,
    },
    /// `max(x, slope · x)`.
    LeakyRelu {
        /// Slope on the negative side.
        slope: f32,
    },
    /// `x · sigmoid(x)` (Elfwing et al. 2018).
    Silu,
    /// In training, each value is set to 0 with probability `rate` and scaled by 1/(1 − rate)
    /// otherwise (Srivastava et al. 2014); at inference nothing happens.
    Dropout {
        /// Probability of a zero, in steps of 1/256.
        rate: f32,
    },
    /// Each row of the batch is a matrix, which is transposed: an image `[channels, height ·
    /// width]` becomes a grid, or a grid becomes an image.
    Transpose {
        /// Rows of the matrix that comes in.
        rows: usize,
        /// Columns of the matrix that comes in.
        columns: usize,
    },
}

/// The largest number of values of a tensor, or of one row of a batch.
const MAX_SIZE: usize = 1 << 28;

/// Returns what is wrong with sizes whose product is the length of something.
fn fault_of_sizes(sizes: &[usize]) -> Option<&'static str> {
    let product = sizes
        .iter()
        .try_fold(1usize, |product, size| product.checked_mul(*size));
    match product {
        Some(0) => Some("has a size of 0"),
        Some(1..=MAX_SIZE) => None,
        _ => Some("is too large: a tensor has at most 2^28 values"),
    }
}

/// The shape of a convolution or of a transposed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Convolution {
    /// `[height, width, channels]` of the input.
    pub input: [usize; 3],
    /// Channels of the output.
    pub channels: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Step between windows (between outputs of neighbouring inputs when transposed).
    pub stride: usize,
    /// Zero padding on every side (cropping when transposed).
    pub padding: usize,
}

impl Convolution {
    /// Returns what is wrong with its sizes, whichever way it goes.
    fn fault(&self) -> Option<&'static str> {
        let [height, width, inputs] = self.input;
        let weight = [self.kernel, self.kernel, inputs, self.channels];
        // An output is at most this large: each input position has a window of its own.
        let grid = [height, width, self.stride, self.stride, self.channels];
        let padding = [self.padding.saturating_add(1)];
        [weight.as_slice(), &grid, &self.input, &padding]
            .into_iter()
            .find_map(fault_of_sizes)
    }

    fn fault_of_kernel(&self) -> Option<&'static str> {
        let too_large = |side: usize| self.kernel > side + 2 * self.padding;
        let [height, width, _] = self.input;
        (too_large(height) || too_large(width))
            .then_some("has a kernel that is larger than its padded input")
    }

    fn fault_of_cropping(&self) -> Option<&'static str> {
        let empty = |side: usize| (side - 1) * self.stride + self.kernel <= 2 * self.padding;
        let [height, width, _] = self.input;
        (empty(height) || empty(width)).then_some("crops its whole output away")
    }

    /// Roles and shapes of the parameters; the kernels lie between the two sizes of the weight.
    fn parameters(&self, [outer, inner]: [usize; 2]) -> Vec<(ParameterRole, Vec<usize>)> {
        vec![
            (Weight, vec![outer, self.kernel, self.kernel, inner]),
            (Bias, vec![self.channels]),
        ]
    }

    /// `[height, width, channels]` of a convolution's output.
    pub fn output(&self) -> [usize; 3] {
        let side = |n: usize| (n + 2 * self.padding - self.kernel) / self.stride + 1;
        [side(self.input[0]), side(self.input[1]), self.channels]
    }

    /// `[height, width, channels]` of a transposed convolution's output.
    pub fn transposed_output(&self) -> [usize; 3] {
        let side = |n: usize| (n - 1) * self.stride + self.kernel - 2 * self.padding;
        [side(self.input[0]), side(self.input[1]), self.channels]
    }
}

impl Layer {
    /// Returns why the layer cannot exist, as the end of a sentence about it; `None` if it can.
    ///
    /// Layers are read from files. After this check, no size of a layer overflows.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Linear { inputs, outputs } => fault_of_sizes(&[*inputs, *outputs]),
            Self::Conv(conv) => conv.fault().or_else(|| conv.fault_of_kernel()),
            Self::ConvTranspose(conv) => conv.fault().or_else(|| conv.fault_of_cropping()),
            Self::BatchNorm { width } => fault_of_sizes(&[*width]),
            Self::Dropout { rate } => {
                (!(0.0..1.0).contains(rate)).then_some("has a rate of dropout outside 0..1")
            }
            Self::LeakyRelu { slope } => (!slope.is_finite()).then_some("has no finite slope"),
            Self::Transpose { rows, columns } => fault_of_sizes(&[*rows, *columns]),
            Self::Silu => None,
        }
    }

    /// Returns the width of the output for an input of width `input`.
    pub fn output_width(&self, input: usize) -> usize {
        match self {
            Self::Linear { outputs, .. } => *outputs,
            Self::Conv(conv) => conv.output().iter().product(),
            Self::ConvTranspose(conv) => conv.transposed_output().iter().product(),
            Self::BatchNorm { .. } | Self::LeakyRelu { .. } | Self::Silu | Self::Dropout { .. } => {
                input
            }
            Self::Transpose { rows, columns } => rows * columns,
        }
    }

    /// Returns the width that the input must have; `None` if any width is possible.
    pub fn input_width(&self) -> Option<usize> {
        match self {
            Self::Linear { inputs, .. } => Some(*inputs),
            Self::Conv(conv) | Self::ConvTranspose(conv) => Some(conv.input.iter().product()),
            Self::BatchNorm { width } => Some(*width),
            Self::Transpose { rows, columns } => Some(rows * columns),
            Self::LeakyRelu { .. } | Self::Silu | Self::Dropout { .. } => None,
        }
    }

    /// Returns roles and shapes of the layer's parameters in storage order.
    pub(crate) fn parameters(&self) -> Vec<(ParameterRole, Vec<usize>)> {
        match self {
            Self::Linear { inputs, outputs } => {
                vec![(Weight, vec![*outputs, *inputs]), (Bias, vec![*outputs])]
            }
            Self::Conv(conv) => conv.parameters([conv.channels, conv.input[2]]),
            Self::ConvTranspose(conv) => conv.parameters([conv.input[2], conv.channels]),
            Self::BatchNorm { width } => [Weight, Bias, RunningMean, RunningVariance]
                .map(|role| (role, vec![*width]))
                .to_vec(),
            Self::LeakyRelu { .. } | Self::Silu | Self::Dropout { .. } | Self::Transpose { .. } => {
                vec![]
            }
        }
    }

    /// Returns the number of inputs that reach one output: the fan-in of the initial weights.
    pub(crate) fn fan_in(&self) -> usize {
        match self {
            Self::Linear { inputs, .. } => *inputs,
            Self::Conv(conv) => conv.kernel * conv.kernel * conv.input[2],
            // A kernel lies over each output once in `stride` steps down and across. PyTorch takes
            // the channels of the output here; this is the number of terms of a sum.
            Self::ConvTranspose(conv) => {
                (conv.kernel * conv.kernel * conv.input[2]).div_ceil(conv.stride * conv.stride)
            }
            _ => 1,
        }
    }
}
