//! The drawing interface of all charts, and what can be drawn with it.

use crate::colour::Colour;
use crate::font::Font;
use crate::geometry::Point;
use crate::path::Path;

/// Something on which charts can be drawn: an SVG document or pixels.
///
/// Coordinates are pixels of the SVG document. An empty path and an empty list of points draw
/// nothing.
pub(crate) trait Canvas {
    /// Fills the inside of a path. Overlapping parts of one path are filled once.
    fn fill(&mut self, path: &Path, fill: Fill);

    /// Draws a path as a line.
    fn stroke(&mut self, path: &Path, stroke: Stroke);

    /// Draws the same marker at several points.
    fn markers(&mut self, markers: &Markers);

    /// Draws round dots, in fewer bytes and less time than markers.
    fn dots(&mut self, dots: &Dots);

    /// Writes one line of text.
    fn text(&mut self, text: &Text<'_>);
}

/// How an area is filled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fill {
    pub(crate) colour: Colour,
    /// From 0 (invisible) to 1.
    pub(crate) opacity: f64,
}

impl Fill {
    pub(crate) const fn new(colour: Colour, opacity: f64) -> Self {
        Self { colour, opacity }
    }
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stroke {
    pub(crate) colour: Colour,
    pub(crate) width: f64,
    /// Lengths of dashes and gaps in turn; empty for a solid line.
    pub(crate) dashes: &'static [f64],
    /// Whether the corners of the line are round.
    pub(crate) is_rounded: bool,
}

impl Stroke {
    /// The dashes of [`Stroke::reference`], the most common first.
    const DASHES: [&'static [f64]; 4] = [
        &[6.0, 4.0],
        &[2.0, 3.0],
        &[9.0, 3.0, 2.0, 3.0],
        &[12.0, 5.0],
    ];

    /// A solid line.
    pub(crate) const fn solid(colour: Colour, width: f64) -> Self {
        Self {
            colour,
            width,
            dashes: &[],
            is_rounded: false,
        }
    }

    /// A dashed line for the reference value at `index`; each of four has dashes of its own.
    pub(crate) fn reference(index: usize) -> Self {
        Self {
            dashes: Self::DASHES[index % Self::DASHES.len()],
            ..Self::solid(Colour::Muted, 1.5)
        }
    }
}

/// Markers of one series or group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Markers {
    pub(crate) centres: Vec<Point>,
    /// Index of the series, which decides shape and colour.
    pub(crate) series: usize,
    pub(crate) radius: f64,
    /// From 0 (invisible) to 1.
    pub(crate) opacity: f64,
    /// Width of an outline in the colour of the paper; 0 for none.
    pub(crate) outline: f64,
}

/// Round dots of one colour.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dots {
    pub(crate) centres: Vec<Point>,
    pub(crate) radius: f64,
    pub(crate) colour: Colour,
    /// From 0 (invisible) to 1.
    pub(crate) opacity: f64,
}

/// Which part of a text is at its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// One line of text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Text<'a> {
    pub(crate) text: &'a str,
    /// The point on the baseline that the anchor names.
    pub(crate) at: Point,
    pub(crate) font: Font,
    pub(crate) anchor: Anchor,
    pub(crate) colour: Colour,
    /// Whether the text is turned to read from bottom to top.
    pub(crate) is_turned: bool,
    /// Whether a border in the colour of the paper keeps the text legible on lines.
    pub(crate) has_halo: bool,
}

impl<'a> Text<'a> {
    /// Width of the line whose outer half is the halo.
    pub(crate) const HALO_WIDTH: f64 = 4.0;

    /// Text in the usual colour that starts at the point.
    pub(crate) fn new(text: &'a str, at: Point, font: Font) -> Self {
        Self {
            text,
            at,
            font,
            anchor: Anchor::Start,
            colour: Colour::Text,
            is_turned: false,
            has_halo: false,
        }
    }

    pub(crate) fn anchored(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }

    pub(crate) fn muted(self) -> Self {
        Self {
            colour: Colour::Muted,
            ..self
        }
    }

    pub(crate) fn turned(self) -> Self {
        Self {
            is_turned: true,
            ..self
        }
    }

    pub(crate) fn with_halo(self) -> Self {
        Self {
            has_halo: true,
            ..self
        }
    }
}
