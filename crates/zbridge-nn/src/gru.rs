//! A gated recurrent unit on the native engine: a whole sequence forward and backward, or one step.
//!
//! Sequences are time-major, `[steps, rows, width]`, so that a step is one block. The products with
//! the inputs need no state: they are one product over all steps, and so are the gradients of both
//! weights.

use crate::kernels::aligned_buffer::AlignedBuffer;
use crate::kernels::elementwise::add_rows;
use crate::kernels::gates::{gated_step, gated_step_backward};
use crate::kernels::matrix::Matrix;
use crate::kernels::multiply::multiply;
use crate::kernels::packed_weight::weight_for;
use crate::kernels::product::Accumulation;
use crate::layers::linear::forward as linear;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use zbridge_core::RandomStream;

/// A gated recurrent unit: state h ← (1 − u) ⊙ n + u ⊙ h, from zero, with r = σ(W_r x + b_r + U_r h
/// + c_r), u = σ(W_u x + b_u + U_u h + c_u) and n = tanh(W_n x + b_n + r ⊙ (U_n h + c_n)).
///
/// # Source
/// Cho et al. 2014, section 2.3, with the reset gate behind the product, as PyTorch has it; weights
/// stand in PyTorch's order of gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gru {
    /// Width of an input.
    pub inputs: usize,
    /// Width of the state.
    pub units: usize,
}

/// What a forward pass leaves for the backward pass, and working space.
#[derive(Debug, Default, Clone)]
pub struct GruTape {
    rows: usize,
    /// Numbers of the states of all rows at one step.
    state: usize,
    inputs: Vec<f32>,
    /// Gates of each step; on the way back their gradients.
    gates: Vec<f32>,
    /// What the state before adds to the gates; on the way back its gradient.
    from_state: Vec<f32>,
    /// The state before the first step, which is zero, and that behind each.
    states: Vec<f32>,
    /// Where weights are packed.
    packed: AlignedBuffer,
    gradient: Vec<f32>,
    input_gradient: Vec<f32>,
}

