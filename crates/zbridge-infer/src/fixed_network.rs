use crate::activation::Activation;
use crate::column_steps::Affine;
use crate::grid_convolution::GridConvolution;
use crate::lanes::{ROWS, lanes_to_rows, rows_to_lanes};
use crate::stencil::Stencil;
use crate::step::{Block, Step};
use ndarray::{ArrayView2, ArrayViewMut2};
use zbridge_nn::{BATCH_NORM_EPSILON, Convolution, InstructionSet, Layer, Network};

/// A network whose parameters no longer change, packed for inference on many rows at once.
///
/// It returns what [`Network::forward`] returns in [`Mode::Inference`](zbridge_nn::Mode), up to
/// rounding, several times as fast. The outputs for a row do not depend on the other rows.
///
/// ```
/// use ndarray::array;
/// use zbridge_infer::{FixedNetwork, Workspace};
/// use zbridge_nn::{Layer, Network};
///
/// let network = Network::new(vec![Layer::Linear { inputs: 2, outputs: 1 }])?;
/// let fixed = FixedNetwork::new(&network, &[10.0, 1.0, 0.5]);
/// let mut workspace = Workspace::default();
/// let outputs = fixed.forward(array![[1.0, 2.0], [3.0, 4.0]].view(), &mut workspace);
/// assert_eq!(outputs, array![[12.5], [34.5]]);
/// # Ok::<(), zbridge_nn::NnError>(())
/// ```
#[derive(Debug, Clone)]
pub struct FixedNetwork {
    pub(crate) set: InstructionSet,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) steps: Vec<Step>,
}

/// Buffers of [`FixedNetwork::forward`], which are kept from call to call. A thread needs one of
/// its own.
#[derive(Debug, Default, Clone)]
pub struct Workspace {
    block: Block,
    outputs: Vec<f32>,
}

impl FixedNetwork {
    /// Rows that pass through the layers together. A block of fewer rows costs almost as much as a
    /// whole one.
    pub const ROWS_AT_ONCE: usize = ROWS;

    /// `network` with these parameters, for the current instruction set.
    ///
    /// # Panics
    /// When `parameters` has another length than the network's.
    pub fn new(network: &Network, parameters: &[f32]) -> Self {
        Self::with_instruction_set(InstructionSet::current(), network, parameters)
    }

    /// The same for another instruction set: for tests and benches.
    ///
    /// # Panics
    /// When `parameters` has another length than the network's, or the processor does not have the
    /// instruction set.
    pub fn with_instruction_set(
        set: InstructionSet,
        network: &Network,
        parameters: &[f32],
    ) -> Self {
        assert_eq!(
            parameters.len(),
            network.parameter_count(),
            "parameters of the network"
        );
        let mut fixed = Self::identity_with_instruction_set(set, network.inputs());
        for (index, layer) in network.layers().iter().enumerate() {
            let ranges = network.ranges(index);
            let parts: Vec<&[f32]> = ranges.map(|range| &parameters[range]).collect();
            fixed.push_layer(layer, &parts);
        }
        fixed
    }

    /// The network whose outputs are its `width` inputs, for the current instruction set.
    pub fn identity(width: usize) -> Self {
        Self::identity_with_instruction_set(InstructionSet::current(), width)
    }

    /// The same for another instruction set: for tests and benches.
    ///
    /// # Panics
    /// When the processor does not have the instruction set.
    pub fn identity_with_instruction_set(set: InstructionSet, width: usize) -> Self {
        assert!(
            InstructionSet::available().any(|available| available == set),
            "this processor has no {set}"
        );
        Self {
            set,
            inputs: width,
            outputs: width,
            steps: vec![],
        }
    }

