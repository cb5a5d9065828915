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
    let mut resolver = Resolver::new(folder, manifest);
    let sides = sides(&config, manifest, &mut resolver)?;
    let event = image_event(&config, sides);
    let small = Sides {
        height: sides.height / config.reduction(),
        width: sides.width / config.reduction(),
    };
    let encoder = network(networks::encoder(&config, &weights, sides)?, &weights)?;
    let decoder = network(networks::decoder(&config, &weights, small)?, &weights)?;
    let scales = vec![ChannelScale::range(-1.0, 1.0); config.in_channels];
    let preprocessing = Preprocessing::new(scales, Layout::Nchw, &event);
    let ResolvedLikelihood {
        outputs,
        likelihood,
    } = resolver.likelihood(decoder.graph(), 0, &event)?;
    Ok(ForeignModel {
        name,
        event,
        latents: latent_space(&config, small),
        encoder: Some(Encoder {
            network: encoder,
            preprocessing: preprocessing.clone(),
            outputs: ENCODER_OUTPUTS,
        }),
        decoder: Some(Decoder {
            network: decoder,
            output: 0,
            decoding: Decoding {
                preprocessing,
                outputs,
                likelihood,
            },
        }),
        guesses: resolver.into_guesses(),
    })
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

fn network(graph: BuiltGraph, weights: &StateDict) -> Result<Network, ForeignError> {
    let data = BTreeMap::from([(graph_builder::DATA.to_string(), graph.data)]);
    Network::from_graph(weights.path(), &graph.model, data)
}

fn image_event(config: &Config, sides: Sides) -> EventKind {
    EventKind::Image {
        channels: config.in_channels,
        height: sides.height,
        width: sides.width,
    }
}

fn latent_space(config: &Config, sides: Sides) -> LatentSpace {
    let shape = vec![config.latent_channels, sides.height, sides.width];
    LatentSpace::new(shape, &config.shift(), &config.scale())
}

/// Returns the sides of the images.
fn sides(
    config: &Config,
    manifest: &Manifest,
    resolver: &mut Resolver<'_>,
) -> Result<Sides, ForeignError> {
    let sides = match manifest.event.clone().map(EventKind::from) {
        None => {
            let sides = config.sides();
            let event = event_value(&image_event(config, sides));
            resolver.guess("event", event, "`sample_size` of config.json");
            sides
        }
        Some(EventKind::Image {
            channels,
            height,
            width,
        }) if channels == config.in_channels => Sides { height, width },
        Some(other) => {
            let (event, channels) = (other.in_words(), config.in_channels);
            let why = format!("{event} for an autoencoder of images of {channels} channels");
            return Err(manifest.wrong("event", "kind", why));
        }
    };
    check_sides(sides, config, manifest)?;
    Ok(sides)
}

fn check_sides(sides: Sides, config: &Config, manifest: &Manifest) -> Result<(), ForeignError> {
    let Sides { height, width } = sides;
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
