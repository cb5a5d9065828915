use super::{Graphs, Settling, event_in_words};
use crate::ForeignError;
use crate::onnx::Graph;
use crate::rendering::Layout;
use zbridge_core::EventKind;

/// Channels that an image is taken to have: grey, colour, colour with opacity.
const CHANNELS: [usize; 3] = [1, 3, 4];

/// The smallest square of numbers that is taken for a flat image.
const LEAST_FLAT_SIDE: usize = 8;

impl Settling<'_> {
    /// What the model models.
    pub(super) fn event(&mut self, graphs: &Graphs) -> Result<EventKind, ForeignError> {
        if let Some(event) = self.manifest.event.clone() {
            let event = EventKind::from(event);
            // Far above any observation, and far below where sizes overflow.
            let is_sound = event
                .shape()
                .iter()
                .all(|&size| (1..1 << 24).contains(&size))
                && event.shape().len() < 9;
            let size = event
                .shape()
                .iter()
                .fold(1usize, |size, &dim| size.saturating_mul(dim));
            return match is_sound && size < 1 << 31 {
                true => Ok(event),
                false => Err(self.manifest.wrong(
                    "event",
                    "kind",
                    "sizes must be from 1 to some millions".into(),
                )),
            };
        }
        let (part, shape) = match (&graphs.encoder, &graphs.decoder) {
            (Some(encoder), _) => (
                "the encoder's input",
                encoder.inputs.first().and_then(|port| port.row_shape()),
            ),
            (None, Some(decoder)) => (
                "the decoder's output",
                decoder.outputs.first().and_then(|port| port.row_shape()),
            ),
            (None, None) => ("the model", None),
        };
        let Some(shape) =
            shape.filter(|shape| shape.iter().all(|&size| size > 0) && !shape.is_empty())
        else {
            let why = format!("{part} does not tell how large an observation is");
            return Err(self.unsettled(
                why,
                "[event] with kind = \"image\", channels, height and width, or another kind",
            ));
        };
        let layout = self
            .manifest
            .encoder
            .layout
            .or(self.manifest.decoder.layout);
        let (event, why) = guessed(&shape, layout, graphs.decoder.as_ref());
        self.guess(
            "event",
            event_in_words(&event),
            format!("{part} is {shape:?} a row{why}"),
        );
        Ok(event)
    }
}

/// The event of rows of this shape, and what else speaks for it.
fn guessed(
    shape: &[usize],
    layout: Option<Layout>,
    decoder: Option<&Graph>,
) -> (EventKind, &'static str) {
    match *shape {
        [height, width, channels] if layout == Some(Layout::Nhwc) => (
            EventKind::Image {
                channels,
                height,
                width,
            },
            "",
        ),
        [channels, height, width]
            if CHANNELS.contains(&channels) || layout == Some(Layout::Nchw) =>
        {
            (
                EventKind::Image {
                    channels,
                    height,
                    width,
                },
                "",
            )
        }
        [height, width, channels] if CHANNELS.contains(&channels) => (
            EventKind::Image {
                channels,
                height,
                width,
            },
            ", channels last",
        ),
        [size] if gives_classes(decoder) => (
            EventKind::Class { classes: size },
            ", and the decoder ends in a softmax",
        ),
        [size] => flat_image(size).unwrap_or((EventKind::Array { shape: vec![size] }, "")),
        _ => (
            EventKind::Array {
                shape: shape.to_vec(),
            },
            "",
        ),
    }
}

fn gives_classes(decoder: Option<&Graph>) -> bool {
    let last = decoder.and_then(|graph| graph.last_operators.first());
    last.is_some_and(|last| last.name.ends_with("Softmax"))
}

/// Flat images are squares, grey or in colour.
fn flat_image(size: usize) -> Option<(EventKind, &'static str)> {
    let square = |channels: usize| {
        let side = (size / channels).isqrt();
        (side >= LEAST_FLAT_SIDE && channels * side * side == size).then_some(EventKind::Image {
            channels,
            height: side,
            width: side,
        })
    };
    let grey = square(1).map(|event| (event, ", a square"));
    grey.or_else(|| square(3).map(|event| (event, ", three squares")))
}
