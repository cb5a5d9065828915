//! Sections 4 and 5 of the paper, end to end: every figure, every table, every estimate under its
//! own name.

mod experiment;
mod figures;
mod likelihoods;
mod measurements;
mod page;
mod results;
mod tables;

pub use results::{BridgeResult, Likelihoods, Results, SeedFigures};

use experiment::Experiment;
use std::path::PathBuf;
use std::time::Instant;
use zbridge_core::{Observer, Stage};
use zbridge_datasets::{Mnist, Split, locate_or_download_mnist};
use zbridge_tasks::Error;

/// What is to be reproduced, and how thoroughly.
#[derive(Debug, Clone)]
pub struct ReproduceRequest {
    /// MNIST's folder; without it the usual places, then a download.
    pub data: Option<PathBuf>,
    /// Folder for figures, tables and pages; made if absent.
    pub out: PathBuf,
    /// Effort.
    pub effort: Effort,
    /// First seed.
    pub seed: u64,
    /// The command, for the record.
    pub command: String,
}

/// How much work a reproduction puts into its estimates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// 200 images × 200 draws, one seed.
    Quick,
    /// 2,000 held-out images × 1,000 draws, five seeds.
    Default,
    /// Every held-out image of each N × 1,000 draws, five seeds.
    Full,
}

/// The sizes of an effort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Held-out images of the importance sampling, at most.
    pub(crate) images: usize,
    /// Draws for each.
    pub(crate) draws: usize,
    /// Draws of the naive estimates.
    pub(crate) naive_draws: usize,
    /// Seeds over which accuracy and coherence are averaged.
    pub(crate) seeds: u64,
}

impl Effort {
    pub(crate) fn sizes(self) -> Sizes {
        match self {
            Self::Quick => Sizes {
                images: 200,
                draws: 200,
                naive_draws: 20,
                seeds: 1,
            },
            Self::Default => Sizes {
                images: 2000,
                draws: 1000,
                naive_draws: 50,
                seeds: 5,
            },
            Self::Full => Sizes {
                images: usize::MAX,
                draws: 1000,
                naive_draws: 50,
                seeds: 5,
            },
        }
    }
}

/// Runs the reproduction and writes `results.json`, `report.md`, `report.html` and each figure as
/// PNG and SVG.
///
/// # Errors
/// [`Error`] when MNIST cannot be read, a fit fails, or the folder cannot be written.
pub fn reproduce(request: &ReproduceRequest, observer: &dyn Observer) -> Result<Results, Error> {
    let start = Instant::now();
    zbridge_tasks::make_folder(&request.out)?;
    let folder = locate_or_download_mnist(request.data.as_deref(), observer)?;
    Stage::new(observer, "reading and encoding MNIST", 0).check()?;
    let test = Mnist::load(&folder, Split::Test)?;
    let experiment = Experiment::prepare(&test, request, observer)?;
    let mut results = experiment.run(observer)?;
    Stage::new(observer, "drawing figures", 0).check()?;
    let page = page::page(&experiment, &results)?;
    results.seconds = start.elapsed().as_secs_f64();
    write(request, &mut results, &page)?;
    Ok(results)
}

/// Writes page, figures and results; `results.files` names them all, `report.html` first.
fn write(
    request: &ReproduceRequest,
    results: &mut Results,
    page: &zbridge_report::Page,
) -> Result<(), Error> {
    let json = request.out.join("results.json");
    results.files = crate::pages::write(&request.out, page)?;
    results.files.push(json.clone());
    crate::pages::write_json(&json, results)
}

/// The reproduction's summary table as Markdown: what the README shows.
pub fn summary_markdown(results: &Results) -> String {
    tables::summary(results).to_markdown()
}
