use super::mlp;
use crate::BridgeError;
use std::iter;
use std::path::Path;
use zbridge_core::{RandomStream, ShapeError};
use zbridge_nn::{Gradients, InputGradient, Layer, Mode, Network, NnError, Tape, WeightsFile};

/// The network that turns a source into the parameters of a distribution over the target, with what
/// it has learned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conditioner {
    network: Network,
    parameters: Vec<f32>,
}

impl Conditioner {
    /// Linear → Silu → Dropout for each hidden layer, then Linear, with the random weights that all
    /// our networks begin with ([`mlp::initial_parameters`]): every source begins with nearly the
    /// same distribution, the one that outputs of 0 stand for.
    ///
    /// # Errors
    /// [`BridgeError::Shape`] when a layer has no units, [`BridgeError::Setting`] when `dropout` is
    /// not in [0, 1).
    pub(crate) fn initial(
        inputs: usize,
        hidden: &[usize],
        outputs: usize,
        dropout: f32,
        stream: &mut RandomStream,
    ) -> Result<Self, BridgeError> {
        if !is_rate(dropout) {
            return Err(BridgeError::Setting {
                setting: "dropout",
                value: dropout.to_string(),
                expected: "a probability of at least 0 and less than 1 is",
            });
        }
        let network = with_dropout(&mlp::network(inputs, hidden, outputs)?, dropout)?;
        Ok(Self {
            parameters: mlp::initial_parameters(&network, stream),
            network,
        })
    }

    /// The network that gives `outputs` whatever it is told.
    ///
    /// # Errors
    /// [`BridgeError::Shape`] when there are no inputs or outputs.
    pub(crate) fn constant(inputs: usize, outputs: &[f32]) -> Result<Self, BridgeError> {
        let network = mlp::network(inputs, &[], outputs.len())?;
        let mut conditioner = Self {
            parameters: vec![0.0; network.parameter_count()],
            network,
        };
        conditioner.last_layer_mut().1.copy_from_slice(outputs);
        Ok(conditioner)
    }

    /// The network and what it has learned.
    pub(crate) fn into_parts(self) -> (Network, Vec<f32>) {
        (self.network, self.parameters)
    }

    /// Width of a source.
    pub(crate) fn inputs(&self) -> usize {
        self.network.inputs()
    }

    /// Width of the parameters it gives.
    pub(crate) fn outputs(&self) -> usize {
        self.network.outputs()
    }

    pub(crate) fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    pub(crate) fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// (weights, biases) of the last layer.
    pub(crate) fn last_layer_mut(&mut self) -> (&mut [f32], &mut [f32]) {
        let start = match self.network.tensors() {
            [.., weight, _] => weight.range.start,
            _ => 0,
        };
        let biases = self.parameters.len().saturating_sub(self.network.outputs());
        self.parameters[start..].split_at_mut(biases - start)
    }

    /// The same network with these of its outputs only.
    ///
    /// # Errors
    /// [`BridgeError::Shape`] when there are none.
    pub(crate) fn keeping(mut self, outputs: &[usize]) -> Result<Self, BridgeError> {
        if outputs.is_empty() {
            return Err(ShapeError::Empty {
                what: "the outputs of a network",
            }
            .into());
        }
        let mut layers = self.network.layers().to_vec();
        let Some(Layer::Linear {
            inputs,
            outputs: width,
        }) = layers.last_mut()
        else {
            return Ok(self);
        };
        *width = outputs.len();
        let inputs = *inputs;
        let (weights, biases) = self.last_layer_mut();
        let kept_weights = outputs
            .iter()
            .flat_map(|&output| &weights[output * inputs..(output + 1) * inputs]);
        let kept: Vec<f32> = kept_weights
            .chain(outputs.iter().map(|&output| &biases[output]))
            .copied()
            .collect();
        let last = (inputs + 1) * self.network.outputs();
        self.parameters.truncate(self.parameters.len() - last);
        self.parameters.extend(kept);
        Ok(Self {
            network: Network::new(layers)?,
            parameters: self.parameters,
        })
    }

