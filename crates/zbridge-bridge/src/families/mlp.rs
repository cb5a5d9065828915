//! The networks of all families but the paper's: Linear → Silu (→ Dropout) for each hidden layer,
//! then Linear.

use crate::BridgeError;
use std::path::Path;
use zbridge_core::{RandomStream, ShapeError};
use zbridge_nn::{Layer, Network, NnError, WeightsFile};

/// Returns the network Linear → Silu → Dropout for each hidden layer, then Linear. With a rate of 0
/// there is no Dropout.
///
/// # Errors
/// [`ShapeError::Empty`] if a layer has no units.
pub(crate) fn network(
    inputs: usize,
    hidden: &[usize],
    outputs: usize,
    dropout: f32,
) -> Result<Network, BridgeError> {
    if inputs == 0 || outputs == 0 || hidden.contains(&0) {
        let what = "a layer of the network";
        return Err(ShapeError::Empty { what }.into());
    }
    let mut layers = Vec::new();
    let mut inputs = inputs;
    for &units in hidden {
        layers.push(Layer::Linear {
            inputs,
            outputs: units,
        });
        layers.push(Layer::Silu);
        if dropout > 0.0 {
            layers.push(Layer::Dropout { rate: dropout });
        }
        inputs = units;
    }
    layers.push(Layer::Linear { inputs, outputs });
    Ok(Network::new(layers)?)
}

/// Returns random parameters to begin with. The last layer is so small that what a network says
/// begins next to nothing.
///
/// # Source
/// He et al. 2015, equation 14, for the hidden layers: uniform in ±√(6 / fan-in), which keeps the
/// size of what passes through them. Flows learn in a half to a quarter of the steps that
/// ±1/√fan-in takes, and a refined mixture classifies more sources correctly.
pub(crate) fn initial_parameters(network: &Network, stream: &mut RandomStream) -> Vec<f32> {
    const LAST_WEIGHTS: f32 = 0.01;
    let mut parameters = network.initial_parameters(stream);
    let [hidden @ .., weight, bias] = network.tensors() else {
        return parameters;
    };
    let end_of_hidden = hidden.last().map_or(0, |tensor| tensor.range.end);
    // They come uniform in ±1/√fan-in.
    scale(&mut parameters[..end_of_hidden], 6f32.sqrt());
    scale(&mut parameters[weight.range.clone()], LAST_WEIGHTS);
    parameters[bias.range.clone()].fill(0.0);
    parameters
}

fn scale(parameters: &mut [f32], factor: f32) {
    for parameter in parameters {
        *parameter *= factor;
    }
}

/// Returns whether `dropout` is a probability below 1.
pub(crate) fn is_rate(dropout: f32) -> bool {
    (0.0..1.0).contains(&dropout)
}

/// Returns the network that metadata `{prefix}.network` describes.
///
/// # Errors
/// [`NnError::Weights`] unless it is one that [`network`] makes, with no more parameters than the
/// file holds numbers: a file cannot make us reserve memory for more.
pub(crate) fn from_file(
    file: &WeightsFile,
    prefix: &str,
    path: &Path,
) -> Result<Network, BridgeError> {
    let fault = |reason: &str| NnError::Weights {
        path: path.to_owned(),
        reason: format!("the network of `{prefix}` {reason}; get the file anew"),
    };
    let layers: Vec<Layer> = file.parsed_metadata(&format!("{prefix}.network"), path)?;
    let described = Description::of(&layers);
    // Before anything of this size is reserved.
    if described.parameters > numbers_in(file) {
        return Err(fault("has more parameters than the file holds numbers").into());
    }
    let Some((&outputs, hidden)) = described.widths.split_last() else {
        return Err(fault("has no linear layer").into());
    };
    if described.inputs == 0 || described.widths.contains(&0) || !is_rate(described.dropout) {
        return Err(fault("has a layer without units, or a rate that is no probability").into());
    }
    // Made anew and compared, so that layers of any other kind are refused.
    let expected = network(described.inputs, hidden, outputs, described.dropout)?;
    if expected.layers() != layers {
        return Err(fault("has layers of another kind or width").into());
    }
    Ok(expected)
}

/// What a list of layers says of its network, if it is one of ours.
#[derive(Default)]
struct Description {
    inputs: usize,
    /// Outputs of each linear layer.
    widths: Vec<usize>,
    dropout: f32,
    /// Parameters of the linear layers; of more bits than any width, so that it cannot overflow.
    parameters: u128,
}

impl Description {
    fn of(layers: &[Layer]) -> Self {
        let mut described = Self::default();
        for layer in layers {
            match *layer {
                Layer::Linear { inputs, outputs } => {
                    if described.widths.is_empty() {
                        described.inputs = inputs;
                    }
                    described.widths.push(outputs);
                    let parameters = (inputs as u128 + 1) * outputs as u128;
                    described.parameters = described.parameters.saturating_add(parameters);
                }
                Layer::Dropout { rate } => described.dropout = rate,
                _ => {}
            }
        }
        described
    }
}

/// Returns the number of values of all tensors, as their shapes say.
fn numbers_in(file: &WeightsFile) -> u128 {
    let numbers = |shape: &[usize]| shape.iter().map(|&side| side as u128).product::<u128>();
    file.tensors
        .values()
        .map(|tensor| numbers(&tensor.shape))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_nn::StoredTensor;

    fn read(layers: &str) -> Result<Network, BridgeError> {
        let mut file = WeightsFile::default();
        file.metadata.insert("q.network".into(), layers.into());
        let tensor = StoredTensor {
            shape: vec![100],
            values: vec![0.0; 100],
        };
        file.tensors.insert("q.0.weight".into(), tensor);
        from_file(&file, "q", Path::new("bridge"))
    }

    fn linear(inputs: u64, outputs: u64) -> String {
        format!(r#"{{"layer":"linear","inputs":{inputs},"outputs":{outputs}}}"#)
    }

    #[test]
    fn a_network_is_read_as_it_was_written() {
        for dropout in [0.0, 0.2] {
            let ours = network(3, &[4, 5], 2, dropout).unwrap();
            assert_eq!(read(&serde_json::to_string(&ours).unwrap()).unwrap(), ours);
        }
    }

    #[test]
    fn other_networks_are_refused() {
        let (first, second) = (linear(3, 4), linear(4, 2));
        for layers in [
            "[]".to_owned(),
            r#"[{"layer":"silu"}]"#.to_owned(),
            format!("[{}]", linear(0, 4)),
            format!("[{}]", linear(3, 400)),
            format!("[{}]", linear(u64::MAX, u64::MAX)),
            format!("[{first},{second}]"),
            format!(r#"[{first},{{"layer":"silu"}},{}]"#, linear(5, 2)),
            format!(r#"[{first},{{"layer":"silu"}},{{"layer":"dropout","rate":1.0}},{second}]"#),
            format!(r#"[{first},{{"layer":"batch-norm","width":4}},{second}]"#),
        ] {
            assert!(
                matches!(read(&layers), Err(BridgeError::Network(_))),
                "{layers}"
            );
        }
    }
}
