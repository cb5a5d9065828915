//! Training a VAE on the native engine: a batch is split over the cores, gradients are summed in
//! fixed order.

use crate::vae::{Vae, VaeArchitecture};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zbridge_core::{Observations, RandomStream};
use zbridge_nn::{
    Adam, BatchPart, GradientBlocks, Gradients, InputGradient, Mode, NnError, PackedWeights,
    StepContext, Tape, Trainee, WeightsFile,
};

/// What a VAE is trained to maximise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// Weight of the KL term at the end; 1 is the evidence lower bound.
    pub kl_weight: f32,
    /// Share of the training over which the weight rises from 0.
    pub kl_warm_up: f32,
    /// Share of the training after which the importance-weighted bound replaces the evidence lower
    /// bound.
    pub importance_after: f32,
    /// Draws of the importance-weighted bound (Burda et al. 2016, eq. 8).
    pub importance_draws: usize,
    /// Whether an observation is seen as a fresh draw of black and white pixels, with its grey
    /// values as probabilities, each time that it comes (Salakhutdinov and Murray 2008).
    #[serde(default)]
    pub binarised: bool,
}

impl Objective {
    /// The evidence lower bound from beginning to end.
    pub fn elbo() -> Self {
        Self {
            kl_weight: 1.0,
            kl_warm_up: 0.0,
            importance_after: 1.0,
            importance_draws: 1,
            binarised: false,
        }
    }

    /// Makes of a shard's observations what the model sees of them in a step; `stream` is the
    /// shard's.
    pub(crate) fn show(&self, x: &mut [f32], stream: &RandomStream) {
        const PIXELS: u64 = 1;
        if self.binarised {
            stream.child(PIXELS).binarise(x);
        }
    }

    /// (KL weight, draws) when this share of the training is done.
    pub(crate) fn at(&self, done: f32) -> (f32, usize) {
        let risen = if self.kl_warm_up > 0.0 {
            (done / self.kl_warm_up).min(1.0)
        } else {
            1.0
        };
        (
            self.kl_weight * risen,
            if done >= self.importance_after {
                self.importance_draws
            } else {
                1
            },
        )
    }
}

/// A VAE in training, with its optimiser and its data.
#[derive(Debug)]
pub struct VaeTrainer<'d> {
    pub(crate) architecture: VaeArchitecture,
    pub(crate) objective: Objective,
    pub(crate) observations: &'d Observations,
    /// The encoder's parameters, then the decoder's.
    pub(crate) parameters: Vec<f32>,
    pub(crate) adam: Adam,
    /// Of the encoder and of the decoder, made anew in each step.
    forward: [PackedWeights; 2],
    /// Of the encoder and of the decoder.
    blocks: [GradientBlocks; 2],
    shards: Vec<Shard>,
}

/// Rows of a batch that one core works on. Fixed, so that sums do not depend on the number of
/// cores.
pub(crate) const SHARD_ROWS: usize = 64;

/// Rows of a shard of so large a batch: of a large one there are four, so that products have many
/// rows.
pub(crate) fn shard_rows(batch: usize) -> usize {
    SHARD_ROWS.max(batch.div_ceil(4))
}

impl<'d> VaeTrainer<'d> {
    /// A fresh model under `seed`.
    pub fn new(
        architecture: VaeArchitecture,
        objective: Objective,
        observations: &'d Observations,
        seed: u64,
    ) -> Self {
        let encoder = architecture
            .encoder
            .initial_parameters(&mut RandomStream::named(seed, "initial/encoder"));
        let decoder = architecture
            .decoder
            .initial_parameters(&mut RandomStream::named(seed, "initial/decoder"));
        let parameters = [encoder, decoder].concat();
        let adam = Adam::new(parameters.len());
        let blocks = [&architecture.encoder, &architecture.decoder].map(GradientBlocks::of);
        let forward = Default::default();
        Self {
            architecture,
            objective,
            observations,
            parameters,
            adam,
            forward,
            blocks,
            shards: vec![],
        }
    }

    /// The model as it is now.
    pub fn model(&self) -> Vae {
        let (encoder, decoder) = self
            .parameters
            .split_at(self.architecture.encoder.parameter_count());
        Vae::new(
            self.architecture.clone(),
            encoder.to_vec(),
            decoder.to_vec(),
        )
    }

