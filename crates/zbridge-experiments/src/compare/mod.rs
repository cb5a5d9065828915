//! zbridge beside what others published on MNIST images and labels: likelihoods of images given
//! labels, and labels told from images.

mod page;
mod published;
mod results;

pub use results::{BridgeLikelihood, ImageLikelihoods, LabelPoint, Standing};

use crate::digits::{Digits, Draws, Pixels};
use crate::labelled_stages::LabelledStages;
use crate::points::stored_or;
use published::{M1_TSVM, Published};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use zbridge::GivenModel;
use zbridge_assets::MNIST_IMAGE;
use zbridge_bridge::{Bridge, BridgeConfig};
use zbridge_core::{Estimate, LatentModel, Observer, Stage};
use zbridge_datasets::{Mnist, MnistSplit, Split, locate_or_download_mnist};
use zbridge_eval::TargetEstimate;
use zbridge_tasks::measures::{ImageToLabel, image_to_label, row_order};
use zbridge_tasks::training::LogMarginal;
use zbridge_tasks::{Error, open_model};

/// What is to be compared, and how thoroughly.
#[derive(Debug, Clone)]
pub struct CompareRequest {
    /// MNIST's folder; without it the usual places, then a download.
    pub data: Option<PathBuf>,
    /// Folder for tables, figures and pages; made if absent. Results that lie there from an earlier
    /// run with the same settings are taken over.
    pub out: PathBuf,
    /// Seeds over which accuracies are averaged, from the one in `config` on.
    pub seeds: u64,
    /// How bridges are fitted.
    pub config: BridgeConfig,
    /// Training images to use without their labels.
    pub unpaired: usize,
    /// Held-out images of log p(x), at most 1,808: those that no number of pairs uses.
    pub images: usize,
    /// How many of them the gain log p(x|y) − log p(x) is measured on: it varies little between
    /// images, and costs far more.
    pub gain_images: usize,
    /// Draws for each.
    pub draws: usize,
    /// Weights file of the VAE of black and white images, as `zbridge train mnist-image-binary`
    /// makes it; without it those figures are left out.
    pub binary_model: Option<PathBuf>,
    /// The command, for the record.
    pub command: String,
}

/// Numbers of pairs of the likelihoods.
const PAIRS: [usize; 3] = [256, 1024, 8192];
/// Test images that none of the bridges sees.
const UNSEEN: usize = 10_000 - PAIRS[PAIRS.len() - 1];
/// Draws of z_y for each label.
const SOURCE_DRAWS: usize = 4;

/// Fits, measures and writes `standing.json`, `report.html`, `report.md` and the figures.
///
/// # Errors
/// [`Error`] when MNIST cannot be read, a fit fails or is interrupted, or the folder cannot be
/// written. What is finished by then stays in the folder.
pub fn compare(request: &CompareRequest, observer: &dyn Observer) -> Result<Standing, Error> {
    let start = Instant::now();
    check(request)?;
    zbridge_tasks::make_folder(&request.out.join("points"))?;
    let comparison = Comparing::prepare(request, observer)?;
    // The user's model comes first: if its file is wrong, nothing was measured in vain.
    let binary = match &request.binary_model {
        Some(path) => Some(comparison.likelihoods(&ImageKind::binary(path)?)?),
        None => None,
    };
    let grey = comparison.likelihoods(&ImageKind::grey()?)?;
    let labels = comparison.labels()?;
    let mut standing = Standing {
        command: request.command.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        seed: request.config.seed,
        budget_seconds: request.config.recipe.budget_seconds().unwrap_or_default(),
        unpaired: request.unpaired.min(comparison.train.rows()),
        grey,
        binary,
        labels,
        seconds: start.elapsed().as_secs_f64(),
        files: vec![],
    };
    write(request, &mut standing)?;
    Ok(standing)
}

fn check(request: &CompareRequest) -> Result<(), Error> {
    request.config.clone().check()?;
    // A standard error between images needs two of them.
    if !(2..=UNSEEN).contains(&request.images) || request.gain_images < 2 {
        return Err(Error::usage(format!(
            "--images {}, --gain-images {}: 2 to {UNSEEN} images are held out from every bridge",
            request.images, request.gain_images
        )));
    }
    Ok(())
}

