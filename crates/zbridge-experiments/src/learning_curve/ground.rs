//! What every point of the curve shares, and how a point is measured.

use super::results::{Generated, Limits, SeedPoint};
use super::{LearningCurveRequest, PointKind};
use crate::digits::{Digits, Draws, Pixels};
use crate::points::stored_or;
use cpu_time::ProcessTime;
use std::time::Instant;
use zbridge_assets::MNIST_IMAGE;
use zbridge_bridge::{Bridge, BridgeConfig, Direction, DirectionGap};
use zbridge_core::{DiagonalGaussian, Estimate, Latents, Observations, Observer, RandomStream};
use zbridge_datasets::MnistSplit;
use zbridge_eval::{diversity, frechet_distance};
use zbridge_tasks::measures::{
    ImageToLabel, LabelToImage, image_to_label, images_of_labels, label_to_image, row_order,
};
use zbridge_tasks::{Error, open_model};

/// Generated images of each label.
const IMAGES_PER_LABEL: usize = 500;
/// Draws of z_y for each label in likelihoods.
const SOURCE_DRAWS: usize = 8;

pub(super) struct Ground {
    digits: Digits,
    seed: u64,
}

struct Fitted {
    bridge: Bridge,
    /// Wall-clock seconds.
    seconds: f64,
    /// Processor seconds, over all cores.
    core_seconds: f64,
}

/// Images of the given model without any bridge.
struct OwnImages {
    of_posterior: Observations,
    of_prior: Observations,
}

