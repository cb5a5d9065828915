use super::graphs::Graphs;
use super::resolver::Resolver;
use crate::ForeignError;
use crate::layout::Layout;
use crate::manifest::event_value;
use crate::onnx::Port;
use crate::shape::checked_size;
use std::ops::Range;
use zbridge_core::EventKind;

/// Numbers of channels that an image is taken to have: grey, colour, colour with opacity.
const CHANNELS: [usize; 3] = [1, 3, 4];

/// The smallest square of numbers that is taken for a flat image.
const LEAST_FLAT_SIDE: usize = 8;

/// Dimensions and sizes of an event: far above any observation, and far below where sizes overflow.
const DIMENSIONS: Range<usize> = 1..1 << 24;
const MOST_DIMENSIONS: usize = 8;
const MOST_NUMBERS: usize = (1 << 31) - 1;

/// An event that was inferred, and what else than its shape is evidence for it.
struct EventGuess {
    event: EventKind,
    why: &'static str,
}

impl Resolver<'_> {
    /// Returns what the model models.
    pub(super) fn event(&mut self, graphs: &Graphs) -> Result<EventKind, ForeignError> {
        match &self.manifest.event {
            Some(event) => self.checked_event(event.clone().into()),
            None => self.guessed_event(graphs),
        }
    }

    fn checked_event(&self, event: EventKind) -> Result<EventKind, ForeignError> {
        let shape = event.shape();
        let has_size = checked_size(&shape).is_some_and(|size| size <= MOST_NUMBERS);
        let has_dimensions =
            shape.len() <= MOST_DIMENSIONS && shape.iter().all(|size| DIMENSIONS.contains(size));
        if has_size && has_dimensions {
            return Ok(event);
        }
        let why = "sizes must be from 1 to some millions";
        Err(self.manifest.wrong("event", "kind", why))
    }

    fn guessed_event(&mut self, graphs: &Graphs) -> Result<EventKind, ForeignError> {
        let (part, port) = match graphs.encoder {
            Some(_) => ("the encoder's input", graphs.encoder_input()),
            None => ("the decoder's output", graphs.decoder_output()),
        };
        let shape = port.and_then(row_shape);
        let shape = shape.ok_or_else(|| self.unknown_event(part))?;
        let (encoder, decoder) = (&self.manifest.encoder, &self.manifest.decoder);
        let layout = encoder.layout.or(decoder.layout);
        let EventGuess { event, why } = guess(&shape, layout, gives_classes(graphs));
        let why = format!("{part} is {shape:?} a row{why}");
        self.guess("event", event_value(&event), why);
        Ok(event)
    }

    fn unknown_event(&self, part: &str) -> ForeignError {
        let why = format!("{part} does not tell how large an observation is");
        let remedy = "[event] with kind = \"image\", channels, height and width, or another kind";
        self.unresolved(why, remedy)
    }
}

/// Returns the shape of one row, if it is stated and has numbers in it.
fn row_shape(port: &Port) -> Option<Vec<usize>> {
    let shape = port.row_shape()?;
    let has_numbers = !shape.is_empty() && !shape.contains(&0);
    has_numbers.then_some(shape)
}

/// Returns whether the decoder ends in a softmax, or the logarithm of one.
fn gives_classes(graphs: &Graphs) -> bool {
    let last = graphs.last_operator();
    last.is_some_and(|last| last.name.ends_with("Softmax"))
}

/// Returns the event of rows of this shape.
fn guess(shape: &[usize], layout: Option<Layout>, gives_classes: bool) -> EventGuess {
    let has_channels = |channels| CHANNELS.contains(&channels);
    match *shape {
        [height, width, channels] if layout == Some(Layout::Nhwc) => {
            image(channels, height, width, "")
        }
        // If both ends could be channels, the order of PyTorch is likelier.
        [channels, height, width] if has_channels(channels) || layout == Some(Layout::Nchw) => {
            image(channels, height, width, "")
        }
        [height, width, channels] if has_channels(channels) => {
            image(channels, height, width, ", channels last")
        }
        [classes] if gives_classes => EventGuess {
            event: EventKind::Class { classes },
            why: ", and the decoder ends in a softmax",
        },
        [size] => flat_image(size).unwrap_or_else(|| array(shape)),
        _ => array(shape),
    }
}

fn image(channels: usize, height: usize, width: usize, why: &'static str) -> EventGuess {
    let event = EventKind::Image {
        channels,
        height,
        width,
    };
    EventGuess { event, why }
}

fn array(shape: &[usize]) -> EventGuess {
    let shape = shape.to_vec();
    EventGuess {
        event: EventKind::Array { shape },
        why: "",
    }
}

/// Returns a square image of `size` numbers, grey or in colour; `None` if there is none.
fn flat_image(size: usize) -> Option<EventGuess> {
    let square = |channels: usize, why: &'static str| {
        let side = (size / channels).isqrt();
        let is_square = side >= LEAST_FLAT_SIDE && channels * side * side == size;
        is_square.then(|| image(channels, side, side, why))
    };
    square(1, ", a square").or_else(|| square(3, ", three squares"))
}
