//! What is measured on the bridges of the experiment, and on which rows.

use super::experiment::{Experiment, Fitted, Given, PAIRS, PAIRS_3_EPOCHS, fit_bridge};
use super::likelihoods::{BridgeAt, GivenAt, ModelLikelihoods, bridge_likelihoods, given_marginal};
use super::results::{BridgeResult, GivenResult, Likelihoods, Results, SeedFigures};
use crate::labelled_stages::LabelledStages;
use std::collections::HashSet;
use std::time::Instant;
use zbridge_bridge::{Bridge, FitData};
use zbridge_core::{LatentModel, Observations, Observer, RandomStream};
use zbridge_eval::diversity;
use zbridge_models::Vae;
use zbridge_tasks::Error;
use zbridge_tasks::measures::{
    LabelToImage, image_to_label, images_of_labels, label_to_image, row_order,
};

/// Generated images of each label from which coherence is measured.
const IMAGES_PER_LABEL: usize = 100;

/// Which bridge is fitted under each seed.
#[derive(Clone, Copy)]
struct BridgeKind<'e> {
    given: &'e Given,
    pairs: usize,
    /// Whether the pairs are shuffled: the negative control.
    shuffled: bool,
}

/// Accuracy and coherence of every kind of bridge under each seed.
struct FiguresBySeed {
    /// For each of [`PAIRS`].
    by_pairs: Vec<Vec<SeedFigures>>,
    image_vae_3_epochs: Vec<SeedFigures>,
    shuffled: Vec<SeedFigures>,
}

/// Likelihoods across both image models.
struct EveryLikelihood {
    image_vae: ModelLikelihoods,
    image_vae_3_epochs: ModelLikelihoods,
    decoder_evaluations_per_second: f64,
}

impl Experiment {
    /// Every measurement, in order of cost.
    pub(super) fn run(&self, observer: &dyn Observer) -> Result<Results, Error> {
        let figures = self.every_figure(observer)?;
        let rows = self.likelihood_rows();
        let likelihoods = self.every_likelihood(&rows, observer)?;
        // There is one such bridge, and so one of its likelihoods.
        let early_likelihoods = likelihoods.image_vae_3_epochs.bridges.into_iter().next();
        Ok(Results {
            command: self.command.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            seed: self.seed,
            digests: self.digests.clone(),
            image_vae: likelihoods.image_vae.given,
            image_vae_3_epochs: likelihoods.image_vae_3_epochs.given,
            label_vae: self.label_vae_result(&rows)?,
            bridges: self.bridge_results(figures.by_pairs, likelihoods.image_vae.bridges),
            bridge_3_epochs: self
                .bridge_3_epochs
                .result(figures.image_vae_3_epochs, early_likelihoods),
            shuffled: BridgeResult::control(PAIRS_3_EPOCHS, figures.shuffled),
            judge_accuracy: self.judge.accuracy.share,
            real_pixel_sd: self.real_pixel_sd(&rows)?,
            ceiling: self.ceiling(&rows)?,
            importance_images: rows.len(),
            importance_draws: self.sizes.draws,
            decoder_evaluations_per_second: likelihoods.decoder_evaluations_per_second,
            // Known only once the page is there.
            seconds: 0.0,
            files: vec![],
        })
    }

    /// What was measured of the bridges of each number of pairs.
    fn bridge_results(
        &self,
        by_pairs: Vec<Vec<SeedFigures>>,
        likelihoods: Vec<Likelihoods>,
    ) -> Vec<BridgeResult> {
        let mut results = Vec::new();
        let measured = by_pairs.into_iter().zip(likelihoods);
        for (fitted, (by_seed, likelihoods)) in self.bridges.iter().zip(measured) {
            results.push(fitted.result(by_seed, Some(likelihoods)));
        }
        results
    }

    fn every_figure(&self, observer: &dyn Observer) -> Result<FiguresBySeed, Error> {
        let mut by_pairs = Vec::new();
        for pairs in PAIRS {
            let kind = BridgeKind::of(&self.image_vae, pairs);
            by_pairs.push(self.figures_by_seed(kind, observer)?);
        }
        let early = BridgeKind::of(&self.image_vae_3_epochs, PAIRS_3_EPOCHS);
        let control = BridgeKind::of(&self.image_vae, PAIRS_3_EPOCHS).with_shuffled_pairs();
        Ok(FiguresBySeed {
            by_pairs,
            image_vae_3_epochs: self.figures_by_seed(early, observer)?,
            shuffled: self.figures_by_seed(control, observer)?,
        })
    }

    /// Accuracy and coherence under each seed: the pairs, the fit and the draws all differ.
    fn figures_by_seed(
        &self,
        kind: BridgeKind,
        observer: &dyn Observer,
    ) -> Result<Vec<SeedFigures>, Error> {
        let seeds = self.seed..self.seed + self.sizes.seeds;
        seeds
            .map(|seed| self.seed_figures(kind, seed, observer))
            .collect()
    }

