use serde::{Deserialize, Serialize};
use std::f32::consts::PI;

/// The learning rate of each step of a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LearningRate {
    /// Linear warm-up, then a half cosine over the steps that are left.
    Schedule(Schedule),
    /// A half cosine over all steps down to zero, times a linear warm-up over the first twentieth.
    Cosine {
        /// The rate that both factors scale.
        peak: f32,
    },
}

impl LearningRate {
    /// Share of the steps over which [`Cosine`](Self::Cosine) warms up.
    const WARM_UP: f32 = 0.05;

    /// Returns the rate at `step` of `steps`.
    pub fn at(&self, step: usize, steps: usize) -> f32 {
        match self {
            Self::Schedule(schedule) => schedule.rate(step, steps),
            Self::Cosine { peak } => {
                let progress = step as f32 / steps as f32;
                let warm_up_steps = (Self::WARM_UP * steps as f32).max(1.0);
                let warm_up = ((step + 1) as f32 / warm_up_steps).min(1.0);
                peak * warm_up * 0.5 * (1.0 + (PI * progress).cos())
            }
        }
    }
}

/// Learning rate over a training: linear warm-up, then a half cosine down to the floor
/// (Loshchilov & Hutter 2017, eq. 5, one period).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Highest rate.
    pub peak: f32,
    /// Steps until it is reached.
    pub warm_up_steps: usize,
    /// Rate at the end, as a share of the peak; 1 keeps the rate constant.
    pub floor: f32,
}

impl Schedule {
    /// Returns the schedule of one rate for all steps.
    pub fn constant(rate: f32) -> Self {
        Self {
            peak: rate,
            warm_up_steps: 0,
            floor: 1.0,
        }
    }

    /// Returns the rate at `step` of `steps`.
    pub fn rate(&self, step: usize, steps: usize) -> f32 {
        if step < self.warm_up_steps {
            return self.peak * (step + 1) as f32 / self.warm_up_steps as f32;
        }
        // A schedule of warm-up only has no steps left for the cosine.
        let position =
            (step - self.warm_up_steps) as f32 / (steps - self.warm_up_steps).max(1) as f32;
        let cosine = 0.5 * (1.0 + (PI * position.min(1.0)).cos());
        self.peak * (self.floor + (1.0 - self.floor) * cosine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_warms_up_peaks_and_falls_to_its_floor() {
        let schedule = Schedule {
            peak: 1.0,
            warm_up_steps: 10,
            floor: 0.1,
        };
        assert!((schedule.rate(0, 100) - 0.1).abs() < 1e-6);
        assert!((schedule.rate(10, 100) - 1.0).abs() < 1e-6);
        assert!((schedule.rate(100, 100) - 0.1).abs() < 1e-6);
    }

    #[test]
    fn the_cosine_warms_up_over_a_twentieth_and_falls_to_zero() {
        let rate = LearningRate::Cosine { peak: 2.0 };
        assert!((rate.at(0, 100) - 0.4).abs() < 1e-6);
        assert!((rate.at(50, 100) - 1.0).abs() < 1e-6);
        assert!(rate.at(99, 100) < 1e-3);
        assert!(rate.at(0, 1) <= 2.0, "a single step");
    }
}
