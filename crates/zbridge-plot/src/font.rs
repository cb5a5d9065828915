//! The typeface of all drawings, DejaVu Sans Condensed, and how wide its text is.
//!
//! The font is part of the program, so a drawing looks the same on a machine without fonts.

use std::sync::LazyLock;
use ttf_parser::{Face, GlyphId};

/// The font families that a browser tries in turn.
pub(crate) const FAMILIES: &str = "'DejaVu Sans Condensed', 'Helvetica Neue', Arial, sans-serif";

/// By how much the font of a browser may be wider than ours. Text that must not touch its
/// neighbour gets this factor of space.
pub(crate) const WIDER_FONT: f64 = 1.12;

/// Width of a letter that the font lacks, as a share of the font size. A browser takes such a
/// letter from another font, often a wide one.
const UNKNOWN_ADVANCE: f64 = 0.8;

static REGULAR: LazyLock<Face<'static>> =
    LazyLock::new(|| parse(dejavu::sans_condensed::regular()));
static BOLD: LazyLock<Face<'static>> = LazyLock::new(|| parse(dejavu::sans_condensed::bold()));

fn parse(bytes: &'static [u8]) -> Face<'static> {
    Face::parse(bytes, 0).expect("the bytes in the program are a font")
}

/// Size and weight of text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Font {
    /// Pixels from the top of one line to the top of the next one, without line spacing.
    pub(crate) size: f64,
    pub(crate) is_bold: bool,
}

/// A glyph on the baseline of a line of text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PlacedGlyph {
    pub(crate) id: GlyphId,
    /// Distance from the start of the line, in font units.
    pub(crate) x: i32,
}

impl Font {
    pub(crate) const fn regular(size: f64) -> Self {
        Self {
            size,
            is_bold: false,
        }
    }

    pub(crate) const fn bold(size: f64) -> Self {
        Self {
            size,
            is_bold: true,
        }
    }

    pub(crate) fn face(self) -> &'static Face<'static> {
        if self.is_bold { &BOLD } else { &REGULAR }
    }

    /// Pixels for each font unit.
    pub(crate) fn pixels_per_unit(self) -> f64 {
        self.size / f64::from(self.face().units_per_em())
    }

    /// Width in pixels of one line of text, without kerning.
    ///
    /// Space for text is planned with this width: it does not depend on what a browser kerns.
    pub(crate) fn width(self, text: &str) -> f64 {
        text.chars().map(|letter| self.advance(letter)).sum()
    }

    fn advance(self, letter: char) -> f64 {
        let face = self.face();
        let units = face
            .glyph_index(letter)
            .and_then(|glyph| face.glyph_hor_advance(glyph));
        match units {
            Some(units) => f64::from(units) / f64::from(face.units_per_em()) * self.size,
            None => UNKNOWN_ADVANCE * self.size,
        }
    }

    /// The kerned glyphs of one line of text from left to right, and where the line ends.
    ///
    /// Every letter becomes one glyph; a letter that the font lacks becomes an empty box. There are
    /// no ligatures and no right-to-left text.
    pub(crate) fn glyphs(self, text: &str) -> (Vec<PlacedGlyph>, i32) {
        let face = self.face();
        let mut glyphs: Vec<PlacedGlyph> = Vec::new();
        let mut end = 0;
        for letter in text.chars() {
            // Glyph 0 is the box that the font has for letters that it lacks.
            let id = face.glyph_index(letter).unwrap_or_default();
            if let Some(previous) = glyphs.last() {
                end += kerning(face, previous.id, id);
            }
            glyphs.push(PlacedGlyph { id, x: end });
            end += i32::from(face.glyph_hor_advance(id).unwrap_or_default());
        }
        (glyphs, end)
    }

    /// The text in lines no wider than `limit` pixels, broken at spaces, and inside a word only if
    /// the word is wider than a line.
    pub(crate) fn wrap(self, text: &str, limit: f64) -> Vec<String> {
        // Greedy: each line takes as many words as fit.
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            for piece in self.split_word(word, limit) {
                match lines.last_mut() {
                    Some(line) if self.width(&format!("{line} {piece}")) <= limit => {
                        line.push(' ');
                        line.push_str(&piece);
                    }
                    _ => lines.push(piece),
                }
            }
        }
        lines
    }

    /// The text, or its beginning and an ellipsis if it is wider than `limit` pixels.
    pub(crate) fn cut(self, text: &str, limit: f64) -> String {
        if self.width(text) <= limit {
            return text.to_owned();
        }
        let mut cut = text.to_owned();
        // The ellipsis is at most as wide as the font size.
        while self.width(&cut) > limit - self.size && cut.pop().is_some() {}
        cut + "…"
    }

    /// The word in pieces no wider than `limit` pixels, each of at least one letter.
    fn split_word(self, word: &str, limit: f64) -> Vec<String> {
        let mut pieces = Vec::new();
        let mut piece = String::new();
        for letter in word.chars() {
            piece.push(letter);
            let is_first = piece.chars().count() == 1;
            if !is_first && self.width(&piece) > limit {
                piece.pop();
                // The letter that was too much starts the next piece.
                pieces.push(std::mem::replace(&mut piece, letter.to_string()));
            }
        }
        pieces.push(piece);
        pieces
    }
}

/// By how many font units the distance between two glyphs differs from the usual one.
fn kerning(face: &Face<'_>, left: GlyphId, right: GlyphId) -> i32 {
    let Some(table) = face.tables().kern else {
        return 0;
    };
    table
        .subtables
        .into_iter()
        // Other subtables are for text from top to bottom and for fonts of variable weight.
        .filter(|subtable| subtable.horizontal && !subtable.variable)
        .find_map(|subtable| subtable.glyphs_kerning(left, right))
        .map_or(0, i32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FONT: Font = Font::regular(10.0);

    #[test]
    fn the_embedded_font_has_the_letters_that_reports_use() {
        for font in [FONT, Font::bold(10.0)] {
            for letter in "0123456789−±×→←↔ψγµσ‖|≥≤⁻⁰¹²³⁴⁵⁶⁷⁸⁹“”–—…".chars()
            {
                let glyph = font.face().glyph_index(letter);
                assert!(glyph.is_some(), "no glyph for {letter}");
            }
        }
    }

    #[test]
    fn wide_letters_are_wider_and_bold_is_wider() {
        assert!(FONT.width("WWW") > FONT.width("iii"));
        assert!(Font::bold(10.0).width("title") > FONT.width("title"));
        let double = Font::regular(20.0);
        assert!((double.width("abc") - 2.0 * FONT.width("abc")).abs() < 1e-9);
    }

    #[test]
    fn kerning_moves_some_pairs_together() {
        let end = |text| FONT.glyphs(text).1;
        assert!(end("AV") < end("A") + end("V"));
        assert_eq!(end("nn"), 2 * end("n"));
        let planned = FONT.width("nn") / FONT.pixels_per_unit();
        assert!((f64::from(end("nn")) - planned).abs() < 1e-6);
    }

    #[test]
    fn wrapping_keeps_every_word_and_the_limit() {
        let font = Font::regular(12.0);
        let text = "label latents inferred from images unbelievablylongwordthatcannotfit here";
        let lines = font.wrap(text, 90.0);
        assert!(lines.len() > 3);
        assert!(
            lines.iter().all(|line| font.width(line) <= 90.0),
            "{lines:?}"
        );
        assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
    }
}
