mod drawing;
mod reference_names;

use crate::number_text;
use crate::reference::Reference;
use crate::scale::Scale;

/// An estimate and its interval.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IntervalRow {
    /// What was estimated.
    pub name: String,
    /// The estimate; if it is not finite, it is written instead of drawn.
    pub value: f64,
    /// Lower and upper end of the interval, usually of 95 %.
    pub interval: Option<(f64, f64)>,
    /// The kind of row, for the legend; rows of a kind share colour and shape.
    pub group: String,
}

impl IntervalRow {
    /// A row without an interval.
    pub fn new(name: impl Into<String>, value: f64) -> Self {
        Self {
            name: name.into(),
            value,
            ..Self::default()
        }
    }

    /// The same row with its interval.
    pub fn with_interval(self, low: f64, high: f64) -> Self {
        Self {
            interval: Some((low, high)),
            ..self
        }
    }

    /// The same row as one of a kind.
    pub fn of_group(self, group: impl Into<String>) -> Self {
        Self {
            group: group.into(),
            ..self
        }
    }

    /// The ends of the interval; `None` without an interval or if an end is NaN.
    pub fn known_interval(&self) -> Option<(f64, f64)> {
        let (low, high) = self.interval?;
        let is_known = !low.is_nan() && !high.is_nan();
        is_known.then_some((low, high))
    }
}

/// Estimates below one another with their intervals, for comparing systems: a forest plot.
///
/// ```
/// use zbridge_plot::{Figure, IntervalPlot, IntervalRow, Reference};
///
/// let plot = IntervalPlot {
///     title: "log p(x | label)".into(),
///     x_label: "nats per image".into(),
///     rows: vec![
///         IntervalRow::new("bridge, 256 pairs", -84.6).with_interval(-85.1, -84.1),
///         IntervalRow::new("shuffled pairs", -91.0).of_group("control"),
///     ],
///     references: vec![Reference::new("log p(x)", -88.5)],
///     digits: 1,
///     ..IntervalPlot::default()
/// };
/// assert!(Figure::from(plot).to_svg().contains("−84.6 [−85.1, −84.1]"));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IntervalPlot {
    /// The title above the chart.
    pub title: String,
    /// What was estimated, with its unit.
    pub x_label: String,
    /// How the axis is divided.
    pub x_scale: Scale,
    /// The estimates from top to bottom.
    pub rows: Vec<IntervalRow>,
    /// Values to compare with, drawn as dashed lines from top to bottom.
    pub references: Vec<Reference>,
    /// Digits after the point of the numbers beside the rows.
    pub digits: usize,
}

impl IntervalPlot {
    /// The number beside a row.
    fn number(&self, row: &IntervalRow) -> String {
        match row.known_interval() {
            Some((low, high)) => number_text::with_interval(row.value, low, high, self.digits),
            None => number_text::fixed(row.value, self.digits),
        }
    }
}
