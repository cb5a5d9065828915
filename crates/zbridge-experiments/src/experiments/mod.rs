//! Real pairs of real modalities, each an experiment with one command: two given models, bridges
//! over several seeds and numbers of pairs, read by classifiers that no bridge has seen, with
//! shuffled pairs as the negative control.

mod crossing;
mod modality;
mod page;
mod readers;
mod results;
mod samples;
mod sides;

pub use crossing::{Crossing, DirectionFigures};
pub use results::{ExperimentReport, Point, Setting, SideReport};

use crate::labelled_stages::LabelledStages;
use crate::points::stored_or;
use crossing::Plan;
use modality::Modality;
use samples::samples;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;
use zbridge_assets::MNIST_IMAGE;
use zbridge_bridge::BridgeConfig;
use zbridge_core::{Observer, Stage};
use zbridge_report::Section;
use zbridge_tasks::Error;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Experiment {
    /// MNIST images and spoken digits.
    ImageSpeech,
    /// Drawn scenes and their captions.
    ImageText,
    /// The ten labels and spoken digits.
    LabelSpeech,
    /// MNIST images by an adversarially trained model, and the ten labels.
    AliLabel,
}

impl Experiment {
    /// Every experiment.
    pub const ALL: [Self; 4] = [
        Self::ImageSpeech,
        Self::ImageText,
        Self::LabelSpeech,
        Self::AliLabel,
    ];

    /// What users type.
    pub fn name(self) -> &'static str {
        match self {
            Self::ImageSpeech => "image-speech",
            Self::ImageText => "image-text",
            Self::LabelSpeech => "label-speech",
            Self::AliLabel => "ali-label",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::ImageSpeech => "MNIST images ↔ spoken digits, paired by digit",
            Self::ImageText => "Drawn scenes ↔ captions, five levels of difficulty",
            Self::LabelSpeech => "The ten labels ↔ spoken digits",
            Self::AliLabel => "MNIST images by adversarially learned inference (ALI) ↔ labels",
        }
    }
}

impl FromStr for Experiment {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL
            .into_iter()
            .find(|experiment| experiment.name() == name);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::usage(format!("no experiment `{name}`; there are: {known}"))
        })
    }
}

/// What is to be measured, and how thoroughly.
#[derive(Debug, Clone)]
pub struct ExperimentRequest {
    /// Which.
    pub experiment: Experiment,
    /// MNIST's folder; without it the usual places, then a download.
    pub data: Option<PathBuf>,
    /// Folder with the recordings of spoken digits.
    pub speech: Option<PathBuf>,
    /// Folder with the given models that are not embedded.
    pub models: PathBuf,
    /// Levels of the captions.
    pub levels: Vec<u8>,
    /// Numbers of pairs.
    pub pairs: Vec<usize>,
    /// Numbers of pairs that are also fitted shuffled.
    pub shuffled: Vec<usize>,
    /// How many seeds, from `seed` on.
    pub seeds: u64,
    /// First seed.
    pub seed: u64,
    /// How bridges are fitted; the seed in it is replaced.
    pub config: BridgeConfig,
    /// Folder for tables, samples and pages. Results that lie there from an earlier run are taken
    /// over.
    pub out: PathBuf,
    /// The command, for the record.
    pub command: String,
}

/// Two modalities with a name.
struct Ground {
    name: String,
    x: Modality,
    y: Modality,
}

impl Ground {
    /// The only one of its experiment, which needs no name.
    fn unnamed(x: Modality, y: Modality) -> Self {
        let name = String::new();
        Self { name, x, y }
    }
}

/// Measures an experiment and writes `experiment.json`, `report.html`, `report.md`, figures and
/// samples.
///
/// # Errors
/// [`Error`] when data or models cannot be read, a fit fails or is interrupted, or the folder
/// cannot be written. Bridges that are measured by then stay in the folder.
pub fn experiment(
    request: &ExperimentRequest,
    observer: &dyn Observer,
) -> Result<ExperimentReport, Error> {
    let start = Instant::now();
    check(request)?;
    zbridge_tasks::make_folder(&request.out.join("points"))?;
    Stage::new(observer, "reading and encoding", 0).check()?;
    let grounds = grounds(request, observer)?;
    let settings = Work { request, observer }.settings(&grounds)?;
    // Samples are to look at; their fits are not counted among the seconds.
    let mut report = report(request, settings);
    report.seconds = start.elapsed().as_secs_f64();
    let samples = samples(request, &grounds, observer)?;
    write(&request.out, &mut report, samples)?;
    Ok(report)
}

/// What was measured with what made it; `seconds` and `files` are known only in the end.
fn report(request: &ExperimentRequest, settings: Vec<Setting>) -> ExperimentReport {
    let recipe = &request.config.recipe;
    ExperimentReport {
        experiment: request.experiment.name().into(),
        about: request.experiment.about().into(),
        command: request.command.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        recipe: recipe.name().to_string(),
        budget_seconds: recipe.budget_seconds().unwrap_or_default(),
        settings,
        seconds: 0.0,
        files: vec![],
    }
}

/// The main table as Markdown.
pub fn summary_markdown(report: &ExperimentReport) -> String {
    page::table(report).to_markdown()
}

fn check(request: &ExperimentRequest) -> Result<(), Error> {
    if request.pairs.is_empty() || request.seeds == 0 {
        return Err(Error::usage(
            "an experiment needs at least one number of pairs and one seed",
        ));
    }
    if let Some(pairs) = request
        .pairs
        .iter()
        .chain(&request.shuffled)
        .find(|&&pairs| pairs < 4)
    {
        return Err(Error::usage(format!(
            "--pairs {pairs}: a bridge needs at least 4"
        )));
    }
    if let Some(level) = request
        .levels
        .iter()
        .find(|level| !(1..=5).contains(*level))
    {
        return Err(Error::usage(format!(
            "--levels {level}: captions have the levels 1 to 5"
        )));
    }
    request.config.clone().check()?;
    Ok(())
}

