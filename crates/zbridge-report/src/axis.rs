//! Axes: which range to show, where to put ticks, and what to write at them.

/// How values become positions along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Scale {
    /// Equal differences take equal room.
    #[default]
    Linear,
    /// Equal ratios take equal room; only positive values can be drawn.
    Log,
}

/// Beyond this, differences of two values overflow.
const LARGEST: f64 = 1e300;

/// The narrowest range worth ticks, relative to its values.
const NARROWEST: f64 = 1e-9;

impl Scale {
    /// Whether the value has a place on an axis of this scale.
    pub(crate) fn can_draw(self, value: f64) -> bool {
        match self {
            Self::Linear => value.abs() < LARGEST,
            Self::Log => value > 1.0 / LARGEST && value < LARGEST,
        }
    }
}

/// The smallest and the largest value seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Span {
    /// The span of values that can all be drawn; nothing where there are none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        values.into_iter().fold(None, |span, value| {
            Self::join(
                span,
                Some(Self {
                    low: value,
                    high: value,
                }),
            )
        })
    }

    /// The span of both.
    pub(crate) fn join(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => Some(Self {
                low: a.low.min(b.low),
                high: a.high.max(b.high),
            }),
            (a, b) => a.or(b),
        }
    }

    /// The same span, wide enough for ticks.
    fn widened(self) -> Self {
        let reach = self.low.abs().max(self.high.abs());
        if reach < 1.0 / LARGEST {
            return Self {
                low: -1.0,
                high: 1.0,
            };
        }
        if self.high - self.low > NARROWEST * reach {
            return self;
        }
        Self {
            low: self.low - 0.1 * reach,
            high: self.high + 0.1 * reach,
        }
    }
}

/// A labelled place on an axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) label: String,
}

/// A range with ticks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    pub(crate) ticks: Vec<Tick>,
    pub(crate) minor: Vec<f64>,
}

impl Axis {
    /// An axis from tick to tick that covers the span with about `wanted` steps.
    pub(crate) fn covering(span: Option<Span>, scale: Scale, wanted: usize) -> Self {
        let wanted = wanted.max(2);
        match (scale, span) {
            (Scale::Linear, None) => Self::linear(
                Span {
                    low: 0.0,
                    high: 1.0,
                },
                wanted,
            ),
            (Scale::Linear, Some(span)) => Self::linear(span.widened(), wanted),
            (Scale::Log, None) => Self::log(
                Span {
                    low: 1.0,
                    high: 10.0,
                },
                wanted,
            ),
            (Scale::Log, Some(span)) => Self::log(span, wanted),
        }
    }

    /// A linear axis of exactly this range, with ticks inside it.
    pub(crate) fn within(low: f64, high: f64, wanted: usize) -> Self {
        let step = nice_step((high - low) / wanted.max(2) as f64);
        let (first, last) = (
            (low / step - 1e-9).ceil() as i64,
            (high / step + 1e-9).floor() as i64,
        );
        Self {
            scale: Scale::Linear,
            low,
            high,
            ticks: linear_ticks(first, last, step),
            minor: Vec::new(),
        }
    }

    /// An axis with so many places from top to bottom, the first at 0, the next at −1.
    pub(crate) fn of_rows(rows: usize) -> Self {
        let ticks = (0..rows)
            .map(|row| Tick {
                value: -(row as f64),
                label: String::new(),
            })
            .collect();
        let low = 0.5 - rows.max(1) as f64;
        Self {
            scale: Scale::Linear,
            low,
            high: 0.5,
            ticks,
            minor: Vec::new(),
        }
    }

    /// Whether the value has a place on this axis.
    pub(crate) fn can_draw(&self, value: f64) -> bool {
        self.scale.can_draw(value)
    }

