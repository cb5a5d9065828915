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
    /// Width of the output for an input of this width.
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

    /// Width of the input the layer asks for; `None` when any will do.
    pub fn input_width(&self) -> Option<usize> {
        match self {
            Self::Linear { inputs, .. } => Some(*inputs),
            Self::Conv(conv) | Self::ConvTranspose(conv) => Some(conv.input.iter().product()),
            Self::BatchNorm { width } => Some(*width),
            Self::Transpose { rows, columns } => Some(rows * columns),
            Self::LeakyRelu { .. } | Self::Silu | Self::Dropout { .. } => None,
        }
    }

    /// The layer's parameters: (name, shape) in storage order. Running statistics count as
    /// parameters that no gradient reaches.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, Vec<usize>)> {
        match self {
            Self::Linear { inputs, outputs } => {
                vec![
                    ("weight", vec![*outputs, *inputs]),
                    ("bias", vec![*outputs]),
                ]
            }
            Self::Conv(c) => {
                vec![
                    ("weight", vec![c.channels, c.kernel, c.kernel, c.input[2]]),
                    ("bias", vec![c.channels]),
                ]
            }
            Self::ConvTranspose(c) => {
                vec![
                    ("weight", vec![c.input[2], c.kernel, c.kernel, c.channels]),
                    ("bias", vec![c.channels]),
                ]
            }
            Self::BatchNorm { width } => ["weight", "bias", "running_mean", "running_var"]
                .map(|name| (name, vec![*width]))
                .to_vec(),
            Self::LeakyRelu { .. } | Self::Silu | Self::Dropout { .. } | Self::Transpose { .. } => {
                vec![]
            }
        }
    }

    /// Inputs that reach one output: the fan-in of the initial weights.
    pub(crate) fn fan_in(&self) -> usize {
        match self {
            Self::Linear { inputs, .. } => *inputs,
            Self::Conv(c) => c.kernel * c.kernel * c.input[2],
            Self::ConvTranspose(c) => {
                (c.kernel * c.kernel * c.input[2]).div_ceil(c.stride * c.stride)
            }
            _ => 1,
        }
    }
}
