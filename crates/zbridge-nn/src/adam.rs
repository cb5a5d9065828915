use crate::kernels::adam_update::{AdamUpdate, adam_update};
use rayon::prelude::*;

/// Adam over one flat vector of parameters, with ε = 1e-8.
///
/// ```
/// let mut parameters = [1.0];
/// let mut adam = zbridge_nn::Adam::new(1);
/// for _ in 0..300 {
///     let gradient = [2.0 * parameters[0]]; // of the square
///     adam.step(&mut parameters, &gradient, 0.02);
/// }
/// assert!(parameters[0].abs() < 0.01);
/// ```
///
/// # Source
/// Kingma & Ba 2015, algorithm 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    first_moments: Vec<f32>,
    second_moments: Vec<f32>,
    steps: u32,
    first_decay: f64,
    second_decay: f64,
}

/// The part of the parameters that one core updates, with its moments.
struct Block<'a> {
    parameters: &'a mut [f32],
    first_moments: &'a mut [f32],
    second_moments: &'a mut [f32],
}

impl Adam {
    /// Returns the optimiser of `parameters` numbers before its first step, with the decays
    /// β₁ = 0.9 and β₂ = 0.999.
    pub fn new(parameters: usize) -> Self {
        Self::with_state(vec![0.0; parameters], vec![0.0; parameters], 0)
    }

    /// Returns the optimiser with these moments after `steps` steps.
    pub fn with_state(first_moments: Vec<f32>, second_moments: Vec<f32>, steps: u32) -> Self {
        Self {
            first_moments,
            second_moments,
            steps,
            first_decay: 0.9,
            second_decay: 0.999,
        }
    }

    /// Returns the optimiser with other decays of its moments. They are settings, not state: a
    /// checkpoint does not hold them.
    #[must_use]
    pub fn with_decays(mut self, first: f64, second: f64) -> Self {
        (self.first_decay, self.second_decay) = (first, second);
        self
    }

    /// Returns the moving averages of the gradients.
    pub fn first_moments(&self) -> &[f32] {
        &self.first_moments
    }

    /// Returns the moving averages of the squared gradients.
    pub fn second_moments(&self) -> &[f32] {
        &self.second_moments
    }

    /// Returns the number of steps done.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// Moves `parameters` one step against `gradients`.
    ///
    /// # Panics
    /// If a length is not the number of parameters.
    pub fn step(&mut self, parameters: &mut [f32], gradients: &[f32], learning_rate: f32) {
        /// Fewer parameters are updated faster by one core than given to several.
        const BLOCK: usize = 1 << 16;
        assert_eq!(
            gradients.len(),
            parameters.len(),
            "a gradient for each parameter"
        );
        let update = self.begin_step(learning_rate);
        let ends = ends_of_blocks(parameters.len(), BLOCK);
        let mut blocks = self.blocks(parameters, &ends);
        if let [block] = blocks.as_mut_slice() {
            return block.update(gradients, update);
        }
        let gradients = gradients.par_chunks(BLOCK);
        let parts = blocks.into_par_iter().zip(gradients);
        parts.for_each(|(mut block, gradients)| block.update(gradients, update));
    }

    /// Moves `parameters` one step against the sum of `parts`, each of which is as long as
    /// `parameters`. The sum is never in memory as a whole.
    ///
    /// # Panics
    /// If there are no parts, or if a part is shorter.
    pub fn step_against_sum(
        &mut self,
        parameters: &mut [f32],
        parts: &[&[f32]],
        learning_rate: f32,
    ) {
        const BLOCK: usize = 1 << 14;
        let ends = ends_of_blocks(parameters.len(), BLOCK);
        self.step_by_blocks(parameters, &ends, learning_rate, |block, sum| {
            let range = block * BLOCK..block * BLOCK + sum.len();
            // In the order of the parts, whichever core does it: sums are the same on any machine.
            sum.copy_from_slice(&parts[0][range.clone()]);
            for part in &parts[1..] {
                for (sum, value) in sum.iter_mut().zip(&part[range.clone()]) {
                    *sum += value;
                }
            }
        });
    }

