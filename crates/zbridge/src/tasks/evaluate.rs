use super::fit::paired_rows;
use super::generate::known_model_of;
use crate::measures::{ImageToLabel, Judge, LabelToImage, image_to_label, images_of_labels, label_to_image};
use crate::{Error, Given};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;
use zbridge_bridge::{Bridge, Conditional, Direction, DirectionGap};
use zbridge_core::{ConditionalDensity, Estimate, LatentModel, Posterior, RandomStream};
use zbridge_data::LatentsFile;
use zbridge_nn::Device;

/// What is to be evaluated.
#[derive(Debug, Clone)]
pub struct EvaluateRequest {
    /// The bridge file.
    pub bridge: PathBuf,
    /// Held-out latents of x.
    pub x: PathBuf,
    /// Held-out latents of y.
    pub y: PathBuf,
    /// CSV that pairs them; without it, equal ids are pairs.
    pub pairs: Option<PathBuf>,
    /// Model of x, where the bridge file does not name it.
    pub x_model: Option<String>,
    /// Model of y, likewise.
    pub y_model: Option<String>,
    /// Where the models run.
    pub device: Device,
    /// Seed of the draws.
    pub seed: u64,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct EvaluateReport {
    /// Held-out pairs.
    pub pairs: usize,
    /// Held-out figures of q(z_y|z_x), in latent space.
    pub x_to_y: DirectionFigures,
    /// Held-out figures of q(z_x|z_y).
    pub y_to_x: DirectionFigures,
    /// How far the joints of the two directions are apart on these pairs.
    pub direction_gap: DirectionGap,
    /// Where one side is images and the other classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_to_label: Option<ImageToLabel>,
    /// Likewise, for MNIST images, which the embedded judge reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_to_image: Option<LabelToImage>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// What was written: nothing.
    pub files: Vec<PathBuf>,
}

/// A direction's figures on held-out pairs, in latent space.
#[derive(Debug, Clone, Serialize)]
pub struct DirectionFigures {
    /// Mean log q(z_target|z_source) of posterior draws, in nats.
    pub log_density_nats: Estimate,
    /// Mean KL(q ‖ p) of q(z_target|z_source) from the target's posterior, in nats: the paper's objective, where it has
    /// a closed form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverse_kl_nats: Option<Estimate>,
}

/// Figures of a bridge on held-out pairs.
///
/// # Errors
/// [`Error`] when a file cannot be read, ids do not join, or dimensions do not belong together.
pub fn evaluate(request: &EvaluateRequest) -> Result<EvaluateReport, Error> {
    let start = Instant::now();
    let bridge = Bridge::read(&request.bridge)?;
    let (x, y) = (LatentsFile::read(&request.x)?, LatentsFile::read(&request.y)?);
    let (x_rows, y_rows) = paired_rows(&x, &y, request.pairs.as_deref())?;
    let (x_held, y_held) = (x.posterior.select(&x_rows), y.posterior.select(&y_rows));
    let mut stream = RandomStream::named(request.seed, "evaluate/latents");
    let x_to_y = direction_figures(bridge.x_to_y(), &x_held, &y_held, &mut stream)?;
    let y_to_x = direction_figures(bridge.y_to_x(), &y_held, &x_held, &mut stream)?;
    let labels = labels_of(&x, &x_rows).or_else(|| labels_of(&y, &y_rows));
    let direction_gap = DirectionGap::on(&bridge, &x_held, &y_held, request.seed)?;
    let (image_to_label, label_to_image) = match (sides(request, &bridge)?, labels) {
        (Some(sides), Some(labels)) => {
            let images = if sides.images_are_x { &x_held } else { &y_held };
            figures(&sides, &bridge, images, &labels, request.seed)?
        }
        _ => (None, None),
    };
    let (pairs, seconds) = (x_rows.len(), start.elapsed().as_secs_f64());
    Ok(EvaluateReport { pairs, x_to_y, y_to_x, direction_gap, image_to_label, label_to_image, seconds, files: vec![] })
}

fn labels_of(file: &LatentsFile, rows: &[usize]) -> Option<Vec<u8>> {
    file.labels.as_ref().map(|labels| rows.iter().map(|&row| labels[row]).collect())
}

fn direction_figures(
    density: &Conditional,
    source: &Posterior,
    target: &Posterior,
    stream: &mut RandomStream,
) -> Result<DirectionFigures, Error> {
    let sources = source.sample(stream);
    let closed_form = density.as_gaussian().zip(target.as_diagonal());
    let reverse_kl = closed_form.map(|(density, target)| density.gaussians(&sources)?.kl_divergence_nats(target));
    Ok(DirectionFigures {
        log_density_nats: Estimate::of(density.given(&sources)?.log_prob(&target.sample(stream))?),
        reverse_kl_nats: reverse_kl.transpose()?.map(Estimate::of),
    })
}

/// A bridge's models, when one is of images and the other of classes.
struct Sides {
    image: Given,
    label: Given,
    images_are_x: bool,
}

/// The models, if they are images and classes. Latents alone are fine too: a bridge that names no models, and a
/// request that names none, has figures in latent space only.
fn sides(request: &EvaluateRequest, bridge: &Bridge) -> Result<Option<Sides>, Error> {
    let (x_dim, y_dim) = bridge.dims();
    let x = known_model_of(bridge, "x", request.x_model.as_deref(), request.device, x_dim)?;
    let y = known_model_of(bridge, "y", request.y_model.as_deref(), request.device, y_dim)?;
    let (Some(x), Some(y)) = (x, y) else { return Ok(None) };
    Ok(match (x.is_image(), y.is_image()) {
        (true, false) => Some(Sides { image: x, label: y, images_are_x: true }),
        (false, true) => Some(Sides { image: y, label: x, images_are_x: false }),
        _ => None,
    })
}

fn figures(
    sides: &Sides,
    bridge: &Bridge,
    images: &Posterior,
    labels: &[u8],
    seed: u64,
) -> Result<(Option<ImageToLabel>, Option<LabelToImage>), Error> {
    const IMAGES_PER_LABEL: usize = 100;
    let (to_label, to_image) =
        if sides.images_are_x { (Direction::XToY, Direction::YToX) } else { (Direction::YToX, Direction::XToY) };
    let read = image_to_label(bridge.density(to_label), images, labels, &sides.label.model, seed)?;
    let judge = Judge::embedded()?;
    if !judge.classifier.reads(sides.image.model.event()) || sides.label.classes() != Some(10) {
        return Ok((Some(read), None));
    }
    let (made, conditions) =
        images_of_labels(bridge.density(to_image), &sides.label.model, &sides.image.model, IMAGES_PER_LABEL, seed)?;
    let drawn = label_to_image(&made, &conditions, &judge)?;
    Ok((Some(read), Some(drawn)))
}
