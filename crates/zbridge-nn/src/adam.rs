use crate::kernels::adam_update::{AdamUpdate, adam_update};
use rayon::prelude::*;

/// Adam (Kingma & Ba 2015) with β = (0.9, 0.999) unless told otherwise, ε = 1e-8, over one flat
/// parameter vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    first: Vec<f32>,
    second: Vec<f32>,
    steps: u32,
    decays: (f64, f64),
}

const DECAYS: (f64, f64) = (0.9, 0.999);

impl Adam {
    /// The optimiser at rest, for `parameters` numbers.
    pub fn new(parameters: usize) -> Self {
        Self {
            first: vec![0.0; parameters],
            second: vec![0.0; parameters],
            steps: 0,
            decays: DECAYS,
        }
    }

    /// The optimiser as [`state`](Self::state) described it.
    pub fn with_state(first: Vec<f32>, second: Vec<f32>, steps: u32) -> Self {
        Self {
            first,
            second,
            steps,
            decays: DECAYS,
        }
    }

    /// The same with other decays (β₁, β₂) of its moments, which are no part of its
    /// [`state`](Self::state).
    pub fn with_decays(mut self, first: f64, second: f64) -> Self {
        self.decays = (first, second);
        self
    }

    /// First moments, second moments, and steps done.
    pub fn state(&self) -> (&[f32], &[f32], u32) {
        (&self.first, &self.second, self.steps)
    }

    /// Moves `parameters` one step against `gradients`.
    pub fn step(&mut self, parameters: &mut [f32], gradients: &[f32], learning_rate: f32) {
        const BLOCK: usize = 1 << 16;
        self.steps += 1;
        let update = self.update(learning_rate);
        if parameters.len() <= BLOCK {
            return adam_update(
                parameters,
                gradients,
                &mut self.first,
                &mut self.second,
                update,
            );
        }
        let blocks = parameters
            .par_chunks_mut(BLOCK)
            .zip(gradients.par_chunks(BLOCK));
        let moments = self
            .first
            .par_chunks_mut(BLOCK)
            .zip(self.second.par_chunks_mut(BLOCK));
        blocks
            .zip(moments)
            .for_each(|((p, g), (m, v))| adam_update(p, g, m, v, update));
    }

    /// The same against a sum of gradients, which is never written as a whole: `parts` are as long
    /// as `parameters`.
    ///
    /// # Panics
    /// When there are no parts, or a part is shorter.
    pub fn step_against_sum(
        &mut self,
        parameters: &mut [f32],
        parts: &[&[f32]],
        learning_rate: f32,
    ) {
        const BLOCK: usize = 1 << 14;
        let ends: Vec<usize> = (0..parameters.len())
            .step_by(BLOCK)
            .skip(1)
            .chain([parameters.len()])
            .collect();
        self.step_by_blocks(parameters, &ends, learning_rate, |block, sum| {
            let range = block * BLOCK..block * BLOCK + sum.len();
            sum.copy_from_slice(&parts[0][range.clone()]);
            for part in &parts[1..] {
                sum.iter_mut()
                    .zip(&part[range.clone()])
                    .for_each(|(sum, part)| *sum += part);
            }
        });
    }

    /// The same with gradients that are worked out where they are used: `gradient` is asked to fill
    /// that of each block, in any order and on any core, and the update reads it while it is in
    /// that core's cache. A block ends at each of `ends`.
    ///
    /// # Panics
    /// When the ends do not rise to the number of parameters.
    pub fn step_by_blocks(
        &mut self,
        parameters: &mut [f32],
        ends: &[usize],
        learning_rate: f32,
        gradient: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        assert_eq!(
            ends.last().copied().unwrap_or(0),
            parameters.len(),
            "the end of the last block"
        );
        self.steps += 1;
        let update = self.update(learning_rate);
        let mut rest = (parameters, &mut *self.first, &mut *self.second);
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let mut blocks = Vec::with_capacity(ends.len());
        for length in starts.zip(ends).map(|(start, end)| end - start) {
            let (parameters, first, second) = rest;
            let [(p, parameters), (m, first), (v, second)] =
                [parameters, first, second].map(|values| values.split_at_mut(length));
            blocks.push((p, m, v));
            rest = (parameters, first, second);
        }
        let indexed = blocks.into_par_iter().enumerate().with_max_len(1);
        indexed.for_each_init(Vec::new, |space, (index, (p, m, v))| {
            space.resize(p.len(), 0.0);
            gradient(index, space);
            adam_update(p, space, m, v, update);
        });
    }

    /// The numbers of the step that is done now.
    fn update(&self, learning_rate: f32) -> AdamUpdate {
        let (first, second) = self.decays;
        let correction = |decay: f64| 1.0 - decay.powi(self.steps.min(1 << 30) as i32);
        AdamUpdate {
            first: (first as f32, (1.0 - first) as f32),
            second: (second as f32, (1.0 - second) as f32),
            rate: (f64::from(learning_rate) / correction(first)) as f32,
            second_correction: (1.0 / correction(second)) as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_decay_as_told() {
        let mut adam = Adam::new(1).with_decays(0.5, 0.9);
        adam.step(&mut [0.0], &[2.0], 1e-3);
        adam.step(&mut [0.0], &[0.0], 1e-3);
        let (first, second, steps) = adam.state();
        assert_eq!((first, steps), ([0.5].as_slice(), 2));
        assert!((second[0] - 0.36).abs() < 1e-6);
    }

    #[test]
    fn a_sum_of_parts_is_one_gradient() {
        let values = |seed: usize| {
            (0..40_000)
                .map(|i| ((i * 31 + seed) % 97) as f32 - 48.0)
                .collect::<Vec<f32>>()
        };
        let (a, b) = (values(1), values(50));
        let sum: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
        let (mut one, mut other) = (
            (Adam::new(40_000), values(7)),
            (Adam::new(40_000), values(7)),
        );
        one.0.step(&mut one.1, &sum, 0.1);
        other.0.step_against_sum(&mut other.1, &[&a, &b], 0.1);
        assert!(one == other);
    }

    #[test]
    fn a_constant_gradient_moves_a_learning_rate_a_step_whatever_the_decays() {
        for (first, second) in [(0.9, 0.999), (0.5, 0.99)] {
            let (mut adam, mut parameters) = (Adam::new(1).with_decays(first, second), [0.0]);
            (0..3).for_each(|_| adam.step(&mut parameters, &[7.0], 0.1));
            assert!((parameters[0] + 0.3).abs() < 1e-5, "{parameters:?}");
        }
    }
}
