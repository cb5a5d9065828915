//! What every point of the curve shares: given models, latents, the judge; and how a point is measured.

use super::LearningCurveRequest;
use super::results::{Generated, Limits, SeedPoint};
use crate::Error;
use crate::assets::{MNIST_IMAGE, MNIST_LABEL};
use crate::measures::{Judge, image_to_label, images_of_labels, label_to_image, row_order};
use cpu_time::ProcessTime;
use std::time::Instant;
use zbridge_bridge::{Bridge, BridgeConfig, Direction, DirectionGap, FitData, FitProgress};
use zbridge_core::{DiagonalGaussian, Estimate, LatentModel, Latents, Observations, Posterior, RandomStream};
use zbridge_data::MnistSplit;
use zbridge_eval::{BridgeTarget, ImportanceSettings, PriorTarget, diversity, frechet_distance, importance_sampled};
use zbridge_models::Vae;
use zbridge_report::write_atomically;

/// Generated images of each label.
const IMAGES_PER_LABEL: usize = 500;
/// Draws of z_y ~ p(z_y|y) over which q(z_x|z_y) is averaged for each label.
const SOURCE_DRAWS: usize = 8;
/// Draws that go through a decoder at once.
const CHUNK: usize = 250;

pub(super) struct Ground {
    image_model: Vae,
    label_model: Vae,
    /// Test images, with labels.
    images: Observations,
    labels: Vec<u8>,
    image_posterior: Posterior,
    label_posterior: Posterior,
    /// Training images' posteriors; nothing here knows their labels.
    unpaired: Option<Posterior>,
    judge: Judge,
    seed: u64,
}

impl Ground {
    pub(super) fn prepare(
        train: &MnistSplit,
        test: &MnistSplit,
        request: &LearningCurveRequest,
    ) -> Result<Self, Error> {
        let (image_model, label_model) =
            (MNIST_IMAGE.vae()?.on(request.device)?, MNIST_LABEL.vae()?.on(request.device)?);
        let unpaired_rows: Vec<usize> = (0..request.unpaired.min(train.rows())).collect();
        let unpaired = match unpaired_rows.len() {
            0 => None,
            _ => Some(image_model.posterior(&train.images_observations().select(&unpaired_rows))?),
        };
        let images = test.images_observations();
        Ok(Self {
            image_posterior: image_model.posterior(&images)?,
            label_posterior: label_model.posterior(&Observations::one_hot(test.labels(), 10)?)?,
            labels: test.labels().to_vec(),
            judge: Judge::embedded()?,
            images,
            image_model,
            label_model,
            unpaired,
            seed: request.seed,
        })
    }

    pub(super) fn unpaired_rows(&self) -> usize {
        self.unpaired.as_ref().map_or(0, Posterior::rows)
    }

    /// The point that an earlier run left in the folder, or else a new one, which is left there.
    pub(super) fn remembered_or_measured(
        &self,
        request: &LearningCurveRequest,
        pairs: usize,
        seed: u64,
        shuffled: bool,
        tell: &(dyn Fn(f64) -> bool + Sync),
    ) -> Result<SeedPoint, Error> {
        let kind = if shuffled { "shuffled" } else { "pairs" };
        let path = request.out.join(format!("points/{kind}-{pairs}-seed-{seed}.json"));
        let config = BridgeConfig { seed, ..request.config.clone() };
        let settings = serde_json::to_value((&config, self.unpaired_rows(), request.images, request.draws));
        let settings = settings.unwrap_or_default();
        let stored = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some((of, point)) = stored.filter(|(of, _): &(serde_json::Value, SeedPoint)| *of == settings) {
            let _ = of;
            return Ok(point);
        }
        let point = self.measured(request, &config, pairs, shuffled, tell)?;
        let text = serde_json::to_string_pretty(&(settings, &point)).unwrap_or_default();
        write_atomically(&path, text.as_bytes())?;
        Ok(point)
    }

