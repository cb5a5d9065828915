#[cfg(test)]
mod tests;

use crate::cell::Cell;

/// How the entries of a column are aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Align {
    /// For words.
    #[default]
    Left,
    /// For numbers, so that their digits are below one another.
    Right,
    /// For marks.
    Centre,
}

/// Name, unit and alignment of a column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Column {
    /// The name above the column.
    pub name: String,
    /// How its entries are aligned.
    pub align: Align,
    /// The unit of its entries; may be empty.
    pub unit: String,
}

impl Column {
    /// A column of words.
    pub fn words(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            align: Align::Left,
            unit: String::new(),
        }
    }

    /// A column of numbers.
    pub fn numbers(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            align: Align::Right,
            unit: String::new(),
        }
    }

    /// The same column with the unit of its entries, which is written after the name.
    pub fn with_unit(self, unit: impl Into<String>) -> Self {
        Self {
            unit: unit.into(),
            ..self
        }
    }

    /// Name and unit.
    pub(crate) fn heading(&self) -> String {
        if self.unit.is_empty() {
            self.name.clone()
        } else {
            format!("{}, {}", self.name, self.unit)
        }
    }
}

/// Rows under named columns, for Markdown, HTML, CSV and the terminal.
///
/// ```
/// use zbridge_report::{Cell, Column, Table};
///
/// let table = Table {
///     caption: "Reconstruction term of log p(y)".into(),
///     columns: vec![Column::words("model"), Column::numbers("nats")],
///     rows: vec![
///         vec![Cell::text("N = 256"), Cell::estimate(-0.0456, 0.0001, 4)],
///         vec![Cell::text("label VAE"), Cell::missing()],
///     ],
/// };
/// assert!(table.to_markdown().contains("| N = 256   | −0.0456 ± 0.0001 |"));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// What the table shows.
    pub caption: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows; a row that is too short ends in dashes, and entries beyond the last column are not
    /// shown.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// The entries of a row, one for each column.
    pub(crate) fn cells<'a>(&'a self, row: &'a [Cell]) -> impl Iterator<Item = &'a Cell> {
        let columns = 0..self.columns.len();
        // A short row is filled up with missing entries.
        columns.map(|column| row.get(column).unwrap_or(&Cell::Missing))
    }
}