    fn seed_figures(
        &self,
        kind: BridgeKind,
        seed: u64,
        observer: &dyn Observer,
    ) -> Result<SeedFigures, Error> {
        let observer = LabelledStages::new(observer, kind.label(seed));
        let order = row_order(seed, self.labels.len());
        let (rows, held_out) = order.split_at(kind.pairs);
        // Shuffled partners are the same labels, so both sides are distributed as in a real fit.
        let partners = if kind.shuffled {
            shuffled(rows, seed)
        } else {
            rows.to_vec()
        };
        let x = kind.given.posterior.select(rows);
        let y = self.label_posterior.select(&partners);
        let bridge = fit_bridge(&FitData::pairs(&x, &y), seed, &observer)?;
        Ok(SeedFigures {
            seed,
            image_to_label: image_to_label(
                bridge.x_to_y(),
                &kind.given.posterior.select(held_out),
                &self.labels_of(held_out),
                &self.label_vae,
                seed,
            )?,
            label_to_image: self.label_to_image(&bridge, &kind.given.model, seed)?,
        })
    }

    /// Coherence and diversity of images that `bridge` makes from every label.
    fn label_to_image(
        &self,
        bridge: &Bridge,
        image_model: &Vae,
        seed: u64,
    ) -> Result<LabelToImage, Error> {
        let (made, conditions) = images_of_labels(
            bridge.y_to_x(),
            &self.label_vae,
            image_model,
            IMAGES_PER_LABEL,
            seed,
        )?;
        label_to_image(&made, &conditions, &self.judge)
    }

    fn every_likelihood(
        &self,
        rows: &[usize],
        observer: &dyn Observer,
    ) -> Result<EveryLikelihood, Error> {
        let start = Instant::now();
        let given = GivenAt {
            model: &self.image_vae,
            rows,
            name: "log p(x|y), image VAE",
        };
        let bridges: Vec<BridgeAt> = self
            .bridges
            .iter()
            .map(|fitted| self.bridge_at(fitted, rows))
            .collect();
        let image_vae = bridge_likelihoods(self, &given, &bridges, observer)?;
        let given = GivenAt {
            model: &self.image_vae_3_epochs,
            rows,
            name: "log p(x|y), 3 epochs",
        };
        let bridges = [self.bridge_at(&self.bridge_3_epochs, rows)];
        let image_vae_3_epochs = bridge_likelihoods(self, &given, &bridges, observer)?;
        let seconds = start.elapsed().as_secs_f64();
        Ok(EveryLikelihood {
            image_vae,
            image_vae_3_epochs,
            decoder_evaluations_per_second: self.decoder_evaluations(rows.len()) as f64 / seconds,
        })
    }

    /// Latents that are decoded for the likelihoods of `images` images.
    fn decoder_evaluations(&self, images: usize) -> usize {
        // Bridges of one image model share the draws of importance sampling; of naive estimates,
        // each bridge has its own.
        let (image_models, bridges) = (2, PAIRS.len() + 1);
        images * (image_models * self.sizes.draws + bridges * self.sizes.naive_draws)
    }

    fn bridge_at<'e>(&self, fitted: &'e Fitted, rows: &[usize]) -> BridgeAt<'e> {
        // A bridge of many pairs has some of these rows as pairs.
        let held_out: HashSet<usize> = self.held_out(fitted.pairs).into_iter().collect();
        BridgeAt {
            bridge: &fitted.bridge,
            held_out: (0..rows.len())
                .filter(|&place| held_out.contains(&rows[place]))
                .collect(),
        }
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

    /// Pixel standard deviation within a label, of the images themselves.
    fn real_pixel_sd(&self, rows: &[usize]) -> Result<f64, Error> {
        let images = self.images.select(rows);
        Ok(diversity(&images, &self.labels_of(rows))?.within_condition_sd)
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

impl<'e> BridgeKind<'e> {
    fn of(given: &'e Given, pairs: usize) -> Self {
        Self {
            given,
            pairs,
            shuffled: false,
        }
    }

    fn with_shuffled_pairs(self) -> Self {
        Self {
            shuffled: true,
            ..self
        }
    }

    fn label(self, seed: u64) -> String {
        let shuffled = if self.shuffled { " shuffled" } else { "" };
        format!("N = {}{shuffled}, seed {seed}", self.pairs)
    }
}

/// The same rows in an order that has nothing to do with theirs.
fn shuffled(rows: &[usize], seed: u64) -> Vec<usize> {
    let order = RandomStream::named(seed, "reproduce/shuffled").permutation(rows.len());
    order.into_iter().map(|place| rows[place]).collect()
}
