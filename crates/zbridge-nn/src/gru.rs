//! A gated recurrent unit: a whole sequence forward and backward, or one step.
//!
//! Sequences are time-major, `[steps, rows, width]`, so that a step is one block of memory. The
//! products with the inputs do not need the state: they are one product over all steps, and so are
//! the gradients of both weights.

use crate::kernels::aligned_buffer::AlignedBuffer;
use crate::kernels::elementwise::add_rows;
use crate::kernels::gates::{gated_step, gated_step_backward};
use crate::kernels::matrix::Matrix;
use crate::kernels::multiply::multiply;
use crate::kernels::packed_weight::weight_for;
use crate::kernels::product::Accumulation;
use crate::layers::linear;
use crate::tape::resized;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use zbridge_core::RandomStream;

/// A gated recurrent unit: state h ← (1 − u) ⊙ n + u ⊙ h, from zero, with r = σ(W_r x + b_r + U_r h
/// + c_r), u = σ(W_u x + b_u + U_u h + c_u) and n = tanh(W_n x + b_n + r ⊙ (U_n h + c_n)).
///
/// # Source
/// Cho et al. 2014, section 2.3, with the reset gate behind the product and the gates in the order
/// r, u, n, as in PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gru {
    /// Width of an input.
    pub inputs: usize,
    /// Width of the state.
    pub units: usize,
}

/// What a forward pass keeps for the backward pass, and working memory.
#[derive(Debug, Default, Clone)]
pub struct GruTape {
    rows: usize,
    /// The number of values of the states of all rows at one step.
    state_size: usize,
    inputs: Vec<f32>,
    /// The gates of each step; in the backward pass their gradients.
    gates: Vec<f32>,
    /// What the state adds to the gates of each step; in the backward pass its gradient.
    from_state: Vec<f32>,
    /// The state before the first step, which is zero, and that after each step.
    states: Vec<f32>,
    packed_weight: AlignedBuffer,
    /// The gradient at the state that the backward pass has reached.
    state_gradient: Vec<f32>,
    input_gradient: Vec<f32>,
}

/// The parameters by name.
struct Parameters<'p> {
    weight_input: &'p [f32],
    weight_state: &'p [f32],
    bias_input: &'p [f32],
    bias_state: &'p [f32],
}

/// The part of a tape that belongs to one step.
struct Step<'t> {
    /// `[rows, 3 · units]`.
    gates: &'t mut [f32],
    /// `[rows, 3 · units]`.
    from_state: &'t mut [f32],
    /// `[rows, units]`.
    before: &'t [f32],
    /// `[rows, units]`.
    after: &'t mut [f32],
}

