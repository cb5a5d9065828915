use crate::Error;
use crate::binarise::{BINARISED, binarised};
use crate::input::Input;
use crate::input_rows::InputRows;
use crate::models::{posterior_in_blocks, prior_samples};
use crate::shard::Shard;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;
use zbridge::GivenModel;
use zbridge_core::{
    DiagonalGaussian, Observations, Observer, Posterior, RandomStream, Stage, Unobserved,
};
use zbridge_data::{LatentsFile, Precision};
use zbridge_datasets::{Split, augmented_views};

/// Rows whose views share a random stream, and are made together: ten thousand images with sixteen
/// views each are half a gigabyte of pixels.
const ROWS_OF_STREAM: usize = 512;
/// Rows that are read, encoded and written at once.
const BLOCK: usize = 8 * ROWS_OF_STREAM;

/// What is to be encoded.
#[derive(Debug, Clone)]
pub struct EncodeRequest {
    /// The given model.
    pub model: GivenModel,
    /// Where the observations come from.
    pub source: EncodeSource,
    /// Encode only this number of rows, drawn at random without replacement.
    pub sample: Option<usize>,
    /// Seed of that draw.
    pub seed: u64,
    /// Draw each pixel black or white, with its grey value as the probability of white.
    pub binarise: bool,
    /// Write numbers of 16 bits.
    pub half: bool,
    /// Leave out the labels of the data.
    pub without_labels: bool,
    /// The number of augmented views of each image: shifted, turned, scaled, with thicker or
    /// thinner strokes.
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
    /// This number of draws from the model itself: z from its prior, x from p(x|z).
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

/// Writes p(z|x_i) of every observation as a latents file. An `.npy` in C order is read, encoded
/// and written some rows at a time; everything else is held in memory.
///
/// # Errors
/// [`Error`] if the data cannot be read, the file cannot be written, or the observer stops the
/// work.
pub fn encode(request: &EncodeRequest, observer: &dyn Observer) -> Result<EncodeReport, Error> {
    let start = Instant::now();
    let by_rows = match &request.source {
        // A random sample needs rows from everywhere: then all are read.
        EncodeSource::Data(path, _) if request.sample.is_none() => {
            InputRows::open(path, &request.model)?
        }
        _ => None,
    };
    let rows = match by_rows {
        Some(input) => write_by_rows(request, &input, observer)?,
        None => write_whole(request, observer)?,
    };
    Ok(EncodeReport {
        rows,
        dim: request.model.model.latent_dim(),
        model: request.model.name.clone(),
        seconds: start.elapsed().as_secs_f64(),
        files: vec![request.out.clone()],
    })
}

/// Encodes data that are in memory as a whole, and returns the number of rows written.
fn write_whole(request: &EncodeRequest, observer: &dyn Observer) -> Result<usize, Error> {
    let input = request.input(observer)?;
    let chosen = request.chosen_rows(input.observations.rows())?;
    let shard = request.shard.of_rows(chosen.len(), request.rows_together());
    // Views go by the place in the sample, so that shards agree with one whole run.
    let (first, rows) = (shard.start, &chosen[shard]);
    // A row's draw of black and white pixels goes by its number in the data, chosen or not.
    let observations = request.observations(input.observations, 0)?.select(rows);
    let mut file = request.encoded_in_blocks(&observations, first, observer)?;
    if !request.without_labels {
        let labels = input.labels;
        file.labels = labels.map(|labels| rows.iter().map(|&row| labels[row]).collect());
    }
    file.ids = rows.iter().map(|&row| input.ids[row].clone()).collect();
    if let Some(digest) = input.digest {
        file.metadata.insert("data_digest".to_owned(), digest);
    }
    file.write(&request.out, request.precision())?;
    Ok(rows.len())
}

/// Encodes data whose rows are read when they are needed, and returns the number of rows written.
fn write_by_rows(
    request: &EncodeRequest,
    input: &InputRows,
    observer: &dyn Observer,
) -> Result<usize, Error> {
    let (out, precision) = (&request.out, request.precision());
    let shard = request
        .shard
        .of_rows(input.count(), request.rows_together());
    if shard.is_empty() {
        // There are more shards than rows.
        let nothing = request.encoded(&input.read(0..0)?, 0)?;
        nothing.write(out, precision)?;
        return Ok(0);
    }
    let stage = Stage::new(observer, "encoding", shard.len() as u64);
    let blocks = shard.clone().step_by(BLOCK).map(|first| {
        let rows = first..shard.end.min(first + BLOCK);
        let file = request.encoded_rows(input, rows.clone())?;
        stage.advance(rows.len() as u64)?;
        Ok::<_, Error>(file)
    });
    LatentsFile::write_blocks(out, shard.len(), precision, blocks)?;
    Ok(shard.len())
}

impl EncodeRequest {
    fn input(&self, observer: &dyn Observer) -> Result<Input, Error> {
        match &self.source {
            EncodeSource::Data(path, split) => Input::read(path, *split, &self.model),
            EncodeSource::Prior(count) => {
                let drawn = prior_samples(&self.model, *count, self.seed, observer)?;
                Ok(Input::numbered(drawn, None))
            }
        }
    }