    /// The outputs `[rows, outputs]` for sources `[rows, inputs]`, every one finite however far off
    /// a source is.
    pub(crate) fn infer<'t>(&self, sources: &[f32], tape: &'t mut Tape) -> &'t [f32] {
        let outputs = self
            .network
            .forward(&self.parameters, sources, Mode::Inference, tape);
        for output in outputs.iter_mut() {
            *output = if output.is_nan() {
                0.0
            } else {
                output.clamp(-LARGEST_OUTPUT, LARGEST_OUTPUT)
            };
        }
        outputs
    }

    /// The outputs in training, `[rows, outputs]`; what dropout sets to zero is drawn from
    /// `stream`.
    pub(crate) fn forward<'t>(
        &self,
        sources: &[f32],
        stream: &mut RandomStream,
        tape: &'t mut Tape,
    ) -> &'t [f32] {
        if self
            .network
            .layers()
            .iter()
            .any(|layer| matches!(layer, Layer::Dropout { .. }))
        {
            let next = stream.bits();
            tape.draw_dropout_from(stream.child(next));
        }
        self.network
            .forward(&self.parameters, sources, Mode::Training, tape)
    }

    /// Adds d objective / d parameters to `gradients`, for the gradient at the outputs of the last
    /// pass on this tape.
    pub(crate) fn backward(&self, output_gradient: &[f32], gradients: &mut [f32], tape: &mut Tape) {
        self.network.backward(
            &self.parameters,
            output_gradient,
            Gradients::Add(gradients),
            InputGradient::Unused,
            tape,
        );
    }

    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) {
        let layers = serde_json::to_string(&self.network).unwrap_or_default();
        file.metadata.insert(format!("{prefix}.network"), layers);
        file.put_network(prefix, &self.network, &self.parameters);
    }

    /// The network stored under `prefix`. Its layers are believed only once tensors of their shapes
    /// have been found: a file cannot make us reserve memory for more numbers than it holds.
    ///
    /// # Errors
    /// [`NnError::Weights`] when layers are of another kind, have no units, or do not fit each
    /// other or the tensors.
    pub(crate) fn from_file(
        file: &WeightsFile,
        prefix: &str,
        path: &Path,
    ) -> Result<Self, BridgeError> {
        let layers: Vec<Layer> = file.parsed_metadata(&format!("{prefix}.network"), path)?;
        for (index, layer) in layers.iter().enumerate() {
            let fault = |reason: &str| NnError::Weights {
                path: path.to_owned(),
                reason: format!("layer {index} of `{prefix}` {reason}; get the file anew"),
            };
            match *layer {
                Layer::Linear { inputs: 0, .. } | Layer::Linear { outputs: 0, .. } => {
                    Err(fault("has no units"))?
                }
                Layer::Linear { inputs, outputs } => {
                    stored(
                        file,
                        &format!("{prefix}.{index}.weight"),
                        &[outputs, inputs],
                        path,
                    )?;
                    stored(file, &format!("{prefix}.{index}.bias"), &[outputs], path)?;
                }
                Layer::Silu => {}
                Layer::Dropout { rate } if is_rate(rate) => {}
                _ => Err(fault("is of a kind that this density does not have"))?,
            }
        }
        let network = Network::new(layers)?;
        let parameters = file.network_parameters(prefix, &network, path)?;
        Ok(Self {
            network,
            parameters,
        })
    }
}

/// Outputs are kept within this, so that squares of squares of them are numbers in f64.
const LARGEST_OUTPUT: f32 = 1e30;

/// Tensor `name` of exactly this shape, with as many finite values as the shape says.
///
/// # Errors
/// [`NnError::Weights`] otherwise.
pub(crate) fn stored<'f>(
    file: &'f WeightsFile,
    name: &str,
    shape: &[usize],
    path: &Path,
) -> Result<&'f [f32], BridgeError> {
    let values = file.tensor(name, shape, path)?;
    let count = shape
        .iter()
        .try_fold(1usize, |count, &side| count.checked_mul(side));
    if count == Some(values.len()) {
        return Ok(values);
    }
    let reason = format!(
        "tensor `{name}` holds {} values for the shape {shape:?}",
        values.len()
    );
    Err(NnError::Weights {
        path: path.to_owned(),
        reason,
    }
    .into())
}

fn is_rate(dropout: f32) -> bool {
    (0.0..1.0).contains(&dropout)
}

/// The same with dropout behind every activation; the same without, where the rate is 0.
fn with_dropout(network: &Network, rate: f32) -> Result<Network, BridgeError> {
    let layers = network.layers().iter().flat_map(|&layer| {
        let follows = rate > 0.0 && layer == Layer::Silu;
        iter::once(layer).chain(follows.then_some(Layer::Dropout { rate }))
    });
    Ok(Network::new(layers.collect())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbridge_nn::StoredTensor;

    fn conditioner() -> Conditioner {
        Conditioner::initial(3, &[4], 2, 0.2, &mut RandomStream::named(1, "conditioner")).unwrap()
    }

    fn read(tamper: impl Fn(&mut WeightsFile)) -> Result<Conditioner, BridgeError> {
        let mut file = WeightsFile::default();
        conditioner().put_into(&mut file, "q");
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
        assert!(
            lying
                .unwrap_err()
                .to_string()
                .contains("`q.0.weight` holds 5 values")
        );
    }

    #[test]
    fn networks_that_cannot_be_are_refused() {
        let mut stream = RandomStream::named(1, "refused");
        assert!(Conditioner::initial(0, &[4], 2, 0.0, &mut stream).is_err());
        assert!(Conditioner::initial(3, &[0], 2, 0.0, &mut stream).is_err());
        assert!(matches!(
            Conditioner::initial(3, &[4], 2, 1.0, &mut stream),
            Err(BridgeError::Setting { .. })
        ));
    }

    #[test]
    fn outputs_are_finite_for_sources_far_off() {
        let outputs = conditioner()
            .infer(&[f32::MAX, f32::MIN, f32::MAX], &mut Tape::default())
            .to_vec();
        assert!(
            outputs.iter().all(|output| output.abs() <= LARGEST_OUTPUT),
            "{outputs:?}"
        );
    }

    #[test]
    fn some_of_the_outputs_are_what_they_were() {
        let source = [0.3, -1.0, 2.0, 0.0, 0.5, -0.5];
        let all = conditioner().infer(&source, &mut Tape::default()).to_vec();
        let second = conditioner().keeping(&[1]).unwrap();
        assert_eq!(
            second.infer(&source, &mut Tape::default()),
            [all[1], all[3]]
        );
        assert!(conditioner().keeping(&[]).is_err());
    }

    #[test]
    fn a_constant_network_does_not_listen() {
        let constant = Conditioner::constant(2, &[0.5, -1.0, 2.0]).unwrap();
        assert_eq!(
            constant.infer(&[3.0, -7.0], &mut Tape::default()),
            [0.5, -1.0, 2.0]
        );
    }
}
