use crate::Error;
use crate::fit::LATENT_SHAPE;
use crate::input::{Input, takes, text_observations};
use crate::models::{expect_dim, known_model_of};
use crate::output::Format;
use crate::pieces::{Piece, Pieces};
use crate::shard::Shard;
use crate::side::Side;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;
use zbridge::GivenModel;
use zbridge_bridge::{Bridge, Conditional, Direction};
use zbridge_core::{EventKind, Latents, Observations, Observer, Posterior, RandomStream, Stage};
use zbridge_data::{DataError, GeneratedLatents, LatentsStream, write_npy_rows};
use zbridge_datasets::Split;

/// What is to be generated.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// The bridge file.
    pub bridge: PathBuf,
    /// What it is generated from.
    pub from: GenerateSource,
    /// The side to make.
    pub to: Side,
    /// Outputs for each input.
    pub count: usize,
    /// Model of x, where the bridge file does not name it.
    pub x_model: Option<String>,
    /// Model of y, likewise.
    pub y_model: Option<String>,
    /// Seed of the draws.
    pub seed: u64,
    /// Only this part of the inputs.
    pub shard: Shard,
    /// Write the target's latents, for a decoder elsewhere, in place of observations.
    pub latents: bool,
    /// `.png`, `.wav`, `.txt`, `.npy` or `.safetensors`; latents go to `.safetensors`, `.npz` or
    /// `.npy`.
    pub out: PathBuf,
}

/// What is generated from.
#[derive(Debug, Clone)]
pub enum GenerateSource {
    /// A label, a text, or a file that the source model reads.
    Observations(String),
    /// A latents file: no source model is needed.
    Latents(PathBuf),
}

/// What was generated.
#[derive(Debug, Clone, Serialize)]
pub struct GenerateReport {
    /// Inputs read.
    pub inputs: usize,
    /// Observations written.
    pub outputs: usize,
    /// Shape of the raw array, `[outputs, event…]`.
    pub shape: Vec<usize>,
    /// The most probable class of each output, where the target is classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<usize>>,
    /// Each output, where the target is texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub texts: Option<Vec<String>>,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// What was written.
    pub files: Vec<PathBuf>,
}

/// Generates the other modality and writes it.
///
/// # Errors
/// [`Error`] when an argument is off, a file cannot be read or written, or dimensions do not belong
/// together.
pub fn generate(
    request: &GenerateRequest,
    observer: &dyn Observer,
) -> Result<GenerateReport, Error> {
    let start = Instant::now();
    if request.count == 0 {
        return Err(Error::usage(
            "--count 0: at least one output for each input is needed",
        ));
    }
    let bridge = Bridge::read(&request.bridge)?;
    let direction = if request.to == Side::Y {
        Direction::XToY
    } else {
        Direction::YToX
    };
    let target = if request.latents {
        None
    } else {
        Some(expected_model(request, &bridge, request.to)?)
    };
    let format = target
        .as_ref()
        .map(|target| Format::of(&request.out, target.model.event()))
        .transpose()?;
    if let Some(format) = format.filter(|format| !request.shard.is_whole() && !format.is_numbers())
    {
        return Err(Error::usage(format!(
            "--shard {}: {format} cannot be joined; write .npy or .safetensors",
            request.shard
        )));
    }
    let source = Source::open(request, &bridge)?;
    let pieces = Pieces::new(request.count);
    let rows = request.shard.of_rows(source.rows(), pieces.rows());
    let job = Job {
        density: bridge.density(direction),
        source: &source,
        pieces,
        draws: request.count,
        streams: RandomStream::named(request.seed, "generate"),
        stage: Stage::new(observer, "generating", (rows.len() * request.count) as u64),
        rows,
    };
    let mut report = GenerateReport {
        inputs: job.rows.len(),
        outputs: job.outputs(),
        shape: vec![],
        classes: None,
        texts: None,
        seconds: 0.0,
        files: vec![],
    };
    match (target, format) {
        (Some(target), Some(format)) => {
            report.write_observations(request, &target, format, &job)?
        }
        _ => report.write_latents(request, &bridge, &job)?,
    }
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// What is to be drawn.
struct Job<'j> {
    density: &'j Conditional,
    source: &'j Source,
    pieces: Pieces,
    rows: Range<usize>,
    draws: usize,
    streams: RandomStream,
    stage: Stage<'j>,
}

