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
    /// Seconds for the fit; see [`BridgeConfig::with_budget`].
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

/// Runs the demo: fits a bridge on some of the embedded pairs, and measures it on the others.
///
/// # Errors
/// [`Error`] if the request is out of range, the image cannot be read, or the folder cannot be
/// written.
pub fn run(request: &DemoRequest, observer: &dyn Observer) -> Result<DemoReport, Error> {
    let start = Instant::now();
    let config = check(request)?;
    // Before the fit, so that an unreadable image shows at once.
    let image = asked_image(request)?;
    zbridge_tasks::make_folder(&request.out)?;
    let embedded = EmbeddedPairs::load()?;
    let demo = Demo::fit(request, &config, &embedded, observer)?;
    // What everybody gets; then what was asked for besides.
    let mut report = demo.report(&embedded)?;
    if let Some(label) = request.label {
        report.files.push(demo.images_of_one_label(label)?);
    }
    if let Some(asked) = image {
        report.image = Some(demo.read_image(asked.file, &asked.image)?);
    }
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// An image whose label is to be told.
struct AskedImage<'r> {
    file: &'r Path,
    image: Observations,
}

fn asked_image(request: &DemoRequest) -> Result<Option<AskedImage<'_>>, Error> {
    let Some(file) = &request.image else {
        return Ok(None);
    };
    let image = zbridge_datasets::read_digit(file)?;
    Ok(Some(AskedImage { file, image }))
}

fn check(request: &DemoRequest) -> Result<CheckedConfig, Error> {
    if !(4..=EMBEDDED_PAIRS).contains(&request.pairs) {
        return Err(Error::usage(format!(
            "{} pairs: the demo takes 4 to {EMBEDDED_PAIRS} of its pairs",
            request.pairs
        )));
    }
    if let Some(label) = request.label.filter(|&label| label > 9) {
        return Err(Error::usage(format!("label {label}: labels are 0 to 9")));
    }
    let config = BridgeConfig::named(request.recipe)
        .with_seed(request.seed)
        .with_budget(request.budget_seconds);
    Ok(config.check()?)
}

/// The fitted bridge with the models on its sides.
struct Demo<'r> {
    request: &'r DemoRequest,
    image_model: Vae,
    label_model: Vae,
    judge: Judge,
    bridge: Bridge,
    /// Image posteriors without labels.
    unpaired_rows: usize,
}

impl<'r> Demo<'r> {
    fn fit(
        request: &'r DemoRequest,
        config: &CheckedConfig,
        embedded: &EmbeddedPairs,
        observer: &dyn Observer,
    ) -> Result<Self, Error> {
        let label_model = MNIST_LABEL.vae()?;
        let (x, labels) = embedded.pairs(request.pairs, request.seed);
        let y = label_model.posterior(&Observations::one_hot(&labels, 10)?)?;
        let unpaired = MNIST_UNPAIRED.latents()?.posterior;
        let data = FitData::pairs(&x, &y).with_unpaired_x(Some(&unpaired));
        Ok(Self {
            request,
            image_model: MNIST_IMAGE.vae()?,
            judge: Judge::embedded()?,
            bridge: Bridge::fit(&data, config, observer)?,
            label_model,
            unpaired_rows: unpaired.rows(),
        })
    }

    /// Returns the figures in both directions, without what else was asked for.
    fn report(&self, embedded: &EmbeddedPairs) -> Result<DemoReport, Error> {
        let (label_to_image, files) = self.label_to_image()?;
        Ok(DemoReport {
            pairs: self.request.pairs,
            seed: self.request.seed,
            recipe: self.request.recipe.to_string(),
            unpaired: self.unpaired(),
            image_to_label_choice: self.choice(Direction::XToY),
            label_to_image_choice: self.choice(Direction::YToX),
            image_to_label: self.image_to_label(embedded)?,
            label_to_image,
            judge_accuracy: self.judge.accuracy.share,
            image: None,
            seconds: 0.0,
            files,
        })
    }

    /// Returns how many images without labels took part.
    fn unpaired(&self) -> usize {
        match self.request.recipe {
            // The paper's recipe learns from pairs only.
            RecipeName::Paper => 0,
            _ => self.unpaired_rows,
        }
    }

    /// Returns the line that explains what was chosen; `None` for the paper's recipe.
    fn choice(&self, direction: Direction) -> Option<String> {
        let comparison = self.bridge.comparison(direction);
        comparison.taken().map(|_| comparison.to_string())
    }

    fn image_to_label(&self, embedded: &EmbeddedPairs) -> Result<ImageToLabel, Error> {
        let (images, labels) = embedded.held_out();
        let (density, seed) = (self.bridge.x_to_y(), self.request.seed);
        image_to_label(density, &images, &labels, &self.label_model, seed)
    }

    /// Returns the figures of images made from every label, and the sheet of them that was written.
    fn label_to_image(&self) -> Result<(LabelToImage, Vec<PathBuf>), Error> {
        let (images, labels) = images_of_labels(
            self.bridge.y_to_x(),
            &self.label_model,
            &self.image_model,
            IMAGES_PER_LABEL,
            self.request.seed,
        )?;
        let folder = &self.request.out;
        let sheet = pictures::write_labels_to_images(folder, &images, IMAGES_PER_LABEL)?;
        let figures = label_to_image(&images, &labels, &self.judge)?;
        Ok((figures, vec![sheet]))
    }

    /// Writes a sheet of images of one label, and returns its path.
    fn images_of_one_label(&self, label: u8) -> Result<PathBuf, Error> {
        const COUNT: usize = 60;
        let observation = Observations::one_hot(&[label], 10)?;
        let posterior = self.label_model.posterior(&observation)?;
        let mut stream = RandomStream::named(self.request.seed, "demo/label");
        let (density, model) = (self.bridge.y_to_x(), &self.image_model);
        let images = generate(density, &posterior, model, COUNT, &mut stream)?;
        let path = self.request.out.join(format!("label-{label}.png"));
        pictures::write_sheet(&path, &images, 10)
    }

    /// Returns p(label|image) of an image of the user's.
    fn read_image(&self, file: &Path, image: &Observations) -> Result<ImageAnswer, Error> {
        const DRAWS: usize = 1000;
        let posterior = self.image_model.posterior(image)?;
        let mut stream = RandomStream::named(self.request.seed, "demo/image");
        let (density, model) = (self.bridge.x_to_y(), &self.label_model);
        let probabilities = class_probabilities(density, &posterior, model, DRAWS, &mut stream)?;
        Ok(ImageAnswer {
            file: file.to_owned(),
            label: probabilities.argmax()[0],
            probabilities: probabilities.values().to_vec(),
        })
    }
}