    /// Weights and optimiser, for a checkpoint.
    pub fn checkpoint(&self) -> WeightsFile {
        let mut file = self.model().to_weights();
        file.put_adam(&self.adam);
        file
    }

    /// Takes over what [`checkpoint`](Self::checkpoint) gave; `path` names the file in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] when the checkpoint belongs to another architecture or lacks a part.
    pub fn restore(&mut self, file: &WeightsFile, path: &std::path::Path) -> Result<(), NnError> {
        let encoder = file.network_parameters("encoder", &self.architecture.encoder, path)?;
        let decoder = file.network_parameters("decoder", &self.architecture.decoder, path)?;
        self.adam = file.adam(self.parameters.len(), path)?;
        self.parameters = [encoder, decoder].concat();
        Ok(())
    }
}

impl Trainee for VaeTrainer<'_> {
    fn step(&mut self, rows: &[usize], context: StepContext) -> Result<f64, NnError> {
        let (kl_weight, draws) = self.objective.at(context.done);
        let terms = Terms {
            kl_weight,
            draws,
            scale: 1.0 / rows.len() as f32,
        };
        let objective = self.objective;
        let parts: Vec<&[usize]> = rows.chunks(shard_rows(rows.len())).collect();
        self.shards
            .resize_with(parts.len().max(self.shards.len()), Shard::default);
        let (architecture, observations) = (&self.architecture, self.observations);
        let (encoder, decoder) = self
            .parameters
            .split_at(architecture.encoder.parameter_count());
        self.forward[0].pack(&architecture.encoder, encoder);
        self.forward[1].pack(&architecture.decoder, decoder);
        let weights = Weights {
            encoder,
            decoder,
            forward: &self.forward,
        };
        let sums: Vec<f64> = self.shards[..parts.len()]
            .par_iter_mut()
            .zip(&parts)
            .enumerate()
            .map(|(index, (shard, rows))| {
                let mut stream = context.stream.child(index as u64);
                shard.take(observations, rows);
                objective.show(&mut shard.x, &stream);
                shard.run(architecture, weights, terms, &mut stream)
            })
            .collect();
        self.descend(parts.len(), context.learning_rate);
        Ok(sums.iter().sum::<f64>() / rows.len() as f64)
    }
}

impl VaeTrainer<'_> {
    /// Moves the parameters against the gradients of the first `shards`.
    fn descend(&mut self, shards: usize, learning_rate: f32) {
        let (shards, encoder) = (
            &self.shards[..shards],
            self.architecture.encoder.parameter_count(),
        );
        let of_encoder: Vec<BatchPart> = shards
            .iter()
            .map(|shard| BatchPart {
                tape: &shard.encoder_tape,
                gradients: &shard.gradients[..encoder],
            })
            .collect();
        let of_decoder: Vec<BatchPart> = shards
            .iter()
            .map(|shard| BatchPart {
                tape: &shard.decoder_tape,
                gradients: &shard.gradients[encoder..],
            })
            .collect();
        let [encoder_blocks, decoder_blocks] = &self.blocks;
        let ends: Vec<usize> = encoder_blocks
            .ends()
            .chain(decoder_blocks.ends().map(|end| encoder + end))
            .collect();
        self.adam.step_by_blocks(
            &mut self.parameters,
            &ends,
            learning_rate,
            |block, gradient| match block.checked_sub(encoder_blocks.count()) {
                None => encoder_blocks.fill(block, &of_encoder, gradient),
                Some(block) => decoder_blocks.fill(block, &of_decoder, gradient),
            },
        );
    }
}

/// The weights of the objective's terms in one step.
#[derive(Clone, Copy)]
struct Terms {
    kl_weight: f32,
    draws: usize,
    /// One over the rows of the batch.
    scale: f32,
}

/// What all shards read in a step.
#[derive(Clone, Copy)]
struct Weights<'w> {
    encoder: &'w [f32],
    decoder: &'w [f32],
    forward: &'w [PackedWeights; 2],
}

/// One core's part of a step, with the buffers it keeps.
#[derive(Debug, Default)]
struct Shard {
    encoder_tape: Tape,
    decoder_tape: Tape,
    gradients: Vec<f32>,
    x: Vec<f32>,
    noise: Vec<f32>,
    z: Vec<f32>,
    log_weights: Vec<f32>,
    posterior: Vec<f32>,
    posterior_gradient: Vec<f32>,
}

