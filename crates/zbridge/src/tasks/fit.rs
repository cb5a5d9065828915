use crate::Error;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;
use zbridge_bridge::{Bridge, CheckedConfig, Direction, FitProgress};
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
    /// (dimensions of x's latents, of y's).
    pub dims: (usize, usize),
    /// Recipe.
    pub recipe: String,
    /// Divergence.
    pub divergence: String,
    /// Seed.
    pub seed: u64,
    /// Mean divergence of a pair at the end of the fit x → y, in nats. On the pairs it was fitted on.
    pub x_to_y_divergence_nats: f64,
    /// The same for y → x.
    pub y_to_x_divergence_nats: f64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// What was written.
    pub files: Vec<PathBuf>,
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
    let mut bridge = Bridge::fit(&x_pairs, &y_pairs, &request.config, observe)?;
    for (side, file, path) in [("x", &x, &request.x), ("y", &y, &request.y)] {
        bridge.record_provenance(&format!("{side}.latents"), path.display().to_string());
        for (key, value) in &file.metadata {
            bridge.record_provenance(&format!("{side}.{key}"), value);
        }
    }
    bridge.record_provenance("version", env!("CARGO_PKG_VERSION"));
    bridge.write(&request.out)?;
    let last = |direction| bridge.curve(direction).divergence_nats.last().copied().unwrap_or(f64::NAN);
    Ok(FitReport {
        pairs: bridge.pairs(),
        dims: bridge.dims(),
        recipe: request.config.recipe.clone(),
        divergence: request.config.divergence.to_string(),
        seed: request.config.seed,
        x_to_y_divergence_nats: last(Direction::XToY),
        y_to_x_divergence_nats: last(Direction::YToX),
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
