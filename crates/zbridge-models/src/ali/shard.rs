//! One core's part of a step: a single pass of the discriminator serves both sides of the game.
//!
//! The gradient that encoder and generator follow differs from the discriminator's by one factor a
//! pair, −e^±logit, so it is read off the same backward pass. Both sides move at once, as in
//! Dumoulin et al. 2016, algorithm 1.

use super::discriminator::{Discriminator, DiscriminatorTape};
use super::game::{Tally, squared_distances};
use super::model::AliArchitecture;
use super::penalty::GradientPenalty;
use std::ops::Range;
use zbridge_core::{Observations, RandomStream};
use zbridge_nn::{Gradients, InputGradient, Likelihood, Mode, Tape};

/// What a step plays: who, and with which weights.
#[derive(Clone, Copy)]
pub(super) struct Play<'a> {
    pub(super) architecture: &'a AliArchitecture,
    pub(super) discriminator: &'a Discriminator,
    /// Parameters of encoder, generator and discriminator.
    pub(super) parameters: [&'a [f32]; 3],
    pub(super) reconstruction_weight: f32,
    /// γ of the gradient penalty; 0 in a step without.
    pub(super) penalty: f32,
    /// One over the rows of the batch.
    pub(super) scale: f32,
}

/// The buffers of a part of a batch, kept from step to step.
#[derive(Debug, Default)]
pub(super) struct Shard {
    encoder_tape: Tape,
    generator_tape: Tape,
    discriminator_tape: DiscriminatorTape,
    penalty: GradientPenalty,
    /// Of encoder, generator and discriminator, one after the other.
    pub(super) gradients: Vec<f32>,
    x: Vec<f32>,
    /// Means and log-variances, `[rows, 2 · dim]`.
    posterior: Vec<f32>,
    noise: Vec<f32>,
    /// The pairs before the discriminator: encoded ones, then generated ones.
    observations: Vec<f32>,
    latents: Vec<f32>,
    logits: Vec<f32>,
    /// d loss / d pairs: the discriminator's at first, then that of encoder and generator.
    observations_gradient: Vec<f32>,
    latents_gradient: Vec<f32>,
}

impl Play<'_> {
    /// Where the discriminator's numbers lie among those of all three.
    fn discriminator_range(&self) -> Range<usize> {
        let [encoder, generator, discriminator] = self.parameters.map(<[f32]>::len);
        encoder + generator..encoder + generator + discriminator
    }
}

impl Shard {
    /// Copies `rows` into the shard.
    pub(super) fn take(&mut self, observations: &Observations, rows: &[usize]) {
        self.x.clear();
        for &row in rows {
            self.x.extend_from_slice(observations.row(row));
        }
    }

    /// The discriminator's logits in the last step: of encoded pairs, then of generated ones.
    #[cfg(test)]
    pub(super) fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Observations and latents of the last step's pairs.
    #[cfg(test)]
    pub(super) fn pairs(&self) -> [&[f32]; 2] {
        [&self.observations, &self.latents]
    }

    /// Plays the rows taken; gradients of all three are left in the shard.
    pub(super) fn run(&mut self, play: Play, stream: &mut RandomStream) -> Tally {
        self.gradients.clear();
        self.gradients
            .resize(play.parameters.iter().map(|part| part.len()).sum(), 0.0);
        self.encode(play, stream);
        self.generate(play, stream);
        let mut tally = self.judge(play);
        if play.penalty > 0.0 {
            self.penalise(play);
        }
        self.turn_sides(play);
        tally.reconstruction_nats = self.generator_backward(play);
        self.encoder_backward(play);
        tally
    }

    /// Encoded pairs: the data, and one draw of each posterior, z = μ + σ ε.
    fn encode(&mut self, play: Play, stream: &mut RandomStream) {
        let dim = play.architecture.latent_dim;
        let [encoder, ..] = play.parameters;
        let posterior = play.architecture.encoder.forward(
            encoder,
            &self.x,
            Mode::Training,
            &mut self.encoder_tape,
        );
        self.posterior.clear();
        self.posterior.extend_from_slice(posterior);
        self.noise.resize(self.posterior.len() / 2, 0.0);
        stream.fill_standard_normal(&mut self.noise);
        self.latents.clear();
        let posteriors = self.posterior.chunks_exact(2 * dim);
        for (posterior, noise) in posteriors.zip(self.noise.chunks_exact(dim)) {
            let (mean, log_var) = posterior.split_at(dim);
            let draw = (0..dim).map(|i| mean[i] + (0.5 * log_var[i]).exp() * noise[i]);
            self.latents.extend(draw);
        }
        self.observations.clear();
        self.observations.extend_from_slice(&self.x);
    }