impl Shard {
    /// Copies `rows` into the shard.
    fn take(&mut self, observations: &Observations, rows: &[usize]) {
        self.x.clear();
        rows.iter()
            .for_each(|&row| self.x.extend_from_slice(observations.row(row)));
    }

    /// The summed objective in nats of the rows taken; their gradients are left in the shard and on
    /// its tapes.
    fn run(
        &mut self,
        architecture: &VaeArchitecture,
        weights: Weights,
        terms: Terms,
        stream: &mut RandomStream,
    ) -> f64 {
        let Weights {
            encoder,
            decoder,
            forward,
        } = weights;
        self.gradients.resize(encoder.len() + decoder.len(), 0.0);
        let rows = self.x.len() / architecture.event.size();
        let network = &architecture.encoder;
        let posterior = network.forward_with(
            encoder,
            &forward[0],
            &self.x,
            Mode::Training,
            &mut self.encoder_tape,
        );
        self.posterior.clear();
        self.posterior.extend_from_slice(posterior);
        self.draw(rows, architecture.latent_dim, terms.draws, stream);
        let network = &architecture.decoder;
        network.forward_with(
            decoder,
            &forward[1],
            &self.z,
            Mode::Training,
            &mut self.decoder_tape,
        );
        let total = if terms.draws == 1 {
            self.evidence_lower_bound(architecture, decoder, terms)
        } else {
            self.importance_weighted_bound(architecture, decoder, terms)
        };
        let gradients = Gradients::DeferWeights(&mut self.gradients[..encoder.len()]);
        let unused = InputGradient::Unused;
        architecture.encoder.backward(
            encoder,
            &self.posterior_gradient,
            gradients,
            unused,
            &mut self.encoder_tape,
        );
        total
    }

    /// `draws` reparametrised latents for each row: z = μ + σ ε.
    fn draw(&mut self, rows: usize, dim: usize, draws: usize, stream: &mut RandomStream) {
        self.noise.resize(rows * draws * dim, 0.0);
        stream.fill_standard_normal(&mut self.noise);
        self.z.resize(self.noise.len(), 0.0);
        for (i, (z, noise)) in self
            .z
            .chunks_exact_mut(dim)
            .zip(self.noise.chunks_exact(dim))
            .enumerate()
        {
            let (mean, log_var) = self.posterior[i / draws * 2 * dim..][..2 * dim].split_at(dim);
            for (((z, noise), mean), log_var) in z.iter_mut().zip(noise).zip(mean).zip(log_var) {
                *z = mean + (0.5 * log_var).exp() * noise;
            }
        }
    }

    /// E log p(x|z) − β KL(q ‖ p), the KL in closed form.
    fn evidence_lower_bound(
        &mut self,
        architecture: &VaeArchitecture,
        decoder: &[f32],
        terms: Terms,
    ) -> f64 {
        let (size, dim) = (architecture.event.size(), architecture.latent_dim);
        let outputs = self.decoder_tape.output_mut();
        let mut total = 0.0;
        for (outputs, x) in outputs
            .chunks_exact_mut(size)
            .zip(self.x.chunks_exact(size))
        {
            total += f64::from(architecture.likelihood.backward(outputs, x, terms.scale));
        }
        let latent_gradient = self.decoder_backward(architecture, decoder);
        let weight = terms.kl_weight * terms.scale;
        self.posterior_gradient.clear();
        for (i, posterior) in self.posterior.chunks_exact(2 * dim).enumerate() {
            let (mean, log_var) = posterior.split_at(dim);
            let (dz, noise) = (
                &latent_gradient[i * dim..][..dim],
                &self.noise[i * dim..][..dim],
            );
            let kl: f32 = mean
                .iter()
                .zip(log_var)
                .map(|(m, v)| 0.5 * (m * m + v.exp() - v - 1.0))
                .sum();
            total -= f64::from(terms.kl_weight * kl);
            self.posterior_gradient
                .extend(dz.iter().zip(mean).map(|(dz, mean)| dz + weight * mean));
            let log_var = dz.iter().zip(noise).zip(log_var);
            self.posterior_gradient
                .extend(log_var.map(|((dz, noise), v)| {
                    0.5 * (dz * noise * (0.5 * v).exp() + weight * (v.exp() - 1.0))
                }));
        }
        total
    }

