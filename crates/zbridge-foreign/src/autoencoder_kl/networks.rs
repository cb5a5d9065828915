//! The networks of an `AutoencoderKL`, block by block.
//!
//! # Source
//! Rombach et al. 2022, appendix; the names and the order of the blocks are those of diffusers.

use super::config::Config;
use super::graph_builder::{GraphBuilder, Images, Window};
use crate::{ForeignError, StateDict};
use rten_onnx::onnx::ModelProto;

/// Between which ends diffusers keeps log-variances.
const LOG_VARIANCES: (f32, f32) = (-30.0, 20.0);

/// Images → means and log-variances of latents.
pub(super) fn encoder(
    config: &Config,
    weights: &StateDict,
    (height, width): (usize, usize),
) -> Result<(ModelProto, Vec<u8>), ForeignError> {
    let (builder, images) = GraphBuilder::new(weights, config.in_channels, height, width);
    let mut blocks = Blocks {
        builder,
        groups: config.norm_num_groups,
    };
    let mut x = blocks.builder.conv(
        "encoder.conv_in",
        &images,
        config.block_out_channels[0],
        Window::SAME,
    )?;
    for (place, &channels) in config.block_out_channels.iter().enumerate() {
        let name = format!("encoder.down_blocks.{place}");
        x = blocks.residuals(&name, x, channels, config.layers_per_block)?;
        if place + 1 < config.block_out_channels.len() {
            x = blocks.builder.conv(
                &format!("{name}.downsamplers.0.conv"),
                &x,
                channels,
                Window::HALVING,
            )?;
        }
    }
    x = blocks.middle("encoder.mid_block", x, config.mid_block_add_attention)?;
    x = blocks.last("encoder", &x, 2 * config.latent_channels)?;
    if config.use_quant_conv {
        x = blocks
            .builder
            .conv("quant_conv", &x, 2 * config.latent_channels, Window::POINT)?;
    }
    let [mean, log_variance] = blocks.builder.halves(&x);
    let log_variance = blocks
        .builder
        .clipped(&log_variance, LOG_VARIANCES.0, LOG_VARIANCES.1);
    Ok(blocks
        .builder
        .finish(&[("mean", mean), ("log_variance", log_variance)]))
}

/// Latents → images in −1..1.
pub(super) fn decoder(
    config: &Config,
    weights: &StateDict,
    (height, width): (usize, usize),
) -> Result<(ModelProto, Vec<u8>), ForeignError> {
    let (builder, mut x) = GraphBuilder::new(weights, config.latent_channels, height, width);
    let mut blocks = Blocks {
        builder,
        groups: config.norm_num_groups,
    };
    if config.use_post_quant_conv {
        x = blocks
            .builder
            .conv("post_quant_conv", &x, config.latent_channels, Window::POINT)?;
    }
    let widest = config.block_out_channels[config.block_out_channels.len() - 1];
    x = blocks
        .builder
        .conv("decoder.conv_in", &x, widest, Window::SAME)?;
    x = blocks.middle("decoder.mid_block", x, config.mid_block_add_attention)?;
    for (place, &channels) in config.block_out_channels.iter().rev().enumerate() {
        let name = format!("decoder.up_blocks.{place}");
        x = blocks.residuals(&name, x, channels, config.layers_per_block + 1)?;
        if place + 1 < config.block_out_channels.len() {
            let doubled = blocks.builder.doubled(&x);
            x = blocks.builder.conv(
                &format!("{name}.upsamplers.0.conv"),
                &doubled,
                channels,
                Window::SAME,
            )?;
        }
    }
    x = blocks.last("decoder", &x, config.out_channels)?;
    Ok(blocks.builder.finish(&[("image", x.value)]))
}

struct Blocks<'a> {
    builder: GraphBuilder<'a>,
    groups: usize,
}

impl Blocks<'_> {
    fn residuals(
        &mut self,
        name: &str,
        x: Images,
        channels: usize,
        count: usize,
    ) -> Result<Images, ForeignError> {
        (0..count).try_fold(x, |x, place| {
            self.residual(&format!("{name}.resnets.{place}"), &x, channels)
        })
    }

    /// x + convolutions of it; through a convolution of one pixel where the channels change.
    fn residual(
        &mut self,
        name: &str,
        x: &Images,
        channels: usize,
    ) -> Result<Images, ForeignError> {
        let inner = self.normal_silu(&format!("{name}.norm1"), x)?;
        let inner = self
            .builder
            .conv(&format!("{name}.conv1"), &inner, channels, Window::SAME)?;
        let inner = self.normal_silu(&format!("{name}.norm2"), &inner)?;
        let inner = self
            .builder
            .conv(&format!("{name}.conv2"), &inner, channels, Window::SAME)?;
        if x.channels == channels {
            return Ok(self.builder.add(x, &inner));
        }
        let shortcut =
            self.builder
                .conv(&format!("{name}.conv_shortcut"), x, channels, Window::POINT)?;
        Ok(self.builder.add(&shortcut, &inner))
    }

    fn middle(&mut self, name: &str, x: Images, attends: bool) -> Result<Images, ForeignError> {
        let channels = x.channels;
        let mut x = self.residual(&format!("{name}.resnets.0"), &x, channels)?;
        if attends {
            x = self
                .builder
                .attention(&format!("{name}.attentions.0"), &x, self.groups)?;
        }
        self.residual(&format!("{name}.resnets.1"), &x, channels)
    }

    fn last(&mut self, name: &str, x: &Images, channels: usize) -> Result<Images, ForeignError> {
        let x = self.normal_silu(&format!("{name}.conv_norm_out"), x)?;
        self.builder
            .conv(&format!("{name}.conv_out"), &x, channels, Window::SAME)
    }

    fn normal_silu(&mut self, name: &str, x: &Images) -> Result<Images, ForeignError> {
        let normal = self.builder.group_norm(name, x, self.groups)?;
        Ok(self.builder.silu(&normal))
    }
}
