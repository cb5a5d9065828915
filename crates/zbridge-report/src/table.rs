use crate::{Cell, csv_text, escape};

/// On which side the entries of a column stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Align {
    /// For words.
    #[default]
    Left,
    /// For numbers, so that their digits stand below one another.
    Right,
    /// For marks.
    Centre,
}

/// Name and side of a column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Column {
    /// What stands above the column.
    pub name: String,
    /// On which side its entries stand.
    pub align: Align,
    /// In what its entries are measured; may be empty.
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

    /// The same column with the unit of its entries, which stands behind the name.
    pub fn with_unit(self, unit: impl Into<String>) -> Self {
        Self {
            unit: unit.into(),
            ..self
        }
    }

    /// Name and unit on one line.
    fn heading(&self) -> String {
        if self.unit.is_empty() {
            self.name.clone()
        } else {
            format!("{}, {}", self.name, self.unit)
        }
    }

    /// Name and unit as HTML, the unit less loud.
    fn html_heading(&self) -> String {
        let name = escape::xml(&self.name);
        if self.unit.is_empty() {
            return name;
        }
        format!(
            "{name} <span class=\"unit\">{}</span>",
            escape::xml(&self.unit)
        )
    }
}

/// Rows under named columns.
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
    /// The table in Markdown, with columns that are also aligned in the source.
    pub fn to_markdown(&self) -> String {
        let lines = self.lines(escape::markdown);
        let widths = self.widths(&lines);
        let mut text = match self.caption.trim() {
            "" => String::new(),
            caption => format!("**{}**\n\n", escape::markdown(caption)),
        };
        for (place, line) in lines.iter().enumerate() {
            let cells: Vec<String> = self.padded(line, &widths);
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
            if place == 0 {
                let rules: Vec<String> = self
                    .columns
                    .iter()
                    .zip(&widths)
                    .map(|(c, w)| markdown_rule(c.align, *w))
                    .collect();
                text.push_str(&format!("|{}|\n", rules.join("|")));
            }
        }
        text
    }

    /// The table as an HTML element.
    pub fn to_html(&self) -> String {
        let mut html = String::from("<table>\n");
        if !self.caption.trim().is_empty() {
            html.push_str(&format!(
                "<caption>{}</caption>\n",
                escape::xml(&self.caption)
            ));
        }
        html.push_str(&format!("<thead>\n{}</thead>\n", self.html_header()));
        let rows: String = self
            .lines(escape::xml)
            .iter()
            .skip(1)
            .map(|line| self.html_row(line))
            .collect();
        html.push_str(&if rows.is_empty() {
            rows
        } else {
            format!("<tbody>\n{rows}</tbody>\n")
        });
        html + "</table>\n"
    }

    /// The table as comma-separated values in full precision, for programs.
    ///
    /// A column that holds an estimate is followed by one for its standard errors, and one that
    /// holds intervals by two for their ends; a missing entry is empty.
    pub fn to_csv(&self) -> String {
        let parts: Vec<Parts> = (0..self.columns.len())
            .map(|column| self.parts(column))
            .collect();
        let header = self
            .columns
            .iter()
            .zip(&parts)
            .flat_map(|(column, parts)| parts.names(&column.heading()));
        let rows = self.rows.iter().map(|row| {
            let cells = parts
                .iter()
                .enumerate()
                .map(|(at, parts)| (row.get(at).unwrap_or(&Cell::Missing), parts));
            cells.flat_map(|(cell, parts)| parts.values(cell)).collect()
        });
        csv_text::of(std::iter::once(header.collect()).chain(rows))
    }

    /// The table for a terminal.
    pub fn to_text(&self) -> String {
        let lines = self.lines(str::to_owned);
        let widths = self.widths(&lines);
        let caption = self.caption.trim();
        let mut text = if caption.is_empty() {
            String::new()
        } else {
            format!("{caption}\n\n")
        };
        for (place, line) in lines.iter().enumerate() {
            text.push_str(self.padded(line, &widths).join("  ").trim_end());
            text.push('\n');
            if place == 0 {
                let rules: Vec<String> = widths.iter().map(|&width| "─".repeat(width)).collect();
                text.push_str(&(rules.join("  ") + "\n"));
            }
        }
        text
    }

    /// Header and rows as escaped text, one entry for each column.
    fn lines(&self, escape: fn(&str) -> String) -> Vec<Vec<String>> {
        let header = self
            .columns
            .iter()
            .map(|column| escape(&column.heading()))
            .collect();
        let rows = self.rows.iter().map(|row| {
            (0..self.columns.len())
                .map(|at| escape(&row.get(at).unwrap_or(&Cell::Missing).written()))
                .collect()
        });
        std::iter::once(header).chain(rows).collect()
    }

    /// Letters that each column needs.
    fn widths(&self, lines: &[Vec<String>]) -> Vec<usize> {
        let width = |column: usize| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
                .max(3)
        };
        (0..self.columns.len()).map(width).collect()
    }

    fn padded(&self, line: &[String], widths: &[usize]) -> Vec<String> {
        let pad = |((text, width), column): ((&String, &usize), &Column)| match column.align {
            Align::Left => format!("{text:<width$}"),
            Align::Right => format!("{text:>width$}"),
            Align::Centre => format!("{text:^width$}"),
        };
        line.iter()
            .zip(widths)
            .zip(&self.columns)
            .map(pad)
            .collect()
    }

    fn html_header(&self) -> String {
        let cell = |column: &Column| {
            format!(
                "<th scope=\"col\"{}>{}</th>",
                html_class(column.align),
                column.html_heading()
            )
        };
        format!(
            "<tr>{}</tr>\n",
            self.columns.iter().map(cell).collect::<String>()
        )
    }

    fn html_row(&self, line: &[String]) -> String {
        let cell = |(text, column): (&String, &Column)| {
            format!("<td{}>{text}</td>", html_class(column.align))
        };
        format!(
            "<tr>{}</tr>\n",
            line.iter().zip(&self.columns).map(cell).collect::<String>()
        )
    }

    /// What the entries of a column are made of.
    fn parts(&self, column: usize) -> Parts {
        let cells = || self.rows.iter().filter_map(|row| row.get(column));
        Parts {
            standard_error: cells().any(|cell| cell.exact_standard_error().is_some()),
            interval: cells().any(|cell| cell.exact_interval().is_some()),
        }
    }
}

