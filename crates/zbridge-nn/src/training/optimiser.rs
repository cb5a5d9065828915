use crate::Adam;

/// Adam with decoupled weight decay, on gradients that are clipped before.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimiser {
    adam: Adam,
    weight_decay: f32,
    max_gradient_norm: f32,
}

impl Optimiser {
    /// Returns the optimiser of `parameters` numbers before its first step.
    pub fn new(parameters: usize, weight_decay: f32, max_gradient_norm: f32) -> Self {
        Self {
            adam: Adam::new(parameters),
            weight_decay,
            max_gradient_norm,
        }
    }

    /// Moves `parameters` one step against `gradients`, which are clipped in place.
    pub fn step(&mut self, parameters: &mut [f32], gradients: &mut [f32], learning_rate: f32) {
        // The decay is no part of the gradient: it is neither clipped nor scaled by the moments.
        clip_grad_norm(gradients, self.max_gradient_norm);
        decay_weights(parameters, learning_rate * self.weight_decay);
        self.adam.step(parameters, gradients, learning_rate);
    }
}

/// Shortens `gradients` to the Euclidean length `max_norm` if they are longer.
pub fn clip_grad_norm(gradients: &mut [f32], max_norm: f32) {
    // A norm that is NaN clips nothing; the trainer finds the objective that it came from.
    let norm = gradients.iter().map(|g| g * g).sum::<f32>().sqrt();
    if norm > max_norm {
        let scale = max_norm / norm;
        gradients.iter_mut().for_each(|g| *g *= scale);
    }
}

fn decay_weights(parameters: &mut [f32], share: f32) {
    if share > 0.0 {
        for parameter in parameters {
            *parameter -= share * *parameter;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_gradients_are_clipped() {
        let (mut long, mut short) = ([3.0, 4.0], [0.3, 0.4]);
        clip_grad_norm(&mut long, 1.0);
        clip_grad_norm(&mut short, 1.0);
        assert!((long[0] - 0.6).abs() < 1e-6 && (long[1] - 0.8).abs() < 1e-6);
        assert_eq!(short, [0.3, 0.4]);
    }

    #[test]
    fn weights_decay_apart_from_the_gradient() {
        let mut optimiser = Optimiser::new(1, 0.5, 1.0);
        let mut parameters = [2.0];
        optimiser.step(&mut parameters, &mut [0.0], 0.1);
        assert!((parameters[0] - 1.9).abs() < 1e-6);
    }
}
