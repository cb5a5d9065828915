use super::conditioner::Conditioner;
use crate::learner::Learner;
use crate::{BridgeError, PaperConfig};
use rayon::prelude::*;
use std::path::Path;
use zbridge_core::{
    ConditionalDensity, DensityError, DiagonalGaussian, LatentDistribution, Latents, RandomStream,
    ShapeError,
};
use zbridge_nn::{Gradients, InputGradient, Layer, Mode, Network, Tape, WeightsFile};

/// q(target|source) as a diagonal Gaussian whose mean and log-variance a network gives (paper, eq.
/// 1).
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianDensity {
    network: Network,
    parameters: Vec<f32>,
}

impl GaussianDensity {
    /// The untrained density of the paper's section 4.3: (Linear → BatchNorm → LeakyReLU) for each
    /// hidden layer, then a Linear layer that outputs the posterior's parameters.
    pub(crate) fn initial(
        source: usize,
        target: usize,
        config: &PaperConfig,
        stream: &mut RandomStream,
    ) -> Result<Self, BridgeError> {
        let mut layers = Vec::new();
        let mut inputs = source;
        for &outputs in &config.hidden {
            layers.push(Layer::Linear { inputs, outputs });
            layers.push(Layer::BatchNorm { width: outputs });
            layers.push(Layer::LeakyRelu {
                slope: config.negative_slope,
            });
            inputs = outputs;
        }
        layers.push(Layer::Linear {
            inputs,
            outputs: 2 * target,
        });
        let network = Network::new(layers)?;
        let parameters = network.initial_parameters(stream);
        Ok(Self {
            network,
            parameters,
        })
    }

    /// The untrained density for few pairs: hidden layers with dropout, and a start near the
    /// standard normal.
    pub(crate) fn regularised(
        source: usize,
        target: usize,
        hidden: &[usize],
        dropout: f32,
        stream: &mut RandomStream,
    ) -> Result<Self, BridgeError> {
        let (network, parameters) =
            Conditioner::initial(source, hidden, 2 * target, dropout, stream)?.into_parts();
        Ok(Self {
            network,
            parameters,
        })
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
            return Err(ShapeError::Mismatch {
                what: "source latents of the bridge",
                expected,
                found,
            });
        }
        let (mut mean, mut log_var) = (
            vec![0.0; source.rows() * dim],
            vec![0.0; source.rows() * dim],
        );
        let outputs = mean
            .par_chunks_mut(ROWS_AT_ONCE * dim)
            .zip(log_var.par_chunks_mut(ROWS_AT_ONCE * dim));
        let blocks = source
            .values()
            .par_chunks(ROWS_AT_ONCE * inputs)
            .zip(outputs);
        blocks.for_each_init(Tape::default, |tape, (block, (mean, log_var))| {
            let outputs = self
                .network
                .forward(&self.parameters, block, Mode::Inference, tape);
            let rows = mean
                .chunks_exact_mut(dim)
                .zip(log_var.chunks_exact_mut(dim));
            for (row, (mean, log_var)) in outputs.chunks_exact(2 * dim).zip(rows) {
                mean.copy_from_slice(&row[..dim]);
                log_var.copy_from_slice(&row[dim..]);
            }
        });
        DiagonalGaussian::new(
            Latents::from_vec(mean, dim)?,
            Latents::from_vec(log_var, dim)?,
        )
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

    pub(crate) fn from_file(
        file: &WeightsFile,
        prefix: &str,
        path: &Path,
    ) -> Result<Self, BridgeError> {
        let network: Network = file.parsed_metadata(&format!("{prefix}.network"), path)?;
        let parameters = file.network_parameters(prefix, &network, path)?;
        Ok(Self {
            network,
            parameters,
        })
    }
}

impl ConditionalDensity for GaussianDensity {
    fn dims(&self) -> (usize, usize) {
        (self.network.inputs(), self.network.outputs() / 2)
    }

    fn given(&self, source: &Latents) -> Result<Box<dyn LatentDistribution + '_>, DensityError> {
        Ok(Box::new(self.gaussians(source)?))
    }
}

/// Log-variances that a regularised fit may reach: a deviation of e⁻⁶ of the aggregate's is a
/// point.
const LEAST_LOG_VARIANCE: f32 = -12.0;

impl Learner for GaussianDensity {
    type Tape = GaussianTape;

    fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    fn backward(
        &self,
        source: &[f32],
        target: &[f32],
        scale: f32,
        stream: &mut RandomStream,
        gradients: &mut [f32],
        tape: &mut Self::Tape,
    ) -> f64 {
        let dim = self.network.outputs() / 2;
        tape.network.draw_dropout_from(stream.child(0));
        let outputs =
            self.network
                .forward(&self.parameters, source, Mode::Training, &mut tape.network);
        tape.gradient.clear();
        tape.gradient.extend_from_slice(outputs);
        let mut total = 0.0;
        for (q, target) in tape
            .gradient
            .chunks_exact_mut(2 * dim)
            .zip(target.chunks_exact(dim))
        {
            let (means, log_vars) = q.split_at_mut(dim);
            let mut nats = 0.0f32;
            for ((mean, log_var), z) in means.iter_mut().zip(log_vars).zip(target) {
                let bounded = log_var.max(LEAST_LOG_VARIANCE);
                let (gap, precision) = (*mean - z, (-bounded).exp());
                let distance = gap * gap * precision;
                nats += 0.5 * (bounded + distance + zbridge_core::LN_TWO_PI as f32);
                *mean = scale * gap * precision;
                *log_var = if *log_var > LEAST_LOG_VARIANCE {
                    scale * 0.5 * (1.0 - distance)
                } else {
                    0.0
                };
            }
            total += f64::from(nats);
        }
        self.network.backward(
            &self.parameters,
            &tape.gradient,
            Gradients::Add(gradients),
            InputGradient::Unused,
            &mut tape.network,
        );
        total
    }
}

/// Working space of a fit.
#[derive(Debug, Default)]
pub(crate) struct GaussianTape {
    network: Tape,
    gradient: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::laws;

    fn density() -> GaussianDensity {
        let mut stream = RandomStream::named(3, "gaussian");
        let mut density = GaussianDensity::regularised(3, 2, &[8, 8], 0.0, &mut stream).unwrap();
        let mut noise = vec![0.0; density.parameters.len()];
        stream.fill_standard_normal(&mut noise);
        density
            .parameters
            .iter_mut()
            .zip(noise)
            .for_each(|(p, noise)| *p += 0.2 * noise);
        density
    }

    #[test]
    fn it_obeys_the_laws_of_densities() {
        laws::hold_for(&density(), 1e-3);
    }

    #[test]
    fn its_gradient_is_exact() {
        laws::gradients_are_exact(&density(), 1e-2, 2e-2);
    }
}
