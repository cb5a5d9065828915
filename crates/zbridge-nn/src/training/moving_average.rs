/// An exponential moving average of parameters: the averaged model of a training, or its mean
/// teacher (Tarvainen & Valpola 2017).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MovingAverage {
    /// Share of the average that is kept at a step.
    pub decay: f32,
}

impl MovingAverage {
    /// Returns the share of the average that is kept after step `step`, from 0: less at first, so
    /// that the average soon leaves the initial parameters.
    pub fn decay_at(&self, step: usize) -> f32 {
        self.decay.min(1.0 - 1.0 / (step as f32 + 2.0))
    }

    /// Moves `average` towards `parameters` after step `step`, from 0.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn follow(&self, average: &mut [f32], parameters: &[f32], step: usize) {
        Self {
            decay: self.decay_at(step),
        }
        .follow_steadily(average, parameters);
    }

    /// Moves `average` towards `parameters` with the same decay at every step.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn follow_steadily(&self, average: &mut [f32], parameters: &[f32]) {
        assert_eq!(average.len(), parameters.len(), "parameters of one model");
        let share = 1.0 - self.decay;
        for (average, parameter) in average.iter_mut().zip(parameters) {
            // In this form, an average that equals the parameters stays exactly where it is.
            *average += share * (parameter - *average);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_of_the_first_steps_is_their_mean() {
        let averaging = MovingAverage { decay: 0.99 };
        let mut average = [0.0];
        for (step, value) in [1.0, 2.0, 3.0].into_iter().enumerate() {
            averaging.follow(&mut average, &[value], step);
        }
        assert!((average[0] - 1.5).abs() < 1e-6, "of 0, 1, 2 and 3");
    }

    #[test]
    fn an_average_forgets_at_its_decay() {
        let mut average = [1.0];
        for _ in 0..3 {
            MovingAverage { decay: 0.5 }.follow_steadily(&mut average, &[0.0]);
        }
        assert_eq!(average, [0.125]);
    }
}
