use super::{Graphs, Settling};
use crate::ForeignError;
use crate::manifest::Range;
use crate::onnx::Port;
use crate::rendering::{Layout, Rendering, Values};
use zbridge_core::EventKind;

/// How both networks have the numbers of an observation.
pub(super) struct Renderings {
    pub(super) encoder: Rendering,
    pub(super) encoder_layout: Layout,
    pub(super) decoder: Rendering,
}

impl Settling<'_> {
    pub(super) fn values(
        &mut self,
        graphs: &Graphs,
        event: &EventKind,
    ) -> Result<Renderings, ForeignError> {
        let input = graphs
            .encoder
            .as_ref()
            .and_then(|graph| graph.inputs.first());
        let output = graphs
            .decoder
            .as_ref()
            .and_then(|graph| graph.outputs.first());
        let (encoder, decoder) = (&self.manifest.encoder, &self.manifest.decoder);
        let encoder_layout = encoder.layout.unwrap_or_else(|| layout_of(input, event));
        let decoder_layout = decoder.layout.unwrap_or_else(|| layout_of(output, event));
        let said = [
            self.said(
                "encoder",
                encoder.range,
                &encoder.channel_means,
                &encoder.channel_sds,
                event,
            )?,
            self.said(
                "decoder",
                decoder.range,
                &decoder.channel_means,
                &decoder.channel_sds,
                event,
            )?,
        ];
        let [encoder_values, decoder_values] = self.both_values(said, graphs, event);
        Ok(Renderings {
            encoder: Rendering::new(encoder_values, encoder_layout, event),
            encoder_layout,
            decoder: Rendering::new(decoder_values, decoder_layout, event),
        })
    }

    /// What the manifest says of a network's numbers.
    fn said(
        &self,
        section: &str,
        range: Option<Range>,
        means: &Option<Vec<f32>>,
        sds: &Option<Vec<f32>>,
        event: &EventKind,
    ) -> Result<Option<Values>, ForeignError> {
        let (means, sds) = match (range, means, sds) {
            (Some(range), None, None) => return Ok(Some(range.values())),
            (None, None, None) => return Ok(None),
            (None, Some(means), Some(sds)) => (means, sds),
            (Some(_), _, _) => {
                let why = "either `range`, or `channel-means` and `channel-sds`".to_string();
                return Err(self.manifest.wrong(section, "range", why));
            }
            _ => {
                return Err(self.manifest.wrong(
                    section,
                    "channel-means",
                    "needs `channel-sds`, and the other way round".into(),
                ));
            }
        };
        let channels = if let EventKind::Image { channels, .. } = event {
            *channels
        } else {
            1
        };
        if [means, sds]
            .iter()
            .any(|numbers| numbers.len() != 1 && numbers.len() != channels)
        {
            let why = format!(
                "one number, or one for each of {channels} channels, for means and sds alike"
            );
            return Err(self.manifest.wrong(section, "channel-means", why));
        }
        let usable = |numbers: &[f32]| numbers.iter().all(|number| number.is_finite());
        if !usable(means) || !usable(sds) || sds.iter().any(|&sd| sd <= 0.0) {
            return Err(self.manifest.wrong(
                section,
                "channel-sds",
                "must be positive, and all numbers finite".into(),
            ));
        }
        Ok(Some(Values::standardised(
            &every_channel(means, channels),
            &every_channel(sds, channels),
        )))
    }

    fn both_values(
        &mut self,
        said: [Option<Values>; 2],
        graphs: &Graphs,
        event: &EventKind,
    ) -> [Values; 2] {
        if !matches!(event, EventKind::Image { .. }) {
            return said.map(|values| values.unwrap_or_else(Values::plain));
        }
        let [encoder, decoder] = said;
        let encoder = self.values_or("encoder", encoder, encoder_range(graphs));
        [
            encoder,
            self.values_or("decoder", decoder, decoder_range(graphs)),
        ]
    }

    /// What was said of a network's numbers, or what is guessed of them.
    fn values_or(
        &mut self,
        part: &str,
        said: Option<Values>,
        guessed: Option<(Range, String)>,
    ) -> Values {
        match (said, guessed) {
            (Some(values), _) => values,
            (None, None) => Values::plain(),
            (None, Some((range, why))) => {
                self.guess(&format!("{part}.range"), format!("\"{range}\""), why);
                range.values()
            }
        }
    }
}

const UNIT: Range = Range {
    low: 0.0,
    high: 1.0,
};

/// What an encoder takes for images, and what speaks for it; none without an encoder.
fn encoder_range(graphs: &Graphs) -> Option<(Range, String)> {
    let encoder = graphs.encoder.as_ref()?;
    if encoder.input_divisor == Some(255.0) {
        return Some((
            Range {
                low: 0.0,
                high: 255.0,
            },
            "the encoder begins by dividing by 255".into(),
        ));
    }
    Some(symmetric_range(graphs).unwrap_or((UNIT, "nothing in the graph says otherwise".into())))
}

/// What a decoder gives for images; none without a decoder.
fn decoder_range(graphs: &Graphs) -> Option<(Range, String)> {
    let last = graphs.decoder.as_ref()?.last_operators.first();
    let why = match last.is_some_and(|last| last.name == "Sigmoid") {
        true => "the decoder ends in a sigmoid",
        false => "nothing in the graph says otherwise",
    };
    Some(symmetric_range(graphs).unwrap_or((UNIT, why.into())))
}

fn symmetric_range(graphs: &Graphs) -> Option<(Range, String)> {
    let last = graphs
        .decoder
        .as_ref()?
        .last_operators
        .first()
        .filter(|last| last.is_symmetric)?;
    Some((
        Range {
            low: -1.0,
            high: 1.0,
        },
        format!("the decoder ends in {}, which gives −1..1", last.name),
    ))
}

/// The layout that fits a network's shape; that of zbridge where nothing is known.
fn layout_of(port: Option<&Port>, event: &EventKind) -> Layout {
    let Some(shape) = port.and_then(|port| port.shape.as_ref()) else {
        return Layout::Nchw;
    };
    let row = port.and_then(Port::row_shape);
    let fits = |layout: Layout| row.as_ref() == Some(&layout.shape(event));
    match shape.len() {
        2 => Layout::Flat,
        4 if fits(Layout::Nhwc) && !fits(Layout::Nchw) => Layout::Nhwc,
        _ => Layout::Nchw,
    }
}

fn every_channel(numbers: &[f32], channels: usize) -> Vec<f32> {
    numbers.iter().copied().cycle().take(channels).collect()
}
