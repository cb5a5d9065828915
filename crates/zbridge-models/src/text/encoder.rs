use super::architecture::TextVaeArchitecture;
use super::recurrent_network::{RecurrentNetwork, RecurrentTape};
use super::texts::TextBatch;

/// Reads a text with its end symbol; the state behind it gives means and log-variances.
#[derive(Debug, Clone)]
pub(super) struct TextEncoder(RecurrentNetwork);

impl TextEncoder {
    pub(super) fn new(of: &TextVaeArchitecture) -> Self {
        Self(RecurrentNetwork::new(
            of.symbols(),
            of.embedding,
            0,
            of.units,
            2 * of.latent_dim,
        ))
    }

    pub(super) fn network(&self) -> &RecurrentNetwork {
        &self.0
    }

    /// Means and log-variances, `[rows, 2 · latent_dim]`.
    pub(super) fn forward<'t>(
        &self,
        parameters: &[f32],
        texts: &TextBatch,
        tape: &'t mut RecurrentTape,
    ) -> &'t mut [f32] {
        self.0
            .run(parameters, &texts.symbols, &[], texts.rows, tape);
        let states = tape.states();
        let last = self
            .last_states(texts)
            .flat_map(|place| &states[place..][..self.0.units()]);
        let last: Vec<f32> = last.copied().collect();
        self.0.outputs_at(parameters, &last, tape)
    }

    /// Adds d objective / d parameters to `gradients`, for the gradient at the outputs of the last
    /// forward pass.
    pub(super) fn backward(
        &self,
        parameters: &[f32],
        texts: &TextBatch,
        output_gradient: &[f32],
        gradients: &mut [f32],
        tape: &mut RecurrentTape,
    ) {
        let units = self.0.units();
        // Only the last state of each text reaches the outputs.
        let mut state_gradients = vec![0.0; tape.states().len()];
        let at_last = self
            .0
            .outputs_backward(parameters, output_gradient, gradients, tape);
        for (place, gradient) in self.last_states(texts).zip(at_last.chunks_exact(units)) {
            state_gradients[place..][..units].copy_from_slice(gradient);
        }
        self.0
            .states_backward(parameters, &state_gradients, gradients, tape);
    }

    /// Where the state behind each text's last symbol lies.
    fn last_states(&self, texts: &TextBatch) -> impl Iterator<Item = usize> {
        let (rows, units) = (texts.rows, self.0.units());
        texts
            .counted
            .iter()
            .enumerate()
            .map(move |(row, counted)| ((counted - 1) * rows + row) * units)
    }
}
