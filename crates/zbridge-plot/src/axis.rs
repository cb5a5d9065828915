//! Axes: which range to show, where to put ticks, and what to write at them.

#[cfg(test)]
mod tests;

use crate::font::Font;
use crate::linear_ticks::{nice_step, ticks_at_steps};
use crate::log_ticks::{decades, ones_twos_and_fives};
use crate::scale::{Scale, Span};
use crate::style::{LABEL_FONT, TICK_FONT};
use crate::tick::Tick;

/// A range with ticks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    pub(crate) ticks: Vec<Tick>,
    /// Values between the ticks that get a short stroke without a label.
    pub(crate) minor: Vec<f64>,
}

impl Axis {
    /// An axis that covers the span from tick to tick with about `wanted` steps.
    pub(crate) fn covering(span: Option<Span>, scale: Scale, wanted: usize) -> Self {
        let wanted = wanted.max(2);
        match scale {
            Scale::Linear => {
                let span = span.unwrap_or(Span::new(0.0, 1.0));
                Self::linear(span.widened(), wanted)
            }
            Scale::Log => Self::log(span.unwrap_or(Span::new(1.0, 10.0)), wanted),
        }
    }

    /// A linear axis of exactly this range, with ticks inside it.
    pub(crate) fn within(range: Span, wanted: usize) -> Self {
        let step = nice_step(range.length() / wanted.max(2) as f64);
        // A tick that rounding puts just outside the range still belongs to it.
        let first = (range.low / step - 1e-9).ceil() as i64;
        let last = (range.high / step + 1e-9).floor() as i64;
        Self {
            scale: Scale::Linear,
            low: range.low,
            high: range.high,
            ticks: ticks_at_steps(first, last, step),
            minor: Vec::new(),
        }
    }

    /// An axis with this number of rows from top to bottom, the first at 0, the next at −1.
    pub(crate) fn of_rows(rows: usize) -> Self {
        let tick = |row: usize| Tick {
            value: -(row as f64),
            label: String::new(),
        };
        Self {
            scale: Scale::Linear,
            // Half a row of space above the first row and below the last one.
            low: 0.5 - rows.max(1) as f64,
            high: 0.5,
            ticks: (0..rows).map(tick).collect(),
            minor: Vec::new(),
        }
    }

    /// The axis with the most steps whose labels do not touch along `width` pixels.
    ///
    /// A step has at least `least_step` pixels; `axis` returns the axis with a given number of
    /// steps.
    pub(crate) fn fitting(width: f64, least_step: f64, axis: impl Fn(usize) -> Self) -> Self {
        let most = ((width / least_step) as usize).max(2);
        (2..=most)
            .rev()
            .map(&axis)
            .find(|axis| axis.labels_fit(width))
            // Labels that touch are better than no labels.
            .unwrap_or_else(|| axis(2))
    }

    /// Whether the value has a place on this axis.
    pub(crate) fn can_draw(&self, value: f64) -> bool {
        self.scale.can_draw(value)
    }

    /// Position of the value: 0 at the low end, 1 at the high end.
    pub(crate) fn fraction(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => {
                let decades = self.high.log10() - self.low.log10();
                (value.log10() - self.low.log10()) / decades
            }
        }
    }

    /// Width in pixels of the widest label.
    pub(crate) fn label_width(&self) -> f64 {
        self.ticks
            .iter()
            .map(|tick| TICK_FONT.width(&tick.label))
            .fold(0.0, f64::max)
    }

    fn labels_fit(&self, width: f64) -> bool {
        self.ticks.windows(2).all(|pair| {
            let distance = self.fraction(pair[1].value) - self.fraction(pair[0].value);
            let labels = [&pair[0], &pair[1]].map(|tick| half_width(TICK_FONT, &tick.label));
            // Half of each label lies between the two ticks.
            labels[0] + labels[1] + LABEL_FONT.size <= distance * width
        })
    }

    fn linear(span: Span, wanted: usize) -> Self {
        let step = nice_step(span.length() / wanted as f64);
        // An end that rounding puts just beyond a tick does not ask for another tick.
        let first = (span.low / step + 1e-9).floor() as i64;
        let last = (span.high / step - 1e-9).ceil() as i64;
        Self {
            scale: Scale::Linear,
            low: span.low.min(first as f64 * step),
            high: span.high.max(last as f64 * step),
            ticks: ticks_at_steps(first, last, step),
            minor: Vec::new(),
        }
    }

    /// Ticks at powers of ten over more than two decades; at 1, 2 and 5 times powers of ten over
    /// fewer; in equal steps over less than half a decade.
    fn log(span: Span, wanted: usize) -> Self {
        let covered = span.high.log10() - span.low.log10();
        let ticks = if covered < 0.5 {
            // Over such a short range, round numbers are easier to read than equal ratios.
            let linear = Self::linear(span.widened_above_zero(), wanted);
            return Self {
                scale: Scale::Log,
                ..linear
            };
        } else if covered <= 2.0 {
            ones_twos_and_fives(span)
        } else {
            decades(span, wanted)
        };
        let ends = Span::of(ticks.labelled.iter().map(|tick| tick.value));
        let range = Span::join(Some(span), ends).unwrap_or(span);
        Self {
            scale: Scale::Log,
            low: range.low,
            high: range.high,
            ticks: ticks.labelled,
            minor: ticks.minor,
        }
    }
}

fn half_width(font: Font, label: &str) -> f64 {
    font.width(label) / 2.0
}
