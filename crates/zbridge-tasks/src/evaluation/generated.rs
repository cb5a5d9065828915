use super::side_of_pairs::SideOfPairs;
use super::{HeldOutPairs, LeftOut};
use crate::Error;
use crate::measures::{Judge, LabelToImage, images_of_labels, label_to_image};
use serde::Serialize;
use std::path::Path;
use zbridge::GivenModel;
use zbridge_bridge::Direction;
use zbridge_core::{Latents, Observations, Observer, RandomStream, Stage};
use zbridge_eval::{
    DEFAULT_NEIGHBOURS, EvalError, FeatureDiversity, NearestTraining, PrecisionRecall,
    feature_diversity, frechet_distance, nearest_training, precision_recall,
};

/// Images generated of each label.
const IMAGES_PER_LABEL: usize = 100;
/// Closest pairs of a generated image and one of the fitted pairs to keep.
const CLOSEST: usize = 10;

/// Figures of images made from labels, as the judge reads them; beside real images, if their data
/// are given.
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
    /// Precision, recall, density and coverage in the same features.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision_recall: Option<PrecisionRecall>,
    /// Mean distance between features of one label, over that of real images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_diversity: Option<FeatureDiversity>,
    /// Whether they are copies of the images of the fitted pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest_training: Option<NearestTraining>,
}

/// The generated images with their labels.
pub(crate) struct GeneratedImages {
    pub(crate) images: Observations,
    pub(crate) labels: Vec<u8>,
}

impl Generated {
    /// Returns the figures of images of each label, and the images; `None` unless one side is
    /// images that the judge reads and the other their classes. The embedded judge reads MNIST's;
    /// one at a path is tried on the held-out images first. What is left out is added to
    /// `left_out`.
    ///
    /// # Errors
    /// [`Error`] if shapes do not belong together, or the observer stops the work.
    pub(crate) fn of(
        pairs: &HeldOutPairs,
        judge: Option<&Path>,
        seed: u64,
        observer: &dyn Observer,
        left_out: &mut Vec<LeftOut>,
    ) -> Result<Option<(Self, GeneratedImages)>, Error> {
        let opened = match judge {
            Some(path) => noted(left_out, "images from labels", judge_at(path, pairs))?,
            None => Some(Judge::embedded()?),
        };
        let Some(judge) = opened else {
            return Ok(None);
        };
        let setting = match Setting::of(pairs, &judge) {
            Ok(setting) => setting,
            Err(reason) => {
                left_out.push(LeftOut::new("images from labels", reason));
                return Ok(None);
            }
        };
        let stage = Stage::new(observer, "generating images of labels", 1);
        let generated = setting.generate(seed)?;
        stage.advance(1)?;
        let mut figures = Self {
            figures: label_to_image(&generated.images, &generated.labels, &judge)?,
            judge_accuracy: judge.accuracy.share,
            given_model: None,
            frechet_distance: None,
            precision_recall: None,
            feature_diversity: None,
            nearest_training: None,
        };
        // The given model alone: what the bridge is compared with.
        let redrawn = setting.redrawn(generated.images.rows(), seed);
        figures.given_model = noted(left_out, "own draws of the image model", redrawn)?;
        let mut comparison = Comparison {
            setting: &setting,
            generated: &generated,
            observer,
            left_out,
        };
        comparison.add_to(&mut figures)?;
        Ok(Some((figures, generated)))
    }
}

/// Why a figure is missing: it cannot be had, or the work failed.
enum Missing {
    LeftOut(String),
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Missing {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Returns a figure; `None`, with its reason added to `left_out`, if it cannot be had.
fn noted<T>(
    left_out: &mut Vec<LeftOut>,
    figures: &str,
    found: Result<T, Missing>,
) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Missing::LeftOut(reason)) => {
            left_out.push(LeftOut::new(figures, reason));
            Ok(None)
        }
        Err(Missing::Failed(error)) => Err(error),
    }
}

/// Returns the judge at a path, tried on held-out images.
fn judge_at(path: &Path, pairs: &HeldOutPairs) -> Result<Judge, Missing> {
    let Some(to_label) = pairs.image_to_class() else {
        return Err(Missing::LeftOut(pairs.why_not_image_to_class()));
    };
    let images = &pairs.sides(to_label).0.observations;
    match (images, &pairs.labels) {
        (Some(images), Some(labels)) => Ok(Judge::open(path, images, labels)?),
        _ => Err(Missing::LeftOut(
            "a judge of yours is tried on real images first, whose data or labels are not given"
                .to_owned(),
        )),
    }
}

/// The models and pairs of a bridge between images and their classes.
struct Setting<'p> {
    pairs: &'p HeldOutPairs,
    judge: &'p Judge,
    to_label: Direction,
    image: &'p GivenModel,
    label: &'p GivenModel,
    image_side: &'p SideOfPairs,
}

impl<'p> Setting<'p> {
    /// # Errors
    /// The reason why images cannot be made from labels, or cannot be judged.
    fn of(pairs: &'p HeldOutPairs, judge: &'p Judge) -> Result<Self, String> {
        let to_label = pairs
            .image_to_class()
            .ok_or_else(|| pairs.why_not_image_to_class())?;
        let (image_side, label_side) = pairs.sides(to_label);
        let (Some(image), Some(label)) = (&image_side.given, &label_side.given) else {
            return Err(pairs.why_not_image_to_class());
        };
        if !judge.reads(image.model.event()) {
            return Err(format!(
                "the judge does not read {}; name one of your own",
                image.model.event().in_words()
            ));
        }
        Ok(Self {
            pairs,
            judge,
            to_label,
            image,
            label,
            image_side,
        })
    }

