//! A line of text as one path.

use tiny_skia::PathBuilder;
use ttf_parser::OutlineBuilder;

use crate::font::Font;

/// The outlines of a line of text that starts at the origin.
pub(super) struct GlyphOutlines {
    /// `None` if nothing is visible, as in a line of spaces.
    pub(super) path: Option<tiny_skia::Path>,
    /// Pixels from the start of the line to its end.
    pub(super) width: f32,
}

impl GlyphOutlines {
    pub(super) fn of(text: &str, font: Font) -> Self {
        let (glyphs, end) = font.glyphs(text);
        let mut pen = Pen {
            builder: PathBuilder::new(),
            x: 0.0,
            pixels_per_unit: font.pixels_per_unit() as f32,
        };
        for glyph in glyphs {
            pen.x = glyph.x as f32;
            // A glyph without an outline is a space: nothing to draw.
            let _ = font.face().outline_glyph(glyph.id, &mut pen);
        }
        Self {
            // Kerning included, so that the anchors of the text are exact.
            width: end as f32 * pen.pixels_per_unit,
            path: pen.builder.finish(),
        }
    }
}

/// Draws glyphs, which are given in font units with y upwards.
struct Pen {
    builder: PathBuilder,
    /// Where the current glyph starts, in font units.
    x: f32,
    pixels_per_unit: f32,
}

impl Pen {
    fn x(&self, x: f32) -> f32 {
        (self.x + x) * self.pixels_per_unit
    }

    fn y(&self, y: f32) -> f32 {
        // In a font y grows upwards, in a drawing downwards.
        -y * self.pixels_per_unit
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.builder.move_to(self.x(x), self.y(y));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.builder.line_to(self.x(x), self.y(y));
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.builder
            .quad_to(self.x(x1), self.y(y1), self.x(x), self.y(y));
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (x1, y1) = (self.x(x1), self.y(y1));
        let (x2, y2) = (self.x(x2), self.y(y2));
        self.builder.cubic_to(x1, y1, x2, y2, self.x(x), self.y(y));
    }

    fn close(&mut self) {
        self.builder.close();
    }
}
