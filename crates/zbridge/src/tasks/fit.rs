use crate::Error;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;
use zbridge_bridge::{Bridge, CheckedConfig, Comparison, Direction, DirectionGap, FitData, FitProgress, Recipe};
use zbridge_core::Posterior;
use zbridge_data::{LatentsFile, join, join_by_id, read_pairs};
use zbridge_nn::{Device, NnError};

/// What is to be fitted.
#[derive(Debug, Clone)]
pub struct FitRequest {
    /// Latents file of modality x.
    pub x: PathBuf,
    /// Latents file of modality y.
    pub y: PathBuf,
    /// CSV with the header `x,y` that pairs them; without it, equal ids are pairs.
    pub pairs: Option<PathBuf>,
    /// Latents of x whose partners nobody knows.
    pub x_unpaired: Option<PathBuf>,
    /// Latents of y whose partners nobody knows.
    pub y_unpaired: Option<PathBuf>,
    /// How.
    pub config: CheckedConfig,
    /// Where to fit: the processor, which takes a second; anything else is refused.
    pub device: Device,
    /// The bridge file to write.
    pub out: PathBuf,
}

/// What was fitted.
#[derive(Debug, Clone, Serialize)]
pub struct FitReport {
    /// Pairs it was fitted on.
    pub pairs: usize,
    /// Latents without partners that took part, of x and of y.
    pub unpaired: [usize; 2],
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

/// How one direction was fitted.
#[derive(Debug, Clone, Serialize)]
pub struct DirectionReport {
    /// What was chosen and why, in one line; none for the paper's recipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
    /// Every candidate with what held-out pairs say of it.
    pub comparison: Comparison,
    /// The objective at the end of the last fit, in nats: for the paper's recipe the mean divergence of a pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective_nats: Option<f64>,
}

impl DirectionReport {
    fn of(bridge: &Bridge, direction: Direction, objective_nats: Option<f64>) -> Self {
        let comparison = bridge.comparison(direction).clone();
        Self { choice: comparison.taken().map(|_| comparison.to_string()), comparison, objective_nats }
    }
}

/// Fits both directions on the pairs and writes the bridge file.
///
/// # Errors
/// [`Error`] when a file cannot be read, ids do not join, the fit diverges or is interrupted; then nothing is written.
pub fn fit(
    request: &FitRequest,
    observe: &mut (dyn FnMut(Direction, FitProgress) -> bool + Send),
) -> Result<FitReport, Error> {
    let start = Instant::now();
    expect_processor(request.device)?;
    let (x, y) = (LatentsFile::read(&request.x)?, LatentsFile::read(&request.y)?);
    let (x_rows, y_rows) = paired_rows(&x, &y, request.pairs.as_deref())?;
    let (x_pairs, y_pairs) = (x.posterior.select(&x_rows), y.posterior.select(&y_rows));
    let unpaired = |path: &Option<PathBuf>| path.as_deref().map(LatentsFile::read).transpose();
    let (x_unpaired, y_unpaired) = (unpaired(&request.x_unpaired)?, unpaired(&request.y_unpaired)?);
    let posterior = |file: &Option<LatentsFile>| -> Option<Posterior> { file.as_ref().map(|f| f.posterior.clone()) };
    let (x_more, y_more) = (posterior(&x_unpaired), posterior(&y_unpaired));
    let data = FitData::pairs(&x_pairs, &y_pairs).with_unpaired_x(x_more.as_ref()).with_unpaired_y(y_more.as_ref());
    let mut bridge = Bridge::fit(&data, &request.config, observe)?;
    for (side, path) in [("x", &request.x_unpaired), ("y", &request.y_unpaired)] {
        if let Some(path) = path {
            bridge.record_provenance(&format!("{side}.unpaired_latents"), path.display().to_string());
        }
    }
    for (side, file, path) in [("x", &x, &request.x), ("y", &y, &request.y)] {
        bridge.record_provenance(&format!("{side}.latents"), path.display().to_string());
        for (key, value) in &file.metadata {
            bridge.record_provenance(&format!("{side}.{key}"), value);
        }
    }
    bridge.record_provenance("version", env!("CARGO_PKG_VERSION"));
    bridge.write(&request.out)?;
    let last = |direction| bridge.curve(direction).objective_nats.last().copied();
    Ok(FitReport {
        pairs: bridge.pairs(),
        dims: bridge.dims(),
        unpaired: [x_unpaired, y_unpaired].map(|file| file.map_or(0, |file| file.posterior.rows())),
        recipe: request.config.recipe.to_string(),
        divergence: (request.config.recipe == Recipe::Paper).then(|| request.config.divergence.to_string()),
        seed: request.config.seed,
        x_to_y: DirectionReport::of(&bridge, Direction::XToY, last(Direction::XToY)),
        y_to_x: DirectionReport::of(&bridge, Direction::YToX, last(Direction::YToX)),
        direction_gap: bridge.gap().cloned(),
        seconds: start.elapsed().as_secs_f64(),
        files: vec![request.out.clone()],
    })
}

fn expect_processor(device: Device) -> Result<(), Error> {
    device.available()?;
    if device == Device::Cpu {
        return Ok(());
    }
    let reason = "fits run on `cpu` only; leave --device out".to_owned();
    Err(NnError::Device { name: device.to_string(), reason }.into())
}

/// Rows of x and of y that are pairs: as the CSV says, else by equal ids.
pub(super) fn paired_rows(
    x: &LatentsFile,
    y: &LatentsFile,
    pairs: Option<&Path>,
) -> Result<(Vec<usize>, Vec<usize>), Error> {
    Ok(match pairs {
        Some(path) => join(&read_pairs(path)?, &x.ids, &y.ids)?,
        None => join_by_id(&x.ids, &y.ids)?,
    })
}
