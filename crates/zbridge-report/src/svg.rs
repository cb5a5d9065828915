//! Writing SVG text: elements, attributes and numbers, escaped and short.

use crate::escape;
use crate::ink::Ink;
use crate::typeface;

/// Lengths of strokes and gaps of dashed lines.
const DASHES: [&str; 4] = ["6 4", "2 3", "9 3 2 3", "12 5"];

/// A growing SVG document.
pub(crate) struct Svg {
    text: String,
    ink: Ink,
}

/// Which part of a text stands at its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// One line of text.
pub(crate) struct Line<'a> {
    pub(crate) text: &'a str,
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) size: f64,
    pub(crate) anchor: Anchor,
    pub(crate) bold: bool,
    pub(crate) muted: bool,
    pub(crate) upright: bool,
    pub(crate) halo: bool,
}

impl<'a> Line<'a> {
    /// A line in the usual weight and colour.
    pub(crate) fn new(text: &'a str, (x, y): (f64, f64), size: f64, anchor: Anchor) -> Self {
        Self {
            text,
            x,
            y,
            size,
            anchor,
            bold: false,
            muted: false,
            upright: false,
            halo: false,
        }
    }

    pub(crate) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(crate) fn muted(self) -> Self {
        Self {
            muted: true,
            ..self
        }
    }

    /// Turned to read from bottom to top.
    pub(crate) fn upright(self) -> Self {
        Self {
            upright: true,
            ..self
        }
    }

    /// Legible where it stands on lines.
    pub(crate) fn with_halo(self) -> Self {
        Self { halo: true, ..self }
    }
}

impl Svg {
    /// An empty document of the given size, which `label` describes to those who cannot see it.
    pub(crate) fn new((width, height): (f64, f64), ink: Ink, label: &str) -> Self {
        let mut svg = Self {
            text: String::new(),
            ink,
        };
        let (w, h, size) = (
            number(width),
            number(height),
            format!("0 0 {} {}", number(width), number(height)),
        );
        let mut attributes = vec![
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("viewBox", &size),
            ("width", &w),
            ("height", &h),
            ("role", "img"),
        ];
        if ink == Ink::Standalone {
            attributes.push(("font-family", typeface::FAMILIES));
        }
        let natural = format!("--width:{w}px");
        if ink == Ink::Page {
            attributes.push(("style", &natural));
        }
        if !label.is_empty() {
            attributes.push(("aria-label", label));
        }
        svg.open("svg", &attributes);
        if let Some(colour) = ink.background() {
            svg.leaf("rect", &[("width", &w), ("height", &h), ("fill", colour)]);
        }
        svg
    }

    /// The colours of this document.
    pub(crate) fn ink(&self) -> Ink {
        self.ink
    }

    /// Starts an element.
    pub(crate) fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.text.push('>');
    }

    /// Ends an element.
    pub(crate) fn close(&mut self, name: &str) {
        self.text.push_str(&format!("</{name}>\n"));
    }

    /// An element without content.
    pub(crate) fn leaf(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.text.push_str("/>\n");
    }

    /// One line of text.
    pub(crate) fn line(&mut self, line: &Line<'_>) {
        let (x, y, size) = (number(line.x), number(line.y), number(line.size));
        let turn = format!("rotate(-90 {x} {y})");
        let colour = if line.muted {
            self.ink.muted()
        } else {
            self.ink.text()
        };
        let mut attributes = vec![
            ("x", x.as_str()),
            ("y", &y),
            ("font-size", &size),
            ("fill", colour),
        ];
        match line.anchor {
            Anchor::Start => {}
            Anchor::Middle => attributes.push(("text-anchor", "middle")),
            Anchor::End => attributes.push(("text-anchor", "end")),
        }
        if line.bold {
            attributes.push(("font-weight", "bold"));
        }
        if line.halo {
            let halo = [
                ("stroke", self.ink.paper()),
                ("stroke-width", "4"),
                ("stroke-linejoin", "round"),
            ];
            attributes.extend(halo.into_iter().chain([("paint-order", "stroke")]));
        }
        if line.upright {
            attributes.push(("transform", &turn));
        }
        self.open("text", &attributes);
        self.text.push_str(&escape::xml(line.text));
        self.close("text");
    }

    /// A dashed line in the colour of quiet text; each `place` has dashes of its own.
    pub(crate) fn dashed(&mut self, path: &str, place: usize) {
        let colour = self.ink.muted();
        let dashes = DASHES[place % DASHES.len()];
        self.leaf(
            "path",
            &[
                ("d", path),
                ("stroke", colour),
                ("stroke-width", "1.5"),
                ("stroke-dasharray", dashes),
                ("fill", "none"),
            ],
        );
    }

    /// The whole document.
    pub(crate) fn finish(mut self) -> String {
        self.close("svg");
        self.text
    }

    fn start(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.text.push_str(&format!("<{name}"));
        for (key, value) in attributes {
            self.text
                .push_str(&format!(" {key}=\"{}\"", escape::xml(value)));
        }
    }
}

/// A coordinate to a tenth of a pixel, as short as it can be written.
pub(crate) fn number(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0 + 0.0;
    format!("{tenths}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_no_negative_zero() {
        assert_eq!(number(12.0), "12");
        assert_eq!(number(12.3456), "12.3");
        assert_eq!(number(-0.01), "0");
        assert_eq!(number(-1.26), "-1.3");
    }
}