impl Gru {
    /// Returns names and shapes of its parameters in storage order: `weight_input` `[3 · units,
    /// inputs]`, `weight_state` `[3 · units, units]`, `bias_input` and `bias_state` `[3 · units]`,
    /// each for r, u and n.
    pub fn parameters(&self) -> [(&'static str, Vec<usize>); 4] {
        let gates = 3 * self.units;
        [
            ("weight_input", vec![gates, self.inputs]),
            ("weight_state", vec![gates, self.units]),
            ("bias_input", vec![gates]),
            ("bias_state", vec![gates]),
        ]
    }

    /// Returns the length of the flat vector of parameters.
    pub fn parameter_count(&self) -> usize {
        3 * self.units * (self.inputs + self.units + 2)
    }

    /// Returns initial parameters, uniform in ±1/√units (PyTorch's default).
    pub fn initial_parameters(&self, stream: &mut RandomStream) -> Vec<f32> {
        let bound = 1.0 / (self.units as f32).sqrt();
        (0..self.parameter_count())
            .map(|_| bound * (2.0 * stream.uniform() - 1.0))
            .collect()
    }

    /// Returns the state after each step, `[steps, rows, units]`, for `inputs`
    /// `[steps, rows, inputs]`. The tape keeps what [`backward`](Self::backward) needs.
    ///
    /// # Panics
    /// If `inputs` is not a whole number of steps, or if `parameters` does not have the length
    /// [`parameter_count`](Self::parameter_count).
    pub fn forward<'t>(
        &self,
        parameters: &[f32],
        inputs: &[f32],
        rows: usize,
        tape: &'t mut GruTape,
    ) -> &'t [f32] {
        assert!(
            inputs.len().is_multiple_of(rows * self.inputs),
            "whole steps of {rows} rows"
        );
        let parameters = self.named(parameters);
        let steps = inputs.len() / (rows * self.inputs);
        tape.begin(inputs, rows, steps, self.units);
        self.gates_from_inputs(&parameters, inputs, tape);
        // Taken out of the tape, so that the steps below can borrow the rest of it.
        let mut packed = std::mem::take(&mut tape.packed_weight);
        // Packing pays if the weight is read often: once for each row of each step.
        let weight = weight_for(
            rows * steps,
            parameters.weight_state,
            self.units,
            &mut packed,
        );
        for index in 0..steps {
            let step = tape.step(index);
            linear::forward(step.before, weight, parameters.bias_state, step.from_state);
            self.take_step(step);
        }
        tape.packed_weight = packed;
        tape.states()
    }

    /// Moves `state` `[rows, units]` one step, for `input` `[rows, inputs]`: the same as
    /// [`forward`](Self::forward), for inputs that depend on the state before.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn advance(
        &self,
        parameters: &[f32],
        input: &[f32],
        state: &mut [f32],
        tape: &mut GruTape,
    ) {
        let rows = state.len() / self.units;
        assert_eq!(input.len(), rows * self.inputs, "one input for each state");
        tape.begin(input, rows, 1, self.units);
        tape.states[..state.len()].copy_from_slice(state);
        let parameters = self.named(parameters);
        self.gates_from_inputs(&parameters, input, tape);
        let mut packed = std::mem::take(&mut tape.packed_weight);
        let weight = weight_for(rows, parameters.weight_state, self.units, &mut packed);
        let step = tape.step(0);
        linear::forward(state, weight, parameters.bias_state, step.from_state);
        self.take_step(step);
        tape.packed_weight = packed;
        state.copy_from_slice(tape.states());
    }

    /// Adds the gradients of the parameters to `gradients`, for the gradient at every state,
    /// `[steps, rows, units]`, and the last forward pass on this tape. Returns the gradient at the
    /// inputs, `[steps, rows, inputs]`.
    ///
    /// # Panics
    /// If a length is not that of the forward pass. A second call for one forward pass returns
    /// numbers without meaning: the first has overwritten the gates.
    pub fn backward<'t>(
        &self,
        parameters: &[f32],
        state_gradients: &[f32],
        gradients: &mut [f32],
        tape: &'t mut GruTape,
    ) -> &'t [f32] {
        let parameters = self.named(parameters);
        assert_eq!(
            state_gradients.len(),
            tape.states().len(),
            "gradient at the states"
        );
        self.backward_through_time(parameters.weight_state, state_gradients, tape);
        self.add_parameter_gradients(gradients, tape);
        self.input_gradient(parameters.weight_input, tape)
    }

    /// Computes what the inputs add to the gates of all steps.
    fn gates_from_inputs(&self, parameters: &Parameters<'_>, inputs: &[f32], tape: &mut GruTape) {
        let weight = weight_for(
            inputs.len() / self.inputs,
            parameters.weight_input,
            self.inputs,
            &mut tape.packed_weight,
        );
        linear::forward(inputs, weight, parameters.bias_input, &mut tape.gates);
    }

    /// Turns the gates of all steps into their gradients, from the last step to the first.
    fn backward_through_time(&self, weight: &[f32], state_gradients: &[f32], tape: &mut GruTape) {
        // Taken out of the tape, of which the steps below borrow the rest.
        let mut gradient = std::mem::take(&mut tape.state_gradient);
        gradient.clear();
        gradient.resize(tape.state_size, 0.0);
        let (rows, gates) = (tape.rows, 3 * self.units);
        let steps = state_gradients.chunks_exact(tape.state_size).enumerate();
        for (index, own_gradient) in steps.rev() {
            // A state is an output of its step, and an input of the next.
            for (sum, own) in gradient.iter_mut().zip(own_gradient) {
                *sum += own;
            }
            let step = tape.step(index);
            self.step_backward(step.before, step.gates, step.from_state, &mut gradient);
            multiply(
                &mut gradient,
                Accumulation::Add,
                Matrix::new(step.from_state, rows, gates),
                Matrix::new(weight, gates, self.units),
            );
        }
        tape.state_gradient = gradient;
    }

    /// Computes the states after a step from what inputs and states add to the gates.
    fn take_step(&self, step: Step<'_>) {
        let gates = step.gates.chunks_exact_mut(3 * self.units);
        let from_state = step.from_state.chunks_exact(3 * self.units);
        let before = step.before.chunks_exact(self.units);
        let after = step.after.chunks_exact_mut(self.units);
        for ((gates, from_state), (before, after)) in gates.zip(from_state).zip(before.zip(after)) {
            gated_step(gates, from_state, before, after);
        }
    }

    /// Turns the gradient at the states after a step into the part of that before it which does not
    /// pass the weights, and gates into their gradients.
    fn step_backward(
        &self,
        before: &[f32],
        gates: &mut [f32],
        from_state: &mut [f32],
        gradient: &mut [f32],
    ) {
        let gates = gates.chunks_exact_mut(3 * self.units);
        let from_state = from_state.chunks_exact_mut(3 * self.units);
        let before = before.chunks_exact(self.units);
        let gradient = gradient.chunks_exact_mut(self.units);
        let rows = gates.zip(from_state).zip(before.zip(gradient));
        for ((gates, from_state), (before, gradient)) in rows {
            gated_step_backward(gates, from_state, before, gradient);
        }
    }

    fn add_parameter_gradients(&self, gradients: &mut [f32], tape: &GruTape) {
        let (all_rows, gates) = (tape.inputs.len() / self.inputs, 3 * self.units);
        let [weight_input, weight_state, bias_input, bias_state] = self.ranges();
        multiply(
            &mut gradients[weight_input],
            Accumulation::Add,
            Matrix::new(&tape.gates, all_rows, gates).transposed(),
            Matrix::new(&tape.inputs, all_rows, self.inputs),
        );
        multiply(
            &mut gradients[weight_state],
            Accumulation::Add,
            Matrix::new(&tape.from_state, all_rows, gates).transposed(),
            // As many rows as steps: of each step, the state before it.
            Matrix::new(&tape.states, all_rows, self.units),
        );
        add_rows(&tape.gates, &mut gradients[bias_input]);
        add_rows(&tape.from_state, &mut gradients[bias_state]);
    }

    fn input_gradient<'t>(&self, weight: &[f32], tape: &'t mut GruTape) -> &'t [f32] {
        let (all_rows, gates) = (tape.inputs.len() / self.inputs, 3 * self.units);
        multiply(
            resized(&mut tape.input_gradient, tape.inputs.len()),
            Accumulation::Overwrite,
            Matrix::new(&tape.gates, all_rows, gates),
            Matrix::new(weight, gates, self.inputs),
        );
        &tape.input_gradient
    }

    /// Returns the places of the parameters in the flat vector.
    fn ranges(&self) -> [Range<usize>; 4] {
        let mut start = 0;
        self.parameters().map(|(_, shape)| {
            let range = start..start + shape.iter().product::<usize>();
            start = range.end;
            range
        })
    }

    fn named<'p>(&self, parameters: &'p [f32]) -> Parameters<'p> {
        assert_eq!(
            parameters.len(),
            self.parameter_count(),
            "parameters of the recurrent unit"
        );
        let [weight_input, weight_state, bias_input, bias_state] =
            self.ranges().map(|range| &parameters[range]);
        Parameters {
            weight_input,
            weight_state,
            bias_input,
            bias_state,
        }
    }
}

