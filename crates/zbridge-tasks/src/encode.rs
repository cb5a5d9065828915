use crate::Error;
use crate::input::Input;
use crate::input_rows::InputRows;
use crate::models::prior_samples;
use crate::shard::Shard;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Instant;
use zbridge::GivenModel;
use zbridge_core::{DiagonalGaussian, Observations, Observer, Posterior, RandomStream, Stage};
use zbridge_data::{LatentsFile, Precision};
use zbridge_datasets::{Split, augmented_views};

/// What is to be encoded.
#[derive(Debug, Clone)]
pub struct EncodeRequest {
    /// The given model.
    pub model: GivenModel,
    /// What.
    pub source: EncodeSource,
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
    /// So many other looks at each image: shifted, turned, scaled, with thicker or thinner strokes.
    pub augment: usize,
    /// Only this part of the rows.
    pub shard: Shard,
    /// The latents file to write.
    pub out: PathBuf,
}

/// Where observations to encode come from.
#[derive(Debug, Clone)]
pub enum EncodeSource {
    /// A dataset folder with the part of it, a folder of images, an `.npy`, or one image.
    Data(PathBuf, Split),
    /// So many draws from the model itself: z from its prior, x from p(x|z). Observations that
    /// nobody took.
    Prior(usize),
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

/// Writes p(z|x_i) of every observation as a latents file. An
/// `.npy` in C order is read, encoded and written some rows at a time; everything else is held in
/// memory.
///
/// # Errors
/// [`Error`] if the data cannot be read, the file cannot be written, or the observer stops the work.
pub fn encode(request: &EncodeRequest, observer: &dyn Observer) -> Result<EncodeReport, Error> {
    let start = Instant::now();
    let by_rows = match &request.source {
        EncodeSource::Data(path, _) if request.sample.is_none() => {
            InputRows::open(path, &request.model)?
        }
        _ => None,
    };
    let rows = match by_rows {
        Some(input) => write_by_rows(request, &input, observer)?,
        None => write_whole(request)?,
    };
    Ok(EncodeReport {
        rows,
        dim: request.model.model.latent_dim(),
        model: request.model.name.clone(),
        seconds: start.elapsed().as_secs_f64(),
        files: vec![request.out.clone()],
    })
}

/// Encodes what has to be in memory as a whole; how many rows were written.
fn write_whole(request: &EncodeRequest) -> Result<usize, Error> {
    let input = match &request.source {
        EncodeSource::Data(path, split) => Input::read(path, *split, &request.model)?,
        EncodeSource::Prior(count) => {
            Input::numbered(prior_samples(&request.model, *count, request.seed)?, None)
        }
    };
    let chosen = chosen_rows(request, input.observations.rows())?;
    let shard = request.shard.of_rows(chosen.len(), request.rows_together());
    let (first, rows) = (shard.start, &chosen[shard]);
    // A row's draw of black and white pixels goes by its number in the data, chosen or not.
    let observations = request.seen(input.observations, 0)?.select(rows);
    let labels = input.labels.filter(|_| !request.without_labels);
    let mut file = request.encoded(&observations, first)?;
    file.labels = labels.map(|labels| rows.iter().map(|&row| labels[row]).collect());
    file.ids = rows.iter().map(|&row| input.ids[row].clone()).collect();
    file.metadata.extend(
        input
            .digest
            .map(|digest| ("data_digest".to_owned(), digest)),
    );
    file.write(&request.out, request.precision())?;
    Ok(rows.len())
}

/// The same of rows that are read as they are needed.
fn write_by_rows(
    request: &EncodeRequest,
    input: &InputRows,
    observer: &dyn Observer,
) -> Result<usize, Error> {
    const BLOCK: usize = 8 * ROWS_AT_ONCE;
    let shard = request
        .shard
        .of_rows(input.count(), request.rows_together());
    let stage = Stage::new(observer, "encoding", shard.len() as u64);
    let blocks = shard.clone().step_by(BLOCK).map(|first| {
        let rows = first..shard.end.min(first + BLOCK);
        let observations = request.seen(input.read(rows.clone())?, first)?;
        let mut file = request.encoded(&observations, first)?;
        stage.advance(rows.len() as u64)?;
        file.ids = rows.map(|row| row.to_string()).collect();
        Ok::<_, Error>(file)
    });
    if shard.is_empty() {
        // Too many shards for so few rows: a file without any.
        request
            .encoded(&input.read(0..0)?, 0)?
            .write(&request.out, request.precision())?;
    } else {
        LatentsFile::write_blocks(&request.out, shard.len(), request.precision(), blocks)?;
    }
    Ok(shard.len())
}

impl EncodeRequest {
    /// The observations as the model is to see them, the first of which is row `first` of the data.
    fn seen(&self, observations: Observations, first: usize) -> Result<Observations, Error> {
        if !self.binarise {
            return Ok(observations);
        }
        expect_images(&self.model, "--binarise draws pixels")?;
        Ok(binarised(&observations, self.seed, first))
    }

