use super::mlp;
use super::stored::{put_json, stored};
use crate::BridgeError;
use crate::rows::{flat, rows_of};
use ndarray::ArrayView2;
use std::borrow::Cow;
use std::path::Path;
use zbridge_core::{RandomStream, ShapeError};
use zbridge_nn::{Gradients, InputGradient, Layer, Mode, Network, Tape, WeightsFile};

/// The network that turns a source into the parameters of a distribution over the target, with its
/// own parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conditioner {
    network: Network,
    parameters: Vec<f32>,
}

/// A value is at most this far from 0 where a network sees it: sums of products stay finite however
/// far off a point is.
pub(crate) const MAX_INPUT: f32 = 1e6;
/// An output is at most this far from 0, so that squares of squares of it are numbers in f64.
const MAX_OUTPUT: f32 = 1e30;

impl Conditioner {
    /// Returns the network of [`mlp::network`] with random parameters. Every source begins with
    /// nearly the same distribution, the one that outputs of 0 stand for.
    ///
    /// # Errors
    /// [`BridgeError::Shape`] if a layer has no units, [`BridgeError::Setting`] if `dropout` is not
    /// in [0, 1).
    pub(crate) fn initial(
        inputs: usize,
        hidden: &[usize],
        outputs: usize,
        dropout: f32,
        stream: &mut RandomStream,
    ) -> Result<Self, BridgeError> {
        if !mlp::is_rate(dropout) {
            return Err(BridgeError::Setting {
                setting: "dropout",
                value: dropout.to_string(),
                expected: "a probability of at least 0 and less than 1 is",
            });
        }
        let network = mlp::network(inputs, hidden, outputs, dropout)?;
        let parameters = mlp::initial_parameters(&network, stream);
        Ok(Self {
            network,
            parameters,
        })
    }

    /// Returns the network that gives `outputs` for every source.
    ///
    /// # Errors
    /// [`BridgeError::Shape`] if there are no inputs or outputs.
    pub(crate) fn constant(inputs: usize, outputs: &[f32]) -> Result<Self, BridgeError> {
        let network = mlp::network(inputs, &[], outputs.len(), 0.0)?;
        let parameters = vec![0.0; network.parameter_count()];
        let mut conditioner = Self {
            network,
            parameters,
        };
        // All weights are zero, so that only the biases count.
        conditioner.last_layer_mut().biases.copy_from_slice(outputs);
        Ok(conditioner)
    }

    /// Returns the network and its parameters.
    pub(crate) fn into_parts(self) -> (Network, Vec<f32>) {
        (self.network, self.parameters)
    }

    /// Returns the number of columns of a source.
    pub(crate) fn inputs(&self) -> usize {
        self.network.inputs()
    }

    /// Returns the number of outputs for each source.
    pub(crate) fn outputs(&self) -> usize {
        self.network.outputs()
    }