    /// Numbers of a row's output.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The outputs `[rows, outputs]` for `input` `[rows, inputs]`.
    ///
    /// # Panics
    /// When `input` has another number of columns.
    pub fn forward<'w>(
        &self,
        input: ArrayView2<'_, f32>,
        workspace: &'w mut Workspace,
    ) -> ArrayViewMut2<'w, f32> {
        let rows = input.nrows();
        assert_eq!(input.ncols(), self.inputs, "columns of the input");
        let input = input.as_standard_layout();
        let input = input.as_slice().unwrap_or(&[]);
        let Workspace { block, outputs } = workspace;
        outputs.resize(rows * self.outputs, 0.0);
        for first in (0..rows).step_by(ROWS) {
            let block_rows = ROWS.min(rows - first);
            let input = &input[first * self.inputs..][..block_rows * self.inputs];
            let outputs = &mut outputs[first * self.outputs..][..block_rows * self.outputs];
            self.forward_block(input, block_rows, block, outputs);
        }
        ArrayViewMut2::from_shape((rows, self.outputs), outputs)
            .expect("the outputs were resized to this shape")
    }

    fn forward_block(&self, input: &[f32], rows: usize, block: &mut Block, outputs: &mut [f32]) {
        rows_to_lanes(input, self.inputs, block.values.resize(self.inputs));
        for step in &self.steps {
            step.apply(self.set, rows, block);
        }
        lanes_to_rows(block.values.as_slice(), outputs);
    }

    fn push_layer(&mut self, layer: &Layer, parts: &[&[f32]]) {
        match layer {
            Layer::Linear { .. } => self.linear(parts[0], parts[1]),
            Layer::Conv(conv) => self.push_convolution(conv, parts[0], parts[1]),
            Layer::ConvTranspose(conv) => {
                self.push_transposed_convolution(conv, parts[0], parts[1]);
            }
            Layer::BatchNorm { .. } => self.steps.push(Step::Affine(batch_norm_columns(parts))),
            // Dropout does nothing at inference.
            Layer::Dropout { .. } => {}
            &Layer::Transpose { rows, columns } => {
                self.steps.push(Step::Transpose { rows, columns });
            }
            Layer::Silu => self.activate(Activation::Silu),
            Layer::LeakyRelu { slope } => self.activate(Activation::LeakyRelu(*slope)),
            _ => unreachable!("a layer that zbridge-infer does not know"),
        }
    }

    /// Pushes a convolution with the weight `[channels, kernel, kernel, input channels]`.
    fn push_convolution(&mut self, conv: &Convolution, weight: &[f32], bias: &[f32]) {
        let (side, inputs) = (conv.kernel, conv.input[2]);
        self.convolution(
            &GridConvolution::of_layer(conv),
            bias,
            |y, x, input, channel| weight[((channel * side + y) * side + x) * inputs + input],
        );
    }

    /// Pushes a transposed one with the weight `[input channels, kernel, kernel, channels]`.
    fn push_transposed_convolution(&mut self, conv: &Convolution, weight: &[f32], bias: &[f32]) {
        let (side, channels) = (conv.kernel, conv.channels);
        let shape = GridConvolution::of_transposed_layer(conv);
        self.convolution(&shape, bias, |y, x, input, channel| {
            weight[((input * side + y) * side + x) * channels + channel]
        });
    }

    pub(crate) fn push_stencil(&mut self, stencil: Stencil) {
        self.outputs = stencil.width();
        self.steps.push(Step::Stencil(stencil));
    }
}

/// What a batch normalisation does to each column, from its scale, shift, running mean and running
/// variance.
fn batch_norm_columns(parts: &[&[f32]]) -> Vec<Affine> {
    let mut columns = vec![];
    for (column, scale) in parts[0].iter().enumerate() {
        let [shift, mean, variance] = [1, 2, 3].map(|part| parts[part][column]);
        let factor = scale / (variance + BATCH_NORM_EPSILON).sqrt();
        columns.push(Affine {
            factor,
            offset: shift - mean * factor,
        });
    }
    columns
}

#[cfg(test)]
mod tests;
