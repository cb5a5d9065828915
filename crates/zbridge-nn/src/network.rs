use crate::NnError;
use crate::layer::Layer;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use zbridge_core::RandomStream;

/// A feed-forward network: its layers, checked to fit each other, and where each parameter lies in
/// one flat vector.
///
/// The network itself holds no numbers: parameters travel beside it, so that an optimiser, a
/// checkpoint and both engines see the same flat vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Layer>", into = "Vec<Layer>")]
pub struct Network {
    layers: Vec<Layer>,
    widths: Vec<usize>,
    tensors: Vec<ParameterTensor>,
}

/// A named parameter of a network and its place in the flat vector.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterTensor {
    /// `"<layer index>.<weight|bias|…>"`.
    pub name: String,
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// Its values in the flat parameter vector.
    pub range: Range<usize>,
    /// Which layer it belongs to.
    pub layer: usize,
}

impl Network {
    /// The network of these layers.
    ///
    /// # Errors
    /// [`NnError::Widths`] when a layer asks for another width than the one before it gives, or
    /// when the first layer does not say its width.
    pub fn new(layers: Vec<Layer>) -> Result<Self, NnError> {
        let first = layers.first().and_then(Layer::input_width);
        let mut widths = vec![first.ok_or(NnError::Widths {
            layer: 0,
            expected: 1,
            found: 0,
        })?];
        for (index, layer) in layers.iter().enumerate() {
            let found = widths[index];
            let expected = layer.input_width().unwrap_or(found);
            if expected != found {
                return Err(NnError::Widths {
                    layer: index,
                    expected,
                    found,
                });
            }
            widths.push(layer.output_width(found));
        }
        let tensors = parameter_tensors(&layers);
        Ok(Self {
            layers,
            widths,
            tensors,
        })
    }

    /// Its layers, first to last.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Width of the input.
    pub fn inputs(&self) -> usize {
        self.widths[0]
    }

    /// Width of the output.
    pub fn outputs(&self) -> usize {
        self.widths[self.layers.len()]
    }

    /// Width of the input of layer `index`.
    pub fn width_before(&self, index: usize) -> usize {
        self.widths[index]
    }

    /// Width of the output of layer `index`.
    pub(crate) fn width_after(&self, index: usize) -> usize {
        self.widths[index + 1]
    }

    /// Its parameters in storage order.
    pub fn tensors(&self) -> &[ParameterTensor] {
        &self.tensors
    }

    /// How many numbers its parameters are.
    pub fn parameter_count(&self) -> usize {
        self.tensors.last().map_or(0, |tensor| tensor.range.end)
    }

    /// The parameters of layer `index`, in storage order, out of the flat vector.
    pub(crate) fn ranges(&self, index: usize) -> impl Iterator<Item = Range<usize>> {
        self.tensors
            .iter()
            .filter(move |tensor| tensor.layer == index)
            .map(|tensor| tensor.range.clone())
    }

    /// Fresh parameters: weights and biases uniform in ±1/√fan-in (PyTorch's default for linear
    /// layers and convolutions), batch normalisation at identity.
    pub fn initial_parameters(&self, stream: &mut RandomStream) -> Vec<f32> {
        let mut parameters = vec![0.0; self.parameter_count()];
        for tensor in &self.tensors {
            let layer = &self.layers[tensor.layer];
            let values = &mut parameters[tensor.range.clone()];
            match layer {
                Layer::BatchNorm { .. } => {
                    values.fill(
                        if tensor.name.ends_with("weight") || tensor.name.ends_with("var") {
                            1.0
                        } else {
                            0.0
                        },
                    );
                }
                _ => {
                    let bound = 1.0 / (layer.fan_in() as f32).sqrt();
                    values
                        .iter_mut()
                        .for_each(|value| *value = bound * (2.0 * stream.uniform() - 1.0));
                }
            }
        }
        parameters
    }
}

impl TryFrom<Vec<Layer>> for Network {
    type Error = NnError;

    fn try_from(layers: Vec<Layer>) -> Result<Self, NnError> {
        Self::new(layers)
    }
}

impl From<Network> for Vec<Layer> {
    fn from(network: Network) -> Self {
        network.layers
    }
}

fn parameter_tensors(layers: &[Layer]) -> Vec<ParameterTensor> {
    let mut tensors: Vec<ParameterTensor> = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        for (name, shape) in layer.parameters() {
            let start = tensors.last().map_or(0, |tensor| tensor.range.end);
            let range = start..start + shape.iter().product::<usize>();
            tensors.push(ParameterTensor {
                name: format!("{index}.{name}"),
                shape,
                range,
                layer: index,
            });
        }
    }
    tensors
}
