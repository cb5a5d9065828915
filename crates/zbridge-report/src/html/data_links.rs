//! The numbers of charts and tables inside a page, as links that save them.

use maud::{Markup, html};
use zbridge_plot::number_text::group_thousands;

use super::table::table_html;
use crate::table::Table;

/// The number of rows that a preview shows.
const SHOWN: usize = 20;
/// Letters of the longest file name.
const LONGEST_NAME: usize = 40;

/// Whether the first rows of a table are shown beside its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preview {
    /// No: the table itself is on the page.
    None,
    FirstRows,
}

/// A fold with a link for each table that has rows, which saves the table as `name.csv`.
pub(super) fn data_links(name: &str, tables: &[Table], preview: Preview) -> Markup {
    let filled: Vec<&Table> = tables
        .iter()
        .filter(|table| !table.rows.is_empty())
        .collect();
    html! {
        @if !filled.is_empty() {
            details.data {
                summary { "Data" }
                @for (index, table) in filled.iter().enumerate() {
                    (link(&numbered(name, index, filled.len()), table))
                    @if preview == Preview::FirstRows { (first_rows(table)) }
                }
            }
        }
    }
}

/// The name, with a number if there are several tables.
fn numbered(name: &str, index: usize, count: usize) -> String {
    if count > 1 {
        format!("{name}-{}", index + 1)
    } else {
        name.to_owned()
    }
}

fn link(name: &str, table: &Table) -> Markup {
    let file = format!("{}.csv", file_name(name));
    html! {
        p { a download=(file) href=(csv_address(table)) { "data (CSV)" } ", " (row_count(table)) }
    }
}

fn row_count(table: &Table) -> String {
    match table.rows.len() {
        1 => "1 row".to_owned(),
        rows => format!("{} rows", group_thousands(&rows.to_string())),
    }
}

fn csv_address(table: &Table) -> String {
    let data = percent_encoded(&table.to_csv());
    format!("data:text/csv;charset=utf-8,{data}")
}

fn first_rows(table: &Table) -> Markup {
    let shown = table.rows.len().min(SHOWN);
    let caption = if shown < table.rows.len() {
        format!("The first {shown} rows.")
    } else {
        String::new()
    };
    let preview = Table {
        caption,
        columns: table.columns.clone(),
        rows: table.rows[..shown].to_vec(),
    };
    html! {
        div.wide { (table_html(&preview)) }
    }
}

/// Lower-case words joined by hyphens, short enough for the name of a file.
fn file_name(text: &str) -> String {
    let name: String = hyphenated(text).chars().take(LONGEST_NAME).collect();
    // A cut in the middle can leave a hyphen at the end.
    match name.trim_end_matches('-') {
        "" => "data".to_owned(),
        name => name.to_owned(),
    }
}

fn hyphenated(text: &str) -> String {
    let mut words: Vec<&str> = text
        .split(|letter: char| !letter.is_alphanumeric())
        .collect();
    words.retain(|word| !word.is_empty());
    words.join("-").to_lowercase()
}

/// The text as the end of a `data:` address, with a percent sign and two digits for each byte that
/// could be taken for markup or for part of the address (RFC 3986).
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + text.len() / 8);
    for byte in text.bytes() {
        // The punctuation of numbers stays: encoded, a table would be about twice as long.
        if byte.is_ascii_alphanumeric() || b"-._~,+():".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_any_text() {
        assert_eq!(
            percent_encoded("a,-1.5e-7\n\"é#\""),
            "a,-1.5e-7%0A%22%C3%A9%23%22"
        );
    }

    #[test]
    fn files_have_plain_names() {
        assert_eq!(
            file_name("Table 1. log p(x), in nats"),
            "table-1-log-p-x-in-nats"
        );
        assert_eq!(file_name("<|>"), "data");
    }
}
