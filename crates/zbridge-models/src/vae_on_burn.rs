//! A VAE by burn's engine: inference in large batches, and the training that [`VaeTrainer`] does
//! natively.

use crate::vae::{Vae, VaeArchitecture, VaeOnDevice};
use crate::vae_training::{Objective, VaeTrainer, shard_rows};
use std::path::Path;
use zbridge_core::Observations;
use zbridge_nn::burn_engine::{BurnAdam, BurnDevice, BurnNetwork, Tensor};
use zbridge_nn::{Device, Likelihood, Mode, Network, NnError, StepContext, Trainee, WeightsFile};

/// The networks of a VAE on a device.
#[derive(Debug)]
pub(crate) struct VaeOnBurn {
    device: BurnDevice,
    likelihood: Likelihood,
    encoder: OnDevice,
    decoder: OnDevice,
}

/// A network on a device, and how many rows may pass through it at once.
#[derive(Debug)]
struct OnDevice {
    network: BurnNetwork,
    inputs: usize,
    rows_at_once: usize,
}

/// Enough rows to fill a GPU.
const MOST_ROWS_AT_ONCE: usize = 4096;
/// Numbers in the widest layer of a batch: 128 MiB, below what any device limits one buffer to.
const MOST_NUMBERS_AT_ONCE: usize = 1 << 25;

impl OnDevice {
    fn new(network: &Network, parameters: &[f32], device: &BurnDevice) -> Self {
        let inputs = network.inputs();
        let widths = network.layers().iter().scan(inputs, |width, layer| {
            *width = layer.output_width(*width);
            Some(*width)
        });
        let widest = widths.fold(inputs, usize::max);
        let rows_at_once = (MOST_NUMBERS_AT_ONCE / widest).clamp(1, MOST_ROWS_AT_ONCE);
        Self {
            network: BurnNetwork::new(network, parameters, device),
            inputs,
            rows_at_once,
        }
    }

    /// What `finish` makes of the outputs for each block of rows, in order; it is told the block's
    /// first row.
    fn in_blocks<const D: usize>(
        &self,
        values: &[f32],
        device: &BurnDevice,
        finish: impl Fn(Tensor<2>, usize) -> Tensor<D>,
    ) -> Result<Vec<f32>, NnError> {
        let mut results = Vec::new();
        for (index, block) in values.chunks(self.rows_at_once * self.inputs).enumerate() {
            let finished = device.attempt(|| {
                let input = device.tensor(block.to_vec(), [block.len() / self.inputs, self.inputs]);
                finish(
                    self.network.forward(input, Mode::Inference),
                    index * self.rows_at_once,
                )
            })?;
            results.extend(device.read(finished)?);
        }
        Ok(results)
    }
}

impl VaeOnBurn {
    /// # Errors
    /// [`NnError::Device`] when there is no such device.
    pub(crate) fn new(
        architecture: &VaeArchitecture,
        encoder: &[f32],
        decoder: &[f32],
        device: Device,
    ) -> Result<Self, NnError> {
        let device = BurnDevice::open(device)?;
        let encoder = OnDevice::new(&architecture.encoder, encoder, &device);
        let decoder = OnDevice::new(&architecture.decoder, decoder, &device);
        Ok(Self {
            device,
            likelihood: architecture.likelihood,
            encoder,
            decoder,
        })
    }
}

impl VaeOnDevice for VaeOnBurn {
    fn encode(&self, observations: &[f32]) -> Result<Vec<f32>, NnError> {
        self.encoder
            .in_blocks(observations, &self.device, |outputs, _| outputs)
    }

    fn decode(&self, latents: &[f32]) -> Result<Vec<f32>, NnError> {
        self.decoder.in_blocks(latents, &self.device, |outputs, _| {
            self.likelihood.means_of_rows(outputs)
        })
    }

    fn log_likelihood_nats(
        &self,
        observations: &Observations,
        latents: &[f32],
        draws: usize,
    ) -> Result<Vec<f32>, NnError> {
        self.decoder
            .in_blocks(latents, &self.device, |outputs, first| {
                let observed = self.observed(observations, first, outputs.dims()[0], draws);
                self.likelihood
                    .log_likelihood_nats_of_rows(outputs, observed)
            })
    }
}

