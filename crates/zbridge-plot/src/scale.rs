//! How values become positions along an axis, and which values have one.

/// How an axis is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Scale {
    /// Equal differences are equally far apart.
    #[default]
    Linear,
    /// Equal ratios are equally far apart; only positive values can be drawn.
    Log,
}

/// Values beyond this are not drawn: the difference of two of them can overflow.
const LARGEST: f64 = 1e300;

/// The narrowest range worth ticks, relative to its values.
pub(crate) const NARROWEST: f64 = 1e-9;

impl Scale {
    /// Whether the value has a place on an axis of this scale.
    pub(crate) fn can_draw(self, value: f64) -> bool {
        match self {
            // False for NaN, as every comparison with it is.
            Self::Linear => value.abs() < LARGEST,
            Self::Log => value > 1.0 / LARGEST && value < LARGEST,
        }
    }
}

/// The smallest and the largest of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Span {
    pub(crate) const fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }

    /// The span of the values; `None` if there are none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut span = None;
        for value in values {
            span = Self::join(span, Some(Self::new(value, value)));
        }
        span
    }

    /// The span of both.
    pub(crate) fn join(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        let (Some(first), Some(second)) = (a, b) else {
            return a.or(b);
        };
        Some(Self::new(
            first.low.min(second.low),
            first.high.max(second.high),
        ))
    }

    pub(crate) fn length(self) -> f64 {
        self.high - self.low
    }

    /// The largest absolute value.
    pub(crate) fn reach(self) -> f64 {
        self.low.abs().max(self.high.abs())
    }

    /// The same span, wide enough for ticks.
    pub(crate) fn widened(self) -> Self {
        if self.reach() < 1.0 / LARGEST {
            return Self::new(-1.0, 1.0);
        }
        if self.length() > NARROWEST * self.reach() {
            return self;
        }
        // Values that are equal, or nearly: a tenth of them on both sides.
        let margin = 0.1 * self.reach();
        Self::new(self.low - margin, self.high + margin)
    }

    /// The same span of positive values, wide enough for ticks and still positive.
    pub(crate) fn widened_above_zero(self) -> Self {
        if self.length() > NARROWEST * self.high {
            self
        } else {
            self.widened()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_without_a_place_are_known() {
        for value in [f64::NAN, f64::INFINITY, 1e301] {
            assert!(!Scale::Linear.can_draw(value) && !Scale::Log.can_draw(value));
        }
        assert!(Scale::Linear.can_draw(0.0));
        assert!(!Scale::Log.can_draw(0.0) && !Scale::Log.can_draw(-1.0));
    }
}