impl Job<'_> {
    fn outputs(&self) -> usize {
        self.rows.len() * self.draws
    }

    /// Gives `take` what `make` makes of the latents of every piece, in order; about `numbers`
    /// numbers an output. A few pieces are in memory at once, however many there are.
    fn each<T: Send>(
        &self,
        numbers: usize,
        make: impl Fn(Latents) -> Result<T, Error> + Sync,
        mut take: impl FnMut(T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        const NUMBERS_AT_ONCE: usize = 1 << 21;
        let mut pieces = self.pieces.of(self.rows.clone()).peekable();
        while let Some(first) = pieces.peek() {
            let at_once = (NUMBERS_AT_ONCE / (first.outputs() * numbers).max(1)).clamp(1, 64);
            let group: Vec<Piece> = pieces.by_ref().take(at_once).collect();
            let start = group[0].rows.start;
            let posterior = self
                .source
                .posterior(start..group[group.len() - 1].rows.end)?;
            let (density, draws, streams) = (self.density, self.draws, &self.streams);
            let made = |piece: &Piece| {
                let rows: Vec<usize> = piece.rows.clone().map(|row| row - start).collect();
                make(piece.latents(density, &posterior.select(&rows), draws, streams)?)
            };
            group
                .par_iter()
                .map(made)
                .collect::<Result<Vec<_>, Error>>()?
                .into_iter()
                .try_for_each(&mut take)?;
            let outputs: usize = group.iter().map(Piece::outputs).sum();
            self.stage.advance(outputs as u64)?;
        }
        Ok(())
    }
}

impl GenerateReport {
    fn write_observations(
        &mut self,
        request: &GenerateRequest,
        target: &GivenModel,
        format: Format,
        job: &Job<'_>,
    ) -> Result<(), Error> {
        let event = target.model.event();
        self.shape = [vec![job.outputs()], event.shape()].concat();
        self.classes = target.classes().map(|_| Vec::new());
        let decode = |latents: Latents| Ok(target.model.decode(&latents)?);
        let mut texts = Vec::new();
        let mut note = |made: &Observations| {
            self.classes
                .iter_mut()
                .for_each(|classes| classes.extend(made.argmax()));
            texts.extend(made.texts().unwrap_or_default());
        };
        if format == Format::Array {
            write_npy_rows(&request.out, &self.shape, |sink| {
                job.each(event.size(), decode, |made| {
                    note(&made);
                    Ok(sink.put(made.values())?)
                })
            })?;
            self.files = vec![request.out.clone()];
        } else {
            let mut values = Vec::with_capacity(job.outputs() * event.size());
            job.each(event.size(), decode, |made| {
                note(&made);
                values.extend_from_slice(made.values());
                Ok(())
            })?;
            let outputs = Observations::new(values, event.clone())?;
            let phases = RandomStream::named(request.seed, "generate/phases");
            self.files = format.write(&request.out, &outputs, request.count, &phases)?;
        }
        self.texts = matches!(event, EventKind::Text { .. }).then_some(texts);
        Ok(())
    }

    /// Latents in the shape that the target's latents file had.
    fn write_latents(
        &mut self,
        request: &GenerateRequest,
        bridge: &Bridge,
        job: &Job<'_>,
    ) -> Result<(), Error> {
        let dim = request.to.dim(bridge);
        let remembered = bridge
            .provenance()
            .get(&format!("{}.{LATENT_SHAPE}", request.to));
        let remembered =
            remembered.and_then(|shape| serde_json::from_str::<Vec<usize>>(shape).ok());
        let fits = |shape: &Vec<usize>| shape.iter().product::<usize>() == dim;
        let latent_shape = remembered.filter(fits).unwrap_or_else(|| vec![dim]);
        let axes = if job.draws == 1 {
            vec![job.rows.len()]
        } else {
            vec![job.rows.len(), job.draws]
        };
        self.shape = [axes, latent_shape.clone()].concat();
        let first = job.rows.start;
        let latents = GeneratedLatents {
            rows: job.rows.len(),
            ids: &|rows| job.source.ids(first + rows.start..first + rows.end),
            draws: job.draws,
            latent_shape,
            metadata: BTreeMap::from([("bridge".to_owned(), request.bridge.display().to_string())]),
        };
        latents.write(&request.out, |sink| {
            job.each(dim, Ok, |made| Ok(sink.put(made.values())?))
        })?;
        self.files = vec![request.out.clone()];
        Ok(())
    }
}

