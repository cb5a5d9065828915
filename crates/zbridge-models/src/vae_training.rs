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
        let is_importance_weighted = done >= self.importance_after;
        let draws = if is_importance_weighted {
            self.importance_draws
        } else {
            1
        };
        (self.kl_weight * risen, draws)
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
        let parts: Vec<&[usize]> = rows.chunks(shard_rows(rows.len())).collect();
        let nats = self.run_shards(&parts, terms, &context.stream);
        self.descend(parts.len(), context.learning_rate);
        Ok(nats.iter().sum::<f64>() / rows.len() as f64)
    }
}

impl VaeTrainer<'_> {
    /// Returns the summed objective of each part of a batch; its gradients are left in its shard.
    fn run_shards(&mut self, parts: &[&[usize]], terms: Terms, stream: &RandomStream) -> Vec<f64> {
        let (architecture, observations) = (&self.architecture, self.observations);
        let objective = self.objective;
        self.shards
            .resize_with(parts.len().max(self.shards.len()), Shard::default);
        let (encoder, decoder) = self
            .parameters
            .split_at(architecture.encoder.parameter_count());
        // Once for all shards, which read the same weights.
        self.forward[0].pack(&architecture.encoder, encoder);
        self.forward[1].pack(&architecture.decoder, decoder);
        let weights = Weights {
            encoder,
            decoder,
            forward: &self.forward,
        };
        let work = self.shards.par_iter_mut().zip(parts).enumerate();
        work.map(|(index, (shard, rows))| {
            // Each shard has a stream of its own, whichever core works on it.
            let mut stream = stream.child(index as u64);
            shard.take(observations, rows);
            objective.show(&mut shard.x, &stream);
            shard.run(architecture, weights, terms, &mut stream)
        })
        .collect()
    }

    /// Moves the parameters against the gradients of the first `shards`.
    fn descend(&mut self, shards: usize, learning_rate: f32) {
        let shards = &self.shards[..shards];
        let encoder = self.architecture.encoder.parameter_count();
        let of_encoder: Vec<BatchPart> = shards.iter().map(|s| s.encoder_part(encoder)).collect();
        let of_decoder: Vec<BatchPart> = shards.iter().map(|s| s.decoder_part(encoder)).collect();
        let [encoder_blocks, decoder_blocks] = &self.blocks;
        // The decoder's parameters follow the encoder's, and so do their blocks.
        let decoder_ends = decoder_blocks.ends().map(|end| encoder + end);
        let ends: Vec<usize> = encoder_blocks.ends().chain(decoder_ends).collect();
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
        for &row in rows {
            self.x.extend_from_slice(observations.row(row));
        }
    }

    /// The encoder's gradients, which are the first `encoder` ones.
    fn encoder_part(&self, encoder: usize) -> BatchPart<'_> {
        BatchPart {
            tape: &self.encoder_tape,
            gradients: &self.gradients[..encoder],
        }
    }

    /// The decoder's gradients, which follow the encoder's.
    fn decoder_part(&self, encoder: usize) -> BatchPart<'_> {
        BatchPart {
            tape: &self.decoder_tape,
            gradients: &self.gradients[encoder..],
        }
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
        let (encoder, decoder) = (weights.encoder, weights.decoder);
        self.gradients.resize(encoder.len() + decoder.len(), 0.0);
        self.encode(architecture, weights);
        self.draw(architecture.latent_dim, terms.draws, stream);
        architecture.decoder.forward_with(
            decoder,
            &weights.forward[1],
            &self.z,
            Mode::Training,
            &mut self.decoder_tape,
        );
        let total = if terms.draws == 1 {
            self.evidence_lower_bound(architecture, decoder, terms)
        } else {
            self.importance_weighted_bound(architecture, decoder, terms)
        };
        architecture.encoder.backward(
            encoder,
            &self.posterior_gradient,
            Gradients::DeferWeights(&mut self.gradients[..encoder.len()]),
            InputGradient::Unused,
            &mut self.encoder_tape,
        );
        total
    }

    /// Computes the posteriors of the rows taken.
    fn encode(&mut self, architecture: &VaeArchitecture, weights: Weights) {
        let posterior = architecture.encoder.forward_with(
            weights.encoder,
            &weights.forward[0],
            &self.x,
            Mode::Training,
            &mut self.encoder_tape,
        );
        self.posterior.clear();
        self.posterior.extend_from_slice(posterior);
    }

    /// `draws` reparametrised latents for each row: z = μ + σ ε.
    fn draw(&mut self, dim: usize, draws: usize, stream: &mut RandomStream) {
        self.noise.resize(self.posterior.len() / 2 * draws, 0.0);
        stream.fill_standard_normal(&mut self.noise);
        self.z.clear();
        for (draw, noise) in self.noise.chunks_exact(dim).enumerate() {
            let row = draw / draws;
            let (mean, log_var) = self.posterior[row * 2 * dim..][..2 * dim].split_at(dim);
            let z = (0..dim).map(|i| mean[i] + (0.5 * log_var[i]).exp() * noise[i]);
            self.z.extend(z);
        }
    }

    /// E log p(x|z) − β KL(q ‖ p), the KL in closed form.
    fn evidence_lower_bound(
        &mut self,
        architecture: &VaeArchitecture,
        decoder: &[f32],
        terms: Terms,
    ) -> f64 {
        let dim = architecture.latent_dim;
        let mut total = self.reconstruct(architecture, terms);
        let latent_gradient = self.decoder_backward(architecture, decoder);
        let weight = terms.kl_weight * terms.scale;
        self.posterior_gradient.clear();
        for (row, posterior) in self.posterior.chunks_exact(2 * dim).enumerate() {
            let (mean, log_var) = posterior.split_at(dim);
            let dz = &latent_gradient[row * dim..][..dim];
            let noise = &self.noise[row * dim..][..dim];
            total -= f64::from(terms.kl_weight * kl_from_prior(mean, log_var));
            let by_mean = (0..dim).map(|i| dz[i] + weight * mean[i]);
            self.posterior_gradient.extend(by_mean);
            // dz/d log σ² = ½ σ ε.
            let by_log_var = (0..dim).map(|i| {
                let by_draw = dz[i] * noise[i] * (0.5 * log_var[i]).exp();
                0.5 * (by_draw + weight * (log_var[i].exp() - 1.0))
            });
            self.posterior_gradient.extend(by_log_var);
        }
        total
    }

    /// Σ log p(x|z) over the rows, with one draw each; the decoder's outputs become the gradients
    /// of −scale · Σ.
    fn reconstruct(&mut self, architecture: &VaeArchitecture, terms: Terms) -> f64 {
        let (likelihood, size) = (architecture.likelihood, architecture.event.size());
        let outputs = self.decoder_tape.output_mut().chunks_exact_mut(size);
        let mut total = 0.0;
        for (outputs, x) in outputs.zip(self.x.chunks_exact(size)) {
            total += f64::from(likelihood.backward(outputs, x, terms.scale));
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
        let mut total = 0.0;
        for row in 0..self.x.len() / architecture.event.size() {
            self.weigh_draws(architecture, row, terms.draws);
            total += f64::from(normalise(&mut self.log_weights));
            self.turn_draws_into_gradients(architecture, row, terms);
        }
        let likelihood_gradient = self.decoder_backward(architecture, decoder);
        self.gradient_through_draws(architecture.latent_dim, &likelihood_gradient, terms);
        total
    }

    /// Computes log w_k = log p(x|z_k) + log p(z_k) − log q(z_k|x) for the draws of one row.
    fn weigh_draws(&mut self, architecture: &VaeArchitecture, row: usize, draws: usize) {
        let (size, dim) = (architecture.event.size(), architecture.latent_dim);
        let x = &self.x[row * size..][..size];
        let log_var: f32 = self.posterior[row * 2 * dim + dim..][..dim].iter().sum();
        let outputs = self.decoder_tape.output_mut();
        self.log_weights.clear();
        for draw in row * draws..(row + 1) * draws {
            let noise = &self.noise[draw * dim..][..dim];
            let z = &self.z[draw * dim..][..dim];
            // With z = μ + σ ε, log p(z) − log q(z|x) = ½ Σ (ε² − z² + log σ²).
            let gap: f32 = (0..dim).map(|i| noise[i] * noise[i] - z[i] * z[i]).sum();
            let outputs = &outputs[draw * size..][..size];
            let log_likelihood = architecture.likelihood.log_likelihood_nats(outputs, x);
            self.log_weights
                .push(log_likelihood + 0.5 * (gap + log_var));
        }
    }

    /// Replaces what the decoder made of the draws of one row by the gradients of −Σ w_k log
    /// p(x|z_k) there, with normalised weights.
    fn turn_draws_into_gradients(
        &mut self,
        architecture: &VaeArchitecture,
        row: usize,
        terms: Terms,
    ) {
        let (size, dim) = (architecture.event.size(), architecture.latent_dim);
        let x = &self.x[row * size..][..size];
        let outputs = self.decoder_tape.output_mut();
        for (draw, weight) in self.log_weights.iter().enumerate() {
            let (draw, weight) = (row * terms.draws + draw, weight * terms.scale);
            let outputs = &mut outputs[draw * size..][..size];
            architecture.likelihood.backward(outputs, x, weight);
            // The prior's part of the latent gradient, z · weight, waits in the place of z.
            for z in &mut self.z[draw * dim..][..dim] {
                *z *= weight;
            }
        }
    }

    /// Computes the gradient at the posteriors from that at the draws, whose part of the prior is
    /// in the place of z.
    fn gradient_through_draws(&mut self, dim: usize, likelihood_gradient: &[f32], terms: Terms) {
        self.posterior_gradient.clear();
        self.posterior_gradient.resize(self.posterior.len(), 0.0);
        let rows = self.posterior_gradient.chunks_exact_mut(2 * dim);
        for (row, gradient) in rows.enumerate() {
            let log_var = &self.posterior[row * 2 * dim + dim..][..dim];
            let (by_mean, by_log_var) = gradient.split_at_mut(dim);
            // −log q(z|x) = ½ Σ log σ² + …, where the ε² that stand beside it are constants.
            by_log_var.fill(-0.5 * terms.scale);
            for draw in row * terms.draws..(row + 1) * terms.draws {
                for i in 0..dim {
                    let place = draw * dim + i;
                    let dz = likelihood_gradient[place] + self.z[place];
                    by_mean[i] += dz;
                    by_log_var[i] += 0.5 * dz * self.noise[place] * (0.5 * log_var[i]).exp();
                }
            }
        }
    }

    /// The gradient at the latents, for output gradients left in the decoder's outputs.
    fn decoder_backward(&mut self, architecture: &VaeArchitecture, decoder: &[f32]) -> Vec<f32> {
        let start = architecture.encoder.parameter_count();
        // Taken out for the pass, which writes to the tape; put back, so that its memory is kept.
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

/// KL(N(μ, σ²) ‖ N(0, 1)) in nats, summed over dimensions.
fn kl_from_prior(mean: &[f32], log_var: &[f32]) -> f32 {
    let dimensions = mean.iter().zip(log_var);
    dimensions
        .map(|(m, v)| 0.5 * (m * m + v.exp() - v - 1.0))
        .sum()
}

/// log mean e^w, and `log_weights` become the normalised weights.
fn normalise(log_weights: &mut [f32]) -> f32 {
    let weights = log_weights.iter().copied();
    // With the largest taken out, no exponential overflows and the sum is at least 1.
    let largest = weights.fold(f32::NEG_INFINITY, f32::max);
    for weight in log_weights.iter_mut() {
        *weight = (*weight - largest).exp();
    }
    let sum: f32 = log_weights.iter().sum();
    for weight in log_weights.iter_mut() {
        *weight /= sum;
    }
    largest + (sum / log_weights.len() as f32).ln()
}
