//! The experiment of section 4: which rows are pairs, which are held out, and what is measured on
//! which.

use super::likelihoods::{BridgeAt, GivenAt, bridge_likelihoods, given_marginal};
use super::results::{BridgeResult, GivenResult, Results, SeedFigures};
use super::{Effort, ReproduceRequest, Sizes, Stage};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;
use zbridge_assets::{Asset, MNIST_IMAGE, MNIST_IMAGE_3_EPOCHS, MNIST_JUDGE, MNIST_LABEL};
use zbridge_bridge::{Bridge, BridgeConfig, FitData, PaperConfig};
use zbridge_core::{LatentModel, Observations, Posterior, RandomStream, Unobserved};
use zbridge_data::MnistSplit;
use zbridge_eval::diversity;
use zbridge_models::Vae;
use zbridge_tasks::Error;
use zbridge_tasks::measures::{
    Judge, LabelToImage, image_to_label, images_of_labels, label_to_image, row_order,
};

/// The paper's numbers of pairs.
pub(super) const PAIRS: [usize; 3] = [256, 1024, 8192];
/// Pairs of section 5.4.
pub(super) const PAIRS_3_EPOCHS: usize = 1024;
/// Generated images of each label from which coherence is measured.
const IMAGES_PER_LABEL: usize = 100;

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
    /// The first seed's bridges: one for each of [`PAIRS`], then that of section 5.4.
    pub(super) bridges: Vec<Bridge>,
    pub(super) bridge_3_epochs: Bridge,
    pub(super) sizes: Sizes,
    pub(super) seed: u64,
    command: String,
    digests: BTreeMap<String, String>,
    fit_seconds: Vec<f64>,
    full: bool,
}

/// A given image model with its posteriors of all rows.
pub(super) struct Given {
    pub(super) model: Vae,
    pub(super) posterior: Posterior,
}

