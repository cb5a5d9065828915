//! The piece of each spline of a block that its position falls into.

use super::MIN_SLOPE;
use super::axis::{Interval, IntervalGradient};
use super::lanes::{LANES, Lanes, ln};

/// Where the positions of a block fall, and what their splines are there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Piece {
    /// 1 in the box, 0 outside.
    pub(super) inside: Lanes,
    /// The number of the bin.
    pub(super) bin: Lanes,
    /// Place within the bin, 0 to 1.
    theta: Lanes,
    pub(super) x: Interval,
    pub(super) y: Interval,
    /// At the left and the right end of the bin.
    pub(super) knots: [Knot; 2],
}

/// Slopes of the splines of a block at one end of their bins.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Knot {
    pub(super) slope: Lanes,
    /// d slope / d raw slope.
    pub(super) slope_gradient: Lanes,
}

impl Knot {
    /// Sets slope and derivative from raw slopes and e^−|raw|.
    ///
    /// A slope is the least slope plus the softplus ln(1 + e^raw) = max(raw, 0) + ln(1 + e^−|raw|),
    /// a form that does not overflow.
    #[inline(always)]
    pub(super) fn assign(&mut self, raw: &Lanes, decay: &Lanes) {
        for lane in 0..LANES {
            let (raw, decay) = (raw[lane], decay[lane]);
            self.slope[lane] = MIN_SLOPE + raw.max(0.0) + ln(1.0 + decay);
            let numerator = if raw >= 0.0 { 1.0 } else { decay };
            self.slope_gradient[lane] = numerator / (1.0 + decay);
        }
    }
}

/// Gradients by what a piece is made of.
#[derive(Default)]
pub(super) struct PieceGradient {
    pub(super) position: Lanes,
    pub(super) left: Lanes,
    pub(super) width: Lanes,
    pub(super) bottom: Lanes,
    pub(super) height: Lanes,
    /// By the raw slopes at both knots.
    pub(super) raw_slopes: [Lanes; 2],
}

impl PieceGradient {
    pub(super) fn interval_of_x(&self) -> IntervalGradient<'_> {
        IntervalGradient {
            start: &self.left,
            size: &self.width,
        }
    }

    pub(super) fn interval_of_y(&self) -> IntervalGradient<'_> {
        IntervalGradient {
            start: &self.bottom,
            size: &self.height,
        }
    }
}

/// What a piece is at one lane.
#[derive(Clone, Copy)]
struct Point {
    /// Place within the bin, 0 to 1.
    theta: f32,
    /// s = height / width.
    mean_slope: f32,
    /// δ₀.
    left: f32,
    /// δ₁.
    right: f32,
}

/// The parts of the rational quadratic at θ: with t = θ(1 − θ), the value is
/// bottom + height · rise / below, and its slope is (s / below)² · bend.
struct Quotient {
    /// sθ² + δ₀t
    rise: f32,
    /// s + (δ₀ + δ₁ − 2s) t
    below: f32,
    /// δ₁θ² + 2st + δ₀(1 − θ)²
    bend: f32,
}

impl Quotient {
    /// Returns how much of the bin's height lies below the value.
    #[inline(always)]
    fn share(&self) -> f32 {
        self.rise * (1.0 / self.below)
    }

    /// Returns the gradients by its parts, from those by the share and by the log-slope
    /// 2 ln (s / below) + ln bend.
    #[inline(always)]
    fn backward(&self, by_share: f32, by_log_slope: f32) -> Self {
        let inverse = 1.0 / self.below;
        let rise = by_share * inverse;
        Self {
            rise,
            below: -(rise * self.share() + 2.0 * by_log_slope * inverse),
            bend: by_log_slope / self.bend,
        }
    }
}

impl Point {
    #[inline(always)]
    fn quotient(self) -> Quotient {
        let Self {
            theta,
            mean_slope,
            left,
            right,
        } = self;
        let rest = 1.0 - theta;
        let t = theta * rest;
        Quotient {
            rise: mean_slope * theta * theta + left * t,
            below: mean_slope + (left + right - 2.0 * mean_slope) * t,
            bend: right * theta * theta + 2.0 * mean_slope * t + left * rest * rest,
        }
    }

