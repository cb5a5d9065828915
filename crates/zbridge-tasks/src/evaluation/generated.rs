use super::HeldOutPairs;
use crate::Error;
use crate::measures::{Judge, LabelToImage, images_of_labels, label_to_image};
use serde::Serialize;
use zbridge_core::{Latents, Observations, Observer, RandomStream};
use zbridge_eval::{
    DEFAULT_NEIGHBOURS, FeatureDiversity, NearestTraining, PrecisionRecall, feature_diversity,
    frechet_distance, nearest_training, precision_recall,
};

/// Images generated of each label.
const IMAGES_PER_LABEL: usize = 100;
/// Closest pairs of a generated image and one of the fitted pairs to keep.
const CLOSEST: usize = 10;

/// Images made from labels, as the judge sees them, beside real ones where those are at hand.
#[derive(Debug, Clone, Serialize)]
pub struct Generated {
    /// Coherence and pixel sd.
    #[serde(flatten)]
    pub figures: LabelToImage,
    /// Real test images that the judge reads right: what coherence can be at most.
    pub judge_accuracy: f64,
    /// The same for draws from the posteriors of held-out images, decoded: what the given model
    /// allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_model: Option<LabelToImage>,
    /// Fréchet distance to held-out images in the judge's features.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frechet_distance: Option<f64>,
    /// Precision, recall, density and coverage there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision_recall: Option<PrecisionRecall>,
    /// Mean distance between features of one label, over that of real images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_diversity: Option<FeatureDiversity>,
    /// Whether they are copies of the images of the fitted pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest_training: Option<NearestTraining>,
}

/// What was generated, for pictures.
pub(crate) struct GeneratedImages {
    pub(crate) images: Observations,
    pub(crate) labels: Vec<u8>,
}

impl Generated {
    /// Images of each label; none unless one side is images that the embedded judge reads and the
    /// other their ten classes.
    ///
    /// # Errors
    /// [`Error`] when shapes do not belong together.
    pub(crate) fn of(
        pairs: &HeldOutPairs,
        seed: u64,
        observer: &dyn Observer,
    ) -> Result<Option<(Self, GeneratedImages)>, Error> {
        let Some(to_label) = pairs.image_to_class() else {
            return Ok(None);
        };
        let (image_side, label_side) = pairs.sides(to_label);
        let (Some(image), Some(label)) = (&image_side.given, &label_side.given) else {
            return Ok(None);
        };
        let judge = Judge::embedded()?;
        if !judge.classifier.reads(image.model.event()) || label.classes() != Some(10) {
            return Ok(None);
        }
        let density = pairs.bridge.density(to_label.reverse());
        let (images, labels) = images_of_labels(
            density,
            &*label.model,
            &*image.model,
            IMAGES_PER_LABEL,
            seed,
        )?;
        let mut generated = Self {
            figures: label_to_image(&images, &labels, &judge)?,
            judge_accuracy: judge.accuracy.share,
            given_model: None,
            frechet_distance: None,
            precision_recall: None,
            feature_diversity: None,
            nearest_training: None,
        };
        if let Some(truth) = &pairs.labels {
            let mut stream = RandomStream::named(seed, "evaluate/redrawn");
            let rows: Vec<usize> = (0..pairs.count().min(images.rows())).collect();
            let redrawn = image
                .model
                .decode(&image_side.posterior.select(&rows).sample(&mut stream))?;
            let truth: Vec<u8> = rows.iter().map(|&row| truth[row]).collect();
            generated.given_model = label_to_image(&redrawn, &truth, &judge).ok();
        }
        if let Some(real) = &image_side.observations {
            generated.beside(
                real,
                pairs.labels.as_deref(),
                (&images, &labels),
                &judge,
                observer,
            )?;
            if let Some(fitted) = &image_side.fitted {
                let pixels = |images: &Observations| {
                    Latents::from_vec(images.values().to_vec(), images.kind().size())
                };
                let found = nearest_training(
                    &pixels(&images)?,
                    &pixels(real)?,
                    &pixels(fitted)?,
                    CLOSEST,
                    observer,
                )?;
                generated.nearest_training = Some(found);
            }
        }
        Ok(Some((generated, GeneratedImages { images, labels })))
    }

    /// Compares with real held-out images in the judge's features.
    fn beside(
        &mut self,
        real: &Observations,
        real_labels: Option<&[u8]>,
        (images, labels): (&Observations, &[u8]),
        judge: &Judge,
        observer: &dyn Observer,
    ) -> Result<(), Error> {
        let features = judge.classifier.features(images)?;
        let real = judge.classifier.features(real)?;
        self.frechet_distance = Some(frechet_distance(&features, &real)?);
        let count = features.rows().min(real.rows());
        if count > DEFAULT_NEIGHBOURS {
            // Generated images stand label by label: every so many-th keeps all labels.
            let spread: Vec<usize> = (0..count).map(|i| i * features.rows() / count).collect();
            let first: Vec<usize> = (0..count).collect();
            let found = precision_recall(
                &real.select(&first),
                &features.select(&spread),
                DEFAULT_NEIGHBOURS,
                observer,
            )?;
            self.precision_recall = Some(found);
        }
        if let Some(real_labels) = real_labels {
            self.feature_diversity =
                feature_diversity(&features, labels, &real, real_labels, observer).ok();
        }
        Ok(())
    }
}