    /// Generated pairs: draws of the prior, and what the generator makes of them. It reconstructs
    /// in the same pass.
    fn generate(&mut self, play: Play, stream: &mut RandomStream) {
        let (encoded, [_, generator, _]) = (self.latents.len(), play.parameters);
        self.latents.resize(2 * encoded, 0.0);
        stream.fill_standard_normal(&mut self.latents[encoded..]);
        // Without reconstruction, the generator is not run on encoded latents.
        let from = if play.reconstruction_weight > 0.0 {
            0
        } else {
            encoded
        };
        let (network, tape) = (&play.architecture.generator, &mut self.generator_tape);
        let logits = network.forward(generator, &self.latents[from..], Mode::Training, tape);
        // Generated observations come last, whether or not there are reconstructions.
        let generated = logits.len() - self.x.len();
        self.observations.extend_from_slice(&logits[generated..]);
        Likelihood::Bernoulli.means(&mut self.observations[self.x.len()..]);
    }

    /// The discriminator on all pairs: its gradients, and its losses.
    fn judge(&mut self, play: Play) -> Tally {
        let [.., parameters] = play.parameters;
        let pairs = [self.observations.as_slice(), &self.latents];
        let logits = play
            .discriminator
            .forward(parameters, pairs, &mut self.discriminator_tape);
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        self.discriminator_backward(play);
        self.tally(play)
    }

    /// The discriminator's losses, −log D of encoded pairs and −log (1 − D) of generated ones, and
    /// how far neighbouring observations are from each other.
    fn tally(&self, play: Play) -> Tally {
        let (encoded, generated) = self.logits.split_at(self.logits.len() / 2);
        let size = play.architecture.event.size();
        let generated_observations = &self.observations[self.x.len()..];
        Tally {
            encoded_nats: encoded.iter().map(|l| f64::from(softplus(-l))).sum(),
            generated_nats: generated.iter().map(|l| f64::from(softplus(*l))).sum(),
            distances: [generated_observations, &self.x].map(|rows| squared_distances(rows, size)),
            ..Tally::default()
        }
    }

    /// The discriminator's gradients, by its parameters and at the pairs.
    fn discriminator_backward(&mut self, play: Play) {
        let (encoded, generated) = self.logits.split_at(self.logits.len() / 2);
        // d −log D / d logit = −(1 − D), and d −log (1 − D) / d logit = D.
        let at_encoded = encoded.iter().map(|l| -sigmoid(-l));
        let slopes = at_encoded.chain(generated.iter().map(|l| sigmoid(*l)));
        let gradient: Vec<f32> = slopes.map(|slope| play.scale * slope).collect();
        let [.., parameters] = play.parameters;
        let at_pairs = play.discriminator.backward(
            parameters,
            &gradient,
            &mut self.gradients[play.discriminator_range()],
            InputGradient::Wanted,
            &mut self.discriminator_tape,
        );
        [self.observations_gradient, self.latents_gradient] = at_pairs.map(<[f32]>::to_vec);
    }

    /// Adds the gradient of the penalty to the discriminator's.
    fn penalise(&mut self, play: Play) {
        let widths = [play.architecture.event.size(), play.architecture.latent_dim];
        let gradients = [
            self.observations_gradient.as_slice(),
            &self.latents_gradient,
        ];
        self.penalty
            .look([&self.observations, &self.latents], gradients, widths);
        let [.., parameters] = play.parameters;
        let weight = play.penalty * play.scale;
        let gradients = &mut self.gradients[play.discriminator_range()];
        self.penalty
            .backward(play.discriminator, parameters, weight, gradients);
    }

