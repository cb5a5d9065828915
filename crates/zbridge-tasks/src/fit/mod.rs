mod side_data;

use crate::Error;
use crate::doctor::doubts;
use crate::paired_files::PairedFiles;
use serde::Serialize;
use side_data::SideData;
use std::path::{Path, PathBuf};
use std::time::Instant;
use zbridge_bridge::{Bridge, CheckedConfig, Comparison, Direction, DirectionGap, FitData, Recipe};
use zbridge_core::Observer;
use zbridge_data::LatentsFile;

/// What is to be fitted.
#[derive(Debug, Clone)]
pub struct FitRequest {
    /// Latents file of modality x.
    pub x: PathBuf,
    /// Latents file of modality y.
    pub y: PathBuf,
    /// CSV with the header `x,y` that pairs them; without it, equal ids are pairs.
    pub pairs: Option<PathBuf>,
    /// Latents of x without partners.
    pub x_unpaired: Option<PathBuf>,
    /// Latents of y without partners.
    pub y_unpaired: Option<PathBuf>,
    /// The number of draws from the prior of the model of a side of images, if the side has no
    /// latents without partners and the model can be opened.
    pub prior_draws: usize,
    /// The recipe, its settings and the seed.
    pub config: CheckedConfig,
    /// The bridge file to write.
    pub out: PathBuf,
}

/// What was fitted.
#[derive(Debug, Clone, Serialize)]
pub struct FitReport {
    /// Pairs it was fitted on.
    pub pairs: usize,
    /// Latents without partners that took part, of x and of y.
    pub unpaired: [Unpaired; 2],
    /// What was given and not used, and what is doubtful, each in a sentence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// (dimensions of x's latents, of y's).
    pub dims: (usize, usize),
    /// Recipe.
    pub recipe: String,
    /// The divergence that the paper's recipe was fitted under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divergence: Option<String>,
    /// Seed.
    pub seed: u64,
    /// q(z_y|z_x).
    pub x_to_y: DirectionReport,
    /// q(z_x|z_y).
    pub y_to_x: DirectionReport,
    /// How far the joints of the two directions are apart, on the pairs they were fitted on.
    pub direction_gap: Option<DirectionGap>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// What was written.
    pub files: Vec<PathBuf>,
}

/// Latents without partners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Unpaired {
    /// How many.
    pub rows: usize,
    /// Whether they are of observations that the given model made itself, from its prior.
    pub prior_samples: bool,
}

/// How one direction was fitted.
#[derive(Debug, Clone, Serialize)]
pub struct DirectionReport {
    /// What was chosen and why, in one line; `None` for the paper's recipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
    /// Every candidate with its gain on held-out pairs.
    pub comparison: Comparison,
    /// The objective at the end of the last fit, in nats: for the paper's recipe the mean
    /// divergence of a pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective_nats: Option<f64>,
}

impl DirectionReport {
    fn of(bridge: &Bridge, direction: Direction) -> Self {
        let comparison = bridge.comparison(direction).clone();
        Self {
            choice: comparison.taken().map(|_| comparison.to_string()),
            comparison,
            objective_nats: bridge.curve(direction).objective_nats.last().copied(),
        }
    }
}

