//! Tables in columns of letters, for Markdown and the terminal.

use crate::markdown_escape::markdown;
use crate::table::{Align, Table};

/// A rule in Markdown needs three hyphens, so a column is at least this wide.
const LEAST_WIDTH: usize = 3;

impl Table {
    /// The table in Markdown, with columns that are also aligned in the source.
    pub fn to_markdown(&self) -> String {
        let table = TextTable::of(self, markdown);
        let mut lines: Vec<String> = table
            .lines
            .iter()
            .map(|line| format!("| {} |", table.padded(line).join(" | ")))
            .collect();
        lines.insert(1, table.markdown_rules());
        if !self.caption.trim().is_empty() {
            lines.insert(0, format!("**{}**\n", markdown(self.caption.trim())));
        }
        lines.join("\n") + "\n"
    }

    /// The table for a terminal.
    pub fn to_text(&self) -> String {
        let table = TextTable::of(self, str::to_owned);
        let mut lines: Vec<String> = table
            .lines
            .iter()
            .map(|line| table.terminal_line(line))
            .collect();
        lines.insert(1, table.terminal_rules());
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
            // Escaped before the widths are measured: a backslash takes space too.
            lines.push(cells.map(|cell| escape(&cell.written())).collect());
        }
        let mut columns = Vec::new();
        for (index, column) in table.columns.iter().enumerate() {
            columns.push(TextColumn {
                align: column.align,
                width: column_width(&lines, index),
            });
        }
        Self { lines, columns }
    }

    /// The line below the header, which tells Markdown how columns are aligned.
    fn markdown_rules(&self) -> String {
        let rules: Vec<String> = self.columns.iter().map(markdown_rule).collect();
        format!("|{}|", rules.join("|"))
    }

    fn terminal_line(&self, line: &[String]) -> String {
        // Spaces at the end would wrap onto a line of their own in a narrow terminal.
        self.padded(line).join("  ").trim_end().to_owned()
    }

    fn terminal_rules(&self) -> String {
        let rules = self.columns.iter().map(|column| "─".repeat(column.width));
        rules.collect::<Vec<_>>().join("  ")
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

fn column_width(lines: &[Vec<String>], column: usize) -> usize {
    // Letters, not bytes: `−` and `±` have several bytes.
    let widths = lines.iter().map(|line| line[column].chars().count());
    widths.max().unwrap_or(0).max(LEAST_WIDTH)
}

fn markdown_rule(column: &TextColumn) -> String {
    let hyphens = "-".repeat(column.width);
    match column.align {
        Align::Left => format!("-{hyphens}-"),
        Align::Right => format!("-{hyphens}:"),
        Align::Centre => format!(":{hyphens}:"),
    }
}
