//! The experiment of section 4: which rows are pairs, which are held out, and what is measured on
//! which.

use super::results::{BridgeResult, Likelihoods, SeedFigures};
use super::{Effort, ReproduceRequest, Sizes};
use std::collections::BTreeMap;
use std::time::Instant;
use zbridge_assets::{Asset, MNIST_IMAGE, MNIST_IMAGE_3_EPOCHS, MNIST_JUDGE, MNIST_LABEL};
use zbridge_bridge::{Bridge, BridgeConfig, FitData, PaperConfig};
use zbridge_core::LatentModel;
use zbridge_core::{Observations, Observer, Posterior};
use zbridge_datasets::MnistSplit;
use zbridge_models::Vae;
use zbridge_tasks::Error;
use zbridge_tasks::measures::{Judge, row_order};

/// The paper's numbers of pairs.
pub(super) const PAIRS: [usize; 3] = [256, 1024, 8192];
/// Pairs of section 5.4.
pub(super) const PAIRS_3_EPOCHS: usize = 1024;

/// Given models, data and order of rows.
pub(super) struct Experiment {
    pub(super) images: Observations,
    pub(super) labels: Vec<u8>,
    pub(super) image_vae: Given,
    pub(super) image_vae_3_epochs: Given,
    pub(super) label_vae: Vae,
    /// Label posteriors of all rows, `[10000, 2]`.
    pub(super) label_posterior: Posterior,
    pub(super) judge: Judge,
    /// The first seed's bridges: one for each of [`PAIRS`].
    pub(super) bridges: Vec<Fitted>,
    /// The first seed's bridge of section 5.4.
    pub(super) bridge_3_epochs: Fitted,
    pub(super) sizes: Sizes,
    pub(super) seed: u64,
    pub(super) command: String,
    pub(super) digests: BTreeMap<String, String>,
    pub(super) full: bool,
}

/// A given image model with its posteriors of all rows.
pub(super) struct Given {
    pub(super) model: Vae,
    pub(super) posterior: Posterior,
}

/// A bridge of the first seed.
pub(super) struct Fitted {
    pub(super) pairs: usize,
    pub(super) bridge: Bridge,
    seconds: f64,
}

impl Experiment {
    pub(super) fn prepare(
        test: &MnistSplit,
        request: &ReproduceRequest,
        observer: &dyn Observer,
    ) -> Result<Self, Error> {
        let images = test.images_observations();
        let image_vae = Given::open(MNIST_IMAGE, &images)?;
        let image_vae_3_epochs = Given::open(MNIST_IMAGE_3_EPOCHS, &images)?;
        let label_vae = MNIST_LABEL.vae()?;
        let label_posterior = label_vae.posterior(&Observations::one_hot(test.labels(), 10)?)?;
        let seed = request.seed;
        let fit = |given, pairs| Fitted::new(given, &label_posterior, pairs, seed, observer);
        // Figures and likelihoods are of the same bridges, which are fitted once.
        let mut bridges = Vec::new();
        for pairs in PAIRS {
            bridges.push(fit(&image_vae, pairs)?);
        }
        let bridge_3_epochs = fit(&image_vae_3_epochs, PAIRS_3_EPOCHS)?;
        Ok(Self {
            images,
            labels: test.labels().to_vec(),
            image_vae,
            image_vae_3_epochs,
            label_vae,
            label_posterior,
            judge: Judge::embedded()?,
            bridges,
            bridge_3_epochs,
            sizes: request.effort.sizes(),
            seed,
            command: request.command.clone(),
            digests: digests(test),
            full: request.effort == Effort::Full,
        })
    }

    /// Rows on which likelihoods are estimated. By default the last of the seed's order: held out
    /// whatever N is, but for those that the largest N has as pairs, which its average leaves out.
    pub(super) fn likelihood_rows(&self) -> Vec<usize> {
        let order = row_order(self.seed, self.labels.len());
        let first = if self.full {
            // The largest numbers of pairs have some of these as pairs; their averages leave them
            // out.
            PAIRS[0]
        } else {
            order.len() - self.sizes.images.min(order.len())
        };
        order[first..].to_vec()
    }

    pub(super) fn held_out(&self, pairs: usize) -> Vec<usize> {
        row_order(self.seed, self.labels.len()).split_off(pairs)
    }

    pub(super) fn labels_of(&self, rows: &[usize]) -> Vec<u8> {
        rows.iter().map(|&row| self.labels[row]).collect()
    }
}

impl Given {
    fn open(asset: Asset, images: &Observations) -> Result<Self, Error> {
        let model = asset.vae()?;
        let posterior = model.posterior(images)?;
        Ok(Self { model, posterior })
    }
}

impl Fitted {
    /// Fits on the first `pairs` rows of the seed's order.
    fn new(
        given: &Given,
        label_posterior: &Posterior,
        pairs: usize,
        seed: u64,
        observer: &dyn Observer,
    ) -> Result<Self, Error> {
        let start = Instant::now();
        let order = row_order(seed, label_posterior.rows());
        let rows = &order[..pairs];
        let (x, y) = (given.posterior.select(rows), label_posterior.select(rows));
        let bridge = fit_bridge(&FitData::pairs(&x, &y), seed, observer)?;
        Ok(Self {
            pairs,
            bridge,
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    pub(super) fn result(
        &self,
        by_seed: Vec<SeedFigures>,
        likelihoods: Option<Likelihoods>,
    ) -> BridgeResult {
        BridgeResult {
            pairs: self.pairs,
            by_seed,
            likelihoods,
            fit_seconds: Some(self.seconds),
        }
    }
}

/// SHA-256 of the given models and the data, by name.
fn digests(test: &MnistSplit) -> BTreeMap<String, String> {
    let assets = [MNIST_IMAGE, MNIST_IMAGE_3_EPOCHS, MNIST_LABEL, MNIST_JUDGE];
    let mut digests = BTreeMap::from(assets.map(|asset| (asset.name.to_owned(), asset.digest())));
    digests.insert("MNIST test images and labels".into(), test.digest());
    digests
}

pub(super) fn fit_bridge(
    data: &FitData,
    seed: u64,
    observer: &dyn Observer,
) -> Result<Bridge, Error> {
    let config = BridgeConfig::paper(PaperConfig::default())
        .with_seed(seed)
        .check()?;
    Ok(Bridge::fit(data, &config, observer)?)
}