    /// Makes of the discriminator's gradients at the pairs those of −log (1 − D) at encoded pairs
    /// and of −log D at generated ones, the losses that do not saturate (Dumoulin et al. 2016,
    /// section 2.2).
    fn turn_sides(&mut self, play: Play) {
        let (size, dim) = (play.architecture.event.size(), play.architecture.latent_dim);
        let encoded = self.logits.len() / 2;
        let observations = self.observations_gradient.chunks_exact_mut(size);
        let pairs = observations.zip(self.latents_gradient.chunks_exact_mut(dim));
        for (row, (observation, latent)) in pairs.enumerate() {
            let logit = self.logits[row];
            // D / (1 − D) = e^logit is how much steeper one loss is than the other.
            let exponent = if row < encoded { logit } else { -logit };
            let factor = -exponent.min(LARGEST_EXPONENT).exp();
            for gradient in observation.iter_mut().chain(latent) {
                *gradient *= factor;
            }
        }
    }

    /// The generator's gradients, and what they are at the encoded latents that it reconstructed
    /// from, which is added to those that are there. Returns Σ log p(x|z) of the reconstructions.
    fn generator_backward(&mut self, play: Play) -> f64 {
        let reconstructs = play.reconstruction_weight > 0.0;
        let mut gradient = vec![];
        let mut reconstruction_nats = 0.0;
        // The order in which `generate` handed latents over: encoded ones, then draws of the prior.
        if reconstructs {
            reconstruction_nats = self.reconstruct(play, &mut gradient);
        }
        let generated = self.x.len()..;
        let at_generated = &self.observations_gradient[generated.clone()];
        for (x, at_x) in self.observations[generated].iter().zip(at_generated) {
            // dx/d logit = x (1 − x), as x is the logit's sigmoid.
            gradient.push(at_x * x * (1.0 - x));
        }
        let [encoder, generator, _] = play.parameters;
        let at_latents = play.architecture.generator.backward(
            generator,
            &gradient,
            Gradients::Add(&mut self.gradients[encoder.len()..][..generator.len()]),
            InputGradient::Wanted,
            &mut self.generator_tape,
        );
        if reconstructs {
            let encoded = self.noise.len();
            for (total, g) in self.latents_gradient.iter_mut().zip(&at_latents[..encoded]) {
                *total += g;
            }
        }
        reconstruction_nats
    }

    /// Σ log p(x|z) of the reconstructions; appends the gradients at their logits.
    fn reconstruct(&mut self, play: Play, gradient: &mut Vec<f32>) -> f64 {
        let weight = play.scale * play.reconstruction_weight;
        let size = play.architecture.event.size();
        gradient.extend_from_slice(&self.generator_tape.output_mut()[..self.x.len()]);
        let rows = gradient.chunks_exact_mut(size);
        let mut total = 0.0;
        for (logits, x) in rows.zip(self.x.chunks_exact(size)) {
            total += f64::from(Likelihood::Bernoulli.backward(logits, x, weight));
        }
        total
    }

    /// The encoder's gradients, for those at its draws.
    fn encoder_backward(&mut self, play: Play) {
        let dim = play.architecture.latent_dim;
        let mut gradient = Vec::with_capacity(self.posterior.len());
        for (row, posterior) in self.posterior.chunks_exact(2 * dim).enumerate() {
            let dz = &self.latents_gradient[row * dim..][..dim];
            let noise = &self.noise[row * dim..][..dim];
            let log_var = &posterior[dim..];
            gradient.extend_from_slice(dz);
            // dz/d log σ² = ½ σ ε.
            gradient.extend((0..dim).map(|i| 0.5 * dz[i] * noise[i] * (0.5 * log_var[i]).exp()));
        }
        let [encoder, ..] = play.parameters;
        let gradients = &mut self.gradients[..encoder.len()];
        let network = &play.architecture.encoder;
        network.backward(
            encoder,
            &gradient,
            Gradients::Add(gradients),
            InputGradient::Unused,
            &mut self.encoder_tape,
        );
    }
}

/// The largest exponent of a factor between gradients. A discriminator that is surer than this is
/// mistaken about the pair, whose gradient would be most of the batch's.
const LARGEST_EXPONENT: f32 = 30.0;

/// ln (1 + e^x) = −ln sigmoid(−x).
fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
