//! zbridge beside what others published on MNIST images and labels: likelihoods of images given
//! labels, and labels told from images.

mod page;
mod published;
mod results;

pub use results::{BridgeLikelihood, ImageLikelihoods, LabelPoint, Standing};

use crate::digits::{Digits, Draws, Pixels};
use crate::points::stored_or;
use published::M1_TSVM;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use zbridge::GivenModel;
use zbridge_assets::MNIST_IMAGE;
use zbridge_bridge::{Bridge, CheckedConfig};
use zbridge_core::{Estimate, LatentModel, Progress};
use zbridge_data::{Mnist, MnistSplit, Split, locate_or_download};
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
    pub config: CheckedConfig,
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

/// Fits, measures and writes `standing.json`, `report.html`, `report.md` and the figures. `observe`
/// hears what is being done and the share done of the whole, and says whether to go on.
///
/// # Errors
/// [`Error`] when MNIST cannot be read, a fit fails or is interrupted, or the folder cannot be
/// written. What is finished by then stays in the folder.
pub fn compare(
    request: &CompareRequest,
    observe: &(dyn Fn(&str, f64) -> bool + Sync),
) -> Result<Standing, Error> {
    let start = Instant::now();
    if !(2..=UNSEEN).contains(&request.images) || request.gain_images < 2 {
        return Err(Error::usage(format!(
            "--images {}, --gain-images {}: 2 to {UNSEEN} images are held out from every bridge",
            request.images, request.gain_images
        )));
    }
    zbridge_tasks::make_folder(&request.out.join("points"))?;
    let folder = locate_or_download(request.data.as_deref(), &mut |progress| {
        observe(
            "download MNIST",
            progress.received as f64 / progress.total.max(1) as f64,
        );
    })?;
    observe("read MNIST", 0.0);
    let comparison = Comparing {
        request,
        train: Mnist::load(&folder, Split::Train)?,
        test: Mnist::load(&folder, Split::Test)?,
        observe,
        total: (1 + usize::from(request.binary_model.is_some())) * (PAIRS.len() + 1)
            + M1_TSVM.len() * request.seeds as usize,
        done: AtomicUsize::new(0),
    };
    let binary = request.binary_model.as_ref().map(|path| {
        let given = open_model(&path.display().to_string())?;
        comparison.likelihoods(
            "black and white",
            Pixels::Binary,
            given.model,
            &given.digest,
        )
    });
    let binary = binary.transpose()?;
    let grey = comparison.likelihoods(
        "grey",
        Pixels::Grey,
        comparison.grey()?,
        &MNIST_IMAGE.digest(),
    )?;
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

/// Returns the answer of an observer that goes on or stops.
fn flow(go_on: bool) -> ControlFlow<()> {
    match go_on {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    }
}

struct Comparing<'c> {
    request: &'c CompareRequest,
    train: MnistSplit,
    test: MnistSplit,
    observe: &'c (dyn Fn(&str, f64) -> bool + Sync),
    /// Fits and likelihoods in all, and those done.
    total: usize,
    done: AtomicUsize,
}

