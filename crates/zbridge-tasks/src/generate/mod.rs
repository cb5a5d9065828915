mod among;
mod job;
mod sets;
mod source;

pub use among::{AmongReport, AmongRequest, Found, find_among};
pub use sets::{CalibrationPairs, ClassSet, SetReport, SetRequest, generate_sets};

use crate::Error;
use crate::fit::LATENT_SHAPE;
use crate::models::BridgeOfFile;
use crate::output::Format;
use crate::pieces::{Outputs, Pieces};
use crate::shard::Shard;
use crate::side::Side;
use job::Job;
use serde::Serialize;
use source::Source;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;
use zbridge::GivenModel;
use zbridge_bridge::Bridge;
use zbridge_core::{EventKind, Latents, Observations, Observer, RandomStream, Stage};
use zbridge_data::{GeneratedLatents, write_npy_rows};

/// What is to be generated.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// The bridge file.
    pub bridge: PathBuf,
    /// What it is generated from.
    pub from: GenerateSource,
    /// The side that is generated.
    pub to: Side,
    /// Outputs for each input.
    pub count: usize,
    /// One output for each input: the mean of so many draws of the target's latents, decoded once.
    pub mean_draws: Option<usize>,
    /// Model of x, where the bridge file does not name it.
    pub x_model: Option<String>,
    /// Model of y, likewise.
    pub y_model: Option<String>,
    /// Seed of the draws.
    pub seed: u64,
    /// Only this part of the inputs.
    pub shard: Shard,
    /// Write the target's latents instead of observations, for a decoder of another program.
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
    /// Draws of whose latents each output is the mean; `None` if outputs are draws.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_draws: Option<usize>,
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
/// [`Error`] if an argument is wrong, a file cannot be read or written, dimensions do not belong
/// together, or the observer stops the work.
pub fn generate(
    request: &GenerateRequest,
    observer: &dyn Observer,
) -> Result<GenerateReport, Error> {
    let start = Instant::now();
    request.expect_outputs()?;
    let bridge = Bridge::read(&request.bridge)?;
    let target = Target::of(request, &bridge)?;
    let source = Source::open(request, &bridge)?;
    let job = job(request, &bridge, &source, observer);
    let mut report = GenerateReport {
        inputs: job.rows.len(),
        outputs: job.outputs(),
        shape: vec![],
        mean_draws: request.mean_draws,
        classes: None,
        texts: None,
        seconds: 0.0,
        files: vec![],
    };
    match &target {
        Target::Observations(model, format) => {
            report.write_observations(request, model, *format, &job)?
        }
        Target::Latents => report.write_latents(request, &bridge, &job)?,
    }
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

fn job<'j>(
    request: &GenerateRequest,
    bridge: &'j Bridge,
    source: &'j Source,
    observer: &'j dyn Observer,
) -> Job<'j> {
    let each = request.each();
    let pieces = Pieces::new(each);
    let rows = request.shard.of_rows(source.rows(), pieces.rows());
    let outputs = rows.len() * each.per_row();
    Job {
        density: bridge.density(request.to.direction_to()),
        source,
        pieces,
        rows,
        each,
        streams: RandomStream::named(request.seed, "generate"),
        stage: Stage::new(observer, "generating", outputs as u64),
    }
}

/// What is written.
enum Target {
    /// Observations of a model, in a format.
    Observations(GivenModel, Format),
    Latents,
}

impl Target {
    fn of(request: &GenerateRequest, bridge: &Bridge) -> Result<Self, Error> {
        if request.latents {
            return Ok(Self::Latents);
        }
        let model = request.expected_model(bridge, request.to)?;
        request.expect_mean_of(model.model.event())?;
        let format = Format::of(&request.out, model.model.event())?;
        if !request.shard.is_whole() && !format.is_numbers() {
            return Err(Error::usage(format!(
                "shard {}: {format} cannot be joined; write .npy or .safetensors",
                request.shard
            )));
        }
        Ok(Self::Observations(model, format))
    }
}

impl GenerateRequest {
    /// Returns what is made for each input.
    fn each(&self) -> Outputs {
        match self.mean_draws {
            Some(draws) => Outputs::MeanOf(draws),
            None => Outputs::Draws(self.count),
        }
    }

    /// Checks that something is made, and one mean for each input where means are asked for.
    fn expect_outputs(&self) -> Result<(), Error> {
        match (self.count, self.mean_draws) {
            (0, _) => Err(Error::usage(
                "at least one output for each input is needed, not 0",
            )),
            (_, Some(draws @ (0 | 1))) => Err(Error::usage(format!(
                "a mean of {draws} draw(s) is none: take at least 2, or a draw in place of the mean"
            ))),
            (count @ 2.., Some(_)) => Err(Error::usage(format!(
                "{count} outputs for each input: there is only one mean; leave the number of \
                 outputs out, or take draws"
            ))),
            _ => Ok(()),
        }
    }