/// Figures of images that a bridge makes from labels.
struct GeneratedImages {
    label_to_image: LabelToImage,
    frechet_distance: f64,
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
        kind: PointKind,
        seed: u64,
        observer: &dyn Observer,
    ) -> Result<SeedPoint, Error> {
        let pairs = if kind.shuffled { "shuffled" } else { "pairs" };
        let name = format!("{pairs}-{}-seed-{seed}.json", kind.pairs);
        let path = request.out.join("points").join(name);
        let config = request.config.clone().with_seed(seed);
        // A point is measured again when any of these differs.
        let settings = (&config, self.unpaired_rows(), request.images, request.draws);
        stored_or(&path, &settings, || {
            self.measured(request, &config, kind, observer)
        })
    }

    fn measured(
        &self,
        request: &LearningCurveRequest,
        config: &BridgeConfig,
        kind: PointKind,
        observer: &dyn Observer,
    ) -> Result<SeedPoint, Error> {
        let (digits, seed) = (&self.digits, config.seed);
        let order = row_order(seed, digits.labels.len());
        let (rows, held_out) = order.split_at(kind.pairs);
        let fitted = self.fit(config, rows, kind.shuffled, observer)?;
        let bridge = &fitted.bridge;
        let generated = self.generated(bridge, held_out, seed)?;
        let gain = self.gain_over_prior(request, bridge, held_out, seed, observer)?;
        Ok(SeedPoint {
            seed,
            image_to_label: self.image_to_label(bridge, held_out, seed)?,
            label_to_image: generated.label_to_image,
            frechet_distance: generated.frechet_distance,
            gain_over_prior_nats: gain,
            direction_gap: self.direction_gap(bridge, held_out, seed)?,
            image_to_label_choice: bridge.comparison(Direction::XToY).clone(),
            label_to_image_choice: bridge.comparison(Direction::YToX).clone(),
            fit_seconds: fitted.seconds,
            fit_core_seconds: fitted.core_seconds,
        })
    }

    fn fit(
        &self,
        config: &BridgeConfig,
        rows: &[usize],
        shuffled: bool,
        observer: &dyn Observer,
    ) -> Result<Fitted, Error> {
        let mut partners = rows.to_vec();
        if shuffled {
            let mut stream = RandomStream::named(config.seed, "learning-curve/shuffled");
            let order = stream.permutation(rows.len());
            // The same labels in another order, so both sides are distributed as in a real fit.
            partners = order.into_iter().map(|place| rows[place]).collect();
        }
        let (start, processor) = (Instant::now(), ProcessTime::now());
        let bridge = self.digits.fit(config, (rows, &partners), observer)?;
        Ok(Fitted {
            bridge,
            seconds: start.elapsed().as_secs_f64(),
            core_seconds: processor.elapsed().as_secs_f64(),
        })
    }

    fn image_to_label(
        &self,
        bridge: &Bridge,
        held_out: &[usize],
        seed: u64,
    ) -> Result<ImageToLabel, Error> {
        let digits = &self.digits;
        let images = digits.image_posterior.select(held_out);
        let labels = digits.labels_of(held_out);
        image_to_label(
            bridge.x_to_y(),
            &images,
            &labels,
            &*digits.label_model,
            seed,
        )
    }

    fn direction_gap(
        &self,
        bridge: &Bridge,
        held_out: &[usize],
        seed: u64,
    ) -> Result<DirectionGap, Error> {
        let x = self.digits.image_posterior.select(held_out);
        let y = self.digits.label_posterior.select(held_out);
        Ok(DirectionGap::between(bridge.directions(), &x, &y, seed)?)
    }

    /// Figures of images that the bridge makes from every label, beside the held-out ones.
    fn generated(
        &self,
        bridge: &Bridge,
        held_out: &[usize],
        seed: u64,
    ) -> Result<GeneratedImages, Error> {
        let digits = &self.digits;
        let (made, conditions) = images_of_labels(
            bridge.y_to_x(),
            &*digits.label_model,
            &*digits.image_model,
            IMAGES_PER_LABEL,
            seed,
        )?;
        let real = self.features(&digits.images.select(held_out))?;
        Ok(GeneratedImages {
            label_to_image: label_to_image(&made, &conditions, &digits.judge)?,
            frechet_distance: frechet_distance(&self.features(&made)?, &real)?,
        })
    }

    /// What Fréchet distances are measured on.
    fn features(&self, images: &Observations) -> Result<Latents, Error> {
        self.digits.judge.features(images)
    }

    /// log p(x|y) − log p(x) of held-out images, from the same decoder evaluations; none if no
    /// images are asked for.
    fn gain_over_prior(
        &self,
        request: &LearningCurveRequest,
        bridge: &Bridge,
        held_out: &[usize],
        seed: u64,
        observer: &dyn Observer,
    ) -> Result<Option<Estimate>, Error> {
        if request.images == 0 {
            return Ok(None);
        }
        // The last rows of the order, which larger numbers of pairs hold out too.
        let rows = &held_out[held_out.len().saturating_sub(request.images)..];
        let draws = Draws {
            draws: request.draws,
            source_draws: SOURCE_DRAWS,
            seed,
        };
        let estimates = self.digits.likelihoods(&[bridge], rows, draws, observer)?;
        let (prior, conditional) = (&estimates[0].per_row, &estimates[1].per_row);
        let gains = conditional.iter().zip(prior);
        let gains = gains.map(|(given_y, alone)| given_y.log_mean_nats - alone.log_mean_nats);
        Ok(Some(Estimate::of(gains)))
    }

    /// What the given models allow: their own draws in place of a bridge's.
    pub(super) fn limits(&self) -> Result<Limits, Error> {
        let digits = &self.digits;
        // As many images as a bridge makes: the Fréchet distance depends on their number.
        let rows = &row_order(self.seed, digits.labels.len())[..10 * IMAGES_PER_LABEL];
        let own = self.own_images(rows)?;
        let real = self.features(&digits.images)?;
        let labels = digits.labels_of(rows);
        let coherence = label_to_image(&own.of_posterior, &labels, &digits.judge)?;
        Ok(Limits {
            judge_accuracy: digits.judge.accuracy.share,
            posterior_draws: Generated {
                label_to_image: Some(coherence),
                frechet_distance: frechet_distance(&self.features(&own.of_posterior)?, &real)?,
            },
            prior_draws: Generated {
                label_to_image: None,
                frechet_distance: frechet_distance(&self.features(&own.of_prior)?, &real)?,
            },
            real_pixel_sd: diversity(&digits.images, &digits.labels)?.within_condition_sd,
        })
    }

    /// The image model's images of its posteriors of `rows`, and of as many draws of its prior.
    fn own_images(&self, rows: &[usize]) -> Result<OwnImages, Error> {
        let model = &self.digits.image_model;
        let posterior = self.digits.image_posterior.select(rows);
        let prior = DiagonalGaussian::standard(rows.len(), model.latent_dim());
        // One stream for both, so the order of these two lines is part of the result.
        let mut stream = RandomStream::named(self.seed, "learning-curve/limits");
        let of_posterior = model.decode(&posterior.sample(&mut stream))?;
        let of_prior = model.decode(&prior.sample(&mut stream))?;
        Ok(OwnImages {
            of_posterior,
            of_prior,
        })
    }
}
