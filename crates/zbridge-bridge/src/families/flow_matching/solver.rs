//! The ordinary differential equation of a flow, solved by the classical Runge–Kutta method.

use super::trace::Trace;
use super::{FlowMatching, FlowMatchingTape};
use crate::rows::reshape;
use ndarray::{ArrayView2, ArrayViewMut2, Zip};
use std::iter;

/// A stage of a step.
struct Stage {
    /// Where in the step the velocity is evaluated.
    at: f32,
    /// What this velocity counts.
    weight: f32,
    /// How far it carries the next stage from the step's start.
    ahead: f32,
}

const STAGES: [Stage; 4] = [
    Stage {
        at: 0.0,
        weight: 1.0 / 6.0,
        ahead: 0.5,
    },
    Stage {
        at: 0.5,
        weight: 1.0 / 3.0,
        ahead: 0.5,
    },
    Stage {
        at: 0.5,
        weight: 1.0 / 3.0,
        ahead: 1.0,
    },
    Stage {
        at: 1.0,
        weight: 1.0 / 6.0,
        ahead: 0.0,
    },
];

/// ∫ trace ∂v/∂x dt along the path of each point.
pub(super) struct TraceIntegral<'i> {
    pub(super) trace: &'i Trace,
    /// What the integrals are added to, `[rows]`.
    pub(super) totals: &'i mut [f64],
}

impl FlowMatching {
    /// Moves points `[rows, target]` along their paths from one time to another, and adds up the
    /// integral, if there is one.
    pub(super) fn integrate(
        &self,
        [from, to]: [f32; 2],
        sources: ArrayView2<'_, f32>,
        mut points: ArrayViewMut2<'_, f32>,
        mut integral: Option<TraceIntegral<'_>>,
        tape: &mut FlowMatchingTape,
    ) {
        let FlowMatchingTape {
            network,
            inputs,
            start,
            stage,
            trace: trace_tape,
            ..
        } = tape;
        let step = (to - from) / self.shape.steps as f32;
        reshape(start, points.dim());
        reshape(stage, points.dim());
        for index in 0..self.shape.steps {
            // A product, not a running sum: rounding does not add up over the steps.
            let time = from + step * index as f32;
            start.assign(&points);
            stage.assign(&points);
            for Stage { at, weight, ahead } in STAGES {
                let times = iter::repeat(time + at * step);
                let velocity = self.velocity(times, sources, stage.view(), inputs, network);
                let next = Zip::from(&mut points)
                    .and(&*start)
                    .and(&mut *stage)
                    .and(velocity);
                next.for_each(|point, start, stage, v| {
                    // The result gathers in the points; `start` keeps where the step began.
                    *point += weight * step * v;
                    *stage = start + ahead * step * v;
                });
                if let Some(TraceIntegral { trace, totals }) = &mut integral {
                    // The same weights integrate the trace along the same path.
                    let duration = f64::from(weight * step);
                    trace.add_to(totals, duration, &self.between, network, trace_tape);
                }
            }
        }
    }
}
