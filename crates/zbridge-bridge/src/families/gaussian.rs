use super::conditioner::Conditioner;
use super::family_density::FamilyDensity;
use super::parametric::check_source;
use super::stored::put_json;
use crate::BridgeError;
use crate::learner::Learner;
use crate::rows::{flat, reshape, rows_of};
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut1, Axis};
use rayon::prelude::*;
use std::path::Path;
use zbridge_core::{
    ConditionalDensity, DensityError, DiagonalGaussian, LN_TWO_PI, LatentDistribution, Latents,
    RandomStream, ShapeError,
};
use zbridge_nn::{Gradients, InputGradient, Layer, Mode, Network, Tape, WeightsFile};

/// q(target|source) as a diagonal Gaussian whose mean and log-variance a network gives (paper,
/// equation 1).
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianDensity {
    /// Its outputs are the mean, then the log-variance, `[2 · target]`.
    network: Network,
    parameters: Vec<f32>,
}

/// A fit by maximum likelihood may reach this log-variance: a deviation of e⁻⁶ of the aggregate's
/// is a point.
const MIN_LOG_VARIANCE: f32 = -12.0;

impl GaussianDensity {
    /// Returns the untrained density of the paper's section 4.3: (Linear → BatchNorm → LeakyReLU)
    /// for each hidden layer, then Linear.
    pub(crate) fn initial(
        source: usize,
        target: usize,
        hidden: &[usize],
        negative_slope: f32,
        stream: &mut RandomStream,
    ) -> Result<Self, BridgeError> {
        let mut layers = Vec::new();
        let mut inputs = source;
        for &outputs in hidden {
            layers.push(Layer::Linear { inputs, outputs });
            layers.push(Layer::BatchNorm { width: outputs });
            layers.push(Layer::LeakyRelu {
                slope: negative_slope,
            });
            inputs = outputs;
        }
        // Means, then log-variances.
        let outputs = 2 * target;
        layers.push(Layer::Linear { inputs, outputs });
        let network = Network::new(layers)?;
        let parameters = network.initial_parameters(stream);
        Ok(Self {
            network,
            parameters,
        })
    }

    /// Returns the untrained density for few pairs: hidden layers with dropout, and a start next to
    /// the standard normal.
    pub(crate) fn regularised(
        source: usize,
        target: usize,
        hidden: &[usize],
        dropout: f32,
        stream: &mut RandomStream,
    ) -> Result<Self, BridgeError> {
        let conditioner = Conditioner::initial(source, hidden, 2 * target, dropout, stream)?;
        let (network, parameters) = conditioner.into_parts();
        Ok(Self {
            network,
            parameters,
        })
    }

    /// Returns q(·|source_i) for each row as plain Gaussians, `[batch, target]`.
    ///
    /// # Errors
    /// [`ShapeError::Mismatch`] if the source has another dimension, [`ShapeError::NotFinite`] if
    /// the network's outputs overflow.
    pub fn gaussians(&self, source: &Latents) -> Result<DiagonalGaussian, ShapeError> {
        const ROWS_AT_ONCE: usize = 256;
        let (inputs, dim) = self.dims();
        check_source(source, inputs)?;
        let mut outputs = Array2::zeros((source.rows(), 2 * dim));
        let sources = source.view();
        let sources = sources.axis_chunks_iter(Axis(0), ROWS_AT_ONCE);
        let blocks = sources.zip(outputs.axis_chunks_iter_mut(Axis(0), ROWS_AT_ONCE));
        let blocks: Vec<_> = blocks.collect();
        blocks
            .into_par_iter()
            .for_each_init(Tape::default, |tape, (source, mut outputs)| {
                outputs.assign(&self.outputs(source, Mode::Inference, tape));
            });
        let (mean, log_var) = outputs.view().split_at(Axis(1), dim);
        DiagonalGaussian::new(
            Latents::new(mean.to_owned())?,
            Latents::new(log_var.to_owned())?,
        )
    }

