use zbridge_plot::number_text::{self, MISSING, with_minus_sign};

/// An entry of a table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number.
    Number {
        /// The number.
        value: f64,
        /// Digits after the point.
        digits: usize,
    },
    /// An estimate with its standard error.
    Estimate {
        /// The estimate.
        value: f64,
        /// Its standard error.
        standard_error: f64,
        /// Digits after the point of both.
        digits: usize,
    },
    /// An estimate with its interval.
    Interval {
        /// The estimate.
        value: f64,
        /// Lower end of the interval.
        low: f64,
        /// Upper end of the interval.
        high: f64,
        /// Digits after the point of all three.
        digits: usize,
    },
    /// A number written with five significant digits.
    Value(f64),
    /// Nothing was measured; written as a dash.
    Missing,
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number with `digits` digits after the point.
    pub fn number(value: f64, digits: usize) -> Self {
        Self::Number { value, digits }
    }

    /// A whole number.
    pub fn count(count: usize) -> Self {
        Self::Text(count.to_string())
    }

    /// An estimate ± its standard error.
    pub fn estimate(value: f64, standard_error: f64, digits: usize) -> Self {
        Self::Estimate {
            value,
            standard_error,
            digits,
        }
    }

    /// An estimate and its interval.
    pub fn interval(value: f64, low: f64, high: f64, digits: usize) -> Self {
        Self::Interval {
            value,
            low,
            high,
            digits,
        }
    }

    /// A dash for what was not measured.
    pub fn missing() -> Self {
        Self::Missing
    }

    /// The cell as a person reads it, before any escaping.
    pub(crate) fn written(&self) -> String {
        match *self {
            // A line end in a cell would break a table of Markdown or a terminal.
            Self::Text(ref text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
            Self::Number { value, digits } => number_text::fixed(value, digits),
            Self::Estimate {
                value,
                standard_error,
                digits,
            } => with_error(value, standard_error, digits),
            Self::Interval {
                value,
                low,
                high,
                digits,
            } => number_text::with_interval(value, low, high, digits),
            Self::Value(value) => significant(value),
            Self::Missing => MISSING.to_owned(),
        }
    }

    /// The cell as a program reads it, in full precision; empty if nothing was measured.
    pub(crate) fn exact(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number { value, .. }
            | Self::Estimate { value, .. }
            | Self::Interval { value, .. }
            | Self::Value(value) => value.to_string(),
            Self::Missing => String::new(),
        }
    }

    /// The standard error as a program reads it.
    pub(crate) fn exact_standard_error(&self) -> Option<String> {
        match self {
            Self::Estimate { standard_error, .. } => Some(standard_error.to_string()),
            _ => None,
        }
    }

    /// The ends of the interval as a program reads them.
    pub(crate) fn exact_interval(&self) -> Option<[String; 2]> {
        match self {
            Self::Interval { low, high, .. } => Some([low.to_string(), high.to_string()]),
            _ => None,
        }
    }
}

/// An estimate ± its standard error; the value alone if one of them is NaN.
fn with_error(value: f64, standard_error: f64, digits: usize) -> String {
    let text = number_text::fixed(value, digits);
    if value.is_nan() || standard_error.is_nan() {
        return text;
    }
    format!("{text} ± {}", number_text::fixed(standard_error, digits))
}

/// The number with five significant digits; whole numbers as they are.
fn significant(value: f64) -> String {
    let size = value.abs();
    // Larger ones would have more digits than a reader can use.
    let is_whole = value.fract() == 0.0 && size < 1e15;
    if !value.is_finite() || is_whole {
        return number_text::fixed(value, 0);
    }
    // Outside this range, zeros would hide the digits.
    if !(1e-4..1e6).contains(&size) {
        return with_minus_sign(&format!("{value:.4e}"));
    }
    // Of 12,345.678 five digits are before the point, of 0.012345 none.
    let decimals = (4.0 - size.log10().floor()).max(0.0);
    number_text::fixed(value, decimals as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_written_for_people_and_for_programs() {
        assert_eq!(Cell::number(-351.519, 2).written(), "−351.52");
        assert_eq!(
            Cell::estimate(-0.04561, 0.00012, 4).written(),
            "−0.0456 ± 0.0001"
        );
        assert_eq!(Cell::number(-0.001, 1).written(), "0.0");
        assert_eq!(Cell::number(f64::NEG_INFINITY, 1).written(), "−∞");
        assert_eq!(Cell::missing().written(), "–");
        assert_eq!(
            Cell::interval(-0.5, -0.75, 0.25, 1).written(),
            "−0.5 [−0.8, 0.2]"
        );
        assert_eq!(Cell::estimate(-0.5, 0.25, 1).exact(), "-0.5");
        assert_eq!(
            Cell::estimate(-0.5, 0.25, 1).exact_standard_error(),
            Some("0.25".into())
        );
    }

    #[test]
    fn what_is_not_a_number_is_missing() {
        assert_eq!(Cell::number(f64::NAN, 1).written(), "–");
        assert_eq!(Cell::estimate(f64::NAN, 0.1, 1).written(), "–");
        assert_eq!(Cell::estimate(0.5, f64::NAN, 1).written(), "0.5");
        assert_eq!(Cell::interval(f64::NAN, 0.0, 1.0, 1).written(), "–");
        assert_eq!(
            Cell::interval(0.5, f64::NEG_INFINITY, 1.0, 1).written(),
            "0.5 [−∞, 1.0]"
        );
    }

    #[test]
    fn values_of_programs_keep_five_digits() {
        let written: Vec<String> = [1.0 / 3.0, 12_345.678, -4.0, 0.0, 1e-9, f64::NAN]
            .map(|value| Cell::Value(value).written())
            .into();
        assert_eq!(written, ["0.33333", "12346", "−4", "0", "1.0000e-9", "–"]);
    }
}
