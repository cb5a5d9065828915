//! Drawing one panel: grid, axes and words here, the data in a file for each kind of chart.

mod clouds;
mod histogram;
mod intervals;
mod lines;
mod reliability;

pub(crate) use clouds::{BACKDROP_RADIUS, draw_dots};
pub(crate) use intervals::height as intervals_height;

use crate::axis::{Axis, Tick};
use crate::legend::Legend;
use crate::marker::{Marker, rounded};
use crate::panel::Panel;
use crate::svg::{Anchor, Line, Svg, number};
use crate::typeface;

pub(crate) const TICK_SIZE: f64 = 12.0;
pub(crate) const LABEL_SIZE: f64 = 13.0;
pub(crate) const TITLE_SIZE: f64 = 14.0;
pub(crate) const LINE_HEIGHT: f64 = 1.3;

/// Between the plot and the labels of its ticks.
const TICK_GAP: f64 = 7.0;
/// Between the labels of the ticks and the label of the axis.
const LABEL_GAP: f64 = 8.0;
/// The rectangle in which data is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Frame {
    fn bottom(&self) -> f64 {
        self.top + self.height
    }

    fn right(&self) -> f64 {
        self.left + self.width
    }
}

/// A panel with everything that is decided before it is drawn.
pub(crate) struct Plot<'a> {
    pub(crate) panel: &'a Panel,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Whether ticks and label of the horizontal axis are written.
    pub(crate) writes_x: bool,
    /// Whether ticks and label of the vertical axis are written.
    pub(crate) writes_y: bool,
    /// Whether it stands alone in its row, and so has room for numbers beside its rows and for long
    /// names.
    pub(crate) is_alone: bool,
}

