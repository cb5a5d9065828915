use crate::BridgeError;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use zbridge_nn::{Hook, StepReport};

/// The objective of one direction over its fit: what the paper's figure 1 shows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FitCurve {
    /// Steps done at each point, about 200 of them.
    pub steps: Vec<usize>,
    /// Mean objective of a pair since the previous point, in nats. For the paper's recipe it is the
    /// divergence, L of equation 4 over N; for every other family −log q of draws in standardised
    /// coordinates.
    pub objective_nats: Vec<f64>,
}

/// Records the objective of a fit at about 200 points.
pub(crate) struct Curve {
    every: usize,
    total: f64,
    count: usize,
    curve: FitCurve,
}

impl Curve {
    pub(crate) fn over(steps: usize) -> Self {
        Self {
            every: steps.div_ceil(200).max(1),
            total: 0.0,
            count: 0,
            curve: FitCurve::default(),
        }
    }

    pub(crate) fn push(&mut self, step: usize, nats: f64) {
        self.total += nats;
        self.count += 1;
        if self.count == self.every {
            self.curve.steps.push(step);
            self.curve
                .objective_nats
                .push(self.total / self.count as f64);
            (self.total, self.count) = (0.0, 0);
        }
    }

    pub(crate) fn finish(self) -> FitCurve {
        self.curve
    }
}

impl<T: ?Sized> Hook<T, BridgeError> for Curve {
    fn after_step(&mut self, _: &T, report: &StepReport) -> Result<ControlFlow<()>, BridgeError> {
        self.push(report.steps_done, report.objective_nats);
        Ok(ControlFlow::Continue(()))
    }
}
