//! The figures of a bridge between images and classes that demo, evaluate and reproduce share.

use crate::Error;
pub use crate::judge::Judge;
use serde::{Deserialize, Serialize};
use zbridge::{generate, mean_observations, translate};
use zbridge_core::{
    ConditionalDensity, Estimate, LatentModel, Latents, Observations, Posterior, RandomStream,
};
use zbridge_eval::{Classification, Coherence, LogWeights, classify, coherence, diversity};

/// Draws over which p(y|x) is averaged for each image.
pub const PREDICTION_DRAWS: usize = 32;

/// How well labels are told from images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageToLabel {
    /// Share of images whose most probable label is the true one.
    pub accuracy: f64,
    /// Its 95 % interval (Wilson).
    pub accuracy_interval: [f64; 2],
    /// Mean log p(y|x) of the true label in nats: log of the mean of p(y|z_y) over the draws.
    pub log_p_nats: f64,
    /// Standard error of `log_p_nats` over images.
    pub log_p_standard_error_nats: f64,
    /// Expected calibration error of p(y|x), 15 bins.
    pub expected_calibration_error: f64,
    /// Mean Brier score, 0 (sure and right) to 2 (sure and wrong).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brier_score: Option<Estimate>,
    /// Images judged.
    pub images: usize,
}

/// Labels told from images, image by image.
#[derive(Debug, Clone)]
pub struct LabelReadings {
    /// p(y|x), `[images, classes]`.
    pub(crate) probabilities: Observations,
    /// How they compare with the true labels.
    pub(crate) classification: Classification,
}

/// How well images are made from labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelToImage {
    /// Share of generated images in which the judge reads their label.
    pub coherence: f64,
    /// Its 95 % interval (Wilson).
    pub coherence_interval: [f64; 2],
    /// The same for each label.
    pub coherence_by_label: Vec<f64>,
    /// Mean over labels and pixels of the standard deviation within a label.
    pub pixel_sd: f64,
    /// Images generated.
    pub images: usize,
}

/// The image→label figures of `density` on held-out posteriors of images with these labels.
///
/// # Errors
/// [`Error`] when shapes do not belong together.
pub fn image_to_label(
    density: &dyn ConditionalDensity,
    images: &Posterior,
    labels: &[u8],
    label_model: &dyn LatentModel,
    seed: u64,
) -> Result<ImageToLabel, Error> {
    Ok(image_to_label_readings(density, images, labels, label_model, seed)?.0)
}

/// The same with what they were taken from.
///
/// # Errors
/// As [`image_to_label`].
pub fn image_to_label_readings(
    density: &dyn ConditionalDensity,
    images: &Posterior,
    labels: &[u8],
    label_model: &dyn LatentModel,
    seed: u64,
) -> Result<(ImageToLabel, LabelReadings), Error> {
    let mut stream = RandomStream::named(seed, "measure/image→label");
    let latents = translate(density, images, PREDICTION_DRAWS, &mut stream)?;
    // p(label|image) averages over draws of the label latent, and so do probabilities.
    let probabilities = mean_observations(&label_model.decode(&latents)?, PREDICTION_DRAWS)?;
    let classification = classify(&probabilities, labels)?;
    let log_p = log_p_labels(&latents, labels, label_model)?;
    let figures = ImageToLabel {
        accuracy: classification.accuracy.share,
        accuracy_interval: classification.accuracy.interval_95.into(),
        log_p_nats: log_p.mean,
        log_p_standard_error_nats: log_p.standard_error,
        expected_calibration_error: classification.calibration.expected_calibration_error,
        brier_score: Some(classification.brier_score),
        images: labels.len(),
    };
    Ok((
        figures,
        LabelReadings {
            probabilities,
            classification,
        },
    ))
}

/// log p(y_i|x_i) = log E p(y_i|z_y), averaged over images; in log space, so that a sure mistake
/// costs what it costs.
fn log_p_labels(
    latents: &Latents,
    labels: &[u8],
    label_model: &dyn LatentModel,
) -> Result<Estimate, Error> {
    let truth = Observations::one_hot(labels, label_model.event().size())?;
    let nats = label_model.log_likelihood_nats(&truth, latents)?;
    let log_mean = |draws: &[f32]| {
        let mut weights = LogWeights::default();
        draws.iter().for_each(|&nats| weights.push(f64::from(nats)));
        // The logarithm of a mean: a single bad draw costs little.
        weights.log_mean()
    };
    Ok(Estimate::of(
        nats.chunks_exact(PREDICTION_DRAWS).map(log_mean),
    ))
}

/// `per_label` images of each class, label by label, made through `density`; with their labels.
///
/// # Errors
/// [`Error`] when shapes do not belong together.
pub fn images_of_labels(
    density: &dyn ConditionalDensity,
    label_model: &dyn LatentModel,
    image_model: &dyn LatentModel,
    per_label: usize,
    seed: u64,
) -> Result<(Observations, Vec<u8>), Error> {
    let classes = label_model.event().size();
    let labels: Vec<u8> = (0..classes).map(|class| class as u8).collect();
    let posterior = label_model.posterior(&Observations::one_hot(&labels, classes)?)?;
    let mut stream = RandomStream::named(seed, "generate/label→image");
    let images = generate(density, &posterior, image_model, per_label, &mut stream)?;
    Ok((
        images,
        labels
            .into_iter()
            .flat_map(|label| std::iter::repeat_n(label, per_label))
            .collect(),
    ))
}

/// The label→image figures of generated images, as the judge sees them.
///
/// # Errors
/// [`Error`] when shapes do not belong together.
pub fn label_to_image(
    images: &Observations,
    labels: &[u8],
    judge: &Judge,
) -> Result<LabelToImage, Error> {
    let judged = judge.classes_of(images)?;
    let classes = labels
        .iter()
        .max()
        .map_or(0, |&label| usize::from(label) + 1);
    let Coherence {
        overall,
        per_condition,
        ..
    } = coherence(&judged, labels, classes, judge.accuracy)?;
    Ok(LabelToImage {
        coherence: overall.share,
        coherence_interval: overall.interval_95.into(),
        coherence_by_label: per_condition
            .iter()
            .map(|condition| condition.accuracy.share)
            .collect(),
        pixel_sd: diversity(images, labels)?.within_condition_sd,
        images: labels.len(),
    })
}

/// The order of a test set's rows under a seed: the first N are pairs, the others are held out.
pub fn row_order(seed: u64, rows: usize) -> Vec<usize> {
    RandomStream::named(seed, "reproduce/rows").permutation(rows)
}
