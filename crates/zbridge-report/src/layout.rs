//! Where the parts of a figure stand.

use crate::figure::{Figure, GUTTER, MARGIN, TITLE_SIZE};
use crate::legend::Legend;
use crate::panel::Panel;
use crate::plot::{Frame, LINE_HEIGHT, Plot, TICK_SIZE, intervals_height};
use crate::typeface;

/// A figure is at least so wide, so that notes fit below it.
const NARROWEST: f64 = 480.0;

/// Where everything stands.
pub(crate) struct Layout<'a> {
    pub(crate) title: Vec<String>,
    pub(crate) plots: Vec<Plot<'a>>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) legend: Legend,
    pub(crate) first_left: f64,
    pub(crate) legend_top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl<'a> Layout<'a> {
    pub(crate) fn of(figure: &'a Figure) -> Self {
        let (widths, heights) = figure.cells();
        let plots = figure.plots(&widths, &heights);
        let (lefts, right) = column_lefts(&plots, &widths, &heights);
        let width = (right + MARGIN + GUTTER / 2.0).max(NARROWEST).ceil();
        let title = typeface::wrap(&figure.title, TITLE_SIZE, true, width - 2.0 * MARGIN);
        let title_height = if title.is_empty() {
            0.0
        } else {
            title.len() as f64 * TITLE_SIZE * LINE_HEIGHT + 6.0
        };
        let (tops, legend_top) = row_tops(&plots, &widths, &heights, MARGIN + title_height);
        let columns = widths.len();
        let frames = (0..plots.len()).map(|place| Frame {
            left: lefts[place % columns],
            top: tops[place / columns],
            width: widths[place % columns],
            height: heights[place / columns],
        });
        let frames = frames.collect();
        let (legend, first_left) = (Legend::of(&figure.panels), legend_left(&lefts, width));
        let note = if figure.note().is_some() {
            TICK_SIZE * LINE_HEIGHT + 6.0
        } else {
            0.0
        };
        let height = legend_top + legend.height(width - MARGIN - first_left) + note + MARGIN * 0.75;
        let height = height.ceil();
        Self {
            title,
            plots,
            frames,
            legend,
            first_left,
            legend_top,
            width,
            height,
        }
    }
}

/// Where the legend begins: below the first frame, or further left where long names would leave it
/// little room.
fn legend_left(lefts: &[f64], width: f64) -> f64 {
    lefts
        .first()
        .copied()
        .filter(|&left| left < 0.25 * width)
        .unwrap_or(MARGIN)
}

/// Width and height that a panel's data wants where so many stand in a row.
pub(crate) fn wanted_size(panel: &Panel, columns: usize) -> (f64, f64) {
    let (width, height) = plot_size(columns);
    match panel {
        Panel::Intervals(chart) if columns == 1 => (460.0, intervals_height(chart, true)),
        Panel::Intervals(chart) => (0.75 * width, intervals_height(chart, false)),
        Panel::Reliability(_) if columns == 1 => (400.0, 360.0),
        Panel::Reliability(_) => (width.min(1.1 * height), height),
        Panel::Scatter(chart) if columns == 1 && chart.equal_aspect => (560.0, 460.0),
        _ => (width, height),
    }
}

/// Width and height of a panel's data where so many stand in a row; a row is about 1000 pixels
/// wide.
fn plot_size(columns: usize) -> (f64, f64) {
    match columns {
        1 => (640.0, 360.0),
        2 => (410.0, 290.0),
        3 => (270.0, 240.0),
        4 => (215.0, 215.0),
        _ => (180.0, 180.0),
    }
}

/// Left edges of the columns' frames, and the right end of the last column.
fn column_lefts(plots: &[Plot<'_>], widths: &[f64], heights: &[f64]) -> (Vec<f64>, f64) {
    let (columns, mut x) = (widths.len(), MARGIN - GUTTER);
    let mut lefts = Vec::with_capacity(columns);
    for (column, width) in widths.iter().enumerate() {
        let below = || plots.iter().enumerate().skip(column).step_by(columns);
        let before = below()
            .map(|(place, plot)| plot.room_left(heights[place / columns]))
            .fold(0.0, f64::max);
        let behind = below()
            .map(|(_, plot)| plot.room_right())
            .fold(0.0, f64::max);
        lefts.push(x + GUTTER + before);
        x += GUTTER + before + width + behind;
    }
    (lefts, x)
}

/// Upper edges of the rows' frames, and the lower end of the last row.
fn row_tops(plots: &[Plot<'_>], widths: &[f64], heights: &[f64], from: f64) -> (Vec<f64>, f64) {
    let (mut y, mut tops) = (from, Vec::new());
    for (row, height) in plots.chunks(widths.len()).zip(heights) {
        let each = || row.iter().zip(widths);
        let above = each()
            .map(|(plot, &width)| plot.room_above(width))
            .fold(0.0, f64::max);
        let below = each()
            .map(|(plot, &width)| plot.room_below(width))
            .fold(0.0, f64::max);
        tops.push(y + above);
        y += above + height + below + 12.0;
    }
    (tops, y)
}