impl Gru {
    /// Its parameters, (name, shape) in storage order: `weight_input` `[3 · units, inputs]`,
    /// `weight_state` `[3 · units, units]`, `bias_input` and `bias_state` `[3 · units]`, each for
    /// r, u and n.
    pub fn parameters(&self) -> [(&'static str, Vec<usize>); 4] {
        let gates = 3 * self.units;
        [
            ("weight_input", vec![gates, self.inputs]),
            ("weight_state", vec![gates, self.units]),
            ("bias_input", vec![gates]),
            ("bias_state", vec![gates]),
        ]
    }

    /// How many numbers its parameters are.
    pub fn parameter_count(&self) -> usize {
        3 * self.units * (self.inputs + self.units + 2)
    }

    /// Fresh parameters, uniform in ±1/√units (PyTorch's default).
    pub fn initial_parameters(&self, stream: &mut RandomStream) -> Vec<f32> {
        let bound = 1.0 / (self.units as f32).sqrt();
        (0..self.parameter_count())
            .map(|_| bound * (2.0 * stream.uniform() - 1.0))
            .collect()
    }

    /// The state behind each step, `[steps, rows, units]`, for `inputs` `[steps, rows, inputs]`;
    /// the tape keeps what the way back needs.
    ///
    /// # Panics
    /// When `inputs` are no whole steps or `parameters` has another length than the unit's.
    pub fn forward<'t>(
        &self,
        parameters: &[f32],
        inputs: &[f32],
        rows: usize,
        tape: &'t mut GruTape,
    ) -> &'t [f32] {
        assert_eq!(
            parameters.len(),
            self.parameter_count(),
            "parameters of the recurrent unit"
        );
        assert!(
            inputs.len().is_multiple_of(rows * self.inputs),
            "whole steps of {rows} rows"
        );
        let (steps, state) = (inputs.len() / (rows * self.inputs), rows * self.units);
        tape.prepare(inputs, rows, steps, self.units);
        let parts = self.parts(parameters);
        let by_input = weight_for(
            rows * steps,
            parts.weight_input,
            self.inputs,
            &mut tape.packed,
        );
        linear(inputs, by_input, parts.bias_input, &mut tape.gates);
        let by_state = weight_for(
            rows * steps,
            parts.weight_state,
            self.units,
            &mut tape.packed,
        );
        for step in 0..steps {
            let (before, after) = tape.states.split_at_mut((step + 1) * state);
            let gates = step * 3 * state..(step + 1) * 3 * state;
            let (gates, from_state) = (&mut tape.gates[gates.clone()], &mut tape.from_state[gates]);
            linear(
                &before[step * state..],
                by_state,
                parts.bias_state,
                from_state,
            );
            self.advance_rows(
                gates,
                from_state,
                &before[step * state..],
                &mut after[..state],
            );
        }
        &tape.states[state..]
    }

    /// Moves `state` `[rows, units]` one step on, for `input` `[rows, inputs]`: what
    /// [`forward`](Self::forward) does when the next input is not known before.
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
        tape.prepare(input, rows, 1, self.units);
        let parts = self.parts(parameters);
        let by_input = weight_for(rows, parts.weight_input, self.inputs, &mut tape.packed);
        linear(input, by_input, parts.bias_input, &mut tape.gates);
        let by_state = weight_for(rows, parts.weight_state, self.units, &mut tape.packed);
        linear(state, by_state, parts.bias_state, &mut tape.from_state);
        let after = &mut tape.states[state.len()..];
        self.advance_rows(&mut tape.gates, &mut tape.from_state, state, after);
        state.copy_from_slice(after);
    }

    /// Adds d objective / d parameters to `gradients`, for the gradient at every state, `[steps,
    /// rows, units]`, and the last forward pass on this tape; comes back with the gradient at the
    /// inputs, `[steps, rows, inputs]`.
    ///
    /// # Panics
    /// When a length is another than the forward pass says, or the tape went this way before.
    pub fn backward<'t>(
        &self,
        parameters: &[f32],
        state_gradients: &[f32],
        gradients: &mut [f32],
        tape: &'t mut GruTape,
    ) -> &'t [f32] {
        let (state, width) = (tape.rows * self.units, 3 * self.units);
        assert_eq!(
            state_gradients.len() + state,
            tape.states.len(),
            "gradient at the states"
        );
        let parts = self.parts(parameters);
        tape.gradient.clear();
        tape.gradient.resize(state, 0.0);
        for (step, own) in state_gradients.chunks_exact(state).enumerate().rev() {
            tape.gradient
                .iter_mut()
                .zip(own)
                .for_each(|(later, own)| *later += own);
            let gates = step * 3 * state..(step + 1) * 3 * state;
            let (gates, from_state) = (&mut tape.gates[gates.clone()], &mut tape.from_state[gates]);
            let before = tape.states[step * state..][..state].chunks_exact(self.units);
            let rows = gates
                .chunks_exact_mut(width)
                .zip(from_state.chunks_exact_mut(width))
                .zip(before);
            for (((gates, from_state), before), gradient) in
                rows.zip(tape.gradient.chunks_exact_mut(self.units))
            {
                gated_step_backward(gates, from_state, before, gradient);
            }
            let weight = Matrix::new(parts.weight_state, width, self.units);
            multiply(
                &mut tape.gradient,
                Accumulation::Add,
                Matrix::new(from_state, tape.rows, width),
                weight,
            );
        }
        self.parameter_gradients(gradients, tape);
        self.input_gradient(&parts, tape)
    }

    /// The step of each row, once the products with inputs and states are there.
    fn advance_rows(
        &self,
        gates: &mut [f32],
        from_state: &mut [f32],
        before: &[f32],
        after: &mut [f32],
    ) {
        let width = 3 * self.units;
        let rows = gates
            .chunks_exact_mut(width)
            .zip(from_state.chunks_exact(width));
        let states = before
            .chunks_exact(self.units)
            .zip(after.chunks_exact_mut(self.units));
        for ((gates, from_state), (before, after)) in rows.zip(states) {
            gated_step(gates, from_state, before, after);
        }
    }

    fn parameter_gradients(&self, gradients: &mut [f32], tape: &GruTape) {
        let (all, width) = (tape.inputs.len() / self.inputs, 3 * self.units);
        let gates = Matrix::new(&tape.gates, all, width).transposed();
        let from_state = Matrix::new(&tape.from_state, all, width).transposed();
        let [weight_input, weight_state, bias_input, bias_state] = self.ranges();
        let inputs = Matrix::new(&tape.inputs, all, self.inputs);
        multiply(
            &mut gradients[weight_input],
            Accumulation::Add,
            gates,
            inputs,
        );
        let states = Matrix::new(&tape.states, all, self.units);
        multiply(
            &mut gradients[weight_state],
            Accumulation::Add,
            from_state,
            states,
        );
        add_rows(&tape.gates, &mut gradients[bias_input]);
        add_rows(&tape.from_state, &mut gradients[bias_state]);
    }

    fn input_gradient<'t>(&self, parts: &Parts, tape: &'t mut GruTape) -> &'t [f32] {
        let (all, width) = (tape.inputs.len() / self.inputs, 3 * self.units);
        tape.input_gradient.resize(tape.inputs.len(), 0.0);
        let weight = Matrix::new(parts.weight_input, width, self.inputs);
        multiply(
            &mut tape.input_gradient,
            Accumulation::Overwrite,
            Matrix::new(&tape.gates, all, width),
            weight,
        );
        &tape.input_gradient
    }

    /// Where each parameter lies.
    fn ranges(&self) -> [Range<usize>; 4] {
        let mut start = 0;
        self.parameters().map(|(_, shape)| {
            let range = start..start + shape.iter().product::<usize>();
            start = range.end;
            range
        })
    }

    fn parts<'p>(&self, parameters: &'p [f32]) -> Parts<'p> {
        let [weight_input, weight_state, bias_input, bias_state] =
            self.ranges().map(|range| &parameters[range]);
        Parts {
            weight_input,
            weight_state,
            bias_input,
            bias_state,
        }
    }
}

