use super::architecture::TextVaeArchitecture;
use super::recurrent_network::{RecurrentNetwork, RecurrentTape};
use super::texts::TextBatch;

/// Writes a text symbol by symbol from z and the symbol before, until it writes symbol 0.
#[derive(Debug, Clone)]
pub(super) struct TextDecoder {
    network: RecurrentNetwork,
    length: usize,
}

impl TextDecoder {
    pub(super) fn new(of: &TextVaeArchitecture) -> Self {
        // One embedding more than there are symbols: the blank.
        let network = RecurrentNetwork::new(
            of.symbols() + 1,
            of.embedding,
            of.latent_dim,
            of.units,
            of.symbols(),
        );
        Self {
            network,
            length: of.length(),
        }
    }

    pub(super) fn network(&self) -> &RecurrentNetwork {
        &self.network
    }

    /// What stands in place of a symbol before that is not shown.
    pub(super) fn blank(&self) -> usize {
        self.network.outputs()
    }

    /// log p(x|z) of each text in nats, `[rows]`, for latents `[rows, latent_dim]`.
    pub(super) fn log_likelihoods_nats(
        &self,
        parameters: &[f32],
        texts: &TextBatch,
        latents: &[f32],
        tape: &mut RecurrentTape,
    ) -> Vec<f32> {
        self.network
            .run(parameters, &texts.before(), latents, texts.rows, tape);
        let logits = self.network.outputs_everywhere(parameters, tape);
        let mut nats = vec![0.0; texts.rows];
        for (i, logits) in logits.chunks_exact(self.network.outputs()).enumerate() {
            // Outputs are ordered by steps: all texts at the first, then all at the second.
            let (step, row) = (i / texts.rows, i % texts.rows);
            if let Some(target) = texts.target(step, row) {
                nats[row] += log_probability(logits, target);
            }
        }
        nats
    }

    /// Σ log p(x|z) in nats with `shown` as the symbols before, `[steps, rows]`; adds the gradients
    /// of −scale · Σ to `gradients` and returns those at the latents, `[rows, latent_dim]`, as
    /// well.
    pub(super) fn train<'t>(
        &self,
        parameters: &[f32],
        (texts, shown): (&TextBatch, &[usize]),
        (latents, scale): (&[f32], f32),
        gradients: &mut [f32],
        tape: &'t mut RecurrentTape,
    ) -> (f64, &'t [f32]) {
        self.network
            .run(parameters, shown, latents, texts.rows, tape);
        let mut logits = self.network.outputs_everywhere(parameters, tape).to_vec();
        let mut total = 0.0;
        for (i, logits) in logits.chunks_exact_mut(self.network.outputs()).enumerate() {
            match texts.target(i / texts.rows, i % texts.rows) {
                Some(target) => total += f64::from(log_probability_backward(logits, target, scale)),
                // Behind the end of a text, nothing counts.
                None => logits.fill(0.0),
            }
        }
        let network = &self.network;
        let at_states = network
            .outputs_backward(parameters, &logits, gradients, tape)
            .to_vec();
        let at_latents = network.states_backward(parameters, &at_states, gradients, tape);
        (total, at_latents)
    }

    /// The symbols of texts `[rows, length]`, each chosen by `choose` from its row and its logits;
    /// 0 behind the end.
    pub(super) fn write(
        &self,
        parameters: &[f32],
        latents: &[f32],
        choose: &mut dyn FnMut(usize, &mut [f32]) -> usize,
        tape: &mut RecurrentTape,
    ) -> Vec<usize> {
        let rows = latents.len() / self.network.context();
        let (mut before, mut states) = (vec![0; rows], vec![0.0; rows * self.network.units()]);
        let mut written = vec![0; rows * self.length];
        for place in 0..self.length {
            let logits = self
                .network
                .advance(parameters, &before, latents, &mut states, tape);
            for (row, logits) in logits.chunks_exact_mut(self.network.outputs()).enumerate() {
                // At first, `before` is 0 for every text; later, 0 says that a text has ended.
                if place == 0 || before[row] != 0 {
                    before[row] = choose(row, logits);
                    written[row * self.length + place] = before[row];
                }
            }
            if before.iter().all(|&symbol| symbol == 0) {
                break;
            }
        }
        written
    }
}

/// Turns logits into probabilities; returns the logarithm of the sum that they were divided by.
pub(super) fn softmax(logits: &mut [f32]) -> f32 {
    // With the largest taken out, no exponential overflows and the sum is at least 1.
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for logit in logits.iter_mut() {
        *logit = (*logit - largest).exp();
    }
    let sum: f32 = logits.iter().sum();
    for weight in logits.iter_mut() {
        *weight /= sum;
    }
    largest + sum.ln()
}

fn log_probability(logits: &[f32], target: usize) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - largest).exp()).sum();
    logits[target] - largest - sum.ln()
}

/// The same, and `logits` become the gradient of −scale · log p.
fn log_probability_backward(logits: &mut [f32], target: usize, scale: f32) -> f32 {
    let log_probability = logits[target] - softmax(logits);
    // d −log p_target / d logit_k = p_k − [k = target].
    logits[target] -= 1.0;
    for logit in logits.iter_mut() {
        *logit *= scale;
    }
    log_probability
}
