//! The letters: DejaVu Sans Condensed, carried in the program so that pictures look the same
//! everywhere.

use std::sync::{Arc, OnceLock};

use resvg::usvg::fontdb;
use skrifa::charmap::Charmap;
use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::GlyphMetrics;
use skrifa::{FontRef, MetadataProvider as _};

/// What a browser should look for; the rasteriser only knows the embedded face.
pub(crate) const FAMILIES: &str = "'DejaVu Sans Condensed', 'Helvetica Neue', Arial, sans-serif";

/// The family name under which the embedded face is registered.
pub(crate) const EMBEDDED_FAMILY: &str = "DejaVu Sans";

/// By how much a browser's own typeface may be wider, where words must not run into what stands
/// beside them.
pub(crate) const ROOM_FOR_OTHERS: f64 = 1.12;

/// Share of the size that an unknown letter takes.
const UNKNOWN_ADVANCE: f64 = 0.8;

/// The embedded faces, and nothing from the machine, so that pictures do not depend on it.
pub(crate) fn database() -> Arc<fontdb::Database> {
    static DATABASE: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    Arc::clone(DATABASE.get_or_init(|| {
        let mut database = fontdb::Database::new();
        for bytes in [
            dejavu::sans_condensed::regular(),
            dejavu::sans_condensed::bold(),
        ] {
            database.load_font_source(fontdb::Source::Binary(Arc::new(bytes)));
        }
        database.set_sans_serif_family(EMBEDDED_FAMILY);
        Arc::new(database)
    }))
}

/// Width in pixels of one line of text.
pub(crate) fn width(text: &str, size: f64, bold: bool) -> f64 {
    let face = face(bold);
    text.chars()
        .map(|letter| advance(face, letter) * size)
        .sum()
}

/// Letters and their advances in units of the size.
struct Face {
    letters: Charmap<'static>,
    advances: GlyphMetrics<'static>,
}

impl Face {
    fn parse(bytes: &'static [u8]) -> Option<Self> {
        let font = FontRef::new(bytes).ok()?;
        Some(Self {
            letters: font.charmap(),
            advances: font.glyph_metrics(Size::new(1.0), LocationRef::default()),
        })
    }

    fn advance(&self, letter: char) -> Option<f64> {
        self.advances
            .advance_width(self.letters.map(letter)?)
            .map(f64::from)
    }
}

fn face(bold: bool) -> Option<&'static Face> {
    static REGULAR: OnceLock<Option<Face>> = OnceLock::new();
    static BOLD: OnceLock<Option<Face>> = OnceLock::new();
    let parsed = if bold {
        BOLD.get_or_init(|| Face::parse(dejavu::sans_condensed::bold()))
    } else {
        REGULAR.get_or_init(|| Face::parse(dejavu::sans_condensed::regular()))
    };
    parsed.as_ref()
}

/// Advance of one letter as a share of the size.
fn advance(face: Option<&Face>, letter: char) -> f64 {
    face.and_then(|face| face.advance(letter))
        .unwrap_or(UNKNOWN_ADVANCE)
}

/// The text in lines no wider than `limit` pixels, broken at spaces, and inside a word only where
/// it must be.
pub(crate) fn wrap(text: &str, size: f64, bold: bool, limit: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text
        .split_whitespace()
        .flat_map(|word| break_word(word, size, bold, limit))
    {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size, bold) <= limit => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// The text, with an ellipsis instead of its end where it is wider than `limit` pixels.
pub(crate) fn cut(text: &str, size: f64, bold: bool, limit: f64) -> String {
    if width(text, size, bold) <= limit {
        return text.to_owned();
    }
    let mut cut = text.to_owned();
    while width(&cut, size, bold) > limit - size && cut.pop().is_some() {}
    cut + "…"
}

/// The word in pieces no wider than `limit`; at least one letter each.
fn break_word(word: &str, size: f64, bold: bool, limit: f64) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for letter in word.chars() {
        let longer = pieces
            .last()
            .map_or_else(String::new, |piece| format!("{piece}{letter}"));
        if width(&longer, size, bold) > limit && longer.chars().count() > 1 {
            pieces.push(letter.to_string());
        } else if let Some(piece) = pieces.last_mut() {
            *piece = longer;
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_face_has_the_letters_that_reports_use() {
        let face = face(false).unwrap();
        for letter in "0123456789−±×→←↔ψγµσ‖|≥≤⁻⁰¹²³⁴⁵⁶⁷⁸⁹“”–—…".chars()
        {
            assert!(face.advance(letter).is_some(), "no glyph for {letter}");
        }
        assert_eq!(database().len(), 2);
    }

    #[test]
    fn wide_letters_are_wider_and_bold_is_wider() {
        assert!(width("WWW", 10.0, false) > width("iii", 10.0, false));
        assert!(width("title", 10.0, true) > width("title", 10.0, false));
        assert!((width("abc", 20.0, false) - 2.0 * width("abc", 10.0, false)).abs() < 1e-9);
    }

    #[test]
    fn wrapping_keeps_every_word_and_the_limit() {
        let text = "label latents inferred from images unbelievablylongwordthatcannotfit here";
        let lines = wrap(text, 12.0, false, 90.0);
        assert!(lines.len() > 3);
        assert!(
            lines.iter().all(|line| width(line, 12.0, false) <= 90.0),
            "{lines:?}"
        );
        assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
    }
}