/// What the entries of a column are made of besides their values.
struct Parts {
    standard_error: bool,
    interval: bool,
}

impl Parts {
    fn names(&self, name: &str) -> Vec<String> {
        let mut names = vec![name.to_owned()];
        names.extend(
            self.standard_error
                .then(|| format!("{name} standard error")),
        );
        names.extend(
            [" low", " high"]
                .into_iter()
                .filter(|_| self.interval)
                .map(|end| name.to_owned() + end),
        );
        names
    }

    fn values(&self, cell: &Cell) -> Vec<String> {
        let mut values = vec![cell.exact()];
        values.extend(
            self.standard_error
                .then(|| cell.exact_standard_error().unwrap_or_default()),
        );
        values.extend(
            cell.exact_interval()
                .unwrap_or_default()
                .into_iter()
                .filter(|_| self.interval),
        );
        values
    }
}

fn markdown_rule(align: Align, width: usize) -> String {
    match align {
        Align::Left => "-".repeat(width + 2),
        Align::Right => "-".repeat(width + 1) + ":",
        Align::Centre => format!(":{}:", "-".repeat(width)),
    }
}

fn html_class(align: Align) -> &'static str {
    match align {
        Align::Left => "",
        Align::Right => " class=\"right\"",
        Align::Centre => " class=\"centre\"",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        Table {
            caption: "Estimates of log p(y|x) & <more>".into(),
            columns: vec![
                Column::words("model"),
                Column::numbers("nats"),
                Column::numbers("pairs, N"),
            ],
            rows: vec![
                vec![
                    Cell::text("bridge \"a\", b|c"),
                    Cell::estimate(-0.045612, 0.000123, 4),
                    Cell::count(256),
                ],
                vec![Cell::text("<label VAE>"), Cell::number(-2.5, 4)],
            ],
        }
    }

    #[test]
    fn markdown_is_aligned_and_escaped() {
        let expected = "\
**Estimates of log p(y\\|x) \\& \\<more>**

| model            |             nats | pairs, N |
|------------------|-----------------:|---------:|
| bridge \"a\", b\\|c | −0.0456 ± 0.0001 |      256 |
| \\<label VAE>     |          −2.5000 |        – |
";
        assert_eq!(sample().to_markdown(), expected);
    }

    #[test]
    fn html_is_well_formed_and_escaped() {
        let html = sample().to_html();
        let document = roxmltree::Document::parse(&html).unwrap();
        let cells: Vec<_> = document
            .descendants()
            .filter(|node| node.has_tag_name("td"))
            .collect();
        assert_eq!(cells.len(), 6);
        assert_eq!(cells[0].text(), Some("bridge \"a\", b|c"));
        assert_eq!(cells[1].attribute("class"), Some("right"));
        roxmltree::Document::parse(&Table::default().to_html()).unwrap();
    }

    #[test]
    fn csv_is_exact_and_has_its_own_column_for_standard_errors() {
        let expected = "model,nats,nats standard error,\"pairs, N\"\n\
            \"bridge \"\"a\"\", b|c\",-0.045612,0.000123,256\n<label VAE>,-2.5,,\n";
        assert_eq!(sample().to_csv(), expected);
    }

    #[test]
    fn intervals_get_columns_for_their_ends_and_units_stand_behind_names() {
        let table = Table {
            columns: vec![Column::numbers("accuracy").with_unit("%")],
            rows: vec![
                vec![Cell::interval(97.25, 96.8, 97.5, 1)],
                vec![Cell::missing()],
            ],
            ..Table::default()
        };
        assert_eq!(
            table.to_csv(),
            "\"accuracy, %\",\"accuracy, % low\",\"accuracy, % high\"\n97.25,96.8,97.5\n,,\n"
        );
        assert!(
            table
                .to_html()
                .contains("accuracy <span class=\"unit\">%</span></th>")
        );
        assert!(table.to_text().contains("97.2 [96.8, 97.5]"));
    }

    #[test]
    fn a_terminal_gets_straight_columns() {
        let text = sample().to_text();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(lines[0], "model                        nats  pairs, N");
        assert_eq!(lines[1].chars().count(), lines[2].chars().count());
        assert!(lines[2].ends_with("−0.0456 ± 0.0001       256"), "{text}");
    }
}