/// Bridges to be fitted, and who hears of it.
struct Work<'w> {
    request: &'w ExperimentRequest,
    observer: &'w dyn Observer,
}

/// What the bridges of a point have in common.
#[derive(Clone, Copy)]
struct PointKind {
    pairs: usize,
    /// Whether partners are permuted: the negative control.
    shuffled: bool,
}

impl Work<'_> {
    fn settings(&self, grounds: &[Ground]) -> Result<Vec<Setting>, Error> {
        let mut settings = Vec::new();
        for ground in grounds {
            settings.push(self.setting(ground)?);
        }
        Ok(settings)
    }

    fn setting(&self, ground: &Ground) -> Result<Setting, Error> {
        let sides = [
            side_report(&ground.x, self.request.seed)?,
            side_report(&ground.y, self.request.seed)?,
        ];
        let mut points = Vec::new();
        for kind in self.kinds() {
            points.push(self.point(ground, kind, &sides)?);
        }
        Ok(Setting {
            name: ground.name.clone(),
            sides,
            points,
        })
    }

    /// Each number of pairs, then the negative controls.
    fn kinds(&self) -> Vec<PointKind> {
        let mut kinds = Vec::new();
        for (shuffled, numbers) in [(false, &self.request.pairs), (true, &self.request.shuffled)] {
            for &pairs in numbers {
                kinds.push(PointKind { pairs, shuffled });
            }
        }
        kinds
    }

    fn point(
        &self,
        ground: &Ground,
        kind: PointKind,
        sides: &[SideReport; 2],
    ) -> Result<Point, Error> {
        let first = self.request.seed;
        let mut by_seed = Vec::new();
        for seed in first..first + self.request.seeds {
            by_seed.push(self.bridge(ground, kind, seed, sides)?);
        }
        Ok(Point {
            pairs: kind.pairs,
            shuffled: kind.shuffled,
            by_seed,
        })
    }

    /// The figures of one bridge, from an earlier run or new.
    fn bridge(
        &self,
        ground: &Ground,
        kind: PointKind,
        seed: u64,
        sides: &[SideReport; 2],
    ) -> Result<Crossing, Error> {
        let path = self.request.out.join("points");
        let path = path.join(kind.file_name(&ground.name, seed));
        let config = self.request.config.clone().with_seed(seed);
        let observer = LabelledStages::new(self.observer, kind.label(&ground.name, seed));
        // The digests of both models are in `sides`, so that other models are measured anew.
        stored_or(&path, &(&config, sides), || {
            let plan = Plan {
                x: &ground.x,
                y: &ground.y,
                pairs: kind.pairs,
                shuffled: kind.shuffled,
                config: config.clone(),
            };
            plan.crossing(&observer)
        })
    }
}

impl PointKind {
    fn file_name(self, ground: &str, seed: u64) -> String {
        let pairs = if self.shuffled { "shuffled" } else { "pairs" };
        let name = format!("{pairs}-{}-seed-{seed}.json", self.pairs);
        match ground {
            "" => name,
            _ => format!("{}-{name}", ground.replace(' ', "-")),
        }
    }

    /// What comes before the names of its stages.
    fn label(self, ground: &str, seed: u64) -> String {
        let shuffled = if self.shuffled { " shuffled" } else { "" };
        let label = format!("{ground} N = {}{shuffled}, seed {seed}", self.pairs);
        label.trim().to_owned()
    }
}

fn side_report(side: &Modality, seed: u64) -> Result<SideReport, Error> {
    // Digits or captions come many times; what counts is how many different ones there are.
    let mut keys = side.held_out.keys.clone();
    keys.sort_unstable();
    keys.dedup();
    Ok(SideReport {
        name: side.name.into(),
        observations: side.model.event().in_words(),
        model_digest: side.digest.clone(),
        dim: side.model.latent_dim(),
        pool: side.pool.count(),
        held_out: side.held_out.count(),
        keys: keys.len(),
        reader: side.reader.name(),
        own_draws_right: side.own_draws_right(seed)?,
    })
}

fn grounds(request: &ExperimentRequest, observer: &dyn Observer) -> Result<Vec<Ground>, Error> {
    match request.experiment {
        Experiment::ImageText => sides::scenes_and_captions(request, observer),
        Experiment::ImageSpeech => {
            let mnist = sides::mnist(request, observer)?;
            let images = sides::digit_images(&mnist, MNIST_IMAGE.name)?;
            Ok(vec![Ground::unnamed(
                images,
                sides::spoken_digits(request)?,
            )])
        }
        Experiment::LabelSpeech => {
            let labels = sides::labels()?;
            Ok(vec![Ground::unnamed(
                labels,
                sides::spoken_digits(request)?,
            )])
        }
        Experiment::AliLabel => {
            let model = request.models.join("mnist-ali.safetensors");
            let mnist = sides::mnist(request, observer)?;
            let images = sides::digit_images(&mnist, &model.display().to_string())?;
            Ok(vec![Ground::unnamed(images, sides::labels()?)])
        }
    }
}

/// Writes the page and all that belongs to it.
fn write(folder: &Path, report: &mut ExperimentReport, samples: Vec<Section>) -> Result<(), Error> {
    let json = folder.join("experiment.json");
    report.files = crate::pages::write(folder, &page::page(report, samples))?;
    report.files.push(json.clone());
    crate::pages::write_json(&json, report)
}