struct Parts<'p> {
    weight_input: &'p [f32],
    weight_state: &'p [f32],
    bias_input: &'p [f32],
    bias_state: &'p [f32],
}

impl GruTape {
    /// The states behind each step of the last forward pass, `[steps, rows, units]`.
    pub fn states(&self) -> &[f32] {
        &self.states[self.state..]
    }

    fn prepare(&mut self, inputs: &[f32], rows: usize, steps: usize, units: usize) {
        (self.rows, self.state) = (rows, rows * units);
        self.inputs.clear();
        self.inputs.extend_from_slice(inputs);
        self.gates.resize(steps * rows * 3 * units, 0.0);
        self.from_state.resize(steps * rows * 3 * units, 0.0);
        self.states.resize((steps + 1) * rows * units, 0.0);
        self.states[..self.state].fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRU: Gru = Gru {
        inputs: 3,
        units: 5,
    };
    const ROWS: usize = 4;
    const STEPS: usize = 6;

    /// Parameters, inputs, and the c of the objective Σ c·h over all states.
    fn given() -> [Vec<f32>; 3] {
        let mut stream = RandomStream::named(3, "gru");
        let parameters = GRU.initial_parameters(&mut stream);
        let (mut inputs, mut c) = (vec![0.0; STEPS * ROWS * 3], vec![0.0; STEPS * ROWS * 5]);
        stream.fill_standard_normal(&mut inputs);
        stream.fill_standard_normal(&mut c);
        [parameters, inputs, c]
    }

    fn objective(parameters: &[f32], inputs: &[f32], c: &[f32]) -> f64 {
        let mut tape = GruTape::default();
        let states = GRU.forward(parameters, inputs, ROWS, &mut tape);
        states
            .iter()
            .zip(c)
            .map(|(h, c)| f64::from(*h) * f64::from(*c))
            .sum()
    }

    /// The derivative of `f` at each place of `values`.
    fn central_differences(values: &[f32], f: impl Fn(&[f32]) -> f64) -> Vec<f64> {
        let at = |place: usize, step: f32| {
            let mut moved = values.to_vec();
            moved[place] += step;
            f(&moved)
        };
        (0..values.len())
            .map(|place| (at(place, 1e-2) - at(place, -1e-2)) / 2e-2)
            .collect()
    }

    #[test]
    fn gradients_equal_central_differences() {
        let [parameters, inputs, c] = given();
        let (mut tape, mut gradients) = (GruTape::default(), vec![0.0; parameters.len()]);
        GRU.forward(&parameters, &inputs, ROWS, &mut tape);
        let at_inputs = GRU
            .backward(&parameters, &c, &mut gradients, &mut tape)
            .to_vec();
        let by_parameters = central_differences(&parameters, |moved| objective(moved, &inputs, &c));
        let by_inputs = central_differences(&inputs, |moved| objective(&parameters, moved, &c));
        let pairs = gradients
            .iter()
            .zip(&by_parameters)
            .chain(at_inputs.iter().zip(&by_inputs));
        for (i, (ours, numeric)) in pairs.enumerate() {
            assert!(
                (f64::from(*ours) - numeric).abs() < 2e-3 * numeric.abs().max(1.0),
                "{i}: {ours}, not {numeric}"
            );
        }
    }

    #[test]
    fn states_are_those_of_the_formula_row_by_row_and_step_by_step() {
        let [parameters, inputs, _] = given();
        let mut tape = GruTape::default();
        let states = GRU.forward(&parameters, &inputs, ROWS, &mut tape).to_vec();
        let mut advanced = vec![0.0; ROWS * 5];
        for step in 0..STEPS {
            let input = &inputs[step * ROWS * 3..][..ROWS * 3];
            let before = advanced.clone();
            GRU.advance(&parameters, input, &mut advanced, &mut GruTape::default());
            let mut pairs = advanced.iter().zip(&states[step * ROWS * 5..]);
            assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-6), "step {step}");
            for row in 0..ROWS {
                let plain =
                    by_the_formula(&parameters, &input[row * 3..][..3], &before[row * 5..][..5]);
                let close = plain
                    .iter()
                    .zip(&advanced[row * 5..])
                    .all(|(a, b)| (a - f64::from(*b)).abs() < 1e-6);
                assert!(close, "step {step}, row {row}");
            }
        }
    }

    fn by_the_formula(parameters: &[f32], x: &[f32], h: &[f32]) -> Vec<f64> {
        let parts = GRU.parts(parameters);
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let product = |weight: &[f32], bias: &[f32], values: &[f32], gate: usize| -> f64 {
            let row = &weight[gate * values.len()..][..values.len()];
            f64::from(bias[gate])
                + row
                    .iter()
                    .zip(values)
                    .map(|(w, v)| f64::from(*w) * f64::from(*v))
                    .sum::<f64>()
        };
        let from_input = |gate| product(parts.weight_input, parts.bias_input, x, gate);
        let from_state = |gate| product(parts.weight_state, parts.bias_state, h, gate);
        let unit = |i: usize| {
            let (r, u) = (
                sigmoid(from_input(i) + from_state(i)),
                sigmoid(from_input(5 + i) + from_state(5 + i)),
            );
            let n = (from_input(10 + i) + r * from_state(10 + i)).tanh();
            (1.0 - u) * n + u * f64::from(h[i])
        };
        (0..5).map(unit).collect()
    }
}