/// Posteriors to start from, with their ids.
enum Source {
    Latents(LatentsStream),
    Observations {
        ids: Vec<String>,
        posterior: Posterior,
    },
}

impl Source {
    fn open(request: &GenerateRequest, bridge: &Bridge) -> Result<Self, Error> {
        let side = request.to.other();
        match &request.from {
            GenerateSource::Latents(path) => {
                let stream = LatentsStream::open(path)?;
                expect_dim(path, &side.to_string(), stream.dim(), side.dim(bridge))?;
                Ok(Self::Latents(stream))
            }
            GenerateSource::Observations(from) => {
                let model = expected_model(request, bridge, side)?;
                let (ids, observations) = source_observations(from, &model)?;
                Ok(Self::Observations {
                    ids,
                    posterior: model.model.posterior(&observations)?,
                })
            }
        }
    }

    fn rows(&self) -> usize {
        match self {
            Self::Latents(stream) => stream.rows(),
            Self::Observations { posterior, .. } => posterior.rows(),
        }
    }

    fn posterior(&self, rows: Range<usize>) -> Result<Posterior, Error> {
        match self {
            Self::Latents(stream) => Ok(stream.read(rows)?.posterior),
            Self::Observations { posterior, .. } => Ok(posterior.select(&rows.collect::<Vec<_>>())),
        }
    }

    fn ids(&self, rows: Range<usize>) -> Result<Vec<String>, DataError> {
        match self {
            Self::Latents(stream) => stream.ids(rows),
            Self::Observations { ids, .. } => Ok(ids[rows].to_vec()),
        }
    }
}

/// The model of a side: as asked for, else as the bridge file remembers.
fn expected_model(
    request: &GenerateRequest,
    bridge: &Bridge,
    side: Side,
) -> Result<GivenModel, Error> {
    let asked = if side == Side::X {
        &request.x_model
    } else {
        &request.y_model
    };
    let known = known_model_of(
        bridge,
        &side.to_string(),
        asked.as_deref(),
        side.dim(bridge),
    )?;
    known.ok_or_else(|| {
        let latents = if side == request.to {
            "or take latents for a decoder of your own, with --latents"
        } else {
            "or give latents of your own encoder, with --from-latents"
        };
        Error::usage(format!(
            "the bridge does not know its model of {side}\nhint: name it with --{side}-model (mnist-image, mnist-label, a weights file, an ONNX model or a folder), {latents}"
        ))
    })
}

/// One label, a text, or whatever a file holds, with ids.
fn source_observations(
    from: &str,
    model: &GivenModel,
) -> Result<(Vec<String>, Observations), Error> {
    let one = |observations| Ok((vec!["0".to_owned()], observations));
    if let (Some(classes), Ok(label)) = (model.classes(), from.parse::<u8>()) {
        if usize::from(label) >= classes {
            return Err(Error::usage(format!(
                "--from {from}: the model has the classes 0 to {}",
                classes - 1
            )));
        }
        return one(Observations::one_hot(&[label], classes)?);
    }
    let (path, event) = (Path::new(from), model.model.event());
    if path.exists() {
        let Input {
            ids, observations, ..
        } = Input::read(path, Split::Test, model)?;
        return Ok((ids, observations));
    }
    match event {
        EventKind::Text { .. } => one(text_observations(from, event)
            .map_err(|reason| Error::usage(format!("--from: {reason}")))?),
        _ => Err(Error::bad_file(
            path,
            format!("does not exist; --from takes {}", takes(event)),
        )),
    }
}