    /// log (1/K) Σ w_k with w_k = p(x|z_k) p(z_k) / q(z_k|x); Burda et al. 2016, eq. 8, total
    /// derivative.
    fn importance_weighted_bound(
        &mut self,
        architecture: &VaeArchitecture,
        decoder: &[f32],
        terms: Terms,
    ) -> f64 {
        let (size, dim, draws) = (
            architecture.event.size(),
            architecture.latent_dim,
            terms.draws,
        );
        let mut total = 0.0;
        let outputs = self.decoder_tape.output_mut();
        for (row, (outputs, x)) in outputs
            .chunks_exact_mut(size * draws)
            .zip(self.x.chunks_exact(size))
            .enumerate()
        {
            let log_var: f32 = self.posterior[row * 2 * dim + dim..][..dim].iter().sum();
            self.log_weights.clear();
            for (draw, outputs) in outputs.chunks_exact(size).enumerate() {
                let place = (row * draws + draw) * dim;
                let gap: f32 = self.noise[place..][..dim]
                    .iter()
                    .zip(&self.z[place..][..dim])
                    .map(|(e, z)| e * e - z * z)
                    .sum();
                let log_likelihood = architecture.likelihood.log_likelihood_nats(outputs, x);
                self.log_weights
                    .push(log_likelihood + 0.5 * (gap + log_var));
            }
            total += f64::from(normalise(&mut self.log_weights));
            for (outputs, weight) in outputs.chunks_exact_mut(size).zip(&self.log_weights) {
                architecture
                    .likelihood
                    .backward(outputs, x, terms.scale * weight);
            }
            // The prior's part of the latent gradient, z · weight, waits in the place of z.
            for (draw, weight) in self.log_weights.iter().enumerate() {
                let place = (row * draws + draw) * dim;
                self.z[place..][..dim]
                    .iter_mut()
                    .for_each(|z| *z *= weight * terms.scale);
            }
        }
        let latent_gradient = self.decoder_backward(architecture, decoder);
        self.posterior_gradient.clear();
        self.posterior_gradient.resize(self.posterior.len(), 0.0);
        for (i, gradient) in self
            .posterior_gradient
            .chunks_exact_mut(2 * dim)
            .enumerate()
        {
            let log_var = &self.posterior[i * 2 * dim + dim..][..dim];
            let (mean_gradient, log_var_gradient) = gradient.split_at_mut(dim);
            log_var_gradient.fill(-0.5 * terms.scale);
            for place in (i * draws..(i + 1) * draws).map(|draw| draw * dim) {
                for column in 0..dim {
                    let dz = latent_gradient[place + column] + self.z[place + column];
                    mean_gradient[column] += dz;
                    log_var_gradient[column] +=
                        0.5 * dz * self.noise[place + column] * (0.5 * log_var[column]).exp();
                }
            }
        }
        total
    }

    /// The gradient at the latents, for output gradients left in the decoder's outputs.
    fn decoder_backward(&mut self, architecture: &VaeArchitecture, decoder: &[f32]) -> Vec<f32> {
        let start = architecture.encoder.parameter_count();
        let output_gradient = std::mem::take(self.decoder_tape.output_mut());
        let gradients = Gradients::DeferWeights(&mut self.gradients[start..]);
        let wanted = InputGradient::Wanted;
        let at_latents = architecture
            .decoder
            .backward(
                decoder,
                &output_gradient,
                gradients,
                wanted,
                &mut self.decoder_tape,
            )
            .to_vec();
        *self.decoder_tape.output_mut() = output_gradient;
        at_latents
    }
}

/// log mean e^w, and `log_weights` become the normalised weights.
fn normalise(log_weights: &mut [f32]) -> f32 {
    let largest = log_weights
        .iter()
        .copied()
        .fold(f32::NEG_INFINITY, f32::max);
    log_weights
        .iter_mut()
        .for_each(|weight| *weight = (*weight - largest).exp());
    let sum: f32 = log_weights.iter().sum();
    log_weights.iter_mut().for_each(|weight| *weight /= sum);
    largest + (sum / log_weights.len() as f32).ln()
}