impl Plot<'_> {
    /// Room that the title takes above a frame of this width.
    pub(crate) fn room_above(&self, width: f64) -> f64 {
        let lines = typeface::wrap(self.panel.title(), TITLE_SIZE, true, width).len();
        let words = if lines == 0 {
            8.0
        } else {
            lines as f64 * TITLE_SIZE * LINE_HEIGHT + 8.0
        };
        words + self.references_height(width)
    }

    /// Room that ticks and label take left of a frame of this height.
    pub(crate) fn room_left(&self, height: f64) -> f64 {
        if let Panel::Intervals(chart) = self.panel {
            return TICK_GAP + intervals::names_width(chart, self.is_alone);
        }
        if !self.writes_y {
            return 0.0;
        }
        let lines = typeface::wrap(self.panel.labels().1, LABEL_SIZE, false, height).len();
        let label = if lines == 0 {
            0.0
        } else {
            LABEL_GAP + lines as f64 * LABEL_SIZE * LINE_HEIGHT
        };
        TICK_GAP + self.y_label_width() + label
    }

    /// Room that numbers beside the rows take right of the frame.
    pub(crate) fn room_right(&self) -> f64 {
        match self.panel {
            Panel::Intervals(chart) if self.is_alone => intervals::numbers_width(chart),
            _ => 0.0,
        }
    }

    /// Room that ticks and label take below a frame of this width.
    pub(crate) fn room_below(&self, width: f64) -> f64 {
        if !self.writes_x {
            return 4.0 + self.strip_height();
        }
        let lines = typeface::wrap(self.panel.labels().0, LABEL_SIZE, false, width).len();
        let label = if lines == 0 {
            0.0
        } else {
            lines as f64 * LABEL_SIZE * LINE_HEIGHT
        };
        self.strip_height() + TICK_GAP + TICK_SIZE * LINE_HEIGHT + label + 4.0
    }

    fn y_label_width(&self) -> f64 {
        self.y
            .ticks
            .iter()
            .map(|tick| typeface::width(&tick.label, TICK_SIZE, false))
            .fold(0.0, f64::max)
    }

    /// Draws the panel in its frame.
    pub(crate) fn draw(&self, svg: &mut Svg, frame: Frame, legend: &Legend) {
        self.draw_grid(svg, frame);
        self.draw_data(svg, frame, legend);
        self.draw_axes(svg, frame);
        self.write_title(svg, frame);
        if self.writes_x {
            self.write_x(svg, frame);
        }
        match self.panel {
            Panel::Intervals(chart) => self.write_rows(svg, frame, chart),
            _ if self.writes_y => self.write_y(svg, frame),
            _ => {}
        }
    }

    fn draw_grid(&self, svg: &mut Svg, frame: Frame) {
        let mut path = String::new();
        for x in self.x.ticks.iter().map(|tick| self.x_at(frame, tick.value)) {
            path.push_str(&format!(
                "M{} {}v{}",
                number(x),
                number(frame.top),
                number(frame.height)
            ));
        }
        for y in self.y.ticks.iter().map(|tick| self.y_at(frame, tick.value)) {
            path.push_str(&format!(
                "M{} {}h{}",
                number(frame.left),
                number(y),
                number(frame.width)
            ));
        }
        let colour = svg.ink().grid();
        svg.leaf(
            "path",
            &[
                ("d", &path),
                ("stroke", colour),
                ("stroke-width", "1"),
                ("fill", "none"),
            ],
        );
    }

    /// The two axes, with a short stroke at each tick and a shorter one between decades.
    fn draw_axes(&self, svg: &mut Svg, frame: Frame) {
        let (left, bottom) = (number(frame.left), number(frame.bottom()));
        let mut path = format!(
            "M{left} {}V{bottom}H{}",
            number(frame.top),
            number(frame.right())
        );
        for (value, length) in strokes(&self.x) {
            path.push_str(&format!(
                "M{} {bottom}v{length}",
                number(self.x_at(frame, value))
            ));
        }
        let is_measured = !matches!(self.panel, Panel::Intervals(_));
        for (value, length) in strokes(&self.y).filter(|_| is_measured) {
            path.push_str(&format!(
                "M{left} {}h-{length}",
                number(self.y_at(frame, value))
            ));
        }
        let colour = svg.ink().muted();
        svg.leaf(
            "path",
            &[
                ("d", &path),
                ("stroke", colour),
                ("stroke-width", "1"),
                ("fill", "none"),
            ],
        );
    }

    fn write_title(&self, svg: &mut Svg, frame: Frame) {
        let lines = typeface::wrap(self.panel.title(), TITLE_SIZE, true, frame.width);
        let above = 10.0 + self.references_height(frame.width);
        let mut y = frame.top - above - (lines.len().max(1) - 1) as f64 * TITLE_SIZE * LINE_HEIGHT;
        for line in lines {
            svg.line(&Line::new(&line, (frame.left, y), TITLE_SIZE, Anchor::Start).bold());
            y += TITLE_SIZE * LINE_HEIGHT;
        }
    }

    fn write_x(&self, svg: &mut Svg, frame: Frame) {
        let mut y = frame.bottom() + self.strip_height() + TICK_GAP + TICK_SIZE;
        for Tick { value, label } in &self.x.ticks {
            svg.line(
                &Line::new(
                    label,
                    (self.x_at(frame, *value), y),
                    TICK_SIZE,
                    Anchor::Middle,
                )
                .muted(),
            );
        }
        for line in typeface::wrap(self.panel.labels().0, LABEL_SIZE, false, frame.width) {
            y += LABEL_SIZE * LINE_HEIGHT + 2.0;
            svg.line(&Line::new(
                &line,
                (frame.left + frame.width / 2.0, y),
                LABEL_SIZE,
                Anchor::Middle,
            ));
        }
    }

    fn write_y(&self, svg: &mut Svg, frame: Frame) {
        let mut x = frame.left - TICK_GAP;
        for Tick { value, label } in &self.y.ticks {
            let y = self.y_at(frame, *value) + 0.36 * TICK_SIZE;
            svg.line(&Line::new(label, (x, y), TICK_SIZE, Anchor::End).muted());
        }
        x -= self.y_label_width() + LABEL_GAP;
        for line in typeface::wrap(self.panel.labels().1, LABEL_SIZE, false, frame.height)
            .iter()
            .rev()
        {
            let place = (x, frame.top + frame.height / 2.0);
            svg.line(&Line::new(line, place, LABEL_SIZE, Anchor::Middle).upright());
            x -= LABEL_SIZE * LINE_HEIGHT;
        }
    }

    fn draw_data(&self, svg: &mut Svg, frame: Frame, legend: &Legend) {
        match self.panel {
            Panel::Intervals(chart) => return self.draw_intervals(svg, frame, chart, legend),
            Panel::Reliability(chart) => self.draw_strip(svg, frame, chart),
            _ => {}
        }
        if self.panel.spans().0.is_none() {
            let centre = (
                frame.left + frame.width / 2.0,
                frame.top + frame.height / 2.0,
            );
            return svg.line(&Line::new("no data", centre, LABEL_SIZE, Anchor::Middle).muted());
        }
        match self.panel {
            Panel::Line(chart) => self.draw_lines(svg, frame, chart, legend),
            Panel::Scatter(chart) => self.draw_clouds(svg, frame, &chart.groups, legend),
            Panel::Histogram(chart) => self.draw_histogram(svg, frame, chart, legend),
            Panel::Reliability(chart) => self.draw_reliability(svg, frame, chart, legend),
            Panel::Intervals(_) => {}
        }
    }

    fn place(&self, frame: Frame, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x_at(frame, x), self.y_at(frame, y))
    }

    fn x_at(&self, frame: Frame, value: f64) -> f64 {
        frame.left + self.x.fraction(value) * frame.width
    }

    fn y_at(&self, frame: Frame, value: f64) -> f64 {
        frame.bottom() - self.y.fraction(value) * frame.height
    }
}

/// Places along an axis that get a stroke, and its length.
fn strokes(axis: &Axis) -> impl Iterator<Item = (f64, u8)> {
    axis.ticks
        .iter()
        .map(|tick| (tick.value, 5))
        .chain(axis.minor.iter().map(|&value| (value, 3)))
}

/// Draws the marker of the series or group at `place` at each point; lengths in `style` are tenths
/// of a pixel.
fn draw_markers(
    svg: &mut Svg,
    places: &[(f64, f64)],
    place: usize,
    radius: f64,
    style: &[(&str, &str)],
) {
    let (marker, mut path) = (Marker::of(place, radius), String::new());
    places
        .iter()
        .for_each(|&at| marker.draw_at(tenths(at), &mut path));
    let colour = svg.ink().series(place);
    if !path.is_empty() {
        svg.leaf(
            "path",
            &[
                &[("transform", "scale(.1)"), ("d", &path), ("fill", &colour)],
                style,
            ]
            .concat(),
        );
    }
}

fn tenths((x, y): (f64, f64)) -> (i64, i64) {
    (rounded(x * 10.0), rounded(y * 10.0))
}