    /// Moves `parameters` one step against gradients that are computed where they are used.
    ///
    /// Block `i` of the parameters ends at `ends[i]`. `gradient(i, values)` writes the gradient of
    /// block `i`; it is called in any order and on any core. The update reads the gradient while it
    /// is in the cache of that core.
    ///
    /// # Panics
    /// If the ends do not increase to the number of parameters.
    pub fn step_by_blocks(
        &mut self,
        parameters: &mut [f32],
        ends: &[usize],
        learning_rate: f32,
        gradient: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        let update = self.begin_step(learning_rate);
        let blocks = self.blocks(parameters, ends);
        // One block a task, so that a core that ends early takes the next. The buffer is kept from
        // block to block of a task.
        let indexed = blocks.into_par_iter().enumerate().with_max_len(1);
        indexed.for_each_init(Vec::new, |values, (index, mut block)| {
            values.resize(block.parameters.len(), 0.0);
            gradient(index, values);
            block.update(values, update);
        });
    }

    /// Counts a step, and returns its factors.
    fn begin_step(&mut self, learning_rate: f32) -> AdamUpdate {
        // Before the factors: the corrections of the first step are those of one step, not of none.
        self.steps += 1;
        // The power would be 0 long before so many steps.
        let steps = self.steps.min(1 << 30) as i32;
        let (first, second) = (self.first_decay, self.second_decay);
        let (first_correction, second_correction) =
            (1.0 - first.powi(steps), 1.0 - second.powi(steps));
        AdamUpdate {
            first: (first as f32, (1.0 - first) as f32),
            second: (second as f32, (1.0 - second) as f32),
            // In double precision, because 1 − β₂^steps cancels in the first steps.
            rate: (f64::from(learning_rate) / first_correction) as f32,
            second_correction: (1.0 / second_correction) as f32,
        }
    }

    /// Returns the parts of the parameters and of their moments that end at `ends`.
    fn blocks<'a>(&'a mut self, parameters: &'a mut [f32], ends: &[usize]) -> Vec<Block<'a>> {
        let end = ends.last().copied().unwrap_or(0);
        assert_eq!(end, parameters.len(), "the end of the last block");
        let mut rest = Block {
            parameters,
            first_moments: &mut self.first_moments,
            second_moments: &mut self.second_moments,
        };
        let (mut blocks, mut start) = (Vec::with_capacity(ends.len()), 0);
        for end in ends {
            let (block, others) = rest.split_at(end - start);
            blocks.push(block);
            (rest, start) = (others, *end);
        }
        blocks
    }
}

impl<'a> Block<'a> {
    fn split_at(self, length: usize) -> (Self, Self) {
        let (parameters, other_parameters) = self.parameters.split_at_mut(length);
        let (first_moments, other_first_moments) = self.first_moments.split_at_mut(length);
        let (second_moments, other_second_moments) = self.second_moments.split_at_mut(length);
        let block = Self {
            parameters,
            first_moments,
            second_moments,
        };
        let others = Self {
            parameters: other_parameters,
            first_moments: other_first_moments,
            second_moments: other_second_moments,
        };
        (block, others)
    }

    fn update(&mut self, gradients: &[f32], update: AdamUpdate) {
        adam_update(
            self.parameters,
            gradients,
            self.first_moments,
            self.second_moments,
            update,
        );
    }
}

/// Returns the ends of blocks of `block` parameters; the last may be smaller.
fn ends_of_blocks(parameters: usize, block: usize) -> Vec<usize> {
    let blocks = parameters.div_ceil(block);
    (1..=blocks)
        .map(|index| (index * block).min(parameters))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_decay_by_the_given_factors() {
        let mut adam = Adam::new(1).with_decays(0.5, 0.9);
        adam.step(&mut [0.0], &[2.0], 1e-3);
        adam.step(&mut [0.0], &[0.0], 1e-3);
        assert_eq!((adam.first_moments(), adam.steps()), ([0.5].as_slice(), 2));
        assert!((adam.second_moments()[0] - 0.36).abs() < 1e-6);
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