impl VaeOnBurn {
    /// The observation of each of `rows` draws from row `first` on, when every observation has
    /// `draws` of them.
    fn observed(
        &self,
        observations: &Observations,
        first: usize,
        rows: usize,
        draws: usize,
    ) -> Tensor<2> {
        let size = observations.kind().size();
        let (start, end) = (first / draws, (first + rows - 1) / draws + 1);
        let values = observations.values()[start * size..end * size].to_vec();
        let indices = (first..first + rows)
            .map(|row| (row / draws - start) as i32)
            .collect();
        self.device
            .select(self.device.tensor(values, [end - start, size]), indices)
    }
}

/// A VAE in training on a device, with its optimiser and its data.
///
/// Objective, noise and checkpoints are those of [`VaeTrainer`]: from the same seed both follow the
/// same path up to rounding. Only a batch normalisation inside the VAE would tell them apart: here
/// it sees the whole batch, there 64 rows of it.
#[derive(Debug)]
pub struct BurnVaeTrainer<'d> {
    architecture: VaeArchitecture,
    objective: Objective,
    observations: &'d Observations,
    device: BurnDevice,
    encoder: BurnNetwork,
    decoder: BurnNetwork,
    adam: BurnAdam,
}

impl<'d> BurnVaeTrainer<'d> {
    /// A fresh model under `seed`, the same as [`VaeTrainer::new`] makes.
    ///
    /// # Errors
    /// [`NnError::Device`] when there is no such device.
    pub fn new(
        architecture: VaeArchitecture,
        objective: Objective,
        observations: &'d Observations,
        seed: u64,
        device: Device,
    ) -> Result<Self, NnError> {
        let device = BurnDevice::open(device)?;
        Ok(Self::of(
            VaeTrainer::new(architecture, objective, observations, seed),
            device,
        ))
    }

    /// The model as it is now.
    ///
    /// # Errors
    /// [`NnError::Device`] when the device fails.
    pub fn model(&self) -> Result<Vae, NnError> {
        Ok(self.native()?.model())
    }

    /// Weights and optimiser, for a checkpoint that either engine can restore.
    ///
    /// # Errors
    /// [`NnError::Device`] when the device fails.
    pub fn checkpoint(&self) -> Result<WeightsFile, NnError> {
        Ok(self.native()?.checkpoint())
    }

    /// Takes over a checkpoint of either engine; `path` names the file in errors.
    ///
    /// # Errors
    /// As [`VaeTrainer::restore`].
    pub fn restore(&mut self, file: &WeightsFile, path: &Path) -> Result<(), NnError> {
        let mut native = self.fresh();
        native.restore(file, path)?;
        *self = Self::of(native, self.device.clone());
        Ok(())
    }

    fn of(native: VaeTrainer<'d>, device: BurnDevice) -> Self {
        let VaeTrainer {
            architecture,
            objective,
            observations,
            parameters,
            adam,
            ..
        } = native;
        let (encoder, decoder) = parameters.split_at(architecture.encoder.parameter_count());
        let encoder = BurnNetwork::new(&architecture.encoder, encoder, &device).trainable();
        let decoder = BurnNetwork::new(&architecture.decoder, decoder, &device).trainable();
        let adam = BurnAdam::new(&adam, &device);
        Self {
            architecture,
            objective,
            observations,
            device,
            encoder,
            decoder,
            adam,
        }
    }

