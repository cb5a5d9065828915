use crate::{BridgeConfig, BridgeError};
use std::path::Path;
use zbridge_core::{ConditionalDensity, DiagonalGaussian, LatentDistribution, Latents, RandomStream, ShapeError};
use zbridge_nn::{Layer, Mode, Network, Tape, WeightsFile};

/// q(target|source) as a diagonal Gaussian whose mean and log-variance a network gives (paper, eq. 1).
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianDensity {
    network: Network,
    parameters: Vec<f32>,
}

impl GaussianDensity {
    /// The untrained density of the paper's section 4.3: (Linear → BatchNorm → LeakyReLU) for each hidden
    /// layer, then a Linear layer that outputs the posterior's parameters.
    pub(crate) fn initial(
        source: usize,
        target: usize,
        config: &BridgeConfig,
        stream: &mut RandomStream,
    ) -> Result<Self, BridgeError> {
        let mut layers = Vec::new();
        let mut inputs = source;
        for &outputs in &config.hidden {
            layers.push(Layer::Linear { inputs, outputs });
            layers.push(Layer::BatchNorm { width: outputs });
            layers.push(Layer::LeakyRelu { slope: config.negative_slope });
            inputs = outputs;
        }
        layers.push(Layer::Linear { inputs, outputs: 2 * target });
        let network = Network::new(layers)?;
        let parameters = network.initial_parameters(stream);
        Ok(Self { network, parameters })
    }

    /// q(·|source_i) for each row as plain Gaussians, `[batch, target]`.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] when the source has another dimension.
    pub fn gaussians(&self, source: &Latents) -> Result<DiagonalGaussian, ShapeError> {
        const ROWS_AT_ONCE: usize = 256;
        let (inputs, dim) = self.dims();
        if source.dim() != inputs {
            let (expected, found) = ((source.rows(), inputs), (source.rows(), source.dim()));
            return Err(ShapeError::Mismatch { what: "source latents of the bridge", expected, found });
        }
        let mut tape = Tape::default();
        let (mut mean, mut log_var) = (Vec::new(), Vec::new());
        for block in source.values().chunks(ROWS_AT_ONCE * inputs) {
            let outputs = self.network.forward(&self.parameters, block, Mode::Inference, &mut tape);
            for row in outputs.chunks_exact(2 * dim) {
                mean.extend_from_slice(&row[..dim]);
                log_var.extend_from_slice(&row[dim..]);
            }
        }
        DiagonalGaussian::new(Latents::new(mean, dim)?, Latents::new(log_var, dim)?)
    }

    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    pub(crate) fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    pub(crate) fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    pub(crate) fn put_into(&self, file: &mut WeightsFile, prefix: &str) {
        let layers = serde_json::to_string(&self.network).unwrap_or_default();
        file.metadata.insert(format!("{prefix}.network"), layers);
        file.put_network(prefix, &self.network, &self.parameters);
    }

    pub(crate) fn from_file(file: &WeightsFile, prefix: &str, path: &Path) -> Result<Self, BridgeError> {
        let network: Network = file.parsed_metadata(&format!("{prefix}.network"), path)?;
        let parameters = file.network_parameters(prefix, &network, path)?;
        Ok(Self { network, parameters })
    }
}

impl ConditionalDensity for GaussianDensity {
    fn dims(&self) -> (usize, usize) {
        (self.network.inputs(), self.network.outputs() / 2)
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, ShapeError> {
        Ok(Box::new(self.gaussians(source)?))
    }
}
