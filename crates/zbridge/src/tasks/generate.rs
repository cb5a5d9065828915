use super::fit::LATENT_SHAPE;
use super::input::{Input, takes, text_observations};
use super::output::Format;
use crate::evaluation::expect_dim;
use crate::translation::translate;
use crate::{Error, Given};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;
use zbridge_bridge::{Bridge, Direction};
use zbridge_core::{EventKind, Latents, Observations, Posterior, PosteriorSamples, RandomStream};
use zbridge_data::{GeneratedLatents, LatentsFile, Split};
use zbridge_nn::Device;

/// A side of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Modality x.
    X,
    /// Modality y.
    Y,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::X => Self::Y,
            Self::Y => Self::X,
        }
    }

    /// Dimensions of its latents.
    fn dim(self, bridge: &Bridge) -> usize {
        match self {
            Self::X => bridge.dims().0,
            Self::Y => bridge.dims().1,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::X { "x" } else { "y" })
    }
}

impl FromStr for Side {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "x" => Ok(Self::X),
            "y" => Ok(Self::Y),
            _ => Err(Error::usage(format!("`{name}`: a bridge has the sides x and y"))),
        }
    }
}

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
    /// Where the models run.
    pub device: Device,
    /// Write the target's latents, for a decoder elsewhere, in place of observations.
    pub latents: bool,
    /// `.png`, `.wav`, `.txt`, `.npy` or `.safetensors`; latents go to `.safetensors`, `.npz` or `.npy`.
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
/// [`Error`] when an argument is off, a file cannot be read or written, or dimensions do not belong together.
pub fn generate(request: &GenerateRequest) -> Result<GenerateReport, Error> {
    let start = Instant::now();
    if request.count == 0 {
        return Err(Error::usage("--count 0: at least one output for each input is needed"));
    }
    let bridge = Bridge::read(&request.bridge)?;
    let direction = if request.to == Side::Y { Direction::XToY } else { Direction::YToX };
    let target = if request.latents { None } else { Some(expected_model(request, &bridge, request.to)?) };
    let format = target.as_ref().map(|target| Format::of(&request.out, target.model.event())).transpose()?;
    let source = Source::read(request, &bridge)?;
    let mut stream = RandomStream::named(request.seed, "generate");
    let latents = translate(bridge.density(direction), &source.posterior, request.count, &mut stream)?;
    let mut report = GenerateReport {
        inputs: source.ids.len(),
        outputs: latents.rows(),
        shape: vec![],
        classes: None,
        texts: None,
        seconds: 0.0,
        files: vec![],
    };
    match (target, format) {
        (Some(target), Some(format)) => report.write_observations(request, &target, format, &latents)?,
        _ => report.write_latents(request, &bridge, source.ids, latents)?,
    }
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

impl GenerateReport {
    fn write_observations(
        &mut self,
        request: &GenerateRequest,
        target: &Given,
        format: Format,
        latents: &Latents,
    ) -> Result<(), Error> {
        let outputs = target.model.decode(latents)?;
        let phases = RandomStream::named(request.seed, "generate/phases");
        self.files = format.write(&request.out, &outputs, request.count, &phases)?;
        self.shape = [vec![outputs.rows()], outputs.kind().shape()].concat();
        self.classes = target.classes().map(|_| outputs.argmax());
        self.texts = outputs.texts();
        Ok(())
    }

    /// Latents in the shape that the target's latents file had.
    fn write_latents(
        &mut self,
        request: &GenerateRequest,
        bridge: &Bridge,
        ids: Vec<String>,
        latents: Latents,
    ) -> Result<(), Error> {
        let remembered = bridge.provenance().get(&format!("{}.{LATENT_SHAPE}", request.to));
        let remembered = remembered.and_then(|shape| serde_json::from_str::<Vec<usize>>(shape).ok());
        let fits = |shape: &Vec<usize>| shape.iter().product::<usize>() == latents.dim();
        let latent_shape = remembered.filter(fits).unwrap_or_else(|| vec![latents.dim()]);
        let draws = if request.count == 1 { vec![ids.len()] } else { vec![ids.len(), request.count] };
        self.shape = [draws, latent_shape.clone()].concat();
        let metadata = BTreeMap::from([("bridge".to_owned(), request.bridge.display().to_string())]);
        let draws = PosteriorSamples::new(latents, request.count)?;
        GeneratedLatents { ids, draws, latent_shape, metadata }.write(&request.out)?;
        self.files = vec![request.out.clone()];
        Ok(())
    }
}

/// Posteriors to start from, with their ids.
struct Source {
    ids: Vec<String>,
    posterior: Posterior,
}

impl Source {
    fn read(request: &GenerateRequest, bridge: &Bridge) -> Result<Self, Error> {
        let side = request.to.other();
        match &request.from {
            GenerateSource::Latents(path) => {
                let LatentsFile { ids, posterior, .. } = LatentsFile::read(path)?;
                expect_dim(path, &side.to_string(), posterior.dim(), side.dim(bridge))?;
                Ok(Self { ids, posterior })
            }
            GenerateSource::Observations(from) => {
                let model = expected_model(request, bridge, side)?;
                let (ids, observations) = source_observations(from, &model)?;
                Ok(Self { ids, posterior: model.model.posterior(&observations)? })
            }
        }
    }
}

/// The model of a side: as asked for, else as the bridge file remembers.
fn expected_model(request: &GenerateRequest, bridge: &Bridge, side: Side) -> Result<Given, Error> {
    let asked = if side == Side::X { &request.x_model } else { &request.y_model };
    let known = known_model_of(bridge, &side.to_string(), asked.as_deref(), request.device, side.dim(bridge))?;
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

/// The model of a side: as asked for, else the one whose latents the bridge was fitted on, digest checked; none when
/// nobody names one.
pub(crate) fn known_model_of(
    bridge: &Bridge,
    side: &str,
    asked: Option<&str>,
    device: Device,
    dim: usize,
) -> Result<Option<Given>, Error> {
    let remembered = bridge.provenance().get(&format!("{side}.model")).map(String::as_str);
    let Some(name) = asked.or(remembered) else { return Ok(None) };
    let model = Given::open(name, device)?;
    let found = model.model.latent_dim();
    if found != dim {
        return Err(Error::usage(format!("model `{name}` has {found} latents, the bridge's {side} has {dim}")));
    }
    match bridge.provenance().get(&format!("{side}.model_digest")) {
        Some(digest) if asked.is_none() && *digest != model.digest => Err(Error::usage(format!(
            "model `{name}` is not the one this bridge was fitted with (its digest differs); say --{side}-model {name} to use it all the same"
        ))),
        _ => Ok(Some(model)),
    }
}

/// One label, a text, or whatever a file holds, with ids.
fn source_observations(from: &str, model: &Given) -> Result<(Vec<String>, Observations), Error> {
    let one = |observations| Ok((vec!["0".to_owned()], observations));
    if let (Some(classes), Ok(label)) = (model.classes(), from.parse::<u8>()) {
        if usize::from(label) >= classes {
            return Err(Error::usage(format!("--from {from}: the model has the classes 0 to {}", classes - 1)));
        }
        return one(Observations::one_hot(&[label], classes)?);
    }
    let (path, event) = (Path::new(from), model.model.event());
    if path.exists() {
        let Input { ids, observations, .. } = Input::read(path, Split::Test, model)?;
        return Ok((ids, observations));
    }
    match event {
        EventKind::Text { .. } => {
            one(text_observations(from, event).map_err(|reason| Error::usage(format!("--from: {reason}")))?)
        }
        _ => Err(Error::bad_file(path, format!("does not exist; --from takes {}", takes(event)))),
    }
}
