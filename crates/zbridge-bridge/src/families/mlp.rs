//! The plain networks inside flows: Linear → Silu for each hidden layer, then Linear.

use crate::BridgeError;
use std::path::Path;
use zbridge_core::{RandomStream, ShapeError};
use zbridge_nn::{Layer, Network, NnError, WeightsFile};

/// Linear → Silu for each hidden layer, then Linear.
///
/// # Errors
/// [`ShapeError::Empty`] when a layer has no units.
pub(crate) fn network(
    inputs: usize,
    hidden: &[usize],
    outputs: usize,
) -> Result<Network, BridgeError> {
    if inputs == 0 || outputs == 0 || hidden.contains(&0) {
        return Err(ShapeError::Empty {
            what: "a layer of the network",
        }
        .into());
    }
    let mut layers = Vec::new();
    let mut width = inputs;
    for &units in hidden {
        layers.extend([
            Layer::Linear {
                inputs: width,
                outputs: units,
            },
            Layer::Silu,
        ]);
        width = units;
    }
    layers.push(Layer::Linear {
        inputs: width,
        outputs,
    });
    Ok(Network::new(layers)?)
}

/// Fresh parameters. Hidden layers are uniform in ±√(6 / fan-in), which keeps the size of what
/// passes through them (He et al. 2015, equation 14): flows learn in a half to a quarter of the
/// steps that ±1/√fan-in takes, and a refined mixture reads more labels right. The last layer is so
/// small that what a network does begins close to nothing.
pub(crate) fn initial_parameters(network: &Network, stream: &mut RandomStream) -> Vec<f32> {
    const LAST: f32 = 0.01;
    let mut parameters = network.initial_parameters(stream);
    if let [hidden @ .., weight, bias] = network.tensors() {
        let hidden = hidden.last().map_or(0, |tensor| tensor.range.end);
        parameters[..hidden]
            .iter_mut()
            .for_each(|parameter| *parameter *= 6f32.sqrt());
        parameters[weight.range.clone()]
            .iter_mut()
            .for_each(|weight| *weight *= LAST);
        parameters[bias.range.clone()].fill(0.0);
    }
    parameters
}

/// The network that metadata `{prefix}.network` describes, if it is one of ours and the file holds
/// as many numbers as it has parameters: a file cannot make us reserve memory for more.
///
/// # Errors
/// [`NnError::Weights`] otherwise.
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
    let stored: u128 = file
        .tensors
        .values()
        .map(|tensor| tensor.values.len() as u128)
        .sum();
    let (mut parameters, mut hidden) = (0, Vec::new());
    for layer in &layers {
        if let Layer::Linear { inputs, outputs } = *layer {
            parameters += (inputs as u128 + 1) * outputs as u128;
            hidden.push(outputs);
        }
        if parameters > stored {
            return Err(fault("has more parameters than the file holds numbers").into());
        }
    }
    let (Some(Layer::Linear { inputs, .. }), Some(outputs)) = (layers.first(), hidden.pop()) else {
        return Err(fault("does not begin with a linear layer").into());
    };
    let expected = network(*inputs, &hidden, outputs)?;
    if expected.layers() == layers {
        Ok(expected)
    } else {
        Err(fault("has layers of another kind or width").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_nn::StoredTensor;

    fn read(layers: &str) -> Result<Network, BridgeError> {
        let mut file = WeightsFile::default();
        file.metadata.insert("q.network".into(), layers.into());
        file.tensors.insert(
            "q.0.weight".into(),
            StoredTensor {
                shape: vec![100],
                values: vec![0.0; 100],
            },
        );
        from_file(&file, "q", Path::new("bridge"))
    }

    fn linear(inputs: u64, outputs: u64) -> String {
        format!(r#"{{"layer":"linear","inputs":{inputs},"outputs":{outputs}}}"#)
    }

    #[test]
    fn a_network_is_read_as_it_was_written() {
        let ours = network(3, &[4, 5], 2).unwrap();
        assert_eq!(read(&serde_json::to_string(&ours).unwrap()).unwrap(), ours);
    }

    #[test]
    fn other_networks_are_refused() {
        for layers in [
            "[]".to_owned(),
            r#"[{"layer":"silu"}]"#.to_owned(),
            format!("[{}]", linear(0, 4)),
            format!("[{}]", linear(3, 400)),
            format!("[{}]", linear(u64::MAX, u64::MAX)),
            format!("[{},{}]", linear(3, 4), linear(4, 2)),
            format!(r#"[{},{{"layer":"silu"}},{}]"#, linear(3, 4), linear(5, 2)),
            format!(
                r#"[{},{{"layer":"batch-norm","width":4}},{}]"#,
                linear(3, 4),
                linear(4, 2)
            ),
        ] {
            assert!(read(&layers).is_err(), "{layers}");
        }
    }
}