impl Experiment {
    pub(super) fn prepare(test: &MnistSplit, request: &ReproduceRequest) -> Result<Self, Error> {
        let images = test.images_observations();
        let given = |asset: Asset| -> Result<Given, Error> {
            let model = asset.vae()?;
            let posterior = model.posterior(&images)?;
            Ok(Given { model, posterior })
        };
        let (image_vae, image_vae_3_epochs) = (given(MNIST_IMAGE)?, given(MNIST_IMAGE_3_EPOCHS)?);
        let label_vae = MNIST_LABEL.vae()?;
        let label_posterior = label_vae.posterior(&Observations::one_hot(test.labels(), 10)?)?;
        let digest = |asset: Asset| (asset.name.to_owned(), asset.digest());
        let mut digests = BTreeMap::from(
            [MNIST_IMAGE, MNIST_IMAGE_3_EPOCHS, MNIST_LABEL, MNIST_JUDGE].map(digest),
        );
        digests.insert("MNIST test images and labels".into(), test.digest());
        let fit = |given: &Given, pairs: usize| -> Result<(Bridge, f64), Error> {
            let start = Instant::now();
            let rows = pair_rows(request.seed, test.rows(), pairs);
            let bridge = fit_bridge(given, &label_posterior, &rows, &rows, request.seed)?;
            Ok((bridge, start.elapsed().as_secs_f64()))
        };
        let (mut bridges, mut fit_seconds) = (Vec::new(), Vec::new());
        for pairs in PAIRS {
            let (bridge, seconds) = fit(&image_vae, pairs)?;
            bridges.push(bridge);
            fit_seconds.push(seconds);
        }
        let (bridge_3_epochs, seconds) = fit(&image_vae_3_epochs, PAIRS_3_EPOCHS)?;
        fit_seconds.push(seconds);
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
            seed: request.seed,
            command: request.command.clone(),
            digests,
            fit_seconds,
            full: request.effort == Effort::Full,
        })
    }

    /// Rows on which likelihoods are estimated. By default the last of the seed's order: held out
    /// whatever N is, but for those that the largest N has as pairs, which its average leaves out.
    pub(super) fn likelihood_rows(&self) -> Vec<usize> {
        let order = row_order(self.seed, self.labels.len());
        let first = if self.full {
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

    /// Every measurement, in order of cost.
    pub(super) fn run(&self, observe: &(dyn Fn(Stage<'_>) + Sync)) -> Result<Results, Error> {
        let figures = |given: &Given, pairs, shuffled| self.seeds(given, pairs, shuffled, observe);
        let by_pairs: Vec<Vec<SeedFigures>> = PAIRS
            .into_iter()
            .map(|pairs| figures(&self.image_vae, pairs, false))
            .collect::<Result<_, _>>()?;
        let early = figures(&self.image_vae_3_epochs, PAIRS_3_EPOCHS, false)?;
        let shuffled = figures(&self.image_vae, PAIRS_3_EPOCHS, true)?;
        let rows = self.likelihood_rows();
        let start = Instant::now();
        let bridges: Vec<BridgeAt> = PAIRS
            .into_iter()
            .zip(&self.bridges)
            .map(|(pairs, bridge)| self.bridge_at(bridge, pairs, &rows))
            .collect();
        let given = GivenAt {
            model: &self.image_vae,
            rows: &rows,
            name: "log p(x|y), image VAE",
        };
        let (image_vae, mut likelihoods) = bridge_likelihoods(self, &given, &bridges, observe)?;
        let early_bridges = [self.bridge_at(&self.bridge_3_epochs, PAIRS_3_EPOCHS, &rows)];
        let given = GivenAt {
            model: &self.image_vae_3_epochs,
            rows: &rows,
            name: "log p(x|y), 3 epochs",
        };
        let (image_vae_3_epochs, early_likelihoods) =
            bridge_likelihoods(self, &given, &early_bridges, observe)?;
        let evaluations =
            2 * rows.len() * self.sizes.draws + rows.len() * self.sizes.naive_draws * 4;
        let likelihood_seconds = start.elapsed().as_secs_f64();
        likelihoods.extend(early_likelihoods);
        let result = |pairs, by_seed, index: Option<usize>| BridgeResult {
            pairs,
            by_seed,
            likelihoods: index.map(|index| likelihoods[index].clone()),
            fit_seconds: index.map_or(f64::NAN, |index| self.fit_seconds[index]),
        };
        let indexed = by_pairs.into_iter().zip(PAIRS).enumerate();
        Ok(Results {
            command: self.command.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            seed: self.seed,
            digests: self.digests.clone(),
            image_vae,
            image_vae_3_epochs,
            label_vae: self.label_vae_result(&rows)?,
            bridges: indexed
                .map(|(index, (by_seed, pairs))| result(pairs, by_seed, Some(index)))
                .collect(),
            bridge_3_epochs: result(PAIRS_3_EPOCHS, early, Some(PAIRS.len())),
            shuffled: BridgeResult {
                fit_seconds: 0.0,
                ..result(PAIRS_3_EPOCHS, shuffled, None)
            },
            judge_accuracy: self.judge.accuracy.share,
            real_pixel_sd: diversity(&self.images.select(&rows), &self.labels_of(&rows))?
                .within_condition_sd,
            ceiling: self.ceiling(&rows)?,
            importance_images: rows.len(),
            importance_draws: self.sizes.draws,
            decoder_evaluations_per_second: evaluations as f64 / likelihood_seconds,
            seconds: 0.0,
            files: Vec::<PathBuf>::new(),
        })
    }

    fn bridge_at<'e>(&self, bridge: &'e Bridge, pairs: usize, rows: &[usize]) -> BridgeAt<'e> {
        let held_out = self.held_out(pairs);
        let is_held_out: std::collections::HashSet<usize> = held_out.into_iter().collect();
        let places = (0..rows.len())
            .filter(|&place| is_held_out.contains(&rows[place]))
            .collect();
        BridgeAt {
            bridge,
            held_out: places,
        }
    }

    /// Accuracy and coherence under each seed: the pairs, the fit and the draws all differ.
    fn seeds(
        &self,
        given: &Given,
        pairs: usize,
        shuffled: bool,
        observe: &(dyn Fn(Stage<'_>) + Sync),
    ) -> Result<Vec<SeedFigures>, Error> {
        let figures = |seed: u64| -> Result<SeedFigures, Error> {
            observe((
                "fit bridges over seeds",
                (seed - self.seed) as f64 / self.sizes.seeds as f64,
            ));
            let rows = pair_rows(seed, self.labels.len(), pairs);
            let mut partners = rows.clone();
            if shuffled {
                let order = RandomStream::named(seed, "reproduce/shuffled").permutation(pairs);
                partners = order.into_iter().map(|place| rows[place]).collect();
            }
            let bridge = fit_bridge(given, &self.label_posterior, &rows, &partners, seed)?;
            let held_out = row_order(seed, self.labels.len()).split_off(pairs);
            let (truth, posterior) = (self.labels_of(&held_out), given.posterior.select(&held_out));
            let (made, conditions) = images_of_labels(
                bridge.y_to_x(),
                &self.label_vae,
                &given.model,
                IMAGES_PER_LABEL,
                seed,
            )?;
            Ok(SeedFigures {
                seed,
                image_to_label: image_to_label(
                    bridge.x_to_y(),
                    &posterior,
                    &truth,
                    &self.label_vae,
                    seed,
                )?,
                label_to_image: label_to_image(&made, &conditions, &self.judge)?,
            })
        };
        (self.seed..self.seed + self.sizes.seeds)
            .map(figures)
            .collect()
    }

    fn label_vae_result(&self, rows: &[usize]) -> Result<GivenResult, Error> {
        let observations = Observations::one_hot(&self.labels_of(rows), 10)?;
        let posterior = self.label_posterior.select(rows);
        let mut stream = RandomStream::named(self.seed, "reproduce/label-elbo");
        let elbo = self.label_vae.elbo(&observations, &mut stream)?;
        let log_marginal = given_marginal(
            &self.label_vae,
            &observations,
            &posterior,
            self.sizes.draws,
            self.seed,
        )?;
        Ok(GivenResult { elbo, log_marginal })
    }

    /// Coherence of the image VAE's own posterior draws: no bridge can be expected to do better.
    fn ceiling(&self, rows: &[usize]) -> Result<LabelToImage, Error> {
        let mut stream = RandomStream::named(self.seed, "reproduce/ceiling");
        let latents = self.image_vae.posterior.select(rows).sample(&mut stream);
        label_to_image(
            &self.image_vae.model.decode(&latents)?,
            &self.labels_of(rows),
            &self.judge,
        )
    }
}

fn pair_rows(seed: u64, rows: usize, pairs: usize) -> Vec<usize> {
    let mut order = row_order(seed, rows);
    order.truncate(pairs);
    order
}

fn fit_bridge(
    given: &Given,
    label_posterior: &Posterior,
    x_rows: &[usize],
    y_rows: &[usize],
    seed: u64,
) -> Result<Bridge, Error> {
    let config = BridgeConfig::paper(PaperConfig::default())
        .with_seed(seed)
        .check()?;
    let (x, y) = (
        given.posterior.select(x_rows),
        label_posterior.select(y_rows),
    );
    Ok(Bridge::fit(&FitData::pairs(&x, &y), &config, &Unobserved)?)
}
