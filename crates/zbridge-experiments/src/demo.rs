//! The demo: both directions from embedded models and pairs, without a file or a network.

use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;
use zbridge::{class_probabilities, generate};
use zbridge_assets::{MNIST_IMAGE, MNIST_LABEL, MNIST_LATENTS, MNIST_UNPAIRED};
use zbridge_bridge::{Bridge, BridgeConfig, CheckedConfig, Direction, FitData, RecipeName};
use zbridge_core::{LatentModel, Observations, Observer, Posterior, RandomStream};
use zbridge_models::Vae;
use zbridge_tasks::Error;
use zbridge_tasks::measures::{
    ImageToLabel, Judge, LabelToImage, image_to_label, images_of_labels, label_to_image,
};
use zbridge_tasks::pictures;

/// What the demo is asked to do.
#[derive(Debug, Clone)]
pub struct DemoRequest {
    /// Pairs to fit on, 4 to 1024.
    pub pairs: usize,
    /// Seed of the choice of pairs, the fit and the draws.
    pub seed: u64,
    /// How the bridge is fitted.
    pub recipe: RecipeName,
    /// Seconds for the fit; see [`zbridge_bridge::AutoConfig::budget_seconds`].
    pub budget_seconds: f64,
    /// Folder for what is written; made if absent.
    pub out: PathBuf,
    /// A label of which to write images.
    pub label: Option<u8>,
    /// An image whose label is to be told.
    pub image: Option<PathBuf>,
}

/// What the demo found.
#[derive(Debug, Clone, Serialize)]
pub struct DemoReport {
    /// Pairs the bridge was fitted on.
    pub pairs: usize,
    /// Seed of everything.
    pub seed: u64,
    /// Recipe of the fit.
    pub recipe: String,
    /// Image latents without labels that took part.
    pub unpaired: usize,
    /// How image → label was chosen, in one line; none for the paper's recipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_to_label_choice: Option<String>,
    /// How label → image was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_to_image_choice: Option<String>,
    /// Held-out image → label figures.
    pub image_to_label: ImageToLabel,
    /// Label → image figures.
    pub label_to_image: LabelToImage,
    /// The judge's accuracy on real test images.
    pub judge_accuracy: f64,
    /// p(label|image) of the image that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageAnswer>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// What was written.
    pub files: Vec<PathBuf>,
}

/// What the bridge says of one image.
#[derive(Debug, Clone, Serialize)]
pub struct ImageAnswer {
    /// The image's file.
    pub file: PathBuf,
    /// The most probable label.
    pub label: usize,
    /// p(label|image) for each label.
    pub probabilities: Vec<f32>,
}

/// Rows of the embedded latents that may serve as pairs; the others are held out.
pub const EMBEDDED_PAIRS: usize = 1024;

/// The embedded pairs and held-out rows.
#[derive(Debug, Clone)]
pub struct EmbeddedPairs {
    /// Image posteriors, `[2024, 64]`.
    pub images: Posterior,
    /// Their labels.
    pub labels: Vec<u8>,
}

impl EmbeddedPairs {
    /// The embedded latents.
    ///
    /// # Errors
    /// [`Error`] when the asset is damaged, which a test excludes.
    pub fn load() -> Result<Self, Error> {
        let file = MNIST_LATENTS.latents()?;
        let labels = file.labels.ok_or(Error::Asset {
            name: MNIST_LATENTS.name,
            lacks: "labels",
        })?;
        Ok(Self {
            images: file.posterior,
            labels,
        })
    }

    /// `pairs` of the rows that may serve as pairs, drawn under `seed`: (image posteriors, labels).
    pub fn pairs(&self, pairs: usize, seed: u64) -> (Posterior, Vec<u8>) {
        let order = RandomStream::named(seed, "demo/pairs").permutation(EMBEDDED_PAIRS);
        self.rows(&order[..pairs])
    }

    /// The rows that never serve as pairs.
    pub fn held_out(&self) -> (Posterior, Vec<u8>) {
        self.rows(&(EMBEDDED_PAIRS..self.labels.len()).collect::<Vec<_>>())
    }

    fn rows(&self, rows: &[usize]) -> (Posterior, Vec<u8>) {
        (
            self.images.select(rows),
            rows.iter().map(|&row| self.labels[row]).collect(),
        )
    }
}

/// Images of each label from which coherence is measured.
const IMAGES_PER_LABEL: usize = 100;