/// Fits both directions on the pairs and writes the bridge file.
///
/// # Errors
/// [`Error`] if a file cannot be read, ids do not join, the fit diverges, or the observer stops it;
/// then nothing is written.
pub fn fit(request: &FitRequest, observer: &dyn Observer) -> Result<FitReport, Error> {
    let start = Instant::now();
    let files = PairedFiles::read(&request.x, &request.y, request.pairs.as_deref())?;
    let x_file = FittedFile::x(request, &files);
    let y_file = FittedFile::y(request, &files);
    let x = SideData::read(request, &x_file, observer)?;
    let y = SideData::read(request, &y_file, observer)?;
    let mut bridge = fitted_bridge(request, &x, &y, observer)?;
    x_file.record(&mut bridge, &x)?;
    y_file.record(&mut bridge, &y)?;
    // A file tells which version made it.
    bridge.record_provenance("version", env!("CARGO_PKG_VERSION"));
    // Nothing is written before the last step that can fail.
    bridge.write(&request.out)?;
    let mut report = FitReport::of(&bridge, request, [&x, &y]);
    report.notes = notes(request, &files, [&x, &y]);
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

fn fitted_bridge(
    request: &FitRequest,
    x: &SideData,
    y: &SideData,
    observer: &dyn Observer,
) -> Result<Bridge, Error> {
    let data = FitData::pairs(&x.pairs, &y.pairs)
        .with_unpaired_x(x.unpaired_posterior())
        .with_unpaired_y(y.unpaired_posterior())
        .with_views(x.views(), y.views());
    Ok(Bridge::fit(&data, &request.config, observer)?)
}

/// Returns what was given and not used, and what is doubtful, each in a sentence.
fn notes(request: &FitRequest, files: &PairedFiles, sides: [&SideData; 2]) -> Vec<String> {
    let mut notes = unused_inputs(&request.config, sides);
    for side in sides {
        notes.extend(side.note.clone());
    }
    let paths = [request.x.as_path(), request.y.as_path()];
    notes.extend(doubts(files, paths, request.config.seed));
    notes
}

impl FitReport {
    fn of(bridge: &Bridge, request: &FitRequest, sides: [&SideData; 2]) -> Self {
        let divergence = match &request.config.recipe {
            Recipe::Paper(settings) => Some(settings.divergence.to_string()),
            Recipe::Auto(_) | Recipe::Family(_) => None,
        };
        Self {
            pairs: bridge.pairs(),
            unpaired: sides.map(SideData::unpaired_rows),
            notes: vec![],
            dims: bridge.dims(),
            recipe: request.config.recipe.name().to_string(),
            divergence,
            seed: request.config.seed,
            x_to_y: DirectionReport::of(bridge, Direction::XToY),
            y_to_x: DirectionReport::of(bridge, Direction::YToX),
            direction_gap: bridge.gap().cloned(),
            seconds: 0.0,
            files: vec![request.out.clone()],
        }
    }
}

/// A latents file with the rows of it that are fitted on.
struct FittedFile<'r> {
    /// `x` or `y`.
    side: &'static str,
    path: &'r Path,
    file: &'r LatentsFile,
    rows: &'r [usize],
    /// The file of latents without partners.
    unpaired: Option<&'r Path>,
}

impl<'r> FittedFile<'r> {
    fn x(request: &'r FitRequest, files: &'r PairedFiles) -> Self {
        Self {
            side: "x",
            path: &request.x,
            file: &files.x,
            rows: &files.x_rows,
            unpaired: request.x_unpaired.as_deref(),
        }
    }

    fn y(request: &'r FitRequest, files: &'r PairedFiles) -> Self {
        Self {
            side: "y",
            path: &request.y,
            file: &files.y,
            rows: &files.y_rows,
            unpaired: request.y_unpaired.as_deref(),
        }
    }

    /// Records in the bridge what this side was fitted on.
    fn record(&self, bridge: &mut Bridge, data: &SideData) -> Result<(), Error> {
        let mut record = |key: &str, value: String| {
            bridge.record_provenance(&format!("{}.{key}", self.side), value);
        };
        if let Some(origin) = self.unpaired_origin(data) {
            record("unpaired_latents", origin);
        }
        record("latents", self.path.display().to_string());
        let latent_shape = serde_json::to_string(&self.file.latent_shape);
        record(
            LATENT_SHAPE,
            latent_shape.map_err(|reason| Error::Json { reason })?,
        );
        for (key, value) in &self.file.metadata {
            record(key, value.clone());
        }
        Ok(())
    }

    /// Returns where the latents without partners come from, `None` if there are none.
    fn unpaired_origin(&self, data: &SideData) -> Option<String> {
        if let Some(path) = self.unpaired {
            return Some(path.display().to_string());
        }
        let Unpaired {
            rows,
            prior_samples,
        } = data.unpaired_rows();
        prior_samples.then(|| format!("{rows} draws from the model's prior"))
    }
}

/// The provenance key of the shape of one latent of a side, as its file had it.
pub(crate) const LATENT_SHAPE: &str = "latent_shape";

/// Returns what was given and not used, each in a sentence.
fn unused_inputs(config: &CheckedConfig, sides: [&SideData; 2]) -> Vec<String> {
    let mut notes = vec![];
    if !matches!(config.recipe, Recipe::Paper(_)) {
        return notes;
    }
    if sides.iter().any(|side| side.unpaired.is_some()) {
        notes.push("the recipe paper makes no use of latents without partners".to_owned());
    }
    if sides.iter().any(|side| side.has_views()) {
        notes.push("the recipe paper makes no use of augmented views".to_owned());
    }
    notes
}
