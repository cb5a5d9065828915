use crate::kernels::elementwise::adam_update;
use rayon::prelude::*;

/// Adam (Kingma & Ba 2015) with β = (0.9, 0.999), ε = 1e-8, over one flat parameter vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    first: Vec<f32>,
    second: Vec<f32>,
    steps: u32,
}

impl Adam {
    /// The optimiser at rest, for `parameters` numbers.
    pub fn new(parameters: usize) -> Self {
        Self { first: vec![0.0; parameters], second: vec![0.0; parameters], steps: 0 }
    }

    /// The optimiser as [`state`](Self::state) described it.
    pub fn with_state(first: Vec<f32>, second: Vec<f32>, steps: u32) -> Self {
        Self { first, second, steps }
    }

    /// First moments, second moments, and steps done.
    pub fn state(&self) -> (&[f32], &[f32], u32) {
        (&self.first, &self.second, self.steps)
    }

    /// Moves `parameters` one step against `gradients`.
    pub fn step(&mut self, parameters: &mut [f32], gradients: &[f32], learning_rate: f32) {
        const BLOCK: usize = 1 << 16;
        self.steps += 1;
        let (rate, second) = self.corrections(learning_rate);
        if parameters.len() <= BLOCK {
            return adam_update(parameters, gradients, &mut self.first, &mut self.second, rate, second);
        }
        let blocks = parameters.par_chunks_mut(BLOCK).zip(gradients.par_chunks(BLOCK));
        let moments = self.first.par_chunks_mut(BLOCK).zip(self.second.par_chunks_mut(BLOCK));
        blocks.zip(moments).for_each(|((p, g), (m, v))| adam_update(p, g, m, v, rate, second));
    }

    /// The learning rate over the first bias correction, and one over the second.
    fn corrections(&self, learning_rate: f32) -> (f32, f32) {
        let correction = |beta: f64| 1.0 - beta.powi(self.steps.min(1 << 30) as i32);
        ((f64::from(learning_rate) / correction(0.9)) as f32, (1.0 / correction(0.999)) as f32)
    }
}
