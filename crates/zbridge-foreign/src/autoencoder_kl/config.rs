use crate::{ForeignError, file_access};
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Display;
use std::path::Path;

/// The name of a configuration in a folder of diffusers.
pub(crate) const FILE_NAME: &str = "config.json";

/// The largest configuration that is read, in bytes.
const LARGEST_CONFIG: u64 = 1 << 20;

/// `config.json` of an `AutoencoderKL`, with the defaults of diffusers.
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
    sample_size: SampleSize,
    scaling_factor: f32,
    shift_factor: Option<f32>,
    latents_mean: Option<Vec<f32>>,
    latents_std: Option<Vec<f32>>,
    pub(crate) use_quant_conv: bool,
    pub(crate) use_post_quant_conv: bool,
    pub(crate) mid_block_add_attention: bool,
}

/// One side of a square, or height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum SampleSize {
    Square(usize),
    HeightAndWidth([usize; 2]),
}

/// Height and width of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sides {
    pub(super) height: usize,
    pub(super) width: usize,
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
            sample_size: SampleSize::Square(32),
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
    /// Returns the configuration in a file, if every value of it is known here.
    ///
    /// # Errors
    /// [`ForeignError::Configuration`] with the key; [`ForeignError::Damaged`]; those of reading.
    pub(crate) fn read(path: &Path) -> Result<Self, ForeignError> {
        let text = file_access::read_text(path, LARGEST_CONFIG)?;
        let check = Check { path };
        // The class first: the keys of another one could have other types.
        let value: Value = serde_json::from_str(&text).map_err(|e| check.damaged(&e))?;
        check.class(&value)?;
        let config: Self = serde_json::from_str(&text).map_err(|e| check.damaged(&e))?;
        config.check(check)?;
        Ok(config)
    }

    fn check(&self, check: Check<'_>) -> Result<(), ForeignError> {
        let blocks = self.block_out_channels.len();
        let (down, up) = (&self.down_block_types, &self.up_block_types);
        check.block_types("down_block_types", down, "DownEncoderBlock2D", blocks)?;
        check.block_types("up_block_types", up, "UpDecoderBlock2D", blocks)?;
        // Two names of one function.
        if !["silu", "swish"].contains(&self.act_fn.as_str()) {
            return Err(check.wrong("act_fn", &self.act_fn, "\"silu\""));
        }
        self.check_sizes(check)?;
        self.check_latents(check)
    }

    /// The limits are far above any model, and far below where sizes overflow.
    fn check_sizes(&self, check: Check<'_>) -> Result<(), ForeignError> {
        let blocks = self.block_out_channels.len();
        check.size("in_channels", self.in_channels, 1024)?;
        check.size("out_channels", self.out_channels, 1024)?;
        check.size("latent_channels", self.latent_channels, 1024)?;
        check.size("layers_per_block", self.layers_per_block, 16)?;
        check.size("length of block_out_channels", blocks, 8)?;
        for &channels in &self.block_out_channels {
            check.size("block_out_channels", channels, 1 << 14)?;
            check.groups(self.norm_num_groups, channels)?;
        }
        let Sides { height, width } = self.sides();
        check.size("sample_size", height, 1 << 13)?;
        check.size("sample_size", width, 1 << 13)
    }

    fn check_latents(&self, check: Check<'_>) -> Result<(), ForeignError> {
        check.channel_numbers("latents_mean", &self.latents_mean, self.latent_channels)?;
        check.channel_numbers("latents_std", &self.latents_std, self.latent_channels)?;
        let stds = self.latents_std.iter().flatten();
        let mut scales = stds.chain([&self.scaling_factor]);
        match scales.find(|scale| !scale.is_finite() || **scale <= 0.0) {
            None => Ok(()),
            Some(scale) => {
                let key = "scaling_factor or latents_std";
                Err(check.wrong(key, scale, "a positive number"))
            }
        }
    }

    /// Returns the sides of the images that the model was made for.
    pub(super) fn sides(&self) -> Sides {
        let [height, width] = match self.sample_size {
            SampleSize::Square(side) => [side; 2],
            SampleSize::HeightAndWidth(sides) => sides,
        };
        Sides { height, width }
    }

    /// Returns how many pixels of an image one of a latent stands for, along a side.
    pub(super) fn reduction(&self) -> usize {
        1 << (self.block_out_channels.len() - 1)
    }

    /// Returns the sides of the latents of images.
    pub(super) fn latent_sides(&self, images: Sides) -> Sides {
        Sides {
            height: images.height / self.reduction(),
            width: images.width / self.reduction(),
        }
    }

    /// Returns the channels of the innermost block.
    pub(super) fn widest(&self) -> usize {
        self.block_out_channels[self.block_out_channels.len() - 1]
    }

    /// Returns the shift of the latents that users see, (z − shift) · scale: one number, or one for
    /// each channel.
    pub(super) fn shift(&self) -> Vec<f32> {
        match (&self.latents_mean, &self.latents_std) {
            // As in diffusers, both count together only, and then `shift_factor` does not.
            (Some(mean), Some(_)) => mean.clone(),
            _ => vec![self.shift_factor.unwrap_or(0.0)],
        }
    }

    /// Returns the scale of the latents that users see: one number, or one for each channel.
    pub(super) fn scale(&self) -> Vec<f32> {
        match (&self.latents_mean, &self.latents_std) {
            (Some(_), Some(std)) => std.iter().map(|std| self.scaling_factor / std).collect(),
            _ => vec![self.scaling_factor],
        }
    }
}

