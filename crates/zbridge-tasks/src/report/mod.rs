//! A bridge's report: one page that opens offline, with everything that its held-out pairs say.

mod decoded_means;
mod fit;
mod images_made;
mod labels_read;
mod latents;
mod likelihoods;
mod page;
mod pictures;
mod planes;

use crate::Error;
use crate::evaluate::{EvaluateReport, EvaluateRequest, evaluated};
use serde::Serialize;
use std::path::{Path, PathBuf};
use zbridge_core::{Observer, Stage};
use zbridge_report::write_atomically;

/// What is to be reported.
#[derive(Debug, Clone)]
pub struct ReportRequest {
    /// Bridge, held-out pairs, and how much to draw.
    pub evaluate: EvaluateRequest,
    /// The page to write, `.html`; every figure goes into a `.json` beside it.
    pub out: PathBuf,
    /// The command, for the record.
    pub command: String,
}

/// What was reported: the figures, and the files written.
#[derive(Debug, Clone, Serialize)]
pub struct Reported {
    /// The command that made it.
    pub command: String,
    /// Version of zbridge.
    pub version: String,
    /// Seed of the draws.
    pub seed: u64,
    /// The figures; `files` in them names what was written.
    #[serde(flatten)]
    pub figures: EvaluateReport,
}

/// Evaluates, draws, and writes the page and its figures.
///
/// # Errors
/// Those of [`evaluate`](crate::evaluate); [`Error::Usage`] unless `out` ends in `.html`.
pub fn report(request: &ReportRequest, observer: &dyn Observer) -> Result<Reported, Error> {
    let json = beside(&request.out)?;
    let evaluated = evaluated(&request.evaluate, observer)?;
    let stage = Stage::new(observer, "drawing figures", 1);
    let page = page::page(&evaluated, request)?;
    let html = page.to_html()?;
    stage.advance(1)?;
    let mut reported = Reported {
        command: request.command.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        seed: request.evaluate.seed,
        figures: evaluated.report,
    };
    reported.figures.files = vec![request.out.clone(), json.clone()];
    let figures =
        serde_json::to_string_pretty(&reported).map_err(|reason| Error::Json { reason })?;
    write_atomically(&request.out, html.as_bytes())?;
    write_atomically(&json, figures.as_bytes())?;
    Ok(reported)
}

/// The path of the figures beside a page.
fn beside(page: &Path) -> Result<PathBuf, Error> {
    match page.extension().and_then(|extension| extension.to_str()) {
        Some("html" | "htm") => Ok(page.with_extension("json")),
        _ => Err(Error::usage(format!(
            "{}: a report is a page; end its name in .html",
            page.display()
        ))),
    }
}
