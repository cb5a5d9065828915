//! A page as files in a folder, and what pages share.

use std::path::{Path, PathBuf};
use zbridge_core::Estimate;
use zbridge_report::{Column, KeyFigure, Page, write_atomically};
use zbridge_tasks::Error;

/// Writes `report.html`, `report.md`, and each figure as PNG and SVG. Returns the files,
/// `report.html` first.
///
/// # Errors
/// [`Error`] if something cannot be drawn or written; each file is whole or absent.
pub(crate) fn write(folder: &Path, page: &Page) -> Result<Vec<PathBuf>, Error> {
    let html = page.to_html()?;
    let markdown = page.to_markdown(|id| format!("{id}.png"));
    let mut contents = vec![
        Content::new("report.html", html.into_bytes()),
        Content::new("report.md", markdown.into_bytes()),
    ];
    for shown in page.illustrations() {
        let (png, svg) = (shown.drawing.to_png()?, shown.drawing.to_svg()?);
        contents.push(Content::new(format!("{}.png", shown.id), png));
        contents.push(Content::new(format!("{}.svg", shown.id), svg.into_bytes()));
    }
    // Only once everything is drawn, so that a fault leaves an earlier page whole.
    let mut files = vec![];
    for content in contents {
        let file = folder.join(content.name);
        write_atomically(&file, &content.bytes)?;
        files.push(file);
    }
    Ok(files)
}

/// What a file holds.
struct Content {
    name: String,
    bytes: Vec<u8>,
}

impl Content {
    fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        let name = name.into();
        Self { name, bytes }
    }
}

/// Writes `results` as JSON to `path`.
///
/// # Errors
/// [`Error`] if the file cannot be written.
pub(crate) fn write_json(path: &Path, results: &impl serde::Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(results).map_err(|reason| Error::Json { reason })?;
    Ok(write_atomically(path, text.as_bytes())?)
}

/// Returns a column of words, then columns of numbers.
pub(crate) fn columns<const N: usize>(first: &str, numbers: [&str; N]) -> Vec<Column> {
    let mut columns = vec![Column::words(first)];
    columns.extend(numbers.map(Column::numbers));
    columns
}

/// Returns a number for the verdict with its 95 % interval.
pub(crate) fn key_figure(name: impl Into<String>, found: &Estimate, digits: usize) -> KeyFigure {
    let key = KeyFigure::new(name, found.mean, digits);
    let (low, high) = found.interval();
    match found.count {
        // A single seed does not say how much seeds differ.
        0 | 1 => key,
        _ => key.with_interval(low, high),
    }
}
