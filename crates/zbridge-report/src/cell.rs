use crate::axis::with_minus;

/// What stands in one place of a table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number, written with so many digits after the point.
    Number {
        /// The number.
        value: f64,
        /// Digits after the point.
        digits: usize,
    },
    /// An estimate with its standard error, both written with so many digits after the point.
    Estimate {
        /// The estimate.
        value: f64,
        /// Its standard error.
        standard_error: f64,
        /// Digits after the point.
        digits: usize,
    },
    /// Nothing was measured here; written as a dash.
    Missing,
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number with so many digits after the point.
    pub fn number(value: f64, digits: usize) -> Self {
        Self::Number { value, digits }
    }

    /// A whole number.
    pub fn count(count: usize) -> Self {
        Self::Text(count.to_string())
    }

    /// An estimate ± its standard error.
    pub fn estimate(value: f64, standard_error: f64, digits: usize) -> Self {
        Self::Estimate { value, standard_error, digits }
    }

    /// A dash for what was not measured.
    pub fn missing() -> Self {
        Self::Missing
    }

    /// The cell as a person reads it, before any escaping.
    pub(crate) fn written(&self) -> String {
        match self {
            Self::Text(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
            Self::Number { value, digits } => written(*value, *digits),
            Self::Estimate { value, standard_error, digits } => {
                format!("{} ± {}", written(*value, *digits), written(*standard_error, *digits))
            }
            Self::Missing => "–".to_owned(),
        }
    }

    /// The cell as a program reads it, in full precision, and its standard error where it has one.
    pub(crate) fn exact(&self) -> (String, String) {
        match self {
            Self::Text(text) => (text.clone(), String::new()),
            Self::Number { value, .. } => (value.to_string(), String::new()),
            Self::Estimate { value, standard_error, .. } => (value.to_string(), standard_error.to_string()),
            Self::Missing => (String::new(), String::new()),
        }
    }
}

fn written(value: f64, digits: usize) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "−∞" }.to_owned();
    }
    with_minus(&format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_written_for_people_and_for_programs() {
        assert_eq!(Cell::number(-351.519, 2).written(), "−351.52");
        assert_eq!(Cell::estimate(-0.04561, 0.00012, 4).written(), "−0.0456 ± 0.0001");
        assert_eq!(Cell::number(-0.001, 1).written(), "0.0");
        assert_eq!(Cell::number(f64::NEG_INFINITY, 1).written(), "−∞");
        assert_eq!(Cell::number(f64::NAN, 1).written(), "NaN");
        assert_eq!(Cell::missing().written(), "–");
        assert_eq!(Cell::estimate(-0.5, 0.25, 1).exact(), ("-0.5".into(), "0.25".into()));
    }
}
