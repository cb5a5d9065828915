//! Tables in columns of letters, for Markdown and the terminal.

use crate::markdown_escape::markdown;
use crate::table::{Align, Table};

/// A rule in Markdown needs three hyphens, so a column is at least this wide.
const LEAST_WIDTH: usize = 3;

impl Table {
    /// The table in Markdown, with columns that are also aligned in the source.
    pub fn to_markdown(&self) -> String {
        let table = TextTable::of(self, markdown);
        let mut text = match self.caption.trim() {
            "" => String::new(),
            caption => format!("**{}**\n\n", markdown(caption)),
        };
        let mut lines = table.lines.iter();
        if let Some(header) = lines.next() {
            let rules: Vec<String> = table.columns.iter().map(markdown_rule).collect();
            text += &format!("| {} |\n", table.padded(header).join(" | "));
            text += &format!("|{}|\n", rules.join("|"));
        }
        for line in lines {
            text += &format!("| {} |\n", table.padded(line).join(" | "));
        }
        text
    }

    /// The table for a terminal.
    pub fn to_text(&self) -> String {
        let table = TextTable::of(self, str::to_owned);
        let mut lines = Vec::new();
        for line in &table.lines {
            let padded = table.padded(line).join("  ");
            lines.push(padded.trim_end().to_owned());
        }
        let rules = table.columns.iter().map(|column| "─".repeat(column.width));
        lines.insert(1, rules.collect::<Vec<_>>().join("  "));
        if !self.caption.trim().is_empty() {
            lines.insert(0, format!("{}\n", self.caption.trim()));
        }
        lines.join("\n") + "\n"
    }
}

/// The entries of a table as text.
struct TextTable {
    /// The header, then the rows.
    lines: Vec<Vec<String>>,
    columns: Vec<TextColumn>,
}

struct TextColumn {
    align: Align,
    /// Letters of the widest entry.
    width: usize,
}

impl TextTable {
    fn of(table: &Table, escape: fn(&str) -> String) -> Self {
        let headings = table.columns.iter().map(|column| escape(&column.heading()));
        let mut lines = vec![headings.collect::<Vec<_>>()];
        for row in &table.rows {
            let cells = table.cells(row);
            lines.push(cells.map(|cell| escape(&cell.written())).collect());
        }
        let mut columns = Vec::new();
        for (index, column) in table.columns.iter().enumerate() {
            let widths = lines.iter().map(|line| line[index].chars().count());
            columns.push(TextColumn {
                align: column.align,
                width: widths.max().unwrap_or(0).max(LEAST_WIDTH),
            });
        }
        Self { lines, columns }
    }

    /// The entries of a line, each as wide as its column.
    fn padded(&self, line: &[String]) -> Vec<String> {
        let mut padded = Vec::new();
        for (text, &TextColumn { align, width }) in line.iter().zip(&self.columns) {
            padded.push(match align {
                Align::Left => format!("{text:<width$}"),
                Align::Right => format!("{text:>width$}"),
                Align::Centre => format!("{text:^width$}"),
            });
        }
        padded
    }
}

/// The line below a column's heading, which tells Markdown how the column is aligned.
fn markdown_rule(column: &TextColumn) -> String {
    let hyphens = "-".repeat(column.width);
    match column.align {
        Align::Left => format!("-{hyphens}-"),
        Align::Right => format!("-{hyphens}:"),
        Align::Centre => format!(":{hyphens}:"),
    }
}