    pub(crate) fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    pub(crate) fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// Returns the parameters of the last layer.
    pub(crate) fn last_layer_mut(&mut self) -> LastLayer<'_> {
        let biases = self.network.outputs();
        let weights = self.last_inputs() * biases;
        // Parameters are in the order of the layers, and the last is linear.
        let start = self.parameters.len() - weights - biases;
        let (weights, biases) = self.parameters[start..].split_at_mut(weights);
        LastLayer { weights, biases }
    }

    /// Returns the number of inputs of the last layer.
    fn last_inputs(&self) -> usize {
        self.network.width_before(self.network.layers().len() - 1)
    }

    /// Returns the network with these of its outputs only.
    ///
    /// # Errors
    /// [`BridgeError::Shape`] if there are none.
    pub(crate) fn keeping(mut self, outputs: &[usize]) -> Result<Self, BridgeError> {
        if outputs.is_empty() {
            let what = "the outputs of a network";
            return Err(ShapeError::Empty { what }.into());
        }
        let inputs = self.last_inputs();
        let LastLayer { weights, biases } = self.last_layer_mut();
        let weights = rows_of(weights, inputs);
        let mut kept = Vec::with_capacity((inputs + 1) * outputs.len());
        for &output in outputs {
            kept.extend(weights.row(output));
        }
        kept.extend(outputs.iter().map(|&output| biases[output]));

        let last_parameters = (inputs + 1) * self.network.outputs();
        self.parameters
            .truncate(self.parameters.len() - last_parameters);
        self.parameters.extend(kept);
        let mut layers = self.network.layers().to_vec();
        layers.pop();
        layers.push(Layer::Linear {
            inputs,
            outputs: outputs.len(),
        });
        Ok(Self {
            network: Network::new(layers)?,
            parameters: self.parameters,
        })
    }

    /// Returns the outputs `[rows, outputs]` for sources `[rows, inputs]`. They are finite however
    /// far off a source is, unless the parameters overflow.
    pub(crate) fn infer<'t>(
        &self,
        sources: ArrayView2<'_, f32>,
        tape: &'t mut Tape,
    ) -> ArrayView2<'t, f32> {
        let sources = within_reach(flat(sources));
        let outputs = self
            .network
            .forward(&self.parameters, &sources, Mode::Inference, tape);
        for output in outputs.iter_mut() {
            // NaN stays NaN: the density that comes of it is an error.
            *output = output.clamp(-MAX_OUTPUT, MAX_OUTPUT);
        }
        rows_of(outputs, self.outputs())
    }

    /// Returns the outputs in training, `[rows, outputs]`; dropout is drawn from `stream`.
    pub(crate) fn forward<'t>(
        &self,
        sources: ArrayView2<'_, f32>,
        stream: &mut RandomStream,
        tape: &'t mut Tape,
    ) -> ArrayView2<'t, f32> {
        let is_dropout = |layer: &Layer| matches!(layer, Layer::Dropout { .. });
        if self.network.layers().iter().any(is_dropout) {
            // A stream of its own: what `stream` draws next does not depend on the layers.
            let next = stream.bits();
            tape.draw_dropout_from(stream.child(next));
        }
        let outputs = self
            .network
            .forward(&self.parameters, flat(sources), Mode::Training, tape);
        rows_of(outputs, self.outputs())
    }

    /// Adds d objective / d parameters to `gradients`, for d objective / d outputs
    /// `[rows, outputs]` of the last pass on this tape.
    pub(crate) fn backward(
        &self,
        output_gradient: ArrayView2<'_, f32>,
        gradients: &mut [f32],
        tape: &mut Tape,
    ) {
        self.network.backward(
            &self.parameters,
            flat(output_gradient),
            Gradients::Add(gradients),
            InputGradient::Unused,
            tape,
        );
    }

    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) -> Result<(), BridgeError> {
        put_json(file, format!("{prefix}.network"), &self.network)?;
        file.put_network(prefix, &self.network, &self.parameters);
        Ok(())
    }

    /// Returns the network stored under `prefix`.
    ///
    /// # Errors
    /// [`NnError::Weights`](zbridge_nn::NnError::Weights) if its layers are of another kind, have
    /// no units, or do not fit each other or the tensors.
    pub(crate) fn from_file(
        file: &WeightsFile,
        prefix: &str,
        path: &Path,
    ) -> Result<Self, BridgeError> {
        let network = mlp::from_file(file, prefix, path)?;
        // A tensor in a file may hold another number of values than its shape says.
        for tensor in network.tensors() {
            stored(
                file,
                &format!("{prefix}.{}", tensor.name),
                &tensor.shape,
                path,
            )?;
        }
        let parameters = file.network_parameters(prefix, &network, path)?;
        Ok(Self {
            network,
            parameters,
        })
    }
}

/// The parameters of the last layer of a [`Conditioner`].
pub(crate) struct LastLayer<'c> {
    /// `[outputs, inputs]`, row-major.
    pub(crate) weights: &'c mut [f32],
    /// `[outputs]`.
    pub(crate) biases: &'c mut [f32],
}