/// Runs the demo; `observer` is told of the fit's progress, and can stop it.
///
/// # Errors
/// [`Error`] when the request is out of range, the image cannot be read, or the folder not written.
pub fn run(request: &DemoRequest, observer: &dyn Observer) -> Result<DemoReport, Error> {
    let start = Instant::now();
    let config = check(request)?;
    let image = request
        .image
        .as_deref()
        .map(zbridge_data::read_image)
        .transpose()?;
    let (image_model, label_model) = (MNIST_IMAGE.vae()?, MNIST_LABEL.vae()?);
    zbridge_tasks::make_folder(&request.out)?;
    let embedded = EmbeddedPairs::load()?;
    let (x, labels) = embedded.pairs(request.pairs, request.seed);
    let y = label_model.posterior(&Observations::one_hot(&labels, 10)?)?;
    let unpaired = MNIST_UNPAIRED.latents()?.posterior;
    let data = FitData::pairs(&x, &y).with_unpaired_x(Some(&unpaired));
    let bridge = Bridge::fit(&data, &config, observer)?;
    let choice = |direction| {
        bridge
            .comparison(direction)
            .taken()
            .map(|_| bridge.comparison(direction).to_string())
    };
    let (held_out, truth) = embedded.held_out();
    let judge = Judge::embedded()?;
    let (images, conditions) = images_of_labels(
        bridge.y_to_x(),
        &label_model,
        &image_model,
        IMAGES_PER_LABEL,
        request.seed,
    )?;
    let mut files = vec![pictures::write_labels_to_images(
        &request.out,
        &images,
        IMAGES_PER_LABEL,
    )?];
    if let Some(label) = request.label {
        files.push(images_of_one_label(
            request,
            label,
            &bridge,
            &label_model,
            &image_model,
        )?);
    }
    let answer = match (&request.image, image) {
        (Some(path), Some(image)) => Some(answer(
            path,
            &image,
            &bridge,
            &image_model,
            &label_model,
            request.seed,
        )?),
        _ => None,
    };
    Ok(DemoReport {
        pairs: request.pairs,
        seed: request.seed,
        recipe: request.recipe.to_string(),
        unpaired: if request.recipe == RecipeName::Paper {
            0
        } else {
            unpaired.rows()
        },
        image_to_label_choice: choice(Direction::XToY),
        label_to_image_choice: choice(Direction::YToX),
        image_to_label: image_to_label(
            bridge.x_to_y(),
            &held_out,
            &truth,
            &label_model,
            request.seed,
        )?,
        label_to_image: label_to_image(&images, &conditions, &judge)?,
        judge_accuracy: judge.accuracy.share,
        image: answer,
        seconds: start.elapsed().as_secs_f64(),
        files,
    })
}

fn check(request: &DemoRequest) -> Result<CheckedConfig, Error> {
    if !(4..=EMBEDDED_PAIRS).contains(&request.pairs) {
        return Err(Error::usage(format!(
            "--pairs {}: the demo takes 4 to {EMBEDDED_PAIRS} of its pairs",
            request.pairs
        )));
    }
    if let Some(label) = request.label.filter(|&label| label > 9) {
        return Err(Error::usage(format!("--label {label}: labels are 0 to 9")));
    }
    let config = BridgeConfig::named(request.recipe)
        .with_budget(request.budget_seconds)
        .with_seed(request.seed);
    Ok(config.check()?)
}

fn images_of_one_label(
    request: &DemoRequest,
    label: u8,
    bridge: &Bridge,
    label_model: &Vae,
    image_model: &Vae,
) -> Result<PathBuf, Error> {
    const COUNT: usize = 60;
    let posterior = label_model.posterior(&Observations::one_hot(&[label], 10)?)?;
    let mut stream = RandomStream::named(request.seed, "demo/label");
    let images = generate(bridge.y_to_x(), &posterior, image_model, COUNT, &mut stream)?;
    pictures::write_sheet(&request.out.join(format!("label-{label}.png")), &images, 10)
}

fn answer(
    file: &Path,
    image: &Observations,
    bridge: &Bridge,
    image_model: &Vae,
    label_model: &Vae,
    seed: u64,
) -> Result<ImageAnswer, Error> {
    const DRAWS: usize = 1000;
    let posterior = image_model.posterior(image)?;
    let mut stream = RandomStream::named(seed, "demo/image");
    let probabilities =
        class_probabilities(bridge.x_to_y(), &posterior, label_model, DRAWS, &mut stream)?;
    let label = probabilities.argmax()[0];
    Ok(ImageAnswer {
        file: file.to_owned(),
        label,
        probabilities: probabilities.values().to_vec(),
    })
}
