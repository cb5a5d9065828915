//! A page as files in a folder.

use std::path::{Path, PathBuf};
use zbridge_report::{Page, write_atomically};
use zbridge_tasks::Error;

/// Writes `report.html`, `report.md` and each figure as PNG and SVG; the files written,
/// `report.html` first.
///
/// # Errors
/// [`Error`] when something cannot be drawn or written; each file is whole or absent.
pub(crate) fn write(folder: &Path, page: &Page) -> Result<Vec<PathBuf>, Error> {
    let mut contents: Vec<(String, Vec<u8>)> = vec![
        ("report.html".into(), page.to_html()?.into_bytes()),
        (
            "report.md".into(),
            page.to_markdown(|id| format!("{id}.png")).into_bytes(),
        ),
    ];
    for shown in page.illustrations() {
        contents.push((format!("{}.png", shown.id), shown.drawing.to_png()?));
        contents.push((
            format!("{}.svg", shown.id),
            shown.drawing.to_svg()?.into_bytes(),
        ));
    }
    for (name, content) in &contents {
        write_atomically(&folder.join(name), content)?;
    }
    Ok(contents
        .into_iter()
        .map(|(name, _)| folder.join(name))
        .collect())
}
