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

use crate::points::stored_or;
use crossing::Plan;
use modality::Modality;
use samples::samples;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;
use zbridge_assets::MNIST_IMAGE;
use zbridge_bridge::CheckedConfig;
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
    pub config: CheckedConfig,
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

/// Measures an experiment and writes `experiment.json`, `report.html`, `report.md`, figures and
/// samples. `observe` hears what is being done and the share done of the whole, and says whether to
/// go on.
///
/// # Errors
/// [`Error`] when data or models cannot be read, a fit fails or is interrupted, or the folder
/// cannot be written. Bridges that are measured by then stay in the folder.
pub fn experiment(
    request: &ExperimentRequest,
    observe: &(dyn Fn(&str, f64) -> bool + Sync),
) -> Result<ExperimentReport, Error> {
    let start = Instant::now();
    check(request)?;
    zbridge_tasks::make_folder(&request.out.join("points"))?;
    observe("read and encode", 0.0);
    let grounds = grounds(request, observe)?;
    let work = Work {
        request,
        observe,
        total: grounds.len() * request.bridges(),
    };
    let mut settings = Vec::new();
    for (place, ground) in grounds.iter().enumerate() {
        settings.push(work.setting(ground, place * request.bridges())?);
    }
    let mut report = ExperimentReport {
        experiment: request.experiment.name().into(),
        about: request.experiment.about().into(),
        command: request.command.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        recipe: request.config.recipe.name().to_string(),
        budget_seconds: request.config.recipe.budget_seconds().unwrap_or_default(),
        settings,
        seconds: start.elapsed().as_secs_f64(),
        files: vec![],
    };
    let samples = samples(request, &grounds, observe)?;
    write(&request.out, &mut report, samples)?;
    Ok(report)
}

/// The main table as Markdown.
pub fn summary_markdown(report: &ExperimentReport) -> String {
    page::table(report).to_markdown()
}

impl ExperimentRequest {
    fn bridges(&self) -> usize {
        (self.pairs.len() + self.shuffled.len()) * self.seeds as usize
    }
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
    Ok(())
}

/// Bridges to be fitted, and who hears of it.
struct Work<'w> {
    request: &'w ExperimentRequest,
    observe: &'w (dyn Fn(&str, f64) -> bool + Sync),
    total: usize,
}

impl Work<'_> {
    fn setting(&self, ground: &Ground, mut done: usize) -> Result<Setting, Error> {
        let request = self.request;
        let sides = [&ground.x, &ground.y].map(|side| side_report(side, request.seed));
        let [x, y] = sides;
        let sides = [x?, y?];
        let mut points = Vec::new();
        let kinds = [(false, &request.pairs), (true, &request.shuffled)];
        for (shuffled, pairs) in kinds
            .into_iter()
            .flat_map(|(shuffled, all)| all.iter().map(move |n| (shuffled, *n)))
        {
            let mut by_seed = Vec::new();
            for seed in request.seed..request.seed + request.seeds {
                by_seed.push(self.bridge(ground, (pairs, shuffled), seed, (done, &sides))?);
                done += 1;
            }
            points.push(Point {
                pairs,
                shuffled,
                by_seed,
            });
        }
        Ok(Setting {
            name: ground.name.clone(),
            sides,
            points,
        })
    }

    /// The figures of one bridge, from an earlier run or new.
    fn bridge(
        &self,
        ground: &Ground,
        (pairs, shuffled): (usize, bool),
        seed: u64,
        (done, sides): (usize, &[SideReport; 2]),
    ) -> Result<Crossing, Error> {
        let kind = if shuffled { "shuffled" } else { "pairs" };
        let place = [
            ground.name.replace(' ', "-"),
            format!("{kind}-{pairs}-seed-{seed}.json"),
        ];
        let name = place
            .iter()
            .filter(|part| !part.is_empty())
            .cloned()
            .collect::<Vec<_>>()
            .join("-");
        let path = self.request.out.join("points").join(name);
        let config = self.request.config.with_seed(seed);
        let what = format!(
            "{} N = {pairs}{}, seed {seed}",
            ground.name,
            if shuffled { " shuffled" } else { "" }
        );
        let tell =
            |share: f64| (self.observe)(what.trim(), (done as f64 + share) / self.total as f64);
        stored_or(&path, &(&config, sides), || {
            Plan {
                x: &ground.x,
                y: &ground.y,
                pairs,
                shuffled,
                config: config.clone(),
            }
            .crossing(&tell)
        })
    }
}

fn side_report(side: &Modality, seed: u64) -> Result<SideReport, Error> {
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

fn grounds(
    request: &ExperimentRequest,
    observe: &(dyn Fn(&str, f64) -> bool + Sync),
) -> Result<Vec<Ground>, Error> {
    match request.experiment {
        Experiment::ImageText => sides::scenes_and_captions(request, observe),
        Experiment::ImageSpeech => {
            let image =
                sides::digit_images(&sides::mnist(request, observe)?, MNIST_IMAGE.name, request)?;
            Ok(vec![Ground {
                name: String::new(),
                x: image,
                y: sides::spoken_digits(request)?,
            }])
        }
        Experiment::LabelSpeech => Ok(vec![Ground {
            name: String::new(),
            x: sides::labels(request)?,
            y: sides::spoken_digits(request)?,
        }]),
        Experiment::AliLabel => {
            let ali = request.models.join("mnist-ali.safetensors");
            let image = sides::digit_images(
                &sides::mnist(request, observe)?,
                &ali.display().to_string(),
                request,
            )?;
            Ok(vec![Ground {
                name: String::new(),
                x: image,
                y: sides::labels(request)?,
            }])
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
