//! Sizes in pixels and fonts that all charts share.

use crate::font::Font;

/// Labels of ticks, and notes.
pub(crate) const TICK_FONT: Font = Font::regular(12.0);
/// Labels of axes, names of rows, and the legend.
pub(crate) const LABEL_FONT: Font = Font::regular(13.0);
/// The title of a panel.
pub(crate) const PANEL_TITLE_FONT: Font = Font::bold(14.0);
/// The title of a figure.
pub(crate) const TITLE_FONT: Font = Font::bold(17.0);

/// From one baseline to the next, as a multiple of the font size.
pub(crate) const LINE_HEIGHT: f64 = 1.3;
/// From the middle of a letter's height down to the baseline, as a share of the font size.
pub(crate) const MIDDLE_TO_BASELINE: f64 = 0.36;

/// Around a figure.
pub(crate) const MARGIN: f64 = 16.0;
/// Between panels: wide enough for half a tick label of both.
pub(crate) const GUTTER: f64 = 26.0;
/// Between a frame and the labels of its ticks.
pub(crate) const TICK_GAP: f64 = 7.0;
/// Between the labels of the ticks and the label of the axis.
pub(crate) const LABEL_GAP: f64 = 8.0;

/// Radius of a point that is only there for comparison.
pub(crate) const BACKDROP_RADIUS: f64 = 1.6;

/// Height of a line of text in this font, with its line spacing.
pub(crate) fn line_height(font: Font) -> f64 {
    font.size * LINE_HEIGHT
}
