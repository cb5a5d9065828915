use crate::{ForeignError, file_bytes};
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Display;
use std::path::Path;

/// The name of a configuration in a folder of diffusers.
pub(crate) const FILE_NAME: &str = "config.json";

/// Bytes of a configuration that are read.
const MOST_BYTES: u64 = 1 << 20;

/// `config.json` of an `AutoencoderKL`: what diffusers takes for granted is taken for granted here.
///
/// # Source
/// `AutoencoderKL.__init__` of diffusers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    #[serde(rename = "_class_name")]
    class_name: String,
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    down_block_types: Vec<String>,
    up_block_types: Vec<String>,
    pub(crate) block_out_channels: Vec<usize>,
    pub(crate) layers_per_block: usize,
    act_fn: String,
    pub(crate) latent_channels: usize,
    pub(crate) norm_num_groups: usize,
    sample_size: Sides,
    pub(crate) scaling_factor: f32,
    pub(crate) shift_factor: Option<f32>,
    pub(crate) latents_mean: Option<Vec<f32>>,
    pub(crate) latents_std: Option<Vec<f32>>,
    pub(crate) use_quant_conv: bool,
    pub(crate) use_post_quant_conv: bool,
    pub(crate) mid_block_add_attention: bool,
}

/// One side of a square, or height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Sides {
    Square(usize),
    Both([usize; 2]),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            class_name: String::new(),
            in_channels: 3,
            out_channels: 3,
            down_block_types: vec!["DownEncoderBlock2D".into()],
            up_block_types: vec!["UpDecoderBlock2D".into()],
            block_out_channels: vec![64],
            layers_per_block: 1,
            act_fn: "silu".into(),
            latent_channels: 4,
            norm_num_groups: 32,
            sample_size: Sides::Square(32),
            scaling_factor: 0.18215,
            shift_factor: None,
            latents_mean: None,
            latents_std: None,
            use_quant_conv: true,
            use_post_quant_conv: true,
            mid_block_add_attention: true,
        }
    }
}

impl Config {
    /// The configuration in a file, once everything in it is known here.
    ///
    /// # Errors
    /// [`ForeignError::Configuration`] with the key; [`ForeignError::Damaged`]; those of reading.
    pub(crate) fn read(path: &Path) -> Result<Self, ForeignError> {
        let text = file_bytes::read_text(path, MOST_BYTES)?;
        let damaged = |error: serde_json::Error| ForeignError::Damaged {
            path: path.into(),
            place: format!("line {}", error.line()),
            why: error.to_string(),
        };
        let value: Value = serde_json::from_str(&text).map_err(damaged)?;
        let class = value
            .get("_class_name")
            .and_then(Value::as_str)
            .unwrap_or("missing")
            .to_string();
        if class != "AutoencoderKL" {
            return Err(wrong(path, "_class_name", class, "\"AutoencoderKL\""));
        }
        let config: Self = serde_json::from_str(&text).map_err(damaged)?;
        config.check(path)?;
        Ok(config)
    }

    fn check(&self, path: &Path) -> Result<(), ForeignError> {
        let each = |key, found: &[String], only: &str| match found.iter().find(|kind| *kind != only)
        {
            Some(other) => Err(wrong(path, key, other, only)),
            None if found.len() != self.block_out_channels.len() => {
                let expected = format!(
                    "as many as block_out_channels, {}",
                    self.block_out_channels.len()
                );
                Err(wrong(
                    path,
                    key,
                    format!("a list of {}", found.len()),
                    expected,
                ))
            }
            None => Ok(()),
        };
        each(
            "down_block_types",
            &self.down_block_types,
            "DownEncoderBlock2D",
        )?;
        each("up_block_types", &self.up_block_types, "UpDecoderBlock2D")?;
        if !["silu", "swish"].contains(&self.act_fn.as_str()) {
            return Err(wrong(path, "act_fn", &self.act_fn, "\"silu\""));
        }
        self.check_sizes(path)?;
        self.check_latents(path)
    }

    fn check_sizes(&self, path: &Path) -> Result<(), ForeignError> {
        // Far above any model, and far below where sizes overflow.
        let within = |key, found: usize, most: usize| match (1..=most).contains(&found) {
            true => Ok(()),
            false => Err(wrong(path, key, found, format!("1 to {most}"))),
        };
        within("in_channels", self.in_channels, 1024)?;
        within("out_channels", self.out_channels, 1024)?;
        within("latent_channels", self.latent_channels, 1024)?;
        within("layers_per_block", self.layers_per_block, 16)?;
        within(
            "length of block_out_channels",
            self.block_out_channels.len(),
            8,
        )?;
        for &channels in &self.block_out_channels {
            within("block_out_channels", channels, 1 << 14)?;
            if self.norm_num_groups == 0 || !channels.is_multiple_of(self.norm_num_groups) {
                return Err(wrong(
                    path,
                    "norm_num_groups",
                    self.norm_num_groups,
                    format!("a divisor of {channels}"),
                ));
            }
        }
        let (height, width) = self.sides();
        within("sample_size", height, 1 << 13)?;
        within("sample_size", width, 1 << 13)
    }

    fn check_latents(&self, path: &Path) -> Result<(), ForeignError> {
        for (key, numbers) in [
            ("latents_mean", &self.latents_mean),
            ("latents_std", &self.latents_std),
        ] {
            if numbers
                .as_ref()
                .is_some_and(|numbers| numbers.len() != self.latent_channels)
            {
                return Err(wrong(
                    path,
                    key,
                    "a list of another length",
                    format!("{} numbers", self.latent_channels),
                ));
            }
        }
        let scales = self
            .latents_std
            .iter()
            .flatten()
            .chain([&self.scaling_factor]);
        match scales
            .into_iter()
            .find(|scale| !scale.is_finite() || **scale <= 0.0)
        {
            Some(scale) => Err(wrong(
                path,
                "scaling_factor or latents_std",
                scale,
                "a positive number",
            )),
            None => Ok(()),
        }
    }

    /// (height, width) of the images that it was made for.
    pub(crate) fn sides(&self) -> (usize, usize) {
        match self.sample_size {
            Sides::Square(side) => (side, side),
            Sides::Both([height, width]) => (height, width),
        }
    }

    /// How much smaller a side of a latent is.
    pub(crate) fn reduction(&self) -> usize {
        1 << (self.block_out_channels.len() - 1)
    }

    /// (shift, scale) of the latents that users see: (z − shift) · scale.
    pub(crate) fn shift_and_scale(&self) -> (Vec<f32>, Vec<f32>) {
        match (&self.latents_mean, &self.latents_std) {
            (Some(mean), Some(std)) => (
                mean.clone(),
                std.iter().map(|std| self.scaling_factor / std).collect(),
            ),
            _ => (
                vec![self.shift_factor.unwrap_or(0.0)],
                vec![self.scaling_factor],
            ),
        }
    }
}

fn wrong(path: &Path, key: &str, found: impl Display, expected: impl Display) -> ForeignError {
    let (found, expected) = (found.to_string(), expected.to_string());
    ForeignError::Configuration {
        path: path.into(),
        key: key.into(),
        found,
        expected,
    }
}
