//! How a bridge gets better with pairs: every figure over N and seeds, with shuffled pairs as the
//! negative control.

mod ground;
mod page;
mod results;

pub use results::{Curve, Limits, Point, SeedPoint};

use ground::Ground;
use std::path::{Path, PathBuf};
use std::time::Instant;
use zbridge_bridge::CheckedConfig;
use zbridge_data::{Mnist, Split, locate_or_download};
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
    pub config: CheckedConfig,
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
/// as PNG and SVG. `observe` hears what is being done and the share done of the whole, and says
/// whether to go on.
///
/// # Errors
/// [`Error`] when MNIST cannot be read, a fit fails or is interrupted, or the folder cannot be
/// written. Points that are finished by then stay in the folder.
pub fn learning_curve(
    request: &LearningCurveRequest,
    observe: &(dyn Fn(&str, f64) -> bool + Sync),
) -> Result<Curve, Error> {
    let start = Instant::now();
    check(request)?;
    zbridge_tasks::make_folder(&request.out.join("points"))?;
    let folder = locate_or_download(request.data.as_deref(), &mut |progress| {
        observe(
            "download MNIST",
            progress.received as f64 / progress.total.max(1) as f64,
        );
    })?;
    observe("read and encode MNIST", 0.0);
    let (train, test) = (
        Mnist::load(&folder, Split::Train)?,
        Mnist::load(&folder, Split::Test)?,
    );
    let ground = Ground::prepare(&train, &test, request)?;
    let kinds = [(false, &request.pairs), (true, &request.shuffled)];
    let seeds: Vec<u64> = (request.seed..request.seed + request.seeds).collect();
    let total = ((request.pairs.len() + request.shuffled.len()) * seeds.len()) as f64;
    let mut done = 0.0;
    let mut points = Vec::new();
    for (shuffled, numbers) in kinds {
        for &pairs in numbers {
            let mut by_seed = Vec::new();
            for &seed in &seeds {
                let what = format!(
                    "N = {pairs}{}, seed {seed}",
                    if shuffled { " shuffled" } else { "" }
                );
                let tell = |share: f64| observe(&what, (done + share) / total);
                by_seed.push(ground.stored_or_measured(request, pairs, seed, shuffled, &tell)?);
                done += 1.0;
            }
            points.push(Point {
                pairs,
                shuffled,
                by_seed,
            });
        }
    }
    let mut curve = Curve {
        command: request.command.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        recipe: request.config.recipe.name().to_string(),
        budget_seconds: request.config.recipe.budget_seconds().unwrap_or_default(),
        unpaired: ground.unpaired_rows(),
        images: request.images,
        draws: request.draws,
        limits: ground.limits()?,
        points,
        seconds: start.elapsed().as_secs_f64(),
        files: vec![],
    };
    write(&request.out, &mut curve)?;
    Ok(curve)
}

fn check(request: &LearningCurveRequest) -> Result<(), Error> {
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