    /// Returns the network's outputs for sources `[rows, source]`, `[rows, 2 · target]`.
    fn outputs<'t>(
        &self,
        source: ArrayView2<'_, f32>,
        mode: Mode,
        tape: &'t mut Tape,
    ) -> ArrayView2<'t, f32> {
        let outputs = self
            .network
            .forward(&self.parameters, flat(source), mode, tape);
        rows_of(outputs, self.network.outputs())
    }

    /// Returns the network, and its parameters to be changed.
    pub(crate) fn parts_mut(&mut self) -> (&Network, &mut [f32]) {
        (&self.network, &mut self.parameters)
    }

    /// Returns the number of parameters.
    pub(crate) fn parameter_count(&self) -> usize {
        self.parameters.len()
    }
}

impl FamilyDensity for GaussianDensity {
    fn put_into(&self, file: &mut WeightsFile, prefix: &str) -> Result<(), BridgeError> {
        put_json(file, format!("{prefix}.network"), &self.network)?;
        file.put_network(prefix, &self.network, &self.parameters);
        Ok(())
    }

    fn from_file(file: &WeightsFile, prefix: &str, path: &Path) -> Result<Self, BridgeError> {
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
        source: ArrayView2<'_, f32>,
        target: ArrayView2<'_, f32>,
        scale: f32,
        stream: &mut RandomStream,
        gradients: &mut [f32],
        tape: &mut GaussianTape,
    ) -> f64 {
        tape.network.draw_dropout_from(stream.child(0));
        let outputs = self.outputs(source, Mode::Training, &mut tape.network);
        reshape(&mut tape.gradient, outputs.dim());
        let mut nats = 0.0;
        for (row, gradient) in tape.gradient.rows_mut().into_iter().enumerate() {
            nats += f64::from(row_backward(
                outputs.row(row),
                target.row(row),
                scale,
                gradient,
            ));
        }
        self.network.backward(
            &self.parameters,
            flat(tape.gradient.view()),
            Gradients::Add(gradients),
            InputGradient::Unused,
            &mut tape.network,
        );
        nats
    }
}

/// Returns −log q(target) in nats for a row of the network's outputs `[2 · dim]`, and writes
/// `scale` times its gradient by them into `gradient`.
///
/// −log q = ½ Σ (log σ² + (μ − t)² / σ² + log 2π).
fn row_backward(
    outputs: ArrayView1<'_, f32>,
    target: ArrayView1<'_, f32>,
    scale: f32,
    gradient: ArrayViewMut1<'_, f32>,
) -> f32 {
    let dim = target.len();
    let (means, log_vars) = outputs.split_at(Axis(0), dim);
    let (mut by_mean, mut by_log_var) = gradient.split_at(Axis(0), dim);
    let mut nats = 0.0;
    for d in 0..dim {
        let log_var = log_vars[d].max(MIN_LOG_VARIANCE);
        let precision = (-log_var).exp();
        let gap = means[d] - target[d];
        let distance = gap * gap * precision;
        nats += 0.5 * (log_var + distance + LN_TWO_PI as f32);
        by_mean[d] = scale * gap * precision;
        by_log_var[d] = match log_vars[d] > MIN_LOG_VARIANCE {
            // Below the bound the log-variance no longer matters, and has no gradient.
            true => scale * 0.5 * (1.0 - distance),
            false => 0.0,
        };
    }
    nats
}

/// Working space of a fit.
#[derive(Debug, Default)]
pub(crate) struct GaussianTape {
    network: Tape,
    /// d objective / d outputs, `[rows, 2 · target]`.
    gradient: Array2<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::{laws, trial};

    fn density() -> GaussianDensity {
        let mut stream = RandomStream::named(3, "gaussian");
        let density = GaussianDensity::regularised(3, 2, &[8, 8], 0.0, &mut stream).unwrap();
        trial::perturbed(density, 0.2)
    }

    #[test]
    fn it_obeys_the_laws_of_densities() {
        laws::hold_for(&density(), 1e-3);
    }

    #[test]
    fn its_gradient_is_exact() {
        laws::gradients_are_exact(&density());
    }
}