impl GruTape {
    /// Returns the states after each step of the last forward pass, `[steps, rows, units]`.
    pub fn states(&self) -> &[f32] {
        &self.states[self.state_size..]
    }

    fn begin(&mut self, inputs: &[f32], rows: usize, steps: usize, units: usize) {
        (self.rows, self.state_size) = (rows, rows * units);
        self.inputs.clear();
        self.inputs.extend_from_slice(inputs);
        self.gates.resize(steps * 3 * self.state_size, 0.0);
        self.from_state.resize(steps * 3 * self.state_size, 0.0);
        self.states.resize((steps + 1) * self.state_size, 0.0);
        // The state before the first step; the others are overwritten.
        self.states[..self.state_size].fill(0.0);
    }

    fn step(&mut self, index: usize) -> Step<'_> {
        let size = self.state_size;
        let gates = index * 3 * size..(index + 1) * 3 * size;
        let (before, after) = self.states.split_at_mut((index + 1) * size);
        Step {
            gates: &mut self.gates[gates.clone()],
            from_state: &mut self.from_state[gates],
            before: &before[index * size..],
            after: &mut after[..size],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_steps_are_those_of_a_sequence() {
        const ROWS: usize = 4;
        const STEPS: usize = 6;
        let gru = Gru {
            inputs: 3,
            units: 5,
        };
        let mut stream = RandomStream::named(3, "gru");
        let parameters = gru.initial_parameters(&mut stream);
        let mut inputs = vec![0.0; STEPS * ROWS * gru.inputs];
        stream.fill_standard_normal(&mut inputs);
        let mut tape = GruTape::default();
        let states = gru.forward(&parameters, &inputs, ROWS, &mut tape);
        let mut advanced = vec![0.0; ROWS * gru.units];
        let steps = inputs.chunks(ROWS * gru.inputs);
        for (input, expected) in steps.zip(states.chunks(ROWS * gru.units)) {
            gru.advance(&parameters, input, &mut advanced, &mut GruTape::default());
            let mut pairs = advanced.iter().zip(expected);
            assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }
}
