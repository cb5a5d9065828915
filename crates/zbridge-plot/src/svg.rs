//! The SVG back end: a document that grows element by element.

mod path_data;

use std::fmt::Display;

use crate::canvas::{Anchor, Canvas, Dots, Fill, Markers, Stroke, Text};
use crate::colour::{Colour, Theme};
use crate::font;
use crate::geometry::{Frame, Size};
use crate::path::Path;
use path_data::{dot_data, marker_data, number, path_data, rounded};

/// Markers and dots are written in tenths of a pixel.
const TENTHS: &str = "scale(.1)";

/// A growing SVG document.
pub(crate) struct SvgDocument {
    text: String,
    theme: Theme,
}

impl SvgDocument {
    /// An empty document; `label` describes it to readers who cannot see it.
    pub(crate) fn new(size: Size, theme: Theme, label: &str) -> Self {
        let (width, height) = (number(size.width), number(size.height));
        let root = Element::new("svg")
            .with("xmlns", "http://www.w3.org/2000/svg")
            .with("viewBox", format!("0 0 {width} {height}"))
            .with("width", &width)
            .with("height", &height)
            .with("role", "img");
        let root = match theme {
            Theme::Standalone => root.with("font-family", font::FAMILIES),
            // The style sheet shrinks a wide drawing, and must know its natural width for that.
            Theme::StyleSheet => root.with("style", format!("--width:{width}px")),
        };
        let root = root.with_if(!label.is_empty(), "aria-label", label);
        let mut document = Self {
            // The root stays open until the document is finished.
            text: root.text + ">",
            theme,
        };
        if theme == Theme::Standalone {
            let background = Element::new("rect")
                .with("width", &width)
                .with("height", &height)
                .with("fill", Colour::Paper.svg(theme));
            document.push(background);
        }
        document
    }

    /// Adds a picture whose pixels stay crisp when it is enlarged.
    pub(crate) fn image(&mut self, frame: Frame, address: &str) {
        let image = Element::new("image")
            .with("x", number(frame.left))
            .with("y", number(frame.top))
            .with("width", number(frame.width))
            .with("height", number(frame.height))
            .with("style", "image-rendering:pixelated")
            .with("href", address);
        self.push(image);
    }

    /// The whole document.
    pub(crate) fn finish(self) -> String {
        self.text + "</svg>\n"
    }

    fn push(&mut self, element: Element) {
        self.text.push_str(&element.text);
        self.text.push_str("/>\n");
    }

    fn colour(&self, colour: Colour) -> impl Display {
        colour.svg(self.theme)
    }
}

impl Canvas for SvgDocument {
    fn fill(&mut self, path: &Path, fill: Fill) {
        if path.is_empty() {
            return;
        }
        let element = Element::new("path")
            .with("d", path_data(path))
            .with("fill", self.colour(fill.colour))
            .with_if(fill.opacity < 1.0, "fill-opacity", fill.opacity);
        self.push(element);
    }

    fn stroke(&mut self, path: &Path, stroke: Stroke) {
        if path.is_empty() {
            return;
        }
        let dashes: Vec<String> = stroke.dashes.iter().map(f64::to_string).collect();
        let element = Element::new("path")
            .with("d", path_data(path))
            .with("stroke", self.colour(stroke.colour))
            .with("stroke-width", stroke.width)
            .with_if(stroke.is_rounded, "stroke-linejoin", "round")
            .with_if(!dashes.is_empty(), "stroke-dasharray", dashes.join(" "))
            .with("fill", "none");
        self.push(element);
    }

    fn markers(&mut self, markers: &Markers) {
        if markers.centres.is_empty() {
            return;
        }
        let element = Element::new("path")
            .with("transform", TENTHS)
            .with("d", marker_data(markers))
            .with("fill", self.colour(Colour::Series(markers.series)))
            .with_if(markers.opacity < 1.0, "fill-opacity", markers.opacity);
        let element = if markers.outline > 0.0 {
            element
                .with("stroke", self.colour(Colour::Paper))
                // In tenths of a pixel, like the path.
                .with("stroke-width", markers.outline * 10.0)
        } else {
            element
        };
        self.push(element);
    }

    fn dots(&mut self, dots: &Dots) {
        if dots.centres.is_empty() {
            return;
        }
        // A round cap turns a line without length into a dot, in a dozen bytes a point.
        let element = Element::new("path")
            .with("transform", TENTHS)
            .with("d", dot_data(dots))
            .with("fill", "none")
            .with("stroke", self.colour(dots.colour))
            .with("stroke-width", rounded(dots.radius * 20.0))
            .with("stroke-linecap", "round")
            .with("stroke-opacity", dots.opacity);
        self.push(element);
    }

    fn text(&mut self, text: &Text<'_>) {
        let (x, y) = (number(text.at.x), number(text.at.y));
        let anchor = match text.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let element = Element::new("text")
            .with("x", &x)
            .with("y", &y)
            .with("font-size", number(text.font.size))
            .with("fill", self.colour(text.colour))
            .with_if(text.anchor != Anchor::Start, "text-anchor", anchor)
            .with_if(text.font.is_bold, "font-weight", "bold");
        let element = match text.has_halo {
            true => element.with_halo(self.colour(Colour::Paper)),
            false => element,
        };
        // Turned around its own point, so that the anchor stays there.
        let turn = format!("rotate(-90 {x} {y})");
        let element = element.with_if(text.is_turned, "transform", turn);
        self.text.push_str(&element.text);
        self.text.push('>');
        self.text.push_str(&escape_xml(text.text));
        self.text.push_str("</text>\n");
    }
}

/// The start of an element: its name and attributes, without the closing bracket.
struct Element {
    text: String,
}

impl Element {
    fn new(name: &str) -> Self {
        Self {
            text: format!("<{name}"),
        }
    }

    fn with(mut self, name: &str, value: impl Display) -> Self {
        let value = escape_xml(&value.to_string());
        self.text.push_str(&format!(" {name}=\"{value}\""));
        self
    }

    /// An outline of text, so that it can be read over lines.
    fn with_halo(self, colour: impl Display) -> Self {
        self.with("stroke", colour)
            .with("stroke-width", Text::HALO_WIDTH)
            .with("stroke-linejoin", "round")
            // The stroke must be under the letters, not over them.
            .with("paint-order", "stroke")
    }

    fn with_if(self, condition: bool, name: &str, value: impl Display) -> Self {
        if condition {
            self.with(name, value)
        } else {
            self
        }
    }
}

/// The text as XML content or as an attribute's value, without characters that XML 1.0 forbids.
fn escape_xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ if is_xml_character(character) => safe.push(character),
            _ => safe.push(char::REPLACEMENT_CHARACTER),
        }
    }
    safe
}

/// Whether XML 1.0 allows the character (section 2.2, `Char`).
fn is_xml_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_has_no_markup_and_no_forbidden_character_of_a_text() {
        assert_eq!(
            escape_xml("a<b> & \"c\" 'd'\u{0}\u{1b}"),
            "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;\u{fffd}\u{fffd}"
        );
        assert_eq!(escape_xml("log p(y|x) → −2.3 ± ψ"), "log p(y|x) → −2.3 ± ψ");
    }
}