    fn measured(
        &self,
        request: &LearningCurveRequest,
        config: &BridgeConfig,
        pairs: usize,
        shuffled: bool,
        tell: &(dyn Fn(f64) -> bool + Sync),
    ) -> Result<SeedPoint, Error> {
        let seed = config.seed;
        let order = row_order(seed, self.labels.len());
        let (rows, held_out) = order.split_at(pairs);
        let mut partners = rows.to_vec();
        if shuffled {
            let order = RandomStream::named(seed, "learning-curve/shuffled").permutation(pairs);
            partners = order.into_iter().map(|place| rows[place]).collect();
        }
        let (start, processor) = (Instant::now(), ProcessTime::now());
        let bridge = self.fit(config, rows, &partners, tell)?;
        let (fit_seconds, fit_core_seconds) = (start.elapsed().as_secs_f64(), processor.elapsed().as_secs_f64());
        let truth: Vec<u8> = held_out.iter().map(|&row| self.labels[row]).collect();
        let held_posterior = self.image_posterior.select(held_out);
        let (made, conditions) =
            images_of_labels(bridge.y_to_x(), &self.label_model, &self.image_model, IMAGES_PER_LABEL, seed)?;
        let real = self.judge.classifier.features(&self.images.select(held_out))?;
        let gain = match request.images {
            0 => None,
            images => {
                let last = &held_out[held_out.len().saturating_sub(images)..];
                Some(self.gain_over_prior(&bridge, last, request.draws, seed)?)
            }
        };
        Ok(SeedPoint {
            seed,
            image_to_label: image_to_label(bridge.x_to_y(), &held_posterior, &truth, &self.label_model, seed)?,
            label_to_image: label_to_image(&made, &conditions, &self.judge)?,
            frechet_distance: frechet_distance(&self.judge.classifier.features(&made)?, &real)?,
            gain_over_prior_nats: gain,
            direction_gap: DirectionGap::on(&bridge, &held_posterior, &self.label_posterior.select(held_out), seed)?,
            image_to_label_choice: bridge.comparison(Direction::XToY).clone(),
            label_to_image_choice: bridge.comparison(Direction::YToX).clone(),
            fit_seconds,
            fit_core_seconds,
        })
    }

    fn fit(
        &self,
        config: &BridgeConfig,
        rows: &[usize],
        partners: &[usize],
        tell: &(dyn Fn(f64) -> bool + Sync),
    ) -> Result<Bridge, Error> {
        let (x, y) = (self.image_posterior.select(rows), self.label_posterior.select(partners));
        let data = FitData::pairs(&x, &y).with_unpaired_x(self.unpaired.as_ref());
        let observe = &mut |_: Direction, (done, steps): FitProgress| {
            !done.is_multiple_of(20) || tell(done as f64 / steps as f64)
        };
        Ok(Bridge::fit(&data, &config.clone().check()?, observe)?)
    }

    /// log p(x|y) − log p(x) of test images, from the same decoder evaluations.
    fn gain_over_prior(&self, bridge: &Bridge, rows: &[usize], draws: usize, seed: u64) -> Result<Estimate, Error> {
        let every_label: Vec<u8> = (0..10).collect();
        let label_posterior = self.label_model.posterior(&Observations::one_hot(&every_label, 10)?)?;
        let mut stream = RandomStream::named(seed, "learning-curve/label-draws");
        let sources = label_posterior.sample_each(SOURCE_DRAWS, &mut stream);
        let of_label = |label: usize| (label * SOURCE_DRAWS..(label + 1) * SOURCE_DRAWS).collect::<Vec<_>>();
        let contexts: Vec<Latents> = (0..10).map(|label| sources.select(&of_label(label))).collect();
        let context_of_row = rows.iter().map(|&row| self.labels[row].into()).collect();
        let conditional = BridgeTarget::new("log p(x|y)", bridge.y_to_x(), &contexts, context_of_row)?;
        let prior = PriorTarget::new("log p(x)");
        let settings = ImportanceSettings { draws, chunk: CHUNK.min(draws), seed };
        let (images, posterior) = (self.images.select(rows), self.image_posterior.select(rows));
        let estimates = importance_sampled(
            &self.image_model,
            &images,
            &posterior.moments(),
            &[&prior, &conditional],
            &settings,
            &|_| (),
        )?;
        let each = estimates[0].per_row.iter().zip(&estimates[1].per_row);
        Ok(Estimate::of(each.map(|(prior, bridge)| bridge.log_mean_nats - prior.log_mean_nats)))
    }

    /// What the given models allow: their own draws in place of a bridge's.
    pub(super) fn limits(&self) -> Result<Limits, Error> {
        let mut stream = RandomStream::named(self.seed, "learning-curve/limits");
        let (model, rows) = (&self.image_model, 10 * IMAGES_PER_LABEL);
        let real = self.judge.classifier.features(&self.images)?;
        let distance = |images: &Observations| -> Result<f64, Error> {
            Ok(frechet_distance(&self.judge.classifier.features(images)?, &real)?)
        };
        let chosen: Vec<usize> = row_order(self.seed, self.labels.len())[..rows].to_vec();
        let drawn = model.decode(&self.image_posterior.select(&chosen).sample(&mut stream))?;
        let labels: Vec<u8> = chosen.iter().map(|&row| self.labels[row]).collect();
        let prior = model.decode(&DiagonalGaussian::standard(rows, model.latent_dim()).sample(&mut stream))?;
        Ok(Limits {
            judge_accuracy: self.judge.accuracy.share,
            posterior_draws: Generated {
                label_to_image: Some(label_to_image(&drawn, &labels, &self.judge)?),
                frechet_distance: distance(&drawn)?,
            },
            prior_draws: Generated { label_to_image: None, frechet_distance: distance(&prior)? },
            real_pixel_sd: diversity(&self.images, &self.labels)?.within_condition_sd,
        })
    }
}
