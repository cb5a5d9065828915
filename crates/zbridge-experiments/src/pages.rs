//! A page as files in a folder.

use std::path::{Path, PathBuf};
use zbridge_report::{Page, write_atomically};
use zbridge_tasks::Error;

/// Writes `report.html`, `report.md`, and each figure as PNG and SVG. Returns the files,
/// `report.html` first.
///
/// # Errors
/// [`Error`] if something cannot be drawn or written; each file is whole or absent.
pub(crate) fn write(folder: &Path, page: &Page) -> Result<Vec<PathBuf>, Error> {
    let html = page.to_html()?;
    let markdown = page.to_markdown(|id| format!("{id}.png"));
    let mut contents: Vec<(String, Vec<u8>)> = vec![
        ("report.html".into(), html.into_bytes()),
        ("report.md".into(), markdown.into_bytes()),
    ];
    for shown in page.illustrations() {
        let (png, svg) = (shown.drawing.to_png()?, shown.drawing.to_svg()?);
        contents.push((format!("{}.png", shown.id), png));
        contents.push((format!("{}.svg", shown.id), svg.into_bytes()));
    }
    let mut files = vec![];
    for (name, content) in contents {
        let file = folder.join(name);
        write_atomically(&file, &content)?;
        files.push(file);
    }
    Ok(files)
}

/// Writes `results` as JSON to `path`.
///
/// # Errors
/// [`Error`] if the file cannot be written.
pub(crate) fn write_json(path: &Path, results: &impl serde::Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(results).map_err(|reason| Error::Json { reason })?;
    Ok(write_atomically(path, text.as_bytes())?)
}