    /// Returns the gradients by θ, s, δ₀ and δ₁ from those by the parts of the quotient, and from
    /// what stands beside them in the gradient by s.
    #[inline(always)]
    fn backward(self, by: &Quotient, by_mean_slope: f32) -> Self {
        let Self {
            theta,
            mean_slope,
            left,
            right,
        } = self;
        let (rest, turn) = (1.0 - theta, 1.0 - 2.0 * theta);
        let t = theta * rest;
        Self {
            theta: by.rise * (2.0 * mean_slope * theta + left * turn)
                + by.below * (left + right - 2.0 * mean_slope) * turn
                + 2.0 * by.bend * (right * theta + mean_slope * turn - left * rest),
            mean_slope: by_mean_slope
                + by.rise * theta * theta
                + by.below * (1.0 - 2.0 * t)
                + 2.0 * by.bend * t,
            left: (by.rise + by.below) * t + by.bend * rest * rest,
            right: by.below * t + by.bend * theta * theta,
        }
    }
}

impl Piece {
    #[inline(always)]
    fn point(&self, lane: usize, theta: f32) -> Point {
        Point {
            theta,
            mean_slope: self.y.size[lane] / self.x.size[lane],
            left: self.knots[0].slope[lane],
            right: self.knots[1].slope[lane],
        }
    }

    /// Returns values and log-slopes at `position` in the box; where `x` is outside, x itself and
    /// 0.
    pub(super) fn evaluate(&mut self, position: &Lanes, x: &Lanes) -> (Lanes, Lanes) {
        let (mut value, mut log_slope) = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            let theta = (position[lane] - self.x.start[lane]) / self.x.size[lane];
            let point = self.point(lane, theta.clamp(0.0, 1.0));
            let quotient = point.quotient();
            let inverse = 1.0 / quotient.below;
            let y = self.y.start[lane] + self.y.size[lane] * quotient.rise * inverse;
            let steepness = point.mean_slope * inverse;
            value[lane] = if self.inside[lane] > 0.0 { y } else { x[lane] };
            log_slope[lane] = self.inside[lane] * ln(steepness * steepness * quotient.bend);
            self.theta[lane] = point.theta;
        }
        (value, log_slope)
    }

    /// Returns the x whose value is `position`; where `y` is outside of the box, y itself.
    ///
    /// # Source
    /// Durkan et al. 2019, appendix A.3: the root of a quadratic in θ, in the form that does not
    /// cancel.
    pub(super) fn invert(&self, position: &Lanes, y: &Lanes) -> Lanes {
        let mut x = [0.0; LANES];
        for lane in 0..LANES {
            let Point {
                mean_slope,
                left,
                right,
                ..
            } = self.point(lane, 0.0);
            // How much of the bin's height lies below the position.
            let share = ((position[lane] - self.y.start[lane]) / self.y.size[lane]).clamp(0.0, 1.0);
            let curve = share * (left + right - 2.0 * mean_slope);
            let (a, b, c) = (mean_slope - left + curve, left - curve, -mean_slope * share);
            let root = (b * b - 4.0 * a * c).max(0.0).sqrt();
            let theta = (2.0 * c / (-b - root)).clamp(0.0, 1.0);
            let inner = self.x.start[lane] + theta * self.x.size[lane];
            x[lane] = if self.inside[lane] > 0.0 {
                inner
            } else {
                y[lane]
            };
        }
        x
    }

    /// Returns the gradients through [`evaluate`](Self::evaluate), from those by its values and
    /// that by all of its log-slopes.
    pub(super) fn backward(&self, by_value: &Lanes, by_log_slope: f32) -> PieceGradient {
        let mut by = PieceGradient::default();
        for (lane, &by_value) in by_value.iter().enumerate() {
            // Outside of the box the spline is the identity: only the position has a gradient.
            let inside = self.inside[lane];
            let (value, log_slope) = (inside * by_value, inside * by_log_slope);
            let (inverse_width, height) = (1.0 / self.x.size[lane], self.y.size[lane]);
            let point = Point {
                mean_slope: height * inverse_width,
                ..self.point(lane, self.theta[lane])
            };
            let quotient = point.quotient();
            let by_quotient = quotient.backward(value * height, log_slope);
            let by_point = point.backward(&by_quotient, 2.0 * log_slope / point.mean_slope);

            let by_position = by_point.theta * inverse_width;
            by.position[lane] = by_position + (1.0 - inside) * by_value;
            by.left[lane] = -by_position;
            by.width[lane] = -(by_position * point.theta
                + by_point.mean_slope * point.mean_slope * inverse_width);
            by.bottom[lane] = value;
            by.height[lane] = value * quotient.share() + by_point.mean_slope * inverse_width;
            by.raw_slopes[0][lane] = by_point.left * self.knots[0].slope_gradient[lane];
            by.raw_slopes[1][lane] = by_point.right * self.knots[1].slope_gradient[lane];
        }
        by
    }
}