    /// Returns the rows to encode, in their order.
    fn chosen_rows(&self, available: usize) -> Result<Vec<usize>, Error> {
        match self.sample {
            None => Ok((0..available).collect()),
            Some(sample) if sample > available => Err(Error::usage(format!(
                "a sample of {sample} rows is asked for, but the data has only {available}"
            ))),
            Some(sample) => {
                let mut stream = RandomStream::named(self.seed, "encode/sample");
                // A larger sample under the same seed begins with the smaller one.
                let mut order = stream.permutation(available);
                order.truncate(sample);
                Ok(order)
            }
        }
    }

    /// Returns the observations as the model is to see them; the first is row `first` of the data.
    fn observations(
        &self,
        observations: Observations,
        first: usize,
    ) -> Result<Observations, Error> {
        if !self.binarise {
            return Ok(observations);
        }
        self.expect_images("only pixels can be made black or white")?;
        Ok(binarised(&observations, self.seed, first))
    }

    /// Returns the latents file of some rows of the data.
    fn encoded_rows(&self, input: &InputRows, rows: Range<usize>) -> Result<LatentsFile, Error> {
        let observations = self.observations(input.read(rows.clone())?, rows.start)?;
        let mut file = self.encoded(&observations, rows.start)?;
        file.ids = rows.map(|row| row.to_string()).collect();
        Ok(file)
    }

    /// Returns the latents file of observations in memory, of which the first is number `first` of
    /// all that are encoded. The observer is called after each block.
    fn encoded_in_blocks(
        &self,
        observations: &Observations,
        first: usize,
        observer: &dyn Observer,
    ) -> Result<LatentsFile, Error> {
        let views = self.views(observations, first, observer)?;
        let posterior = posterior_in_blocks(&self.model, observations, observer)?;
        Ok(LatentsFile {
            views,
            ..self.file(posterior)
        })
    }

    /// Returns the latents file of a block of observations, of which the first is number `first` of
    /// all that are encoded.
    fn encoded(&self, observations: &Observations, first: usize) -> Result<LatentsFile, Error> {
        Ok(LatentsFile {
            views: self.views(observations, first, &Unobserved)?,
            ..self.file(self.model.model.posterior(observations)?)
        })
    }

    fn file(&self, posterior: Posterior) -> LatentsFile {
        let mut metadata = BTreeMap::from([
            ("model".to_owned(), self.model.name.clone()),
            ("model_digest".to_owned(), self.model.digest.clone()),
            ("data".to_owned(), self.source.to_string()),
        ]);
        if self.binarise {
            // An evaluation draws the same pixels again with this seed.
            metadata.insert(BINARISED.to_owned(), self.seed.to_string());
        }
        LatentsFile {
            metadata,
            latent_shape: self.model.latent_shape.clone(),
            ..LatentsFile::numbered(posterior)
        }
    }

    /// Returns posteriors of augmented views of each image, those of one image side by side;
    /// `first` is the number of the first image among all rows, whatever shard this is.
    fn views(
        &self,
        observations: &Observations,
        first: usize,
        observer: &dyn Observer,
    ) -> Result<Option<Posterior>, Error> {
        if self.augment == 0 {
            return Ok(None);
        }
        self.expect_images("only images can be turned and shifted")?;
        let count = observations.rows();
        let stage = Stage::new(observer, "encoding views", count as u64);
        let stream = RandomStream::named(self.seed, "encode/augment");
        let mut parts = Vec::new();
        for start in (0..count).step_by(ROWS_OF_STREAM) {
            let rows: Vec<usize> = (start..count.min(start + ROWS_OF_STREAM)).collect();
            // Named by the first row, so that views do not depend on the shard.
            let stream = stream.child((first + start) as u64);
            let views = augmented_views(&observations.select(&rows), self.augment, &stream)?;
            parts.push(self.model.model.posterior(&views)?.moments().into_owned());
            stage.advance(rows.len() as u64)?;
        }
        let joined = DiagonalGaussian::joined(&parts, self.model.model.latent_dim())?;
        Ok(Some(joined.into()))
    }

    fn precision(&self) -> Precision {
        match self.half {
            true => Precision::F16,
            false => Precision::F32,
        }
    }

    /// Returns the number of rows that no shard may separate.
    fn rows_together(&self) -> usize {
        match self.augment {
            0 => 1,
            _ => ROWS_OF_STREAM,
        }
    }

    fn expect_images(&self, reason: &str) -> Result<(), Error> {
        match self.model.is_image() {
            true => Ok(()),
            false => Err(Error::usage(format!(
                "{reason}, but {} is not a model of images",
                self.model.name
            ))),
        }
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
