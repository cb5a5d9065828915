use crate::{BridgeConfig, BridgeError};
use rayon::prelude::*;
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
        let (mut mean, mut log_var) = (vec![0.0; source.rows() * dim], vec![0.0; source.rows() * dim]);
        let outputs = mean.par_chunks_mut(ROWS_AT_ONCE * dim).zip(log_var.par_chunks_mut(ROWS_AT_ONCE * dim));
        let blocks = source.values().par_chunks(ROWS_AT_ONCE * inputs).zip(outputs);
        blocks.for_each_init(Tape::default, |tape, (block, (mean, log_var))| {
            let outputs = self.network.forward(&self.parameters, block, Mode::Inference, tape);
            let rows = mean.chunks_exact_mut(dim).zip(log_var.chunks_exact_mut(dim));
            for (row, (mean, log_var)) in outputs.chunks_exact(2 * dim).zip(rows) {
                mean.copy_from_slice(&row[..dim]);
                log_var.copy_from_slice(&row[dim..]);
            }
        });
        DiagonalGaussian::new(Latents::new(mean, dim)?, Latents::new(log_var, dim)?)
    }

    /// The network, and its parameters to move.
    pub(crate) fn parts_mut(&mut self) -> (&Network, &mut [f32]) {
        (&self.network, &mut self.parameters)
    }

    /// How many numbers its parameters are.
    pub(crate) fn parameter_count(&self) -> usize {
        self.parameters.len()
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
