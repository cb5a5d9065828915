//! MNIST across its two given models: what every experiment on it starts from.

use std::sync::Arc;
use zbridge_assets::MNIST_LABEL;
use zbridge_bridge::{Bridge, BridgeConfig, FitData};
use zbridge_core::{LatentModel, Latents, Observations, Observer, Posterior, RandomStream};
use zbridge_datasets::MnistSplit;
use zbridge_eval::{
    BridgeTarget, ImportanceSettings, PriorTarget, TargetDensity, TargetEstimate,
    importance_sampled,
};
use zbridge_tasks::Error;
use zbridge_tasks::measures::Judge;

/// Draws that go through a decoder at once.
const CHUNK: usize = 250;
/// Seed of the one draw of black and white pixels that stands for an image ever after.
const BINARISATION: u64 = 1;

/// The 10,000 test images, on which no given model was trained, with what the models say of them;
/// and posteriors of training images, whose labels nothing here knows.
pub(crate) struct Digits {
    pub(crate) image_model: Arc<dyn LatentModel>,
    pub(crate) label_model: Arc<dyn LatentModel>,
    /// Test images.
    pub(crate) images: Observations,
    /// Their labels.
    pub(crate) labels: Vec<u8>,
    pub(crate) image_posterior: Posterior,
    pub(crate) label_posterior: Posterior,
    /// Posteriors of training images.
    pub(crate) unpaired: Option<Posterior>,
    pub(crate) judge: Judge,
}

/// How much an estimate draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draws {
    /// From p(z|x), for each image.
    pub(crate) draws: usize,
    /// z_y ~ p(z_y|y) for each label, over which q(z_x|z_y) is averaged. Images of a label share
    /// them.
    pub(crate) source_draws: usize,
    pub(crate) seed: u64,
}

/// How pixels are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pixels {
    /// Grey values in 0..1, as fractional outcomes of a Bernoulli distribution.
    Grey,
    /// Black or white, one draw for each image with the grey values as probabilities.
    Binary,
}

impl Digits {
    /// # Errors
    /// [`Error`] when the label model cannot be opened.
    pub(crate) fn prepare(
        (train, test): (&MnistSplit, &MnistSplit),
        (image_model, pixels): (Arc<dyn LatentModel>, Pixels),
        unpaired: usize,
    ) -> Result<Self, Error> {
        let label_model: Arc<dyn LatentModel> = Arc::new(MNIST_LABEL.vae()?);
        let rows: Vec<usize> = (0..unpaired.min(train.rows())).collect();
        let unpaired = match rows.len() {
            0 => None,
            _ => Some(image_model.posterior(&seen(train, "train", pixels).select(&rows))?),
        };
        let images = seen(test, "test", pixels);
        Ok(Self {
            image_posterior: image_model.posterior(&images)?,
            label_posterior: label_model.posterior(&Observations::one_hot(test.labels(), 10)?)?,
            labels: test.labels().to_vec(),
            judge: Judge::embedded()?,
            images,
            image_model,
            label_model,
            unpaired,
        })
    }

    /// How many unpaired images there are.
    pub(crate) fn unpaired_rows(&self) -> usize {
        self.unpaired.as_ref().map_or(0, Posterior::rows)
    }

    /// Labels of some test images.
    pub(crate) fn labels_of(&self, rows: &[usize]) -> Vec<u8> {
        rows.iter().map(|&row| self.labels[row]).collect()
    }

    /// A bridge from test images (x) to the labels (y) of `partners`, row by row.
    ///
    /// # Errors
    /// [`Error`] if the fit fails, or if the observer stops it.
    pub(crate) fn fit(
        &self,
        config: &BridgeConfig,
        (rows, partners): (&[usize], &[usize]),
        observer: &dyn Observer,
    ) -> Result<Bridge, Error> {
        let (x, y) = (
            self.image_posterior.select(rows),
            self.label_posterior.select(partners),
        );
        let data = FitData::pairs(&x, &y).with_unpaired_x(self.unpaired.as_ref());
        Ok(Bridge::fit(&data, &config.clone().check()?, observer)?)
    }

    /// log p(x) and then, for each bridge, log p(x|y) of test images, all from the same decoder
    /// evaluations.
    ///
    /// # Errors
    /// [`Error`] when an estimate fails.
    pub(crate) fn likelihoods(
        &self,
        bridges: &[&Bridge],
        rows: &[usize],
        draws: Draws,
        observer: &dyn Observer,
    ) -> Result<Vec<TargetEstimate>, Error> {
        let contexts = self.label_draws(draws)?;
        let conditionals = self.conditionals(bridges, rows, &contexts)?;
        let prior = PriorTarget::new("log p(x)");
        let mut targets: Vec<&dyn TargetDensity> = vec![&prior];
        for conditional in &conditionals {
            targets.push(conditional);
        }
        let settings = ImportanceSettings {
            draws: draws.draws,
            chunk: CHUNK.min(draws.draws),
            seed: draws.seed,
        };
        let (images, posterior) = (self.images.select(rows), self.image_posterior.select(rows));
        Ok(importance_sampled(
            &*self.image_model,
            &images,
            &posterior.moments(),
            &targets,
            &settings,
            observer,
        )?)
    }

    /// log p(x|y) across each bridge; `contexts` has draws of z_y for each label.
    fn conditionals<'b>(
        &self,
        bridges: &[&'b Bridge],
        rows: &[usize],
        contexts: &'b [Latents],
    ) -> Result<Vec<BridgeTarget<'b>>, Error> {
        let label_of_row: Vec<usize> = rows.iter().map(|&row| self.labels[row].into()).collect();
        let mut targets = Vec::new();
        for bridge in bridges {
            let (name, density) = ("log p(x|y)", bridge.y_to_x());
            // Images of a label share its draws of z_y.
            let label_of_row = label_of_row.clone();
            targets.push(BridgeTarget::new(name, density, contexts, label_of_row)?);
        }
        Ok(targets)
    }

    /// Draws of z_y ~ p(z_y|y), for each label apart.
    fn label_draws(&self, draws: Draws) -> Result<Vec<Latents>, Error> {
        let every_label: Vec<u8> = (0..10).collect();
        let posterior = self
            .label_model
            .posterior(&Observations::one_hot(&every_label, 10)?)?;
        let mut stream = RandomStream::named(draws.seed, "learning-curve/label-draws");
        let each = draws.source_draws;
        // Draws of one label follow one another.
        // Drawn once for all bridges and images, so that differences are theirs.
        let latents = posterior.sample_each(each, &mut stream);
        let mut by_label = Vec::new();
        for label in 0..10 {
            let rows: Vec<usize> = (label * each..(label + 1) * each).collect();
            by_label.push(latents.select(&rows));
        }
        Ok(by_label)
    }
}

fn seen(split: &MnistSplit, name: &str, pixels: Pixels) -> Observations {
    let grey = split.images_observations();
    match pixels {
        Pixels::Grey => grey,
        Pixels::Binary => grey.binarised(
            &RandomStream::named(BINARISATION, &format!("mnist/{name}/binarised")),
            0,
        ),
    }
}