    /// Position of the value, 0 at the low end and 1 at the high end.
    pub(crate) fn fraction(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => {
                (value.log10() - self.low.log10()) / (self.high.log10() - self.low.log10())
            }
        }
    }

    fn linear(span: Span, wanted: usize) -> Self {
        let step = nice_step((span.high - span.low) / wanted as f64);
        let (first, last) = (
            (span.low / step + 1e-9).floor() as i64,
            (span.high / step - 1e-9).ceil() as i64,
        );
        let ticks = linear_ticks(first, last, step);
        let (low, high) = (
            span.low.min(first as f64 * step),
            span.high.max(last as f64 * step),
        );
        Self {
            scale: Scale::Linear,
            low,
            high,
            ticks,
            minor: Vec::new(),
        }
    }

    /// Whole decades where there are several, steps of 1, 2 and 5 within few, even steps within a
    /// part of one.
    fn log(span: Span, wanted: usize) -> Self {
        let decades = span.high.log10() - span.low.log10();
        if decades < 0.5 {
            Self {
                scale: Scale::Log,
                ..Self::linear(Self::log_widened(span), wanted)
            }
        } else if decades <= 2.0 {
            Self::log_ticks(span, one_two_five(span), Vec::new())
        } else {
            Self::log_decades(span, wanted)
        }
    }

    /// Wide enough for ticks, and still positive.
    fn log_widened(span: Span) -> Span {
        if span.high - span.low > NARROWEST * span.high {
            span
        } else {
            span.widened()
        }
    }

    fn log_decades(span: Span, wanted: usize) -> Self {
        let (first, last) = (
            span.low.log10().floor() as i32,
            span.high.log10().ceil() as i32,
        );
        let stride = steps_over(last - first, wanted as i32);
        let places = (0..=steps_over(last - first, stride))
            .map(|step| (1, first + step * stride))
            .collect();
        let minor = if stride == 1 {
            decade_minors(first, last)
        } else {
            Vec::new()
        };
        Self::log_ticks(span, places, minor)
    }

    fn log_ticks(span: Span, places: Vec<(i32, i32)>, minor: Vec<f64>) -> Self {
        let powers = places
            .iter()
            .any(|&(_, exponent)| !(-3..=4).contains(&exponent));
        let ticks: Vec<Tick> = places
            .into_iter()
            .map(|(digit, exponent)| Tick {
                value: power(digit, exponent),
                label: log_label(digit, exponent, powers),
            })
            .collect();
        let low = ticks
            .first()
            .map_or(span.low, |tick| tick.value.min(span.low));
        let high = ticks
            .last()
            .map_or(span.high, |tick| tick.value.max(span.high));
        Self {
            scale: Scale::Log,
            low,
            high,
            ticks,
            minor,
        }
    }
}

/// How many steps of this length cover so many decades; at least one.
fn steps_over(decades: i32, length: i32) -> i32 {
    (decades.max(1) + length - 1) / length
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `least`.
fn nice_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let digit = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|digit| digit * power >= least * (1.0 - 1e-9))
        .unwrap_or(10.0);
    digit * power
}

fn linear_ticks(first: i64, last: i64, step: f64) -> Vec<Tick> {
    let reach = first.abs().max(last.abs()) as f64 * step;
    (first..=last)
        .map(|k| k as f64 * step)
        .map(|value| Tick {
            value,
            label: label(value, step, reach),
        })
        .collect()
}

/// The value with as many digits as tell it from its neighbours.
fn label(value: f64, step: f64, reach: f64) -> String {
    if (1e-4..1e6).contains(&reach) {
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        return with_minus(&grouped(&format!("{value:.decimals$}")));
    }
    let exponent = reach.log10().floor() as i32;
    let unit = 10f64.powi(exponent);
    let decimals = (-(step / unit).log10().floor()).max(0.0) as usize;
    let mantissa = format!("{:.decimals$}", value / unit);
    if value == 0.0 {
        "0".to_owned()
    } else {
        format!("{}×10{}", with_minus(&mantissa), superscript(exponent))
    }
}