/// Images as a given model sees them.
struct ImageKind {
    name: &'static str,
    pixels: Pixels,
    model: Arc<dyn LatentModel>,
    /// SHA-256 of the model's file.
    digest: String,
}

impl ImageKind {
    fn grey() -> Result<Self, Error> {
        Ok(Self {
            name: "grey",
            pixels: Pixels::Grey,
            model: open_model(MNIST_IMAGE.name)?.model,
            digest: MNIST_IMAGE.digest(),
        })
    }

    fn binary(path: &Path) -> Result<Self, Error> {
        let GivenModel { model, digest, .. } = open_model(&path.display().to_string())?;
        Ok(Self {
            name: "black and white",
            pixels: Pixels::Binary,
            model,
            digest,
        })
    }

    /// The file in the folder `points` that keeps its likelihoods.
    fn file_name(&self) -> &'static str {
        match self.pixels {
            Pixels::Grey => "likelihoods-grey.json",
            Pixels::Binary => "likelihoods-binary.json",
        }
    }
}

struct Comparing<'c> {
    request: &'c CompareRequest,
    train: MnistSplit,
    test: MnistSplit,
    observer: &'c dyn Observer,
}

impl<'c> Comparing<'c> {
    fn prepare(request: &'c CompareRequest, observer: &'c dyn Observer) -> Result<Self, Error> {
        let folder = locate_or_download_mnist(request.data.as_deref(), observer)?;
        Stage::new(observer, "reading MNIST", 0).check()?;
        Ok(Self {
            request,
            train: Mnist::load(&folder, Split::Train)?,
            test: Mnist::load(&folder, Split::Test)?,
            observer,
        })
    }

    fn digits(&self, kind: &ImageKind) -> Result<Digits, Error> {
        Digits::prepare(
            (&self.train, &self.test),
            (kind.model.clone(), kind.pixels),
            self.request.unpaired,
        )
    }

    /// A bridge on the first `pairs` of a seed's order of rows.
    fn fit(&self, digits: &Digits, pairs: usize, seed: u64, what: &str) -> Result<Bridge, Error> {
        let order = row_order(seed, digits.labels.len());
        let label = format!("{what}, N = {pairs}, seed {seed}");
        let observer = LabelledStages::new(self.observer, label);
        let config = self.request.config.clone().with_seed(seed);
        let bridge = digits.fit(&config, (&order[..pairs], &order[..pairs]), &observer)?;
        Ok(bridge)
    }

    /// log p(x) and log p(x|y) of images that none of the bridges has seen.
    fn likelihoods(&self, kind: &ImageKind) -> Result<ImageLikelihoods, Error> {
        let CompareRequest {
            out,
            images,
            gain_images,
            draws,
            unpaired,
            config,
            ..
        } = self.request;
        let settings = (config, unpaired, (images, gain_images, draws), &kind.digest);
        let path = out.join("points").join(kind.file_name());
        stored_or(&path, &settings, || self.measured_likelihoods(kind))
    }

    fn measured_likelihoods(&self, kind: &ImageKind) -> Result<ImageLikelihoods, Error> {
        let (request, seed) = (self.request, self.request.config.seed);
        let digits = self.digits(kind)?;
        let mut bridges = Vec::new();
        for pairs in PAIRS {
            bridges.push(self.fit(&digits, pairs, seed, kind.name)?);
        }
        let rows = unseen_rows(seed, digits.labels.len(), request.images);
        // The gain varies less between images than log p(x) does, so that fewer will do.
        let few = &rows[..rows.len().min(request.gain_images)];
        let alone = self.estimates(&digits, &[], &rows, &format!("{}, likelihoods", kind.name))?;
        let bridges: Vec<&Bridge> = bridges.iter().collect();
        let gains = self.estimates(&digits, &bridges, few, &format!("{}, gains", kind.name))?;
        let log_p_x = LogMarginal::of(&alone[0]);
        Ok(ImageLikelihoods {
            bridges: bridge_likelihoods(&log_p_x, &gains[0], &gains[1..]),
            log_p_x,
        })
    }

