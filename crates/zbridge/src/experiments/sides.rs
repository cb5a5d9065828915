//! The modalities that experiments join.

use super::ExperimentRequest;
use super::modality::{Modality, Rows};
use super::readers::{ClassReader, DigitReader};
use crate::assets::MNIST_LABEL;
use crate::measures::Judge;
use crate::{Error, Given};
use zbridge_core::Observations;
use zbridge_data::{Mnist, MnistSplit, locate_or_download};

/// Test images of MNIST that pairs are made of; those behind them are held out.
const POOL: usize = 5000;
/// Held-out test images.
const HELD_OUT: usize = 1000;
/// Training images whose labels nothing here knows.
const UNPAIRED: usize = 10_000;

/// MNIST from where the request says.
pub(super) fn mnist(request: &ExperimentRequest, observe: &(dyn Fn(&str, f64) -> bool + Sync)) -> Result<Mnist, Error> {
    let folder = locate_or_download(request.data.as_deref(), &mut |progress| {
        observe("download MNIST", progress.received as f64 / progress.total.max(1) as f64);
    })?;
    Ok(Mnist::load_both(&folder)?)
}

/// Digits as images of a given model.
pub(super) fn digit_images(mnist: &Mnist, model: &str, request: &ExperimentRequest) -> Result<Modality, Error> {
    let Given { model, digest, .. } = Given::open(model, request.device)?;
    let rows = |split: &MnistSplit, from: usize, count: usize| -> Result<Rows, Error> {
        let rows: Vec<usize> = (from..split.rows().min(from + count)).collect();
        let keys = rows.iter().map(|&row| split.labels()[row].into()).collect();
        Ok(Rows { posterior: model.posterior(&split.images_observations().select(&rows))?, keys })
    };
    Ok(Modality {
        name: "image",
        pool: rows(&mnist.test, 0, POOL)?,
        held_out: rows(&mnist.test, POOL, HELD_OUT)?,
        unpaired: Some(rows(&mnist.train, 0, UNPAIRED)?.posterior),
        model,
        digest,
        is_collection: false,
        reader: Box::new(DigitReader(Judge::embedded()?)),
    })
}

/// The ten labels as the embedded label VAE sees them.
pub(super) fn labels(request: &ExperimentRequest) -> Result<Modality, Error> {
    let Given { model, digest, .. } = Given::open(MNIST_LABEL.name, request.device)?;
    let labels: Vec<u8> = (0..10).collect();
    let posterior = model.posterior(&Observations::one_hot(&labels, 10)?)?;
    let ten = Rows { posterior, keys: (0..10).collect() };
    Ok(Modality {
        name: "label",
        pool: ten.select(&(0..10).collect::<Vec<_>>()),
        held_out: ten,
        unpaired: None,
        model,
        digest,
        is_collection: true,
        reader: Box::new(ClassReader),
    })
}