/// Thousands of five and more digits set apart by commas.
pub(crate) fn grouped(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let (sign, digits) = whole.split_at(usize::from(whole.starts_with('-')));
    if digits.len() < 5 {
        return number.to_owned();
    }
    let mut text = sign.to_owned();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

/// The number with a minus sign instead of a hyphen, and no negative zero.
pub(crate) fn with_minus(number: &str) -> String {
    match number.strip_prefix('-') {
        Some(zero) if zero.chars().all(|letter| matches!(letter, '0' | '.')) => zero.to_owned(),
        Some(positive) => format!("−{positive}"),
        None => number.to_owned(),
    }
}

fn superscript(exponent: i32) -> String {
    exponent.to_string().chars().map(raised).collect()
}

fn raised(letter: char) -> char {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    letter
        .to_digit(10)
        .map_or('⁻', |digit| DIGITS[digit as usize])
}

fn power(digit: i32, exponent: i32) -> f64 {
    f64::from(digit) * 10f64.powi(exponent)
}

fn log_label(digit: i32, exponent: i32, powers: bool) -> String {
    match (powers, digit) {
        (false, _) => grouped(&format!(
            "{:.*}",
            (-exponent).max(0) as usize,
            power(digit, exponent)
        )),
        (true, 1) => format!("10{}", superscript(exponent)),
        (true, _) => format!("{digit}×10{}", superscript(exponent)),
    }
}

/// Digits 1, 2, 5 and exponents, from the last not above the span to the first not below it.
fn one_two_five(span: Span) -> Vec<(i32, i32)> {
    let (first, last) = (
        span.low.log10().floor() as i32,
        span.high.log10().ceil() as i32,
    );
    let all: Vec<(i32, i32)> = (first..=last)
        .flat_map(|exponent| [1, 2, 5].map(|digit| (digit, exponent)))
        .collect();
    let near = 1.0 + NARROWEST;
    let from = all
        .iter()
        .rposition(|&(d, e)| power(d, e) <= span.low * near)
        .unwrap_or(0);
    let to = all
        .iter()
        .position(|&(d, e)| power(d, e) * near >= span.high)
        .unwrap_or(all.len() - 1);
    all[from..=to].to_vec()
}

fn decade_minors(first: i32, last: i32) -> Vec<f64> {
    (first..last)
        .flat_map(|exponent| (2..10).map(move |digit| power(digit, exponent)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    fn covers(low: f64, high: f64, scale: Scale) {
        for wanted in [2, 4, 6, 9] {
            let axis = Axis::covering(Some(Span { low, high }), scale, wanted);
            let (first, last) = (axis.ticks.first().unwrap(), axis.ticks.last().unwrap());
            let slack = 1e-8 * low.abs().max(high.abs());
            assert!(
                first.value <= low + slack && last.value >= high - slack,
                "{low}..{high} {scale:?}: {axis:?}"
            );
            assert!(
                axis.fraction(low) >= 0.0 && axis.fraction(high) <= 1.0,
                "{low}..{high} {scale:?}: {axis:?}"
            );
            assert!(
                (2..=2 * wanted + 8).contains(&axis.ticks.len()),
                "{low}..{high}: {axis:?}"
            );
            let distinct: std::collections::BTreeSet<_> = labels(&axis).into_iter().collect();
            assert_eq!(
                distinct.len(),
                axis.ticks.len(),
                "{low}..{high} {scale:?}: {:?}",
                labels(&axis)
            );
        }
    }

    #[test]
    fn ticks_cover_the_data_and_differ_on_linear_axes() {
        for (low, high) in [
            (0.0, 1.0),
            (-355.56, -89.99),
            (0.3, 0.7),
            (5.0, 5.0),
            (0.0, 0.0),
            (-1e-7, 3e-7),
            (1e8, 1.0001e8),
        ] {
            covers(low, high, Scale::Linear);
        }
        covers(1e15, 1e15 + 0.1, Scale::Linear);
        covers(-9e299, 9e299, Scale::Linear);
        covers(-1e-290, 1e-290, Scale::Linear);
    }

    #[test]
    fn ticks_cover_the_data_and_differ_on_log_axes() {
        for (low, high) in [
            (1.0, 10.0),
            (85.0, 130.0),
            (3.0, 90.0),
            (1e-9, 1e9),
            (2.0, 2.0),
            (1e-299, 1e299),
        ] {
            covers(low, high, Scale::Log);
        }
    }

    #[test]
    fn labels_are_what_a_person_would_write() {
        let axis = |low, high, scale| Axis::covering(Some(Span { low, high }), scale, 5);
        assert_eq!(
            labels(&axis(-355.56, -89.99, Scale::Linear)),
            ["−400", "−300", "−200", "−100", "0"]
        );
        assert_eq!(
            labels(&axis(0.0, 23_450.0, Scale::Linear)),
            ["0", "5000", "10,000", "15,000", "20,000", "25,000"]
        );
        assert_eq!(
            labels(&axis(0.0, 0.5, Scale::Linear)),
            ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"]
        );
        assert_eq!(
            labels(&axis(0.02, 40.0, Scale::Log)),
            ["0.01", "0.1", "1", "10", "100"]
        );
        assert_eq!(
            labels(&axis(3.0, 90.0, Scale::Log)),
            ["2", "5", "10", "20", "50", "100"]
        );
        assert_eq!(
            labels(&axis(2e-6, 0.5, Scale::Log)),
            ["10⁻⁶", "10⁻⁴", "10⁻²", "10⁰"]
        );
        assert_eq!(
            labels(&axis(0.0, 4e6, Scale::Linear)),
            ["0", "1×10⁶", "2×10⁶", "3×10⁶", "4×10⁶"]
        );
    }

    #[test]
    fn a_position_runs_from_zero_to_one() {
        let axis = Axis::covering(
            Some(Span {
                low: 1.0,
                high: 1000.0,
            }),
            Scale::Log,
            5,
        );
        assert!((axis.fraction(10.0) - 1.0 / 3.0).abs() < 1e-12);
        let axis = Axis::within(-1.5, 2.5, 4);
        assert_eq!(axis.fraction(0.5), 0.5);
        assert_eq!(labels(&axis), ["−1", "0", "1", "2"]);
    }

    #[test]
    fn values_without_a_place_are_known() {
        for value in [f64::NAN, f64::INFINITY, 1e301] {
            assert!(!Scale::Linear.can_draw(value) && !Scale::Log.can_draw(value));
        }
        assert!(
            Scale::Linear.can_draw(0.0) && !Scale::Log.can_draw(0.0) && !Scale::Log.can_draw(-1.0)
        );
    }
}
