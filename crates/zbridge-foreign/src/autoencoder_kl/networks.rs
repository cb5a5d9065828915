//! The networks of an `AutoencoderKL`, block by block.
//!
//! # Source
//! Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models", appendix;
//! the names and the order of the blocks are those of diffusers.

use super::config::{Config, Sides};
use super::graph_builder::BuiltGraph;
use super::layers::{Images, Layers, Window};
use crate::{ForeignError, StateDict};

/// The smallest and the largest log-variance that diffusers allows.
const LOG_VARIANCES: (f32, f32) = (-30.0, 20.0);

/// Returns the network from images to means and log-variances of latents.
pub(super) fn encoder(
    config: &Config,
    weights: &StateDict,
    sides: Sides,
) -> Result<BuiltGraph, ForeignError> {
    let shape = [config.in_channels, sides.height, sides.width];
    let (layers, x) = Layers::new(weights, config.norm_num_groups, shape);
    let mut blocks = Blocks { layers, config };
    let x = blocks.down(x)?;
    let x = blocks.middle("encoder.mid_block", &x)?;
    let x = blocks.last("encoder", &x, 2 * config.latent_channels)?;
    moments(blocks.layers, x, config)
}

/// Ends an encoder whose last images have means and log-variances as channels.
fn moments(
    mut layers: Layers<'_>,
    mut x: Images,
    config: &Config,
) -> Result<BuiltGraph, ForeignError> {
    if config.use_quant_conv {
        x = layers.conv("quant_conv", &x, x.channels, Window::POINT)?;
    }
    let [mean, log_variance] = layers.halves(&x);
    let (least, most) = LOG_VARIANCES;
    let log_variance = layers.clipped(&log_variance, least, most);
    Ok(layers.finish(&[("mean", &mean), ("log_variance", &log_variance)]))
}

/// Returns the network from latents, whose sides are given, to images in −1..1.
pub(super) fn decoder(
    config: &Config,
    weights: &StateDict,
    sides: Sides,
) -> Result<BuiltGraph, ForeignError> {
    let shape = [config.latent_channels, sides.height, sides.width];
    let (mut layers, mut x) = Layers::new(weights, config.norm_num_groups, shape);
    // Later models leave out the two convolutions around the latents.
    if config.use_post_quant_conv {
        x = layers.conv("post_quant_conv", &x, config.latent_channels, Window::POINT)?;
    }
    x = layers.conv("decoder.conv_in", &x, config.widest(), Window::SAME)?;
    let mut blocks = Blocks { layers, config };
    x = blocks.middle("decoder.mid_block", &x)?;
    x = blocks.up(x)?;
    x = blocks.last("decoder", &x, config.out_channels)?;
    Ok(blocks.layers.finish(&[("image", &x.value)]))
}

/// The blocks that encoder and decoder are made of.
struct Blocks<'a> {
    layers: Layers<'a>,
    config: &'a Config,
}

impl Blocks<'_> {
    /// Adds the first convolution and the blocks that halve the image.
    fn down(&mut self, x: Images) -> Result<Images, ForeignError> {
        let widths = &self.config.block_out_channels;
        let mut x = self
            .layers
            .conv("encoder.conv_in", &x, widths[0], Window::SAME)?;
        for (place, &channels) in widths.iter().enumerate() {
            let name = format!("encoder.down_blocks.{place}");
            x = self.residuals(&name, x, channels, self.config.layers_per_block)?;
            // The last block keeps the size.
            if place + 1 < widths.len() {
                let name = format!("{name}.downsamplers.0.conv");
                x = self.layers.conv(&name, &x, channels, Window::HALVING)?;
            }
        }
        Ok(x)
    }

    /// Adds the blocks that double the image.
    fn up(&mut self, mut x: Images) -> Result<Images, ForeignError> {
        let widths = &self.config.block_out_channels;
        for (place, &channels) in widths.iter().rev().enumerate() {
            let name = format!("decoder.up_blocks.{place}");
            // diffusers has one more layer here than on the way down.
            x = self.residuals(&name, x, channels, self.config.layers_per_block + 1)?;
            if place + 1 < widths.len() {
                let name = format!("{name}.upsamplers.0.conv");
                x = self.layers.doubled(&x);
                x = self.layers.conv(&name, &x, channels, Window::SAME)?;
            }
        }
        Ok(x)
    }

    fn residuals(
        &mut self,
        name: &str,
        mut x: Images,
        channels: usize,
        count: usize,
    ) -> Result<Images, ForeignError> {
        // Only the first changes the channels.
        for place in 0..count {
            x = self.residual(&format!("{name}.resnets.{place}"), &x, channels)?;
        }
        Ok(x)
    }

    /// Adds x + convolutions of x, or a convolution of one pixel of x if the channels change.
    fn residual(
        &mut self,
        name: &str,
        x: &Images,
        channels: usize,
    ) -> Result<Images, ForeignError> {
        let inner = self.norm_silu(&format!("{name}.norm1"), x)?;
        let inner = self.conv_same(&format!("{name}.conv1"), &inner, channels)?;
        let inner = self.norm_silu(&format!("{name}.norm2"), &inner)?;
        let inner = self.conv_same(&format!("{name}.conv2"), &inner, channels)?;
        if x.channels == channels {
            return Ok(self.layers.add(x, &inner));
        }
        let name = format!("{name}.conv_shortcut");
        let shortcut = self.layers.conv(&name, x, channels, Window::POINT)?;
        Ok(self.layers.add(&shortcut, &inner))
    }

    fn middle(&mut self, name: &str, x: &Images) -> Result<Images, ForeignError> {
        let mut x = self.residual(&format!("{name}.resnets.0"), x, x.channels)?;
        if self.config.mid_block_add_attention {
            x = self.layers.attention(&format!("{name}.attentions.0"), &x)?;
        }
        self.residual(&format!("{name}.resnets.1"), &x, x.channels)
    }

    fn last(&mut self, name: &str, x: &Images, channels: usize) -> Result<Images, ForeignError> {
        let x = self.norm_silu(&format!("{name}.conv_norm_out"), x)?;
        self.conv_same(&format!("{name}.conv_out"), &x, channels)
    }

    fn norm_silu(&mut self, name: &str, x: &Images) -> Result<Images, ForeignError> {
        let normal = self.layers.group_norm(name, x)?;
        Ok(self.layers.silu(&normal))
    }

    fn conv_same(
        &mut self,
        name: &str,
        x: &Images,
        channels: usize,
    ) -> Result<Images, ForeignError> {
        self.layers.conv(name, x, channels, Window::SAME)
    }
}