    /// The same training, as the native engine has it.
    fn native(&self) -> Result<VaeTrainer<'d>, NnError> {
        let mut native = self.fresh();
        native.parameters = [self.encoder.parameters()?, self.decoder.parameters()?].concat();
        native.adam = self.adam.native(&self.device)?;
        Ok(native)
    }

    fn fresh(&self) -> VaeTrainer<'d> {
        VaeTrainer::new(
            self.architecture.clone(),
            self.objective,
            self.observations,
            0,
        )
    }

    /// The mean bound of these rows in nats, `[1]`.
    fn objective(&self, rows: &[usize], context: &StepContext) -> Tensor<1> {
        let (kl_weight, draws) = self.objective.at(context.done);
        let size = self.architecture.event.size();
        let mut x: Vec<f32> = rows
            .iter()
            .flat_map(|&row| self.observations.row(row))
            .copied()
            .collect();
        for (shard, x) in x.chunks_mut(shard_rows(rows.len()) * size).enumerate() {
            self.objective.show(x, &context.stream.child(shard as u64));
        }
        let x = self.device.tensor(x, [rows.len(), size]);
        self.bounds(x, self.noise(rows.len(), draws, context), kl_weight)
            .mean()
    }

    /// Standard normal noise `[rows, draws, dim]`, number by number what the native engine's shards
    /// draw.
    fn noise(&self, rows: usize, draws: usize, context: &StepContext) -> Tensor<3> {
        let dim = self.architecture.latent_dim;
        let mut noise = vec![0.0; rows * draws * dim];
        for (shard, noise) in noise.chunks_mut(shard_rows(rows) * draws * dim).enumerate() {
            context
                .stream
                .child(shard as u64)
                .fill_standard_normal(noise);
        }
        self.device.tensor(noise, [rows, draws, dim])
    }

    /// The bound of each row in nats, `[rows]`, from `draws` reparametrised latents: z = μ + σ ε.
    fn bounds(&self, x: Tensor<2>, noise: Tensor<3>, kl_weight: f32) -> Tensor<1> {
        let [rows, draws, dim] = noise.dims();
        let posterior = self.encoder.forward(x.clone(), Mode::Training);
        let (mean, log_var) = (
            posterior.clone().narrow(1, 0, dim),
            posterior.narrow(1, dim, dim),
        );
        let deviation = (log_var.clone() * 0.5).exp();
        let z =
            mean.clone().unsqueeze_dim::<3>(1) + deviation.unsqueeze_dim::<3>(1) * noise.clone();
        let outputs = self
            .decoder
            .forward(z.clone().reshape([rows * draws, dim]), Mode::Training);
        let log_likelihood = self.log_likelihood_nats(outputs, x, draws);
        if draws == 1 {
            return log_likelihood.reshape([rows]) - kl_divergence_nats(mean, log_var) * kl_weight;
        }
        // log p(z) − log q(z|x) = (ε² − z² + log σ²) / 2, summed over dimensions.
        let gap = (noise.square() - z.square())
            .sum_dim(2)
            .reshape([rows, draws])
            + log_var.sum_dim(1);
        log_mean_exp(log_likelihood + gap * 0.5)
    }

    /// log p(x|z), `[rows, draws]`, from the decoder's outputs for all draws.
    fn log_likelihood_nats(&self, outputs: Tensor<2>, x: Tensor<2>, draws: usize) -> Tensor<2> {
        let [rows, size] = x.dims();
        let x = x
            .unsqueeze_dim::<3>(1)
            .repeat_dim(1, draws)
            .reshape([rows * draws, size]);
        self.architecture
            .likelihood
            .log_likelihood_nats_of_rows(outputs, x)
            .reshape([rows, draws])
    }

    /// One step of Adam uphill.
    fn ascend(&mut self, objective: &Tensor<1>, learning_rate: f32) {
        let mut gradients = objective.clone().neg().backward();
        let parts = [&self.encoder, &self.decoder].map(|network| network.gradients(&mut gradients));
        let movement = self
            .adam
            .movement(Tensor::cat(parts.to_vec(), 0), learning_rate);
        let (encoder, decoder) = (
            self.architecture.encoder.parameter_count(),
            self.architecture.decoder.parameter_count(),
        );
        self.encoder
            .move_by(&movement.clone().narrow(0, 0, encoder));
        self.decoder.move_by(&movement.narrow(0, encoder, decoder));
    }
}

impl Trainee for BurnVaeTrainer<'_> {
    fn step(&mut self, rows: &[usize], context: StepContext) -> Result<f64, NnError> {
        let device = self.device.clone();
        let objective = device.attempt(|| {
            let objective = self.objective(rows, &context);
            self.ascend(&objective, context.learning_rate);
            objective.inner()
        })?;
        Ok(device
            .read(objective)?
            .iter()
            .map(|&nats| f64::from(nats))
            .sum())
    }
}

/// KL(N(μ, σ²) ‖ N(0, 1)) of each row, `[rows]`, in closed form.
fn kl_divergence_nats(mean: Tensor<2>, log_var: Tensor<2>) -> Tensor<1> {
    let terms = mean.square() + log_var.clone().exp() - log_var - 1.0;
    (terms.sum_dim(1) * 0.5).squeeze_dim(1)
}

/// log (1/K) Σ e^w of each row of K; Burda et al. 2016, eq. 8.
fn log_mean_exp(log_weights: Tensor<2>) -> Tensor<1> {
    let largest = log_weights.clone().detach().max_dim(1);
    let mean = (log_weights - largest.clone()).exp().mean_dim(1);
    (mean.log() + largest).squeeze_dim(1)
}
