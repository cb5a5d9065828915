use zbridge_plot::number_text::{MISSING, fixed};

/// What a report comes to, in a sentence and a few large numbers.
///
/// ```
/// use zbridge_report::{KeyFigure, Page, Section, Verdict};
///
/// let accuracy = KeyFigure::new("image → label", 97.2, 1)
///     .with_unit("%")
///     .with_interval(96.8, 97.5)
///     .with_reading("of held-out images get their label");
/// let verdict = Verdict::new("The bridge works in both directions.").figure(accuracy);
/// let page = Page {
///     title: "images ↔ labels".into(),
///     sections: vec![Section::new("").verdict(verdict)],
/// };
/// let markdown = page.to_markdown(str::to_owned);
/// assert!(markdown.contains("- **image → label: 97.2 %** \\[96.8 – 97.5\\] of held-out"));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Verdict {
    /// The one sentence to remember.
    pub headline: String,
    /// What else must be said at once; may be empty.
    pub text: String,
    /// Two to five numbers.
    pub figures: Vec<KeyFigure>,
}

impl Verdict {
    /// A sentence without numbers.
    pub fn new(headline: impl Into<String>) -> Self {
        Self {
            headline: headline.into(),
            ..Self::default()
        }
    }

    /// The verdict with what else must be said.
    pub fn with_text(self, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..self
        }
    }

    /// The verdict with one more number.
    pub fn figure(mut self, figure: KeyFigure) -> Self {
        self.figures.push(figure);
        self
    }
}

/// A number for a reader to remember, and what it means.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KeyFigure {
    /// What was measured, in a few words.
    pub name: String,
    /// The number; NaN is written as a dash.
    pub value: f64,
    /// Digits after the point.
    pub digits: usize,
    /// The unit; may be empty.
    pub unit: String,
    /// Lower and upper end of the interval.
    pub interval: Option<(f64, f64)>,
    /// What the number means, in words that go on after it.
    pub reading: String,
}

impl KeyFigure {
    /// A number with `digits` digits after the point.
    pub fn new(name: impl Into<String>, value: f64, digits: usize) -> Self {
        Self {
            name: name.into(),
            value,
            digits,
            ..Self::default()
        }
    }

    /// The number with its unit.
    pub fn with_unit(self, unit: impl Into<String>) -> Self {
        Self {
            unit: unit.into(),
            ..self
        }
    }

    /// The number with its interval.
    pub fn with_interval(self, low: f64, high: f64) -> Self {
        Self {
            interval: Some((low, high)),
            ..self
        }
    }

    /// The number with what it means.
    pub fn with_reading(self, reading: impl Into<String>) -> Self {
        Self {
            reading: reading.into(),
            ..self
        }
    }

    /// The number as it is written.
    pub(crate) fn number(&self) -> String {
        fixed(self.value, self.digits)
    }

    /// The unit; `None` if there is no number that it could belong to.
    pub(crate) fn shown_unit(&self) -> Option<&str> {
        // “– %” would look like a number.
        let has_number = self.number() != MISSING;
        (has_number && !self.unit.is_empty()).then_some(&self.unit)
    }

    /// The interval as it is written.
    pub(crate) fn bracket(&self) -> Option<String> {
        let (low, high) = self.interval?;
        if low.is_nan() || high.is_nan() {
            return None;
        }
        // A dash before a negative number could be taken for a second minus sign.
        let separator = if low < 0.0 || high < 0.0 { "to" } else { "–" };
        let [low, high] = [low, high].map(|end| fixed(end, self.digits));
        Some(format!("[{low} {separator} {high}]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_without_mistake() {
        let figure = |low, high| {
            KeyFigure::new("", -0.16, 2)
                .with_interval(low, high)
                .bracket()
        };
        assert_eq!(figure(-0.175, -0.15), Some("[−0.17 to −0.15]".into()));
        assert_eq!(figure(0.1, 0.25), Some("[0.10 – 0.25]".into()));
        assert_eq!(figure(f64::NAN, 0.2), None);
        assert_eq!(figure(f64::NEG_INFINITY, 0.2), Some("[−∞ to 0.20]".into()));
    }

    #[test]
    fn what_is_missing_has_no_unit() {
        let figure = KeyFigure::new("", f64::NAN, 1).with_unit("%");
        assert_eq!((figure.number().as_str(), figure.shown_unit()), ("–", None));
    }
}
