use super::graphs::Graphs;
use super::resolver::Resolver;
use crate::ForeignError;
use crate::layout::Layout;
use crate::manifest::{Range, StatedScale, WrongKey};
use crate::onnx::Port;
use crate::preprocessing::{ChannelScale, Preprocessing, channels};
use zbridge_core::EventKind;

/// The preprocessing of both networks, whether they are there or not.
pub(super) struct ResolvedPreprocessing {
    pub(super) encoder: EncoderPreprocessing,
    pub(super) decoder: Preprocessing,
}

/// The preprocessing of an encoder, and the layout that it has.
pub(super) struct EncoderPreprocessing {
    pub(super) layout: Layout,
    pub(super) preprocessing: Preprocessing,
}

/// A range that was inferred, and the evidence for it.
struct RangeGuess {
    range: Range,
    why: String,
}

const NO_EVIDENCE: &str = "nothing in the graph says otherwise";

impl Resolver<'_> {
    /// Returns the way from observations to the numbers of both networks.
    pub(super) fn preprocessing(
        &mut self,
        graphs: &Graphs,
        event: &EventKind,
    ) -> Result<ResolvedPreprocessing, ForeignError> {
        let (encoder, decoder) = (&self.manifest.encoder, &self.manifest.decoder);
        let encoder_scales = self.stated_scales("encoder", encoder.scale(), event)?;
        let decoder_scales = self.stated_scales("decoder", decoder.scale(), event)?;
        let encoder_layout = encoder.layout;
        let encoder_layout =
            encoder_layout.unwrap_or_else(|| fitting_layout(graphs.encoder_input(), event));
        let decoder_layout = decoder.layout;
        let decoder_layout =
            decoder_layout.unwrap_or_else(|| fitting_layout(graphs.decoder_output(), event));
        let encoder_scales = match encoder_scales {
            Some(scales) => scales,
            None => self.guessed_scales("encoder", encoder_range(graphs), event),
        };
        let decoder_scales = match decoder_scales {
            Some(scales) => scales,
            None => self.guessed_scales("decoder", decoder_range(graphs), event),
        };
        Ok(ResolvedPreprocessing {
            encoder: EncoderPreprocessing {
                layout: encoder_layout,
                preprocessing: Preprocessing::new(encoder_scales, encoder_layout, event),
            },
            decoder: Preprocessing::new(decoder_scales, decoder_layout, event),
        })
    }

    /// Returns the scale of each channel that the manifest states for a network.
    fn stated_scales(
        &self,
        section: &str,
        stated: Result<Option<StatedScale<'_>>, WrongKey>,
        event: &EventKind,
    ) -> Result<Option<Vec<ChannelScale>>, ForeignError> {
        let wrong = |WrongKey { key, why }| self.manifest.wrong(section, &key, why);
        match stated.map_err(wrong)? {
            None => Ok(None),
            Some(StatedScale::Range(range)) => Ok(Some(range_scales(range, event))),
            Some(StatedScale::Standardised { means, sds }) => self
                .standardised_scales(section, means, sds, channels(event))
                .map(Some),
        }
    }

    fn standardised_scales(
        &self,
        section: &str,
        means: &[f32],
        sds: &[f32],
        channels: usize,
    ) -> Result<Vec<ChannelScale>, ForeignError> {
        let (Some(means), Some(sds)) = (each_channel(means, channels), each_channel(sds, channels))
        else {
            let why = format!(
                "one number, or one for each of {channels} channels, for means and sds alike"
            );
            return Err(self.manifest.wrong(section, "channel-means", why));
        };
        let are_means = means.iter().all(|mean| mean.is_finite());
        let are_sds = sds.iter().all(|sd| sd.is_finite() && *sd > 0.0);
        if !are_means || !are_sds {
            let why = "must be positive, and all numbers finite";
            return Err(self.manifest.wrong(section, "channel-sds", why));
        }
        let scales = means.into_iter().zip(sds);
        Ok(scales
            .map(|(mean, sd)| ChannelScale::standardised(mean, sd))
            .collect())
    }

    /// Returns the scale of each channel: the range that was inferred for images, and the numbers
    /// as they are for other events, whose range is their own.
    fn guessed_scales(
        &mut self,
        part: &str,
        guess: Option<RangeGuess>,
        event: &EventKind,
    ) -> Vec<ChannelScale> {
        match guess {
            Some(RangeGuess { range, why }) if matches!(event, EventKind::Image { .. }) => {
                self.guess(&format!("{part}.range"), format!("\"{range}\""), why);
                range_scales(range, event)
            }
            _ => vec![ChannelScale::IDENTITY; channels(event)],
        }
    }
}

fn range_scales(range: Range, event: &EventKind) -> Vec<ChannelScale> {
    vec![ChannelScale::range(range.low, range.high); channels(event)]
}

/// Returns a number for each channel; `None` if there are others than one or that many.
fn each_channel(numbers: &[f32], channels: usize) -> Option<Vec<f32>> {
    match *numbers {
        [number] => Some(vec![number; channels]),
        _ => (numbers.len() == channels).then(|| numbers.to_vec()),
    }
}

/// Returns the range that an encoder takes images in; `None` without an encoder.
fn encoder_range(graphs: &Graphs) -> Option<RangeGuess> {
    let encoder = graphs.encoder.as_ref()?;
    if encoder.evidence.input_divisor == Some(255.0) {
        return Some(RangeGuess {
            range: Range::BYTES,
            why: "the encoder begins by dividing by 255".into(),
        });
    }
    // Both networks of an autoencoder have the same range.
    Some(symmetric_range(graphs).unwrap_or(RangeGuess {
        range: Range::UNIT,
        why: NO_EVIDENCE.into(),
    }))
}

/// Returns the range that a decoder gives images in; `None` without a decoder.
fn decoder_range(graphs: &Graphs) -> Option<RangeGuess> {
    let last = graphs.last_operator()?;
    let why = match last.name.as_str() {
        "Sigmoid" => "the decoder ends in a sigmoid",
        _ => NO_EVIDENCE,
    };
    Some(symmetric_range(graphs).unwrap_or(RangeGuess {
        range: Range::UNIT,
        why: why.into(),
    }))
}

fn symmetric_range(graphs: &Graphs) -> Option<RangeGuess> {
    let last = graphs.last_operator().filter(|last| last.is_symmetric)?;
    Some(RangeGuess {
        range: Range::SYMMETRIC,
        why: format!("the decoder ends in {}, which gives −1..1", last.name),
    })
}

/// Returns the layout that fits a network's shape; that of zbridge if the shape does not tell.
fn fitting_layout(port: Option<&Port>, event: &EventKind) -> Layout {
    let Some(port) = port else {
        return Layout::Nchw;
    };
    let row = port.row_shape();
    let fits = |layout: Layout| row.as_ref() == Some(&layout.shape(event));
    match port.shape.as_ref().map(Vec::len) {
        Some(2) => Layout::Flat,
        Some(4) if fits(Layout::Nhwc) && !fits(Layout::Nchw) => Layout::Nhwc,
        _ => Layout::Nchw,
    }
}
