//! Where the names of reference lines are written above the frame.

use crate::axis::Axis;
use crate::reference::Reference;
use crate::style::{LABEL_FONT, TICK_FONT};

/// Height of a line of names.
const LINE: f64 = 17.0;

/// The name of a reference above the frame.
pub(super) struct ReferenceName {
    pub(super) text: String,
    /// Distance of the reference line from the left side of the frame.
    pub(super) line_x: f64,
    /// Distance of the text from the left side of the frame.
    pub(super) text_x: f64,
    /// The number of lines of names below this one.
    level: usize,
}

impl ReferenceName {
    /// Distance from the top of the frame up to the upper end of the reference line.
    pub(super) fn line_height(&self) -> f64 {
        4.0 + self.level as f64 * LINE
    }
}

/// Height of all names above a frame of this width.
pub(super) fn height(references: &[Reference], axis: &Axis, width: f64) -> f64 {
    let names = place(references, axis, width);
    let levels = names.iter().map(|name| name.level + 1).max().unwrap_or(0);
    levels as f64 * LINE
}

/// The names from left to right, each as low as it can be without touching another.
pub(super) fn place(references: &[Reference], axis: &Axis, width: f64) -> Vec<ReferenceName> {
    let mut drawn: Vec<&Reference> = references
        .iter()
        .filter(|reference| axis.can_draw(reference.value))
        .collect();
    // From left to right, so that a name can only touch the last one on each level.
    drawn.sort_by(|a, b| a.value.total_cmp(&b.value));
    // The right end of the last name on each level, the lowest level first.
    let mut ends: Vec<f64> = Vec::new();
    let mut names = Vec::new();
    for reference in drawn {
        let text = TICK_FONT.cut(&reference.name, width);
        let text_width = TICK_FONT.width(&text);
        let line_x = axis.fraction(reference.value) * width;
        let centred = line_x - text_width / 2.0;
        // Centred at its line, but inside the frame.
        let text_x = centred.min(width - text_width).max(0.0);
        let is_free = |&end: &f64| end + LABEL_FONT.size <= text_x;
        let level = ends.iter().position(is_free).unwrap_or(ends.len());
        if level == ends.len() {
            ends.push(0.0);
        }
        ends[level] = text_x + text_width;
        names.push(ReferenceName {
            text,
            line_x,
            text_x,
            level,
        });
    }
    names
}
