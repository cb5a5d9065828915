//! How a source moves the components of a mixture.

use crate::families::components::Component;
use crate::families::smooth_clamp::smooth_clamp;
use crate::rows::values_of;
use ndarray::{ArrayView2, Axis};

/// Log-variances of moving components change by no more than this.
pub(super) const MAX_CHANGE: f32 = 3.0;

/// How a source moves all components, each `[K, dim]`.
#[derive(Clone, Copy)]
pub(super) struct Motions<'o> {
    pub(super) shifts: ArrayView2<'o, f32>,
    /// Changes of log-variance before they are clamped.
    pub(super) changes: ArrayView2<'o, f32>,
}

impl<'o> Motions<'o> {
    /// Returns the motion of component `k`.
    pub(super) fn of(&self, k: usize) -> Motion<'o> {
        let values = |of_all: ArrayView2<'o, f32>| values_of(of_all.index_axis_move(Axis(0), k));
        Motion {
            shifts: values(self.shifts),
            changes: values(self.changes),
        }
    }
}

/// How a source moves one component: with z = (t − mean) / deviation of the component at rest, a
/// target point is at (z − shift) · e^(−½ change) of the moved one. Each `[dim]`.
#[derive(Clone, Copy)]
pub(super) struct Motion<'o> {
    shifts: &'o [f32],
    /// Before they are clamped.
    changes: &'o [f32],
}

impl Motion<'_> {
    /// Returns the log density of `point` under the moved component, in f64.
    pub(super) fn log_density(&self, at_rest: Component<'_>, point: &[f32]) -> f64 {
        let mut twice = 0.0;
        for d in 0..point.len() {
            let change = f64::from(smooth_clamp(self.changes[d], MAX_CHANGE).value);
            let gap = f64::from(point[d]) - f64::from(at_rest.mean[d]);
            let standard =
                gap * f64::from(at_rest.inverse_deviation[d]) - f64::from(self.shifts[d]);
            // log |∂z/∂t| has −½ change beside the deviation at rest, which `log_normaliser` holds.
            twice += change + standard * standard * (-change).exp();
        }
        at_rest.log_normaliser - 0.5 * twice
    }

    /// Replaces standard normal noise by a draw from the moved component.
    pub(super) fn draw(&self, at_rest: Component<'_>, noise: &mut [f32]) {
        for (value, (shift, &change)) in noise.iter_mut().zip(self.shifts.iter().zip(self.changes))
        {
            let scale = (0.5 * smooth_clamp(change, MAX_CHANGE).value).exp();
            *value = shift + scale * *value;
        }
        // In units of the component at rest up to here.
        at_rest.draw(noise);
    }
}