    /// A latents file of these observations, the first of which is number `first` of all that are
    /// encoded.
    fn encoded(&self, observations: &Observations, first: usize) -> Result<LatentsFile, Error> {
        let mut metadata = BTreeMap::from([
            ("model".to_owned(), self.model.name.clone()),
            ("model_digest".to_owned(), self.model.digest.clone()),
            ("data".to_owned(), self.source.to_string()),
        ]);
        if self.binarise {
            metadata.insert(BINARISED.to_owned(), self.seed.to_string());
        }
        Ok(LatentsFile {
            views: views(self, observations, first)?,
            metadata,
            latent_shape: self.model.latent_shape.clone(),
            ..LatentsFile::numbered(self.model.model.posterior(observations)?)
        })
    }

    fn precision(&self) -> Precision {
        if self.half {
            Precision::F16
        } else {
            Precision::F32
        }
    }

    /// Rows that no shard tears apart.
    fn rows_together(&self) -> usize {
        if self.augment > 0 { ROWS_AT_ONCE } else { 1 }
    }
}

/// The metadata key of latents of black and white images: the seed of their draw.
pub(crate) const BINARISED: &str = "binarised";

/// Black and white images, one draw for each row under a seed; `first` is the number of the first
/// among the data.
pub(crate) fn binarised(images: &Observations, seed: u64, first: usize) -> Observations {
    images.binarised(&RandomStream::named(seed, "encode/binarise"), first)
}

/// Rows whose other looks share a random stream, and are made together: ten thousand images with
/// sixteen looks each are half a gigabyte of pixels.
const ROWS_AT_ONCE: usize = 512;

/// Posteriors of other looks at each image, the looks of one side by side; `offset` is the number
/// of the first one among all rows, whatever shard this is.
fn views(
    request: &EncodeRequest,
    observations: &Observations,
    offset: usize,
) -> Result<Option<Posterior>, Error> {
    if request.augment == 0 {
        return Ok(None);
    }
    expect_images(&request.model, "--augment turns and shifts images")?;
    let stream = RandomStream::named(request.seed, "encode/augment");
    let mut seen = Vec::new();
    for first in (0..observations.rows()).step_by(ROWS_AT_ONCE) {
        let rows: Vec<usize> = (first..observations.rows().min(first + ROWS_AT_ONCE)).collect();
        let looks = augmented_views(
            &observations.select(&rows),
            request.augment,
            &stream.child((offset + first) as u64),
        )?;
        seen.push(
            request
                .model
                .model
                .posterior(&looks)?
                .moments()
                .into_owned(),
        );
    }
    Ok(Some(
        DiagonalGaussian::joined(&seen, request.model.model.latent_dim())?.into(),
    ))
}

fn expect_images(model: &GivenModel, what: &str) -> Result<(), Error> {
    match model.is_image() {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "{what}, but {} is not a model of images",
            model.name
        ))),
    }
}

impl fmt::Display for EncodeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(path, _) => write!(f, "{}", path.display()),
            Self::Prior(count) => write!(f, "{count} draws from the model's prior"),
        }
    }
}

fn chosen_rows(request: &EncodeRequest, available: usize) -> Result<Vec<usize>, Error> {
    match request.sample {
        None => Ok((0..available).collect()),
        Some(sample) if sample > available => Err(Error::usage(format!(
            "--sample {sample}: the data has only {available} rows"
        ))),
        Some(sample) => {
            let mut order =
                RandomStream::named(request.seed, "encode/sample").permutation(available);
            order.truncate(sample);
            Ok(order)
        }
    }
}
