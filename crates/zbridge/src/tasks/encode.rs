use super::input::Input;
use crate::{Error, Given};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;
use zbridge_core::{LatentModel, RandomStream};
use zbridge_data::{LatentsFile, Precision, Split};

/// What is to be encoded.
#[derive(Debug, Clone)]
pub struct EncodeRequest {
    /// The given model.
    pub model: Given,
    /// A dataset folder, a folder of images, an `.npy`, or one image.
    pub data: PathBuf,
    /// Which part of a dataset.
    pub split: Split,
    /// Only so many rows, drawn at random without replacement.
    pub sample: Option<usize>,
    /// Seed of that draw.
    pub seed: u64,
    /// Draw each pixel black or white, with its grey value as the probability of white.
    pub binarise: bool,
    /// Half precision.
    pub half: bool,
    /// Leave the labels out, where the data has some.
    pub without_labels: bool,
    /// The latents file to write.
    pub out: PathBuf,
}

/// What was encoded.
#[derive(Debug, Clone, Serialize)]
pub struct EncodeReport {
    /// Posteriors written.
    pub rows: usize,
    /// Dimensions of each.
    pub dim: usize,
    /// The model, as named.
    pub model: String,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// What was written.
    pub files: Vec<PathBuf>,
}

/// Writes p(z|x_i) of every observation as a latents file.
///
/// # Errors
/// [`Error`] when the data cannot be read or the file not written.
pub fn encode(request: &EncodeRequest) -> Result<EncodeReport, Error> {
    let start = Instant::now();
    let input = Input::read(&request.data, request.split, &request.model)?;
    let rows = chosen_rows(request, input.observations.rows())?;
    let mut observations = input.observations;
    if request.binarise {
        expect_images(&request.model)?;
        observations = observations.binarised(&RandomStream::named(request.seed, "encode/binarise"));
    }
    let posterior = request.model.model.posterior(&observations.select(&rows))?;
    let (count, dim) = (posterior.rows(), posterior.dim());
    let mut metadata = BTreeMap::from([
        ("model".to_owned(), request.model.name.clone()),
        ("model_digest".to_owned(), request.model.digest.clone()),
        ("data".to_owned(), request.data.display().to_string()),
    ]);
    metadata.extend(input.digest.map(|digest| ("data_digest".to_owned(), digest)));
    let labels = input.labels.filter(|_| !request.without_labels);
    let labels = labels.map(|labels| rows.iter().map(|&row| labels[row]).collect());
    let ids = rows.iter().map(|&row| input.ids[row].clone()).collect();
    let precision = if request.half { Precision::F16 } else { Precision::F32 };
    LatentsFile { ids, posterior, labels, metadata }.write(&request.out, precision)?;
    Ok(EncodeReport {
        rows: count,
        dim,
        model: request.model.name.clone(),
        seconds: start.elapsed().as_secs_f64(),
        files: vec![request.out.clone()],
    })
}

fn expect_images(model: &Given) -> Result<(), Error> {
    match model.is_image() {
        true => Ok(()),
        false => Err(Error::usage(format!("--binarise draws pixels, but {} is not a model of images", model.name))),
    }
}

fn chosen_rows(request: &EncodeRequest, available: usize) -> Result<Vec<usize>, Error> {
    match request.sample {
        None => Ok((0..available).collect()),
        Some(sample) if sample > available => {
            Err(Error::usage(format!("--sample {sample}: the data has only {available} rows")))
        }
        Some(sample) => {
            let mut order = RandomStream::named(request.seed, "encode/sample").permutation(available);
            order.truncate(sample);
            Ok(order)
        }
    }
}
