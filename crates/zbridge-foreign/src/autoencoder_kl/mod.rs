//! diffusers' `AutoencoderKL`, the autoencoder of latent diffusion: a folder with `config.json` and
//! weights.

mod config;
mod graph_builder;
mod layers;
mod networks;
mod protobuf;

pub(crate) use config::{Config, FILE_NAME};

use crate::decoding::Decoding;
use crate::encoder_outputs::EncoderOutputs;
use crate::foreign_model::{Decoder, Encoder, ForeignModel};
use crate::latent_space::LatentSpace;
use crate::layout::Layout;
use crate::manifest::{Manifest, event_value};
use crate::onnx::Network;
use crate::preprocessing::{ChannelScale, Preprocessing};
use crate::resolve::{ResolvedLikelihood, Resolver};
use crate::spread::Spread;
use crate::{ForeignError, StateDict};
use config::Sides;
use graph_builder::BuiltGraph;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use zbridge_core::EventKind;

/// The names of weights files, the preferred one first.
const WEIGHTS: [&str; 6] = [
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.pth",
    "diffusion_pytorch_model.pt",
];

/// The longest side of an image, in pixels.
const LONGEST_SIDE: usize = 1 << 13;

/// What the networks of [`networks::encoder`] give.
const ENCODER_OUTPUTS: EncoderOutputs = EncoderOutputs::Gaussian {
    mean: 0,
    spread: 1,
    kind: Spread::LogVariance,
};

/// Returns the model in a folder of diffusers, for images of the size that the manifest states, or
/// else the configuration.
pub(crate) fn open(
    name: String,
    folder: &Path,
    manifest: &Manifest,
) -> Result<ForeignModel, ForeignError> {
    let config = Config::read(&folder.join(FILE_NAME))?;
    let weights = StateDict::read(weights_file(folder)?)?;
    // What the configuration does not tell is inferred as for networks of ONNX files.
    let mut resolver = Resolver::new(folder, manifest);
    let sides = sides(&config, manifest, &mut resolver)?;
    let autoencoder = Autoencoder::new(config, weights, sides);
    let encoder = autoencoder.encoder()?;
    let decoder = autoencoder.decoder(&mut resolver)?;
    Ok(ForeignModel {
        name,
        latents: autoencoder.latent_space(),
        event: autoencoder.event,
        encoder: Some(encoder),
        decoder: Some(decoder),
        guesses: resolver.into_guesses(),
    })
}

/// An `AutoencoderKL` for images of one size.
struct Autoencoder {
    config: Config,
    weights: StateDict,
    sides: Sides,
    latent_sides: Sides,
    event: EventKind,
}

impl Autoencoder {
    fn new(config: Config, weights: StateDict, sides: Sides) -> Self {
        Self {
            latent_sides: config.latent_sides(sides),
            event: image_event(&config, sides),
            config,
            weights,
            sides,
        }
    }

    fn encoder(&self) -> Result<Encoder, ForeignError> {
        let graph = networks::encoder(&self.config, &self.weights, self.sides)?;
        Ok(Encoder {
            network: self.network(graph)?,
            preprocessing: self.preprocessing(),
            outputs: ENCODER_OUTPUTS,
        })
    }

    fn decoder(&self, resolver: &mut Resolver<'_>) -> Result<Decoder, ForeignError> {
        let graph = networks::decoder(&self.config, &self.weights, self.latent_sides)?;
        let network = self.network(graph)?;
        let ResolvedLikelihood {
            outputs,
            likelihood,
        } = resolver.likelihood(network.graph(), 0, &self.event)?;
        Ok(Decoder {
            network,
            output: 0,
            decoding: Decoding {
                preprocessing: self.preprocessing(),
                outputs,
                likelihood,
            },
        })
    }

    fn network(&self, graph: BuiltGraph) -> Result<Network, ForeignError> {
        let data = BTreeMap::from([(graph_builder::DATA.to_string(), graph.data)]);
        Network::from_graph(self.weights.path(), &graph.model, data)
    }

    /// Both networks have images in −1..1.
    fn preprocessing(&self) -> Preprocessing {
        let scales = vec![ChannelScale::range(-1.0, 1.0); self.config.in_channels];
        Preprocessing::new(scales, Layout::Nchw, &self.event)
    }

    fn latent_space(&self) -> LatentSpace {
        let Sides { height, width } = self.latent_sides;
        let shape = vec![self.config.latent_channels, height, width];
        LatentSpace::new(shape, &self.config.shift(), &self.config.scale())
    }
}

/// Returns the path of the weights in a folder.
///
/// # Errors
/// [`ForeignError::Unknown`] if there are none.
pub(crate) fn weights_file(folder: &Path) -> Result<PathBuf, ForeignError> {
    let paths = WEIGHTS.iter().map(|name| folder.join(name));
    let path = paths.into_iter().find(|path| path.is_file());
    path.ok_or_else(|| ForeignError::Unknown {
        path: folder.into(),
        found: "a configuration of diffusers without weights".into(),
        expected: "diffusion_pytorch_model.safetensors, its index.json, or \
                   diffusion_pytorch_model.bin beside it",
    })
}

fn image_event(config: &Config, sides: Sides) -> EventKind {
    EventKind::Image {
        channels: config.in_channels,
        height: sides.height,
        width: sides.width,
    }
}

/// Returns the sides of the images.
fn sides(
    config: &Config,
    manifest: &Manifest,
    resolver: &mut Resolver<'_>,
) -> Result<Sides, ForeignError> {
    let sides = match manifest.event.clone() {
        Some(event) => stated_sides(event.into(), config, manifest)?,
        None => {
            let sides = config.sides();
            let event = event_value(&image_event(config, sides));
            resolver.guess("event", event, "`sample_size` of config.json");
            sides
        }
    };
    check_sides(sides, config, manifest)?;
    Ok(sides)
}

fn stated_sides(
    event: EventKind,
    config: &Config,
    manifest: &Manifest,
) -> Result<Sides, ForeignError> {
    match event {
        EventKind::Image {
            channels,
            height,
            width,
        } if channels == config.in_channels => Ok(Sides { height, width }),
        other => {
            let (event, channels) = (other.in_words(), config.in_channels);
            let why = format!("{event} for an autoencoder of images of {channels} channels");
            Err(manifest.wrong("event", "kind", why))
        }
    }
}

fn check_sides(sides: Sides, config: &Config, manifest: &Manifest) -> Result<(), ForeignError> {
    let Sides { height, width } = sides;
    // Every block but the last halves an image, without a pixel left over.
    let step = config.reduction();
    let fits = |side: usize| (1..=LONGEST_SIDE).contains(&side) && side.is_multiple_of(step);
    if fits(height) && fits(width) {
        return Ok(());
    }
    let why = format!(
        "images of {height} × {width}: sides must be multiples of {step}, up to {LONGEST_SIDE}"
    );
    Err(manifest.wrong("event", "kind", why))
}
