use crate::NnError;
use crate::layer::Layer;
use crate::layer_plan::{LayerPlan, parameters_of};
use crate::parameter::{ParameterRole, ParameterTensor};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use zbridge_core::RandomStream;

/// A feed-forward network: its layers, checked to fit each other, and the place of each parameter
/// in one flat vector.
///
/// The network itself holds no parameters. They are passed to it, so that an optimiser and a
/// checkpoint use the same flat vector.
///
/// ```
/// use zbridge_core::RandomStream;
/// use zbridge_nn::{Layer, Mode, Network, Tape};
///
/// let network = Network::new(vec![
///     Layer::Linear { inputs: 3, outputs: 8 },
///     Layer::Silu,
///     Layer::Linear { inputs: 8, outputs: 2 },
/// ])?;
/// let parameters = network.initial_parameters(&mut RandomStream::named(1, "example"));
/// let batch = [0.1, 0.2, 0.3, 1.0, 2.0, 3.0]; // two rows
/// let mut tape = Tape::default();
/// let outputs = network.forward(&parameters, &batch, Mode::Inference, &mut tape);
/// assert_eq!(outputs.len(), 2 * 2);
/// # Ok::<(), zbridge_nn::NnError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Layer>", into = "Vec<Layer>")]
pub struct Network {
    layers: Vec<Layer>,
    plans: Vec<LayerPlan>,
    /// The width of the input, then of the output of each layer.
    widths: Vec<usize>,
    tensors: Vec<ParameterTensor>,
}

impl Network {
    /// Returns the network of these layers.
    ///
    /// # Errors
    /// [`NnError::Layer`] if a layer has a size of zero, is too large or has a setting out of
    /// range; [`NnError::Widths`] if a layer needs another width than the layer below has, or if
    /// the first layer does not define its width.
    pub fn new(layers: Vec<Layer>) -> Result<Self, NnError> {
        for (layer, kind) in layers.iter().enumerate() {
            if let Some(reason) = kind.fault() {
                return Err(NnError::Layer { layer, reason });
            }
        }
        let widths = widths(&layers)?;
        let tensors = parameters_of(&layers);
        Ok(Self {
            plans: LayerPlan::of(&layers, &tensors),
            layers,
            widths,
            tensors,
        })
    }

    /// Returns its layers, first to last.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Returns the width of the input.
    pub fn inputs(&self) -> usize {
        self.widths[0]
    }

    /// Returns the width of the output.
    pub fn outputs(&self) -> usize {
        self.widths[self.layers.len()]
    }

    /// Returns the width of the input of layer `index`.
    pub fn width_before(&self, index: usize) -> usize {
        self.widths[index]
    }

    /// Returns the width of the output of layer `index`.
    pub(crate) fn width_after(&self, index: usize) -> usize {
        self.widths[index + 1]
    }

    /// Returns the parameters in storage order.
    pub fn tensors(&self) -> &[ParameterTensor] {
        &self.tensors
    }

    /// Returns the length of the flat vector of parameters.
    pub fn parameter_count(&self) -> usize {
        self.tensors.last().map_or(0, |tensor| tensor.range.end)
    }

    /// Returns the places of the parameters of layer `index` in the flat vector, in storage order.
    pub fn ranges(&self, index: usize) -> impl Iterator<Item = Range<usize>> {
        self.tensors
            .iter()
            .filter(move |tensor| tensor.layer == index)
            .map(|tensor| tensor.range.clone())
    }

    /// Returns how the passes treat layer `index`.
    pub(crate) fn plan(&self, index: usize) -> &LayerPlan {
        &self.plans[index]
    }

    /// Returns initial parameters: weights and biases uniform in ±1/√fan-in (PyTorch's default for
    /// linear layers and convolutions), batch normalisations as identities.
    pub fn initial_parameters(&self, stream: &mut RandomStream) -> Vec<f32> {
        let mut parameters = vec![0.0; self.parameter_count()];
        for tensor in &self.tensors {
            let values = &mut parameters[tensor.range.clone()];
            let layer = &self.layers[tensor.layer];
            if let Layer::BatchNorm { .. } = layer {
                values.fill(identity_value(tensor.role));
                continue;
            }
            // Weights and biases in storage order: the parameters of a seed depend on it.
            let bound = 1.0 / (layer.fan_in() as f32).sqrt();
            for value in values {
                *value = bound * (2.0 * stream.uniform() - 1.0);
            }
        }
        parameters
    }
}

/// Returns the value that a parameter has in a batch normalisation that changes nothing.
fn identity_value(role: ParameterRole) -> f32 {
    match role {
        ParameterRole::Weight | ParameterRole::RunningVariance => 1.0,
        ParameterRole::Bias | ParameterRole::RunningMean => 0.0,
    }
}

fn widths(layers: &[Layer]) -> Result<Vec<usize>, NnError> {
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
    Ok(widths)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Convolution;

    fn convolution(kernel: usize, stride: usize, padding: usize) -> Convolution {
        Convolution {
            input: [4, 4, 2],
            channels: 3,
            kernel,
            stride,
            padding,
        }
    }

    #[test]
    fn layers_that_cannot_exist_are_errors() {
        let linear = |inputs, outputs| Layer::Linear { inputs, outputs };
        let faults = [
            linear(0, 3),
            linear(2_147_483_647, 2_147_483_647),
            linear(3, usize::MAX),
            Layer::Conv(convolution(9, 1, 1)),
            Layer::Conv(convolution(3, 0, 1)),
            Layer::Conv(convolution(3, 1, usize::MAX)),
            Layer::ConvTranspose(convolution(2, 1, 3)),
            Layer::BatchNorm { width: 0 },
            Layer::Transpose {
                rows: 1 << 20,
                columns: 1 << 20,
            },
        ];
        for layer in faults {
            let error = Network::new(vec![layer]).unwrap_err();
            assert!(
                matches!(error, NnError::Layer { layer: 0, .. }),
                "{layer:?}"
            );
        }
        let dropout = Network::new(vec![linear(1, 1), Layer::Dropout { rate: 1.0 }]);
        assert!(matches!(dropout, Err(NnError::Layer { layer: 1, .. })));
    }

    #[test]
    fn layers_that_do_not_fit_are_errors() {
        let linear = |inputs, outputs| Layer::Linear { inputs, outputs };
        let result = Network::new(vec![linear(2, 3), linear(4, 1)]);
        assert!(matches!(
            result,
            Err(NnError::Widths {
                layer: 1,
                expected: 4,
                found: 3
            })
        ));
        assert!(Network::new(vec![Layer::Silu]).is_err(), "no width");
    }

    #[test]
    fn a_network_is_stored_as_its_layers() {
        let conv = Layer::Conv(convolution(3, 1, 1));
        let network = Network::new(vec![conv, Layer::Silu]).unwrap();
        let text = serde_json::to_string(&network).unwrap();
        assert!(
            text.starts_with(r#"[{"layer":"conv","input":[4,4,2]"#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Network>(&text).unwrap(), network);
    }
}
