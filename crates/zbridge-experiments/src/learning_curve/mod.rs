//! How a bridge gets better with pairs: every figure over N and seeds, with shuffled pairs as the
//! negative control.

mod ground;
mod page;
mod results;

pub use results::{Curve, Limits, Point, SeedPoint};

use crate::labelled_stages::LabelledStages;
use ground::Ground;
use std::path::{Path, PathBuf};
use std::time::Instant;
use zbridge_bridge::BridgeConfig;
use zbridge_core::{Observer, Stage};
use zbridge_datasets::{Mnist, Split, locate_or_download_mnist};
use zbridge_tasks::Error;

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct LearningCurveRequest {
    /// MNIST's folder; without it the usual places, then a download.
    pub data: Option<PathBuf>,
    /// Folder for tables, figures and pages; made if absent. Points that lie there from an earlier
    /// run with the same settings are taken over.
    pub out: PathBuf,
    /// Numbers of pairs, each at most 9,000 of the 10,000 test images.
    pub pairs: Vec<usize>,
    /// How many seeds, from `seed` on.
    pub seeds: u64,
    /// First seed.
    pub seed: u64,
    /// How bridges are fitted; the seed in it is replaced.
    pub config: BridgeConfig,
    /// Unpaired images: training images without their labels, at most so many.
    pub unpaired: usize,
    /// Numbers of pairs that are also fitted shuffled: the negative control.
    pub shuffled: Vec<usize>,
    /// Held-out images of the importance sampling; 0 leaves it out.
    pub images: usize,
    /// Draws for each.
    pub draws: usize,
    /// The command, for the record.
    pub command: String,
}

/// Measures the curve and writes `learning-curve.json`, `report.html`, `report.md` and the figure
/// as PNG and SVG.
///
/// # Errors
/// [`Error`] when MNIST cannot be read, a fit fails or is interrupted, or the folder cannot be
/// written. Points that are finished by then stay in the folder.
pub fn learning_curve(
    request: &LearningCurveRequest,
    observer: &dyn Observer,
) -> Result<Curve, Error> {
    let start = Instant::now();
    check(request)?;
    zbridge_tasks::make_folder(&request.out.join("points"))?;
    let folder = locate_or_download_mnist(request.data.as_deref(), observer)?;
    Stage::new(observer, "reading and encoding MNIST", 0).check()?;
    let train = Mnist::load(&folder, Split::Train)?;
    let test = Mnist::load(&folder, Split::Test)?;
    let ground = Ground::prepare(&train, &test, request)?;
    let points = points(request, &ground, observer)?;
    let mut curve = curve(request, &ground, points)?;
    curve.seconds = start.elapsed().as_secs_f64();
    write(&request.out, &mut curve)?;
    Ok(curve)
}

/// The points with what made them; `seconds` and `files` are known only in the end.
fn curve(
    request: &LearningCurveRequest,
    ground: &Ground,
    points: Vec<Point>,
) -> Result<Curve, Error> {
    let recipe = &request.config.recipe;
    Ok(Curve {
        command: request.command.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        recipe: recipe.name().to_string(),
        budget_seconds: recipe.budget_seconds().unwrap_or_default(),
        unpaired: ground.unpaired_rows(),
        images: request.images,
        draws: request.draws,
        limits: ground.limits()?,
        points,
        seconds: 0.0,
        files: vec![],
    })
}

/// A point for each number of pairs, then the negative controls.
fn points(
    request: &LearningCurveRequest,
    ground: &Ground,
    observer: &dyn Observer,
) -> Result<Vec<Point>, Error> {
    let mut points = Vec::new();
    for kind in kinds(request) {
        let mut by_seed = Vec::new();
        for seed in request.seed..request.seed + request.seeds {
            let observer = LabelledStages::new(observer, kind.label(seed));
            by_seed.push(ground.stored_or_measured(request, kind, seed, &observer)?);
        }
        points.push(Point {
            pairs: kind.pairs,
            shuffled: kind.shuffled,
            by_seed,
        });
    }
    Ok(points)
}

fn kinds(request: &LearningCurveRequest) -> Vec<PointKind> {
    let mut kinds = Vec::new();
    for (shuffled, numbers) in [(false, &request.pairs), (true, &request.shuffled)] {
        for &pairs in numbers {
            kinds.push(PointKind { pairs, shuffled });
        }
    }
    kinds
}

/// Which point of the curve is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PointKind {
    pairs: usize,
    /// Whether the pairs are shuffled: the negative control.
    shuffled: bool,
}

impl PointKind {
    fn label(self, seed: u64) -> String {
        let shuffled = if self.shuffled { " shuffled" } else { "" };
        format!("N = {}{shuffled}, seed {seed}", self.pairs)
    }
}

fn check(request: &LearningCurveRequest) -> Result<(), Error> {
    // A thousand test images stay held out at least.
    const MOST_PAIRS: usize = 9000;
    let mut numbers = request.pairs.iter().chain(&request.shuffled);
    if let Some(pairs) = numbers.find(|pairs| !(4..=MOST_PAIRS).contains(*pairs)) {
        return Err(Error::usage(format!(
            "{pairs} pairs: 4 to {MOST_PAIRS} of the 10,000 test images can be pairs"
        )));
    }
    if request.pairs.is_empty() || request.seeds == 0 {
        return Err(Error::usage(
            "a learning curve needs at least one number of pairs and one seed",
        ));
    }
    request.config.clone().check()?;
    Ok(())
}

fn write(folder: &Path, curve: &mut Curve) -> Result<(), Error> {
    let json = folder.join("learning-curve.json");
    curve.files = crate::pages::write(folder, &page::page(curve))?;
    curve.files.push(json.clone());
    crate::pages::write_json(&json, curve)
}

/// The curve's main table as Markdown.
pub fn summary_markdown(curve: &Curve) -> String {
    page::table(curve, false).to_markdown()
}