/// Returns the values clamped to ±[`MAX_INPUT`]; without a copy, if they are so already.
pub(crate) fn within_reach(values: &[f32]) -> Cow<'_, [f32]> {
    if values.iter().all(|value| value.abs() <= MAX_INPUT) {
        return Cow::Borrowed(values);
    }
    values
        .iter()
        .map(|value| value.clamp(-MAX_INPUT, MAX_INPUT))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use zbridge_nn::StoredTensor;

    fn conditioner() -> Conditioner {
        Conditioner::initial(3, &[4], 2, 0.2, &mut RandomStream::named(1, "conditioner")).unwrap()
    }

    fn read(tamper: impl Fn(&mut WeightsFile)) -> Result<Conditioner, BridgeError> {
        let mut file = WeightsFile::default();
        conditioner().put_into(&mut file, "q").unwrap();
        tamper(&mut file);
        Conditioner::from_file(&file, "q", Path::new("bridge"))
    }

    fn with_layers(json: &str) -> Result<Conditioner, BridgeError> {
        read(|file| {
            file.metadata.insert("q.network".into(), json.into());
        })
    }

    #[test]
    fn a_file_gives_back_what_was_put_into_it() {
        assert_eq!(read(|_| {}).unwrap(), conditioner());
    }

    #[test]
    fn files_whose_layers_or_tensors_lie_are_refused() {
        let linear = |inputs: u64, outputs: u64| {
            format!(r#"{{"layer":"linear","inputs":{inputs},"outputs":{outputs}}}"#)
        };
        for layers in [
            "[]".to_owned(),
            r#"[{"layer":"silu"}]"#.to_owned(),
            format!("[{}]", linear(0, 4)),
            format!("[{}]", linear(1 << 62, 1 << 62)),
            format!("[{},{}]", linear(3, 4), linear(5, 2)),
            format!(
                r#"[{},{{"layer":"silu"}},{{"layer":"dropout","rate":1.0}},{}]"#,
                linear(3, 4),
                linear(4, 2)
            ),
            format!(r#"[{},{{"layer":"batch-norm","width":4}}]"#, linear(3, 4)),
        ] {
            assert!(
                matches!(with_layers(&layers), Err(BridgeError::Network(_))),
                "{layers}"
            );
        }
        let short = StoredTensor {
            shape: vec![4, 3],
            values: vec![0.0; 5],
        };
        let lying = read(|file| {
            file.tensors.insert("q.0.weight".into(), short.clone());
        });
        let message = lying.unwrap_err().to_string();
        assert!(message.contains("`q.0.weight` holds 5 values"), "{message}");
    }

    #[test]
    fn networks_that_cannot_be_are_refused() {
        let mut stream = RandomStream::named(1, "refused");
        assert!(Conditioner::initial(0, &[4], 2, 0.0, &mut stream).is_err());
        assert!(Conditioner::initial(3, &[0], 2, 0.0, &mut stream).is_err());
        let certain = Conditioner::initial(3, &[4], 2, 1.0, &mut stream);
        assert!(matches!(certain, Err(BridgeError::Setting { .. })));
    }

    #[test]
    fn outputs_are_finite_for_sources_far_off() {
        let mut tape = Tape::default();
        let far = array![[f32::MAX, f32::MIN, f32::MAX]];
        let outputs = conditioner().infer(far.view(), &mut tape).to_owned();
        assert!(
            outputs.iter().all(|output| output.abs() <= MAX_OUTPUT),
            "{outputs:?}"
        );
    }

    #[test]
    fn outputs_that_are_kept_are_what_they_were() {
        let source = array![[0.3, -1.0, 2.0], [0.0, 0.5, -0.5]];
        let (mut tape, mut again) = (Tape::default(), Tape::default());
        let all = conditioner().infer(source.view(), &mut tape).to_owned();
        let second = conditioner().keeping(&[1]).unwrap();
        assert_eq!(
            second.infer(source.view(), &mut again).column(0),
            all.column(1)
        );
        assert!(conditioner().keeping(&[]).is_err());
    }

    #[test]
    fn a_constant_network_ignores_its_source() {
        let constant = Conditioner::constant(2, &[0.5, -1.0, 2.0]).unwrap();
        let mut tape = Tape::default();
        let outputs = constant.infer(array![[3.0, -7.0]].view(), &mut tape);
        assert_eq!(outputs, array![[0.5, -1.0, 2.0]]);
    }
}