    /// log p(x), then log p(x|y) across each bridge.
    fn estimates(
        &self,
        digits: &Digits,
        bridges: &[&Bridge],
        rows: &[usize],
        label: &str,
    ) -> Result<Vec<TargetEstimate>, Error> {
        let draws = Draws {
            draws: self.request.draws,
            source_draws: SOURCE_DRAWS,
            seed: self.request.config.seed,
        };
        let observer = LabelledStages::new(self.observer, label);
        digits.likelihoods(bridges, rows, draws, &observer)
    }

    fn labels(&self) -> Result<Vec<LabelPoint>, Error> {
        let digits = self.digits(&ImageKind::grey()?)?;
        let first = self.request.config.seed;
        let mut points = Vec::new();
        // As many labels as the published system had.
        for Published { pairs, .. } in M1_TSVM {
            let mut by_seed = Vec::new();
            for seed in first..first + self.request.seeds {
                by_seed.push(self.label_figures(&digits, pairs, seed)?);
            }
            points.push(LabelPoint { pairs, by_seed });
        }
        Ok(points)
    }

    fn label_figures(
        &self,
        digits: &Digits,
        pairs: usize,
        seed: u64,
    ) -> Result<ImageToLabel, Error> {
        let CompareRequest {
            out,
            unpaired,
            config,
            ..
        } = self.request;
        let settings = (config.clone().with_seed(seed), unpaired);
        let path = out.join(format!("points/labels-{pairs}-seed-{seed}.json"));
        stored_or(&path, &settings, || {
            let bridge = self.fit(digits, pairs, seed, "labels from images")?;
            let held_out = row_order(seed, digits.labels.len()).split_off(pairs);
            let images = digits.image_posterior.select(&held_out);
            image_to_label(
                bridge.x_to_y(),
                &images,
                &digits.labels_of(&held_out),
                &*digits.label_model,
                seed,
            )
        })
    }
}

/// The last `count` rows of a seed's order, which no bridge sees.
fn unseen_rows(seed: u64, rows: usize, count: usize) -> Vec<usize> {
    let mut unseen = row_order(seed, rows).split_off(PAIRS[PAIRS.len() - 1]);
    unseen.split_off(unseen.len().saturating_sub(count))
}

/// From log p(x) over all images, and the estimates over some of them.
fn bridge_likelihoods(
    log_p_x: &LogMarginal,
    prior: &TargetEstimate,
    conditionals: &[TargetEstimate],
) -> Vec<BridgeLikelihood> {
    let mut likelihoods = Vec::new();
    for (pairs, conditional) in PAIRS.into_iter().zip(conditionals) {
        let gain = gain_nats(conditional, prior);
        likelihoods.push(BridgeLikelihood {
            pairs,
            log_p_x_given_y_nats: sum_of_independent(&log_p_x.nats, &gain),
            gain_over_prior_nats: gain,
            effective_sample_size: conditional.effective_sample_size,
        });
    }
    likelihoods
}

/// log p(x|y) − log p(x), image by image, so that what makes an image hard for both drops out.
fn gain_nats(conditional: &TargetEstimate, prior: &TargetEstimate) -> Estimate {
    let rows = conditional.per_row.iter().zip(&prior.per_row);
    Estimate::of(rows.map(|(given_y, alone)| given_y.log_mean_nats - alone.log_mean_nats))
}

/// log p(x) + gain, over as many images as log p(x) was measured on.
fn sum_of_independent(log_p_x: &Estimate, gain: &Estimate) -> Estimate {
    Estimate {
        mean: log_p_x.mean + gain.mean,
        standard_error: log_p_x.standard_error.hypot(gain.standard_error),
        count: log_p_x.count,
    }
}

fn write(request: &CompareRequest, standing: &mut Standing) -> Result<(), Error> {
    let page = page::page(standing);
    let written = crate::pages::write(&request.out, &page)?;
    let json = request.out.join("standing.json");
    standing.files = written.into_iter().chain([json.clone()]).collect();
    crate::pages::write_json(&json, standing)
}

/// The tables as Markdown.
pub fn summary_markdown(standing: &Standing) -> String {
    [
        page::likelihoods(standing).to_markdown(),
        page::labels(standing).to_markdown(),
    ]
    .join("\n")
}
