//! Data inside a page, as links that save it.

use crate::Table;
use crate::axis::grouped;
use crate::escape::xml;

/// Rows that are also shown where they are folded away.
const SHOWN: usize = 20;

/// Whether a table is on the page already, or only its first rows are worth showing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preview {
    None,
    FirstRows,
}

/// A fold with a link for each table, which saves it as `name.csv`; nothing where there are no
/// rows.
pub(crate) fn details(name: &str, tables: &[Table], preview: Preview) -> String {
    let filled: Vec<&Table> = tables
        .iter()
        .filter(|table| !table.rows.is_empty())
        .collect();
    let several = filled.len() > 1;
    let links = filled.iter().enumerate().map(|(at, table)| {
        let name = if several {
            format!("{name}-{}", at + 1)
        } else {
            name.to_owned()
        };
        let shown = if preview == Preview::FirstRows {
            first_rows(table)
        } else {
            String::new()
        };
        link(&name, table) + &shown
    });
    match links.collect::<String>() {
        links if links.is_empty() => links,
        links => format!("<details class=\"data\">\n<summary>Data</summary>\n{links}</details>\n"),
    }
}

fn link(name: &str, table: &Table) -> String {
    let (file, data) = (file_name(name), percent(&table.to_csv()));
    let rows = grouped(&table.rows.len().to_string());
    let noun = if table.rows.len() == 1 { "row" } else { "rows" };
    format!(
        "<p><a download=\"{file}.csv\" href=\"data:text/csv;charset=utf-8,{data}\">data (CSV)</a>, {rows} {noun}</p>\n"
    )
}

fn first_rows(table: &Table) -> String {
    let (all, shown) = (table.rows.len(), table.rows.len().min(SHOWN));
    let caption = if all > shown {
        format!("The first {shown} rows.")
    } else {
        String::new()
    };
    let rows = table.rows[..shown].to_vec();
    let short = Table {
        caption,
        columns: table.columns.clone(),
        rows,
    };
    format!("<div class=\"wide\">\n{}</div>\n", short.to_html())
}

/// Lower-case words joined by hyphens, short enough for a file's name.
fn file_name(text: &str) -> String {
    let words = text
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let name: String = words
        .collect::<Vec<_>>()
        .join("-")
        .to_lowercase()
        .chars()
        .take(40)
        .collect();
    let name = name.trim_end_matches('-');
    xml(if name.is_empty() { "data" } else { name })
}

/// The text as the end of a `data:` address: RFC 3986 asks for percent signs before what is not
/// plain.
fn percent(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + text.len() / 8);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b','
            | b'+'
            | b'('
            | b')'
            | b':' => {
                safe.push(char::from(byte));
            }
            _ => safe.push_str(&format!("%{byte:02X}")),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_any_text() {
        assert_eq!(percent("a,-1.5e-7\n\"é#\""), "a,-1.5e-7%0A%22%C3%A9%23%22");
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
