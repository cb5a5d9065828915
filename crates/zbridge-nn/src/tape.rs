use crate::kernels::aligned_buffer::AlignedBuffer;
use crate::kernels::batch_norm::BatchStatistics;
use crate::network::Network;
use zbridge_core::RandomStream;

/// What a forward pass keeps for the backward pass, and working memory of both.
///
/// Each core uses its own tape on its own part of a batch. Its buffers are reused by the next pass.
#[derive(Debug, Default, Clone)]
pub struct Tape {
    pub(crate) rows: usize,
    pub(crate) input: Vec<f32>,
    /// The output of each layer, `[rows, width]`.
    pub(crate) outputs: Vec<Vec<f32>>,
    /// The statistics of each layer that is a batch normalisation.
    pub(crate) statistics: Vec<BatchStatistics>,
    /// The gradient at the input of each layer, and at the output of the last.
    pub(crate) gradients: Vec<Vec<f32>>,
    pub(crate) scratch: Scratch,
    pub(crate) dropout: Option<RandomStream>,
}

/// Working memory that the layers share.
#[derive(Debug, Default, Clone)]
pub(crate) struct Scratch {
    /// The windows of a few images.
    pub(crate) windows: Vec<f32>,
    /// The weights of a layer in the order in which a product reads them.
    pub(crate) packed_weight: AlignedBuffer,
}

impl Tape {
    /// Returns the outputs of the last forward pass, `[rows, outputs]`; a likelihood turns them
    /// into their gradient in place.
    pub fn output_mut(&mut self) -> &mut Vec<f32> {
        self.outputs.last_mut().unwrap_or(&mut self.input)
    }

    /// Returns the output of layer `index` in the last forward pass, `[rows, width]`; empty if
    /// there was no such layer.
    pub fn layer_output(&self, index: usize) -> &[f32] {
        self.outputs.get(index).map_or(&[], Vec::as_slice)
    }

    /// Returns the input of layer `index` in the last forward pass, `[rows, width]`.
    pub fn input_of(&self, index: usize) -> &[f32] {
        layer_input(&self.input, &self.outputs, index)
    }

    /// Returns the gradient at the output of layer `index` after the last backward pass,
    /// `[rows, width]`. It is there for layers with weights.
    pub(crate) fn output_gradient_of(&self, index: usize) -> &[f32] {
        &self.gradients[index + 1]
    }

    /// Sets the stream that dropout draws from in training. Without one, dropout is an identity.
    pub fn draw_dropout_from(&mut self, stream: RandomStream) {
        self.dropout = Some(stream);
    }

    /// Begins a forward pass through `network`.
    pub(crate) fn begin_forward(&mut self, network: &Network, input: &[f32]) {
        let layers = network.layers().len();
        self.rows = input.len() / network.inputs();
        self.input.clear();
        self.input.extend_from_slice(input);
        // A tape may have served another network: buffers grow and shrink with the layers.
        self.outputs.resize(layers, Vec::new());
        self.statistics.resize(layers, BatchStatistics::default());
    }

    /// Begins a backward pass.
    pub(crate) fn begin_backward(&mut self, output_gradient: &[f32]) {
        self.gradients.resize(self.outputs.len() + 1, Vec::new());
        let last = &mut self.gradients[self.outputs.len()];
        last.clear();
        last.extend_from_slice(output_gradient);
    }
}

/// Returns the input of layer `index`.
pub(crate) fn layer_input<'t>(
    input: &'t [f32],
    outputs: &'t [Vec<f32>],
    index: usize,
) -> &'t [f32] {
    match index.checked_sub(1) {
        Some(below) => &outputs[below],
        None => input,
    }
}

/// Returns `values` with another length; what they hold has no meaning.
pub(crate) fn resized(values: &mut Vec<f32>, length: usize) -> &mut [f32] {
    values.resize(length, 0.0);
    values
}