    fn generate(&self, seed: u64) -> Result<GeneratedImages, Error> {
        let density = self.pairs.bridge.density(self.to_label.reverse());
        let (label, image) = (&*self.label.model, &*self.image.model);
        let (images, labels) = images_of_labels(density, label, image, IMAGES_PER_LABEL, seed)?;
        Ok(GeneratedImages { images, labels })
    }

    /// Returns the figures of at most `most` draws from the posteriors of held-out images.
    fn redrawn(&self, most: usize, seed: u64) -> Result<LabelToImage, Missing> {
        let labels = self.labels()?;
        let mut stream = RandomStream::named(seed, "evaluate/redrawn");
        let rows: Vec<usize> = (0..self.pairs.count().min(most)).collect();
        let latents = self.image_side.posterior.select(&rows).sample(&mut stream);
        let images = self.image.model.decode(&latents)?;
        let labels: Vec<u8> = rows.iter().map(|&row| labels[row]).collect();
        // A label of which there is one image has no spread.
        label_to_image(&images, &labels, self.judge).map_err(too_few)
    }

    fn labels(&self) -> Result<&'p [u8], Missing> {
        let labels = self.pairs.labels.as_deref();
        labels.ok_or_else(|| Missing::LeftOut("neither latents file has labels".to_owned()))
    }

    /// Returns the held-out images.
    fn real(&self) -> Result<&'p Observations, Missing> {
        let real = self.image_side.observations.as_ref();
        real.ok_or_else(|| Missing::LeftOut("the data of the images are not given".to_owned()))
    }
}

/// Returns an error of the evaluation as the reason for which a figure is left out, unless the
/// observer stopped the work.
fn too_few(error: impl Into<Error>) -> Missing {
    match error.into() {
        Error::Eval(reason) if !matches!(reason, EvalError::Interrupted(_)) => {
            Missing::LeftOut(reason.to_string())
        }
        error => Missing::Failed(error),
    }
}

/// A comparison of generated images with real ones.
struct Comparison<'c> {
    setting: &'c Setting<'c>,
    generated: &'c GeneratedImages,
    observer: &'c dyn Observer,
    left_out: &'c mut Vec<LeftOut>,
}

impl Comparison<'_> {
    fn add_to(&mut self, figures: &mut Generated) -> Result<(), Error> {
        const BESIDE_REAL: &str = "comparison with real images";
        let Some(real) = noted(self.left_out, BESIDE_REAL, self.setting.real())? else {
            return Ok(());
        };
        let judge = self.setting.judge;
        let features = judge.features(&self.generated.images)?;
        let real_features = judge.features(real)?;
        // In the space of the last layer of the judge, not of an Inception network.
        figures.frechet_distance = Some(frechet_distance(&features, &real_features)?);
        let found = self.precision_recall(&features, &real_features);
        figures.precision_recall = noted(self.left_out, "precision and recall", found)?;
        let found = self.feature_diversity(&features, &real_features);
        figures.feature_diversity = noted(self.left_out, "feature diversity", found)?;
        let found = self.nearest_training(real);
        figures.nearest_training = noted(self.left_out, "search for copies", found)?;
        Ok(())
    }

    fn precision_recall(
        &self,
        generated: &Latents,
        real: &Latents,
    ) -> Result<PrecisionRecall, Missing> {
        let count = generated.rows().min(real.rows());
        if count <= DEFAULT_NEIGHBOURS {
            let reason =
                format!("{count} images are too few: more than {DEFAULT_NEIGHBOURS} are needed");
            return Err(Missing::LeftOut(reason));
        }
        // Generated images stand label by label: evenly spaced ones keep all labels.
        let spread: Vec<usize> = (0..count).map(|i| i * generated.rows() / count).collect();
        let first: Vec<usize> = (0..count).collect();
        let (real, generated) = (real.select(&first), generated.select(&spread));
        let found = precision_recall(&real, &generated, DEFAULT_NEIGHBOURS, self.observer)?;
        Ok(found)
    }

    fn feature_diversity(
        &self,
        generated: &Latents,
        real: &Latents,
    ) -> Result<FeatureDiversity, Missing> {
        let labels = self.setting.labels()?;
        let made = &self.generated.labels;
        feature_diversity(generated, made, real, labels, self.observer).map_err(too_few)
    }

    fn nearest_training(&self, real: &Observations) -> Result<NearestTraining, Missing> {
        let Some(fitted) = &self.setting.image_side.fitted else {
            let reason = "the images of the fitted pairs cannot be found: the latents that the \
                          bridge was fitted on were moved, or are of other data";
            return Err(Missing::LeftOut(reason.to_owned()));
        };
        let pixels = |images: &Observations| Latents::new(images.view().to_owned());
        let (generated, real) = (pixels(&self.generated.images)?, pixels(real)?);
        let found = nearest_training(&generated, &real, &pixels(fitted)?, CLOSEST, self.observer)?;
        Ok(found)
    }
}
