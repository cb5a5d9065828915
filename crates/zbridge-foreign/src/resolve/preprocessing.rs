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
    pub(super) encoder: PartPreprocessing,
    pub(super) decoder: PartPreprocessing,
}

/// The preprocessing of a network, and the layout that it has.
pub(super) struct PartPreprocessing {
    pub(super) layout: Layout,
    pub(super) preprocessing: Preprocessing,
}

/// What is known of the observations of a network.
struct Part<'a> {
    /// `encoder` or `decoder`.
    name: &'static str,
    stated_layout: Option<Layout>,
    stated_scale: Result<Option<StatedScale<'a>>, WrongKey>,
    /// The input or output that is an observation.
    port: Option<&'a Port>,
    range: Option<RangeGuess>,
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
        let encoder = Part {
            name: "encoder",
            stated_layout: encoder.layout,
            stated_scale: encoder.scale(),
            port: graphs.encoder_input(),
            range: encoder_range(graphs),
        };
        let decoder = Part {
            name: "decoder",
            stated_layout: decoder.layout,
            stated_scale: decoder.scale(),
            port: graphs.decoder_output(),
            range: decoder_range(graphs),
        };
        Ok(ResolvedPreprocessing {
            encoder: self.part_preprocessing(encoder, event)?,
            decoder: self.part_preprocessing(decoder, event)?,
        })
    }

    fn part_preprocessing(
        &mut self,
        part: Part<'_>,
        event: &EventKind,
    ) -> Result<PartPreprocessing, ForeignError> {
        let scales = match self.stated_scales(part.name, part.stated_scale, event)? {
            Some(scales) => scales,
            None => self.guessed_scales(part.name, part.range, event),
        };
        let layout = match part.stated_layout {
            Some(layout) => layout,
            None => fitting_layout(part.port, event),
        };
        Ok(PartPreprocessing {
            layout,
            preprocessing: Preprocessing::new(scales, layout, event),
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
        let Some((means, sds)) = each_channel(means, channels).zip(each_channel(sds, channels))
        else {
            let why = format!(
                "one number, or one for each of {channels} channels, for means and sds alike"
            );
            return Err(self.manifest.wrong(section, "channel-means", why));
        };
        if !are_moments(&means, &sds) {
            let why = "must be positive, and all numbers finite";
            return Err(self.manifest.wrong(section, "channel-sds", why));
        }
        let mut scales = Vec::with_capacity(channels);
        for (mean, sd) in means.into_iter().zip(sds) {
            scales.push(ChannelScale::standardised(mean, sd));
        }
        Ok(scales)
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

fn are_moments(means: &[f32], sds: &[f32]) -> bool {
    let are_means = means.iter().all(|mean| mean.is_finite());
    are_means && sds.iter().all(|sd| sd.is_finite() && *sd > 0.0)
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
        // If both fit, such as for an image of 3 × 3 × 3, the order of PyTorch is likelier.
        Some(4) if fits(Layout::Nhwc) && !fits(Layout::Nchw) => Layout::Nhwc,
        _ => Layout::Nchw,
    }
}