impl Comparing<'_> {
    fn tell(&self, what: &str, share: f64) -> bool {
        (self.observe)(
            what,
            (self.done.load(Ordering::Relaxed) as f64 + share) / self.total as f64,
        )
    }

    fn grey(&self) -> Result<Arc<dyn LatentModel>, Error> {
        Ok(open_model(MNIST_IMAGE.name)?.model)
    }

    fn digits(&self, model: Arc<dyn LatentModel>, pixels: Pixels) -> Result<Digits, Error> {
        Digits::prepare(
            (&self.train, &self.test),
            (model, pixels),
            self.request.unpaired,
        )
    }

    /// A bridge on the first `pairs` of a seed's order of rows.
    fn fit(&self, digits: &Digits, pairs: usize, seed: u64, what: &str) -> Result<Bridge, Error> {
        let order = row_order(seed, digits.labels.len());
        let what = format!("{what}, N = {pairs}, seed {seed}");
        let config = self.request.config.with_seed(seed);
        let bridge = digits.fit(&config, (&order[..pairs], &order[..pairs]), &|share| {
            self.tell(&what, share)
        })?;
        self.done.fetch_add(1, Ordering::Relaxed);
        Ok(bridge)
    }

    /// log p(x) and log p(x|y) of images that none of the bridges has seen.
    fn likelihoods(
        &self,
        name: &str,
        pixels: Pixels,
        model: Arc<dyn LatentModel>,
        digest: &str,
    ) -> Result<ImageLikelihoods, Error> {
        let CompareRequest {
            out,
            images,
            gain_images,
            draws,
            unpaired,
            config,
            ..
        } = self.request;
        let settings = (config, unpaired, (images, gain_images, draws), digest);
        let path = out.join(format!(
            "points/likelihoods-{}.json",
            if pixels == Pixels::Grey {
                "grey"
            } else {
                "binary"
            }
        ));
        stored_or(&path, &settings, || {
            let digits = self.digits(model, pixels)?;
            let bridges: Vec<Bridge> = PAIRS
                .iter()
                .map(|&pairs| self.fit(&digits, pairs, config.seed, name))
                .collect::<Result<_, _>>()?;
            let order = row_order(config.seed, digits.labels.len());
            let unseen = &order[PAIRS[PAIRS.len() - 1]..];
            let rows = &unseen[unseen.len().saturating_sub(*images)..];
            let progress = |now: &Progress<'_>| {
                let share = now.done as f64 / rows.len() as f64;
                flow(self.tell(&format!("{name}, likelihoods"), share))
            };
            let bridges: Vec<&Bridge> = bridges.iter().collect();
            let settings = Draws {
                draws: *draws,
                source_draws: SOURCE_DRAWS,
                seed: config.seed,
            };
            let marginal = LogMarginal::of(&digits.likelihoods(&[], rows, settings, &progress)?[0]);
            let few = &rows[..rows.len().min(*gain_images)];
            let progress = |now: &Progress<'_>| {
                let share = now.done as f64 / few.len() as f64;
                flow(self.tell(&format!("{name}, gains"), share))
            };
            let estimates = digits.likelihoods(&bridges, few, settings, &progress)?;
            self.done.fetch_add(1, Ordering::Relaxed);
            let bridges = PAIRS.iter().zip(&estimates[1..]);
            let bridges = bridges.map(|(&pairs, found)| {
                BridgeLikelihood::new(pairs, &marginal, (found, &estimates[0]))
            });
            Ok(ImageLikelihoods {
                bridges: bridges.collect(),
                log_p_x: marginal,
            })
        })
    }

    fn labels(&self) -> Result<Vec<LabelPoint>, Error> {
        let digits = self.digits(self.grey()?, Pixels::Grey)?;
        let first = self.request.config.seed;
        let point = |pairs: usize| -> Result<LabelPoint, Error> {
            let each = (first..first + self.request.seeds)
                .map(|seed| self.label_figures(&digits, pairs, seed));
            Ok(LabelPoint {
                pairs,
                by_seed: each.collect::<Result<_, _>>()?,
            })
        };
        M1_TSVM
            .iter()
            .map(|published| point(published.pairs))
            .collect()
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
        let settings = (config.with_seed(seed), unpaired);
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

impl BridgeLikelihood {
    /// From log p(x) over all images, and both estimates over some of them.
    fn new(
        pairs: usize,
        marginal: &LogMarginal,
        (found, prior): (&TargetEstimate, &TargetEstimate),
    ) -> Self {
        let each = found.per_row.iter().zip(&prior.per_row);
        let gain = Estimate::of(each.map(|(own, prior)| own.log_mean_nats - prior.log_mean_nats));
        let log_p_x_given_y_nats = Estimate {
            mean: marginal.nats.mean + gain.mean,
            standard_error: marginal.nats.standard_error.hypot(gain.standard_error),
            count: marginal.nats.count,
        };
        let effective_sample_size = found.effective_sample_size;
        Self {
            pairs,
            log_p_x_given_y_nats,
            gain_over_prior_nats: gain,
            effective_sample_size,
        }
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