/// Checks of the values in a configuration.
#[derive(Clone, Copy)]
struct Check<'a> {
    path: &'a Path,
}

impl Check<'_> {
    fn damaged(self, error: &serde_json::Error) -> ForeignError {
        let line = format!("line {}", error.line());
        ForeignError::damaged(self.path, line, error.to_string())
    }

    fn class(self, config: &Value) -> Result<(), ForeignError> {
        match config.get("_class_name").and_then(Value::as_str) {
            Some("AutoencoderKL") => Ok(()),
            Some(other) => Err(self.wrong("_class_name", other, "\"AutoencoderKL\"")),
            None => Err(self.wrong("_class_name", "missing", "\"AutoencoderKL\"")),
        }
    }

    fn wrong(self, key: &str, found: impl Display, expected: impl Display) -> ForeignError {
        ForeignError::Configuration {
            path: self.path.into(),
            key: key.into(),
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }

    fn size(self, key: &str, found: usize, limit: usize) -> Result<(), ForeignError> {
        match (1..=limit).contains(&found) {
            true => Ok(()),
            false => Err(self.wrong(key, found, format!("1 to {limit}"))),
        }
    }

    fn groups(self, groups: usize, channels: usize) -> Result<(), ForeignError> {
        if groups > 0 && channels.is_multiple_of(groups) {
            return Ok(());
        }
        let expected = format!("a divisor of {channels}");
        Err(self.wrong("norm_num_groups", groups, expected))
    }

    fn block_types(
        self,
        key: &str,
        found: &[String],
        only: &str,
        count: usize,
    ) -> Result<(), ForeignError> {
        // Other blocks, such as those with attention, have layers that are not built here.
        if let Some(other) = found.iter().find(|kind| *kind != only) {
            return Err(self.wrong(key, other, only));
        }
        if found.len() != count {
            let found = format!("a list of {}", found.len());
            return Err(self.wrong(
                key,
                found,
                format!("as many as block_out_channels, {count}"),
            ));
        }
        Ok(())
    }

    fn channel_numbers(
        self,
        key: &str,
        numbers: &Option<Vec<f32>>,
        channels: usize,
    ) -> Result<(), ForeignError> {
        match numbers {
            Some(numbers) if numbers.len() != channels => {
                let expected = format!("{channels} numbers");
                Err(self.wrong(key, "a list of another length", expected))
            }
            _ => Ok(()),
        }
    }
}
