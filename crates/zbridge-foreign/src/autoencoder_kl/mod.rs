//! diffusers' `AutoencoderKL`, the autoencoder of latent diffusion: a folder with `config.json` and
//! weights.

mod config;
mod graph_builder;
mod networks;

pub(crate) use config::Config;

use crate::decoding::Decoding;
use crate::encoding::{Encoding, Spread};
use crate::foreign_model::{Decoder, Encoder, ForeignModel};
use crate::latent_space::LatentSpace;
use crate::manifest::Manifest;
use crate::onnx::Network;
use crate::rendering::{Layout, Rendering, Values};
use crate::settle::{self, event_in_words};
use crate::{ForeignError, Guess, StateDict};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use zbridge_core::EventKind;

/// Names of weights files, in the order in which they are preferred.
const WEIGHTS: [&str; 6] = [
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.pth",
    "diffusion_pytorch_model.pt",
];

/// The model in a folder of diffusers, for images of the size that its configuration says, or the
/// manifest.
pub(crate) fn open(
    name: String,
    folder: &Path,
    manifest: &Manifest,
) -> Result<ForeignModel, ForeignError> {
    let config = Config::read(&folder.join(config::FILE_NAME))?;
    let path = weights_file(folder)?;
    let weights = StateDict::read(&path)?;
    let mut guesses = Vec::new();
    let (height, width) = sides(&config, manifest, &mut guesses)?;
    let event = EventKind::Image {
        channels: config.in_channels,
        height,
        width,
    };
    let small = (height / config.reduction(), width / config.reduction());
    let network = |(model, data): (_, Vec<u8>)| {
        Network::from_graph(
            &path,
            &model,
            BTreeMap::from([(graph_builder::DATA.to_string(), data)]),
        )
    };
    let encoder = network(networks::encoder(&config, &weights, (height, width))?)?;
    let decoder = network(networks::decoder(&config, &weights, small)?)?;
    let rendering = Rendering::new(Values::range(-1.0, 1.0), Layout::Nchw, &event);
    let (outputs, likelihood) =
        settle::density(manifest, folder, decoder.graph(), &event, &mut guesses)?;
    let encoding = Encoding::Gaussian {
        mean: 0,
        spread: 1,
        kind: Spread::LogVariance,
    };
    let (shift, scale) = config.shift_and_scale();
    Ok(ForeignModel {
        name,
        latents: LatentSpace::scaled(vec![config.latent_channels, small.0, small.1], shift, scale),
        encoder: Some(Encoder {
            network: encoder,
            rendering: rendering.clone(),
            encoding,
        }),
        decoder: Some(Decoder {
            network: decoder,
            output: 0,
            decoding: Decoding {
                rendering,
                outputs,
                likelihood,
            },
        }),
        event,
        guesses,
    })
}

/// The weights in a folder.
///
/// # Errors
/// [`ForeignError::Unknown`] when there are none.
pub(crate) fn weights_file(folder: &Path) -> Result<PathBuf, ForeignError> {
    let there = WEIGHTS
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file());
    there.ok_or_else(|| ForeignError::Unknown {
        path: folder.into(),
        found: "a configuration of diffusers without weights".into(),
        expected: "diffusion_pytorch_model.safetensors, its index.json, or diffusion_pytorch_model.bin beside it",
    })
}

/// (height, width) of the images.
fn sides(
    config: &Config,
    manifest: &Manifest,
    guesses: &mut Vec<Guess>,
) -> Result<(usize, usize), ForeignError> {
    let wrong = |why: String| manifest.wrong("event", "kind", why);
    let reduction = config.reduction();
    let (height, width) = match manifest.event.clone().map(EventKind::from) {
        None => {
            let (height, width) = config.sides();
            let event = EventKind::Image {
                channels: config.in_channels,
                height,
                width,
            };
            guesses.push(Guess::new(
                "event",
                event_in_words(&event),
                "`sample_size` of config.json",
            ));
            (height, width)
        }
        Some(EventKind::Image {
            channels,
            height,
            width,
        }) if channels == config.in_channels => (height, width),
        Some(other) => {
            let why = format!(
                "{} for an autoencoder of images of {} channels",
                other.in_words(),
                config.in_channels
            );
            return Err(wrong(why));
        }
    };
    let fits = |side: usize| side > 0 && side <= 1 << 13 && side.is_multiple_of(reduction);
    match fits(height) && fits(width) {
        true => Ok((height, width)),
        false => Err(wrong(format!(
            "images of {height} × {width}: sides must be multiples of {reduction}, up to 8192"
        ))),
    }
}
