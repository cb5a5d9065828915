use crate::axis::Scale;
use crate::{Cell, Column, Reference, Table};

/// An estimate and the interval in which it lies.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IntervalRow {
    /// What was estimated.
    pub name: String,
    /// The estimate; where it is not finite, the row says so instead.
    pub value: f64,
    /// The interval, usually of 95 %.
    pub interval: Option<(f64, f64)>,
    /// What kind of row it is, for the legend; rows of a kind share colour and shape.
    pub group: String,
}

impl IntervalRow {
    /// A row without an interval.
    pub fn new(name: impl Into<String>, value: f64) -> Self {
        Self {
            name: name.into(),
            value,
            interval: None,
            group: String::new(),
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

    /// The interval, where both ends are numbers.
    pub(crate) fn ends(&self) -> Option<(f64, f64)> {
        self.interval
            .filter(|(low, high)| !low.is_nan() && !high.is_nan())
    }
}

/// Estimates below one another with their intervals, for comparing systems: a forest plot.
///
/// ```
/// use zbridge_report::{Figure, IntervalPlot, IntervalRow, Reference};
///
/// let plot = IntervalPlot {
///     title: "log p(x | label)".into(),
///     x_label: "nats per image".into(),
///     rows: vec![
///         IntervalRow::new("bridge, 256 pairs", -84.6).with_interval(-85.1, -84.1),
///         IntervalRow::new("shuffled pairs", -91.0).with_interval(-92.3, -89.9).of_group("control"),
///     ],
///     references: vec![Reference::new("log p(x)", -88.5)],
///     digits: 1,
///     ..IntervalPlot::default()
/// };
/// assert!(plot.table().to_text().contains("−84.6 [−85.1, −84.1]"));
/// assert!(Figure::from(plot).to_svg().contains("shuffled pairs"));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IntervalPlot {
    /// What stands above the chart.
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
    /// The same numbers as a table, with the references in the last rows.
    pub fn table(&self) -> Table {
        let rows = self
            .rows
            .iter()
            .map(|row| vec![Cell::text(&row.name), self.cell(row)]);
        let references = self.references.iter().map(|line| {
            vec![
                Cell::text(&line.name),
                Cell::number(line.value, self.digits),
            ]
        });
        let value = if self.x_label.is_empty() {
            "estimate"
        } else {
            &self.x_label
        };
        Table {
            caption: self.title.clone(),
            columns: vec![Column::words(""), Column::numbers(value)],
            rows: rows.chain(references).collect(),
        }
    }

    /// What is written beside a row.
    pub(crate) fn cell(&self, row: &IntervalRow) -> Cell {
        match row.ends() {
            Some((low, high)) => Cell::interval(row.value, low, high, self.digits),
            None => Cell::number(row.value, self.digits),
        }
    }

    /// Every value that has to fit on the axis.
    pub(crate) fn values(&self) -> impl Iterator<Item = f64> {
        let of_row = |row: &IntervalRow| {
            let ends = row.ends().map(|(low, high)| [low, high]);
            std::iter::once(row.value).chain(ends.into_iter().flatten())
        };
        self.rows
            .iter()
            .flat_map(of_row)
            .chain(self.references.iter().map(|line| line.value))
    }
}
