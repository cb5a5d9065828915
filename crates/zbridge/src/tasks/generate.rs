use super::input::{Input, takes, text_observations};
use super::output::Format;
use crate::translation::translate;
use crate::{Error, Given};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;
use zbridge_bridge::{Bridge, Direction};
use zbridge_core::{EventKind, Observations, RandomStream};
use zbridge_data::Split;
use zbridge_nn::Device;

/// A side of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Modality x.
    X,
    /// Modality y.
    Y,
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
    /// A label, a text, or a file that the source model reads.
    pub from: String,
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
    /// `.png`, `.wav`, `.txt`, `.npy` or `.safetensors`.
    pub out: PathBuf,
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
    let (source, target) = models(request, &bridge)?;
    let format = Format::of(&request.out, target.model.event())?;
    let input = source_observations(&request.from, &source)?;
    let direction = if request.to == Side::Y { Direction::XToY } else { Direction::YToX };
    let posterior = source.model.posterior(&input)?;
    let mut stream = RandomStream::named(request.seed, "generate");
    let latents = translate(bridge.density(direction), &posterior, request.count, &mut stream)?;
    let outputs = target.model.decode(&latents)?;
    let phases = RandomStream::named(request.seed, "generate/phases");
    let files = format.write(&request.out, &outputs, request.count, &phases)?;
    let mut shape = vec![outputs.rows()];
    shape.extend(outputs.kind().shape());
    let classes = target.classes().map(|_| outputs.argmax());
    let seconds = start.elapsed().as_secs_f64();
    let texts = outputs.texts();
    Ok(GenerateReport { inputs: input.rows(), outputs: outputs.rows(), shape, classes, texts, seconds, files })
}

/// (source model, target model): as asked for, else as the bridge file remembers.
fn models(request: &GenerateRequest, bridge: &Bridge) -> Result<(Given, Given), Error> {
    let open = |side: &str, asked: &Option<String>, dim: usize| {
        let known = known_model_of(bridge, side, asked.as_deref(), request.device, dim)?;
        known.ok_or_else(|| {
            Error::usage(format!(
                "the bridge does not know its model of {side}: name it with --{side}-model (mnist-image, mnist-label, or a file)"
            ))
        })
    };
    let (x_dim, y_dim) = bridge.dims();
    let (x, y) = (open("x", &request.x_model, x_dim)?, open("y", &request.y_model, y_dim)?);
    Ok(if request.to == Side::Y { (x, y) } else { (y, x) })
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

/// One label, a text, or whatever a file holds.
fn source_observations(from: &str, model: &Given) -> Result<Observations, Error> {
    if let (Some(classes), Ok(label)) = (model.classes(), from.parse::<u8>()) {
        if usize::from(label) >= classes {
            return Err(Error::usage(format!("--from {from}: the model has the classes 0 to {}", classes - 1)));
        }
        return Ok(Observations::one_hot(&[label], classes)?);
    }
    let (path, event) = (Path::new(from), model.model.event());
    if path.exists() {
        return Ok(Input::read(path, Split::Test, model)?.observations);
    }
    match event {
        EventKind::Text { .. } => {
            text_observations(from, event).map_err(|reason| Error::usage(format!("--from: {reason}")))
        }
        _ => Err(Error::bad_file(path, format!("does not exist; --from takes {}", takes(event)))),
    }
}
