//! Ticks of logarithmic axes.

use crate::number_text::{group_thousands, superscript};
use crate::scale::{NARROWEST, Span};
use crate::tick::Tick;

/// The ticks of a logarithmic axis.
pub(crate) struct LogTicks {
    pub(crate) labelled: Vec<Tick>,
    /// Values between the labelled ones.
    pub(crate) minor: Vec<f64>,
}

/// Ticks at powers of ten that cover the span in about `wanted` equal steps.
pub(crate) fn decades(span: Span, wanted: usize) -> LogTicks {
    let exponents = Exponents::around(span);
    // Too many decades for a label each: every second, third, … has one.
    let stride = exponents.count().div_ceil(wanted as u32) as i32;
    let steps = exponents.count().div_ceil(stride as u32) as i32;
    let powers: Vec<Power> = (0..=steps)
        .map(|step| Power::new(1, exponents.first + step * stride))
        .collect();
    LogTicks {
        labelled: labelled(&powers),
        minor: if stride == 1 {
            exponents.between()
        } else {
            Vec::new()
        },
    }
}

/// Ticks at 1, 2 and 5 times powers of ten, from the last that is not above the span to the first
/// that is not below it.
pub(crate) fn ones_twos_and_fives(span: Span) -> LogTicks {
    let exponents = Exponents::around(span);
    let mut powers = Vec::new();
    for exponent in exponents.first..=exponents.last {
        powers.extend([1, 2, 5].map(|digit| Power::new(digit, exponent)));
    }
    // An end of the span that differs from a tick by rounding is at the tick.
    let tolerance = 1.0 + NARROWEST;
    let is_at_or_below = |power: &Power| power.value() <= span.low * tolerance;
    let is_at_or_above = |power: &Power| power.value() * tolerance >= span.high;
    let first = powers.iter().rposition(is_at_or_below).unwrap_or(0);
    let last = powers
        .iter()
        .position(is_at_or_above)
        .unwrap_or(powers.len() - 1);
    LogTicks {
        labelled: labelled(&powers[first..=last]),
        minor: Vec::new(),
    }
}

/// Exponents of the powers of ten around a span.
struct Exponents {
    first: i32,
    last: i32,
}

impl Exponents {
    fn around(span: Span) -> Self {
        Self {
            first: span.low.log10().floor() as i32,
            last: span.high.log10().ceil() as i32,
        }
    }

    /// How many decades they cover, at least one.
    fn count(&self) -> u32 {
        (self.last - self.first).max(1) as u32
    }

    /// 2 to 9 times each power of ten but the last.
    fn between(&self) -> Vec<f64> {
        let mut values = Vec::new();
        for exponent in self.first..self.last {
            values.extend((2..10).map(|digit| Power::new(digit, exponent).value()));
        }
        values
    }
}

/// A digit times a power of ten.
#[derive(Debug, Clone, Copy)]
struct Power {
    digit: i32,
    exponent: i32,
}

impl Power {
    fn new(digit: i32, exponent: i32) -> Self {
        Self { digit, exponent }
    }

    fn value(self) -> f64 {
        f64::from(self.digit) * 10f64.powi(self.exponent)
    }

    fn decimal_label(self) -> String {
        let decimals = (-self.exponent).max(0) as usize;
        group_thousands(&format!("{:.decimals$}", self.value()))
    }

    fn exponential_label(self) -> String {
        let exponent = superscript(self.exponent);
        match self.digit {
            1 => format!("10{exponent}"),
            digit => format!("{digit}×10{exponent}"),
        }
    }
}

/// The ticks; if one of them is very large or very small, all are written with exponents.
fn labelled(powers: &[Power]) -> Vec<Tick> {
    // From 0.001 to 10,000 a reader need not count zeros.
    let is_readable = |power: &Power| (-3..=4).contains(&power.exponent);
    let label = if powers.iter().all(is_readable) {
        Power::decimal_label
    } else {
        Power::exponential_label
    };
    powers
        .iter()
        .map(|&power| Tick {
            value: power.value(),
            label: label(power),
        })
        .collect()
}
