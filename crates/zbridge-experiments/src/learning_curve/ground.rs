//! What every point of the curve shares, and how a point is measured.

use super::LearningCurveRequest;
use super::results::{Generated, Limits, SeedPoint};
use crate::digits::{Digits, Draws, Pixels};
use crate::points::stored_or;
use cpu_time::ProcessTime;
use std::time::Instant;
use zbridge::GivenModel;
use zbridge_assets::MNIST_IMAGE;
use zbridge_bridge::{Bridge, CheckedConfig, Direction, DirectionGap};
use zbridge_core::{DiagonalGaussian, Estimate, Observations, RandomStream};
use zbridge_data::MnistSplit;
use zbridge_eval::{diversity, frechet_distance};
use zbridge_tasks::measures::{image_to_label, images_of_labels, label_to_image, row_order};
use zbridge_tasks::{Error, open_model};

/// Generated images of each label.
const IMAGES_PER_LABEL: usize = 500;
/// Draws of z_y for each label in likelihoods.
const SOURCE_DRAWS: usize = 8;

pub(super) struct Ground {
    digits: Digits,
    seed: u64,
}

impl Ground {
    pub(super) fn prepare(
        train: &MnistSplit,
        test: &MnistSplit,
        request: &LearningCurveRequest,
    ) -> Result<Self, Error> {
        let model = open_model(MNIST_IMAGE.name)?.model;
        let digits = Digits::prepare((train, test), (model, Pixels::Grey), request.unpaired)?;
        Ok(Self {
            digits,
            seed: request.seed,
        })
    }

    pub(super) fn unpaired_rows(&self) -> usize {
        self.digits.unpaired_rows()
    }

    /// The point that an earlier run left in the folder, or else a new one, which is left there.
    pub(super) fn stored_or_measured(
        &self,
        request: &LearningCurveRequest,
        pairs: usize,
        seed: u64,
        shuffled: bool,
        tell: &(dyn Fn(f64) -> bool + Sync),
    ) -> Result<SeedPoint, Error> {
        let kind = if shuffled { "shuffled" } else { "pairs" };
        let path = request
            .out
            .join(format!("points/{kind}-{pairs}-seed-{seed}.json"));
        let config = request.config.with_seed(seed);
        let settings = (&config, self.unpaired_rows(), request.images, request.draws);
        stored_or(&path, &settings, || {
            self.measured(request, &config, pairs, shuffled, tell)
        })
    }

    fn measured(
        &self,
        request: &LearningCurveRequest,
        config: &CheckedConfig,
        pairs: usize,
        shuffled: bool,
        tell: &(dyn Fn(f64) -> bool + Sync),
    ) -> Result<SeedPoint, Error> {
        let (digits, seed) = (&self.digits, config.seed);
        let order = row_order(seed, digits.labels.len());
        let (rows, held_out) = order.split_at(pairs);
        let mut partners = rows.to_vec();
        if shuffled {
            let order = RandomStream::named(seed, "learning-curve/shuffled").permutation(pairs);
            partners = order.into_iter().map(|place| rows[place]).collect();
        }
        let (start, processor) = (Instant::now(), ProcessTime::now());
        let bridge = self.digits.fit(config, (rows, &partners), tell)?;
        let (fit_seconds, fit_core_seconds) = (
            start.elapsed().as_secs_f64(),
            processor.elapsed().as_secs_f64(),
        );
        let truth = digits.labels_of(held_out);
        let held_posterior = digits.image_posterior.select(held_out);
        let (made, conditions) = images_of_labels(
            bridge.y_to_x(),
            &*digits.label_model,
            &*digits.image_model,
            IMAGES_PER_LABEL,
            seed,
        )?;
        let real = digits
            .judge
            .classifier
            .features(&digits.images.select(held_out))?;
        let gain = match request.images {
            0 => None,
            images => {
                let last = &held_out[held_out.len().saturating_sub(images)..];
                Some(self.gain_over_prior(&bridge, last, request.draws, seed)?)
            }
        };
        Ok(SeedPoint {
            seed,
            image_to_label: image_to_label(
                bridge.x_to_y(),
                &held_posterior,
                &truth,
                &*digits.label_model,
                seed,
            )?,
            label_to_image: label_to_image(&made, &conditions, &digits.judge)?,
            frechet_distance: frechet_distance(&digits.judge.classifier.features(&made)?, &real)?,
            gain_over_prior_nats: gain,
            direction_gap: DirectionGap::between(
                bridge.directions(),
                &held_posterior,
                &digits.label_posterior.select(held_out),
                seed,
            )?,
            image_to_label_choice: bridge.comparison(Direction::XToY).clone(),
            label_to_image_choice: bridge.comparison(Direction::YToX).clone(),
            fit_seconds,
            fit_core_seconds,
        })
    }

    /// log p(x|y) − log p(x) of test images, from the same decoder evaluations.
    fn gain_over_prior(
        &self,
        bridge: &Bridge,
        rows: &[usize],
        draws: usize,
        seed: u64,
    ) -> Result<Estimate, Error> {
        let estimates = self.digits.likelihoods(
            &[bridge],
            rows,
            Draws {
                draws,
                source_draws: SOURCE_DRAWS,
                seed,
            },
            &zbridge_core::Unobserved,
        )?;
        let each = estimates[0].per_row.iter().zip(&estimates[1].per_row);
        Ok(Estimate::of(each.map(|(prior, bridge)| {
            bridge.log_mean_nats - prior.log_mean_nats
        })))
    }

    /// What the given models allow: their own draws in place of a bridge's.
    pub(super) fn limits(&self) -> Result<Limits, Error> {
        let digits = &self.digits;
        let mut stream = RandomStream::named(self.seed, "learning-curve/limits");
        let (model, rows) = (&digits.image_model, 10 * IMAGES_PER_LABEL);
        let real = digits.judge.classifier.features(&digits.images)?;
        let distance = |images: &Observations| -> Result<f64, Error> {
            Ok(frechet_distance(
                &digits.judge.classifier.features(images)?,
                &real,
            )?)
        };
        let chosen: Vec<usize> = row_order(self.seed, digits.labels.len())[..rows].to_vec();
        let drawn = model.decode(&digits.image_posterior.select(&chosen).sample(&mut stream))?;
        let labels: Vec<u8> = chosen.iter().map(|&row| digits.labels[row]).collect();
        let prior = model
            .decode(&DiagonalGaussian::standard(rows, model.latent_dim()).sample(&mut stream))?;
        Ok(Limits {
            judge_accuracy: digits.judge.accuracy.share,
            posterior_draws: Generated {
                label_to_image: Some(label_to_image(&drawn, &labels, &digits.judge)?),
                frechet_distance: distance(&drawn)?,
            },
            prior_draws: Generated {
                label_to_image: None,
                frechet_distance: distance(&prior)?,
            },
            real_pixel_sd: diversity(&digits.images, &digits.labels)?.within_condition_sd,
        })
    }
}