    /// Checks that a mean of latents can stand for an observation of the target's model.
    fn expect_mean_of(&self, event: &EventKind) -> Result<(), Error> {
        let is_discrete = matches!(event, EventKind::Class { .. } | EventKind::Text { .. });
        match self.mean_draws {
            Some(_) if is_discrete => Err(Error::usage(format!(
                "the target model makes {}: a mean of latents lies between them and decodes to none \
                 that any draw would give\nhint: take several draws and count them, or write the \
                 mean itself as latents",
                event.in_words()
            ))),
            _ => Ok(()),
        }
    }

    /// Returns the model of a side: the one that the request names, else the one that the bridge
    /// file records.
    fn expected_model(&self, bridge: &Bridge, side: Side) -> Result<GivenModel, Error> {
        let asked = match side {
            Side::X => self.x_model.as_deref(),
            Side::Y => self.y_model.as_deref(),
        };
        let path = &self.bridge;
        let known = BridgeOfFile { bridge, path }.model_of(side, asked)?;
        known.ok_or_else(|| {
            let without_model = match side == self.to {
                true => "take latents for a decoder of your own",
                false => "give latents of your own encoder",
            };
            Error::usage(format!(
                "the bridge does not know its model of {side}\nhint: name the model of {side} \
                 (mnist-image, mnist-label, a weights file, an ONNX model or a folder), or \
                 {without_model}"
            ))
        })
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
        self.texts = matches!(event, EventKind::Text { .. }).then(Vec::new);
        self.files = match format {
            // An array may be larger than memory: it is written as it is made.
            Format::Array => self.write_array(&request.out, target, job)?,
            _ => {
                let outputs = self.observations(target, job)?;
                let phases = RandomStream::named(request.seed, "generate/phases");
                format.write(&request.out, &outputs, job.each.per_row(), &phases)?
            }
        };
        Ok(())
    }

    fn write_array(
        &mut self,
        out: &Path,
        target: &GivenModel,
        job: &Job<'_>,
    ) -> Result<Vec<PathBuf>, Error> {
        let (shape, size) = (self.shape.clone(), target.model.event().size());
        let decode = |latents: Latents| Ok(target.model.decode(&latents)?);
        write_npy_rows(out, &shape, |sink| {
            job.each(size, decode, |made| {
                self.note(&made)?;
                Ok(sink.put(made.values())?)
            })
        })?;
        Ok(vec![out.to_owned()])
    }

    /// Returns everything that is made.
    fn observations(&mut self, target: &GivenModel, job: &Job<'_>) -> Result<Observations, Error> {
        let event = target.model.event();
        let decode = |latents: Latents| Ok(target.model.decode(&latents)?);
        let mut values = Vec::with_capacity(job.outputs() * event.size());
        job.each(event.size(), decode, |made| {
            values.extend_from_slice(made.values());
            self.note(&made)
        })?;
        Ok(Observations::new(values, event.clone())?)
    }

    /// Adds the classes or texts among what was made.
    fn note(&mut self, made: &Observations) -> Result<(), Error> {
        if let Some(classes) = &mut self.classes {
            classes.extend(made.argmax());
        }
        if let Some(texts) = &mut self.texts {
            let made = made.texts().ok_or_else(|| {
                Error::usage("the symbols of the target's model are not a vocabulary")
            })?;
            texts.extend(made);
        }
        Ok(())
    }

    /// Writes latents in the shape that the target's latents file had.
    fn write_latents(
        &mut self,
        request: &GenerateRequest,
        bridge: &Bridge,
        job: &Job<'_>,
    ) -> Result<(), Error> {
        let latent_shape = latent_shape(bridge, request.to);
        let draws = job.each.per_row();
        let mut shape = vec![job.rows.len()];
        if draws > 1 {
            shape.push(draws);
        }
        self.shape = [shape, latent_shape.clone()].concat();
        let first = job.rows.start;
        let bridge_path = request.bridge.display().to_string();
        let mut metadata = BTreeMap::from([("bridge".to_owned(), bridge_path)]);
        if let Some(draws) = request.mean_draws {
            metadata.insert("mean_of_draws".to_owned(), draws.to_string());
        }
        let latents = GeneratedLatents {
            rows: job.rows.len(),
            ids: &|rows| job.source.ids(first + rows.start..first + rows.end),
            draws,
            latent_shape,
            metadata,
        };
        latents.write(&request.out, |sink| {
            job.each(request.to.dim(bridge), Ok, |made| {
                Ok(sink.put(made.values())?)
            })
        })?;
        self.files = vec![request.out.clone()];
        Ok(())
    }
}

/// Returns the shape of one latent of a side: as the bridge file records it, else `[dim]`.
fn latent_shape(bridge: &Bridge, side: Side) -> Vec<usize> {
    let dim = side.dim(bridge);
    let recorded = bridge.provenance().get(&format!("{side}.{LATENT_SHAPE}"));
    let recorded = recorded.and_then(|shape| serde_json::from_str::<Vec<usize>>(shape).ok());
    let fits = |shape: &Vec<usize>| shape.iter().product::<usize>() == dim;
    recorded.filter(fits).unwrap_or_else(|| vec![dim])
}
