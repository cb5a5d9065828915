//! One panel on the drawing: grid, axes, texts and, between them, the chart's data.

use crate::axis::Axis;
use crate::canvas::{Anchor, Canvas, Stroke, Text};
use crate::chart::{Chart, PlotArea};
use crate::colour::Colour;
use crate::geometry::{Frame, Point, Xy};
use crate::legend::Legend;
use crate::path::Path;
use crate::style::{
    LABEL_FONT, LABEL_GAP, MIDDLE_TO_BASELINE, PANEL_TITLE_FONT, TICK_FONT, TICK_GAP, line_height,
};

/// Between the title, or the top of the panel, and what is below it.
const SPACE_BELOW_TITLE: f64 = 8.0;
/// Below the texts of the horizontal axis.
const SPACE_BELOW: f64 = 4.0;
/// Length of the stroke at a tick, and of the shorter one between two ticks.
const TICK_LENGTH: f64 = 5.0;
const MINOR_LENGTH: f64 = 3.0;

/// A chart with everything that is decided before it is drawn.
pub(crate) struct PanelPlot<'a> {
    pub(crate) chart: &'a dyn Chart,
    pub(crate) axes: Xy<Axis>,
    /// Whether ticks and label of an axis are written.
    pub(crate) writes: Xy<bool>,
    /// Whether the chart is alone in its row.
    pub(crate) is_alone: bool,
}

impl PanelPlot<'_> {
    /// Height of what is above a frame of this width.
    pub(crate) fn height_above(&self, width: f64) -> f64 {
        let title = text_height(PANEL_TITLE_FONT.wrap(self.chart.title(), width).len());
        title + SPACE_BELOW_TITLE + self.chart.height_above(&self.axes.x, width)
    }

    /// Height of what is below a frame of this width.
    pub(crate) fn height_below(&self, width: f64) -> f64 {
        let below_frame = self.chart.height_below();
        if !self.writes.x {
            return below_frame + SPACE_BELOW;
        }
        let label_lines = LABEL_FONT.wrap(self.chart.labels().x, width).len();
        let label = label_lines as f64 * line_height(LABEL_FONT);
        below_frame + TICK_GAP + line_height(TICK_FONT) + label + SPACE_BELOW
    }

    /// Width of what is left of a frame of this height.
    pub(crate) fn width_left(&self, height: f64) -> f64 {
        if let Some(names_width) = self.chart.row_names_width(self.is_alone) {
            return TICK_GAP + names_width;
        }
        if !self.writes.y {
            return 0.0;
        }
        let label = match LABEL_FONT.wrap(self.chart.labels().y, height).len() {
            0 => 0.0,
            lines => LABEL_GAP + lines as f64 * line_height(LABEL_FONT),
        };
        TICK_GAP + self.axes.y.label_width() + label
    }

    /// Width of what is right of the frame.
    pub(crate) fn width_right(&self) -> f64 {
        if self.is_alone {
            self.chart.row_numbers_width()
        } else {
            0.0
        }
    }

    /// Draws the panel in its frame.
    pub(crate) fn draw(&self, canvas: &mut dyn Canvas, frame: Frame, legend: &Legend) {
        let area = PlotArea {
            frame,
            axes: &self.axes,
            writes_y: self.writes.y,
            is_alone: self.is_alone,
        };
        // The grid is behind the data, the axes are before it.
        draw_grid(canvas, &area);
        self.chart.draw_below(canvas, &area);
        if self.chart.has_data() {
            self.chart.draw(canvas, &area, legend);
        } else {
            let text = Text::new("no data", frame.centre(), LABEL_FONT);
            canvas.text(&text.anchored(Anchor::Middle).muted());
        }
        // Names of rows are where a scale would be.
        let has_vertical_scale = self.chart.row_names_width(self.is_alone).is_none();
        draw_axes(canvas, &area, has_vertical_scale);
        self.write_title(canvas, frame);
        if self.writes.x {
            self.write_x(canvas, &area);
        }
        if self.writes.y && has_vertical_scale {
            self.write_y(canvas, &area);
        }
    }

    fn write_title(&self, canvas: &mut dyn Canvas, frame: Frame) {
        let lines = PANEL_TITLE_FONT.wrap(self.chart.title(), frame.width);
        let above_frame = 10.0 + self.chart.height_above(&self.axes.x, frame.width);
        // The last line is next to the frame, so the first is above it by the others.
        let last_to_first = text_height(lines.len().saturating_sub(1));
        let mut at = Point::new(frame.left, frame.top - above_frame - last_to_first);
        for line in lines {
            canvas.text(&Text::new(&line, at, PANEL_TITLE_FONT));
            at.y += line_height(PANEL_TITLE_FONT);
        }
    }

    fn write_x(&self, canvas: &mut dyn Canvas, area: &PlotArea<'_>) {
        let frame = &area.frame;
        let mut baseline = frame.bottom() + self.chart.height_below() + TICK_GAP + TICK_FONT.size;
        for tick in &self.axes.x.ticks {
            let at = Point::new(area.x_at(tick.value), baseline);
            let text = Text::new(&tick.label, at, TICK_FONT);
            canvas.text(&text.anchored(Anchor::Middle).muted());
        }
        for line in LABEL_FONT.wrap(self.chart.labels().x, frame.width) {
            baseline += line_height(LABEL_FONT) + 2.0;
            let at = Point::new(frame.centre().x, baseline);
            canvas.text(&Text::new(&line, at, LABEL_FONT).anchored(Anchor::Middle));
        }
    }

    fn write_y(&self, canvas: &mut dyn Canvas, area: &PlotArea<'_>) {
        let frame = &area.frame;
        let right = frame.left - TICK_GAP;
        for tick in &self.axes.y.ticks {
            let baseline = area.y_at(tick.value) + MIDDLE_TO_BASELINE * TICK_FONT.size;
            let text = Text::new(&tick.label, Point::new(right, baseline), TICK_FONT);
            canvas.text(&text.anchored(Anchor::End).muted());
        }
        // The label reads from bottom to top, so its last line is next to the ticks.
        let mut x = right - self.axes.y.label_width() - LABEL_GAP;
        let lines = LABEL_FONT.wrap(self.chart.labels().y, frame.height);
        for line in lines.iter().rev() {
            let at = Point::new(x, frame.centre().y);
            let text = Text::new(line, at, LABEL_FONT);
            canvas.text(&text.anchored(Anchor::Middle).turned());
            x -= line_height(LABEL_FONT);
        }
    }
}

/// Height of this many lines of a title.
fn text_height(lines: usize) -> f64 {
    lines as f64 * line_height(PANEL_TITLE_FONT)
}

fn draw_grid(canvas: &mut dyn Canvas, area: &PlotArea<'_>) {
    let frame = &area.frame;
    let mut lines = Path::new();
    for tick in &area.axes.x.ticks {
        lines.add_vertical(area.x_at(tick.value), frame.top, frame.bottom());
    }
    for tick in &area.axes.y.ticks {
        lines.add_horizontal(frame.left, frame.right(), area.y_at(tick.value));
    }
    canvas.stroke(&lines, Stroke::solid(Colour::Grid, 1.0));
}

/// The two axes, with a stroke at each tick and a shorter one between two powers of ten.
fn draw_axes(canvas: &mut dyn Canvas, area: &PlotArea<'_>, has_vertical_scale: bool) {
    let frame = &area.frame;
    let mut lines = Path::line(
        Point::new(frame.left, frame.top),
        Point::new(frame.left, frame.bottom()),
    );
    // One line around the corner has no gap there.
    lines.line_to(Point::new(frame.right(), frame.bottom()));
    for (value, length) in tick_strokes(&area.axes.x) {
        lines.add_vertical(area.x_at(value), frame.bottom(), frame.bottom() + length);
    }
    if has_vertical_scale {
        for (value, length) in tick_strokes(&area.axes.y) {
            lines.add_horizontal(frame.left, frame.left - length, area.y_at(value));
        }
    }
    canvas.stroke(&lines, Stroke::solid(Colour::Muted, 1.0));
}

/// Values that get a stroke at the axis, with its length.
fn tick_strokes(axis: &Axis) -> impl Iterator<Item = (f64, f64)> {
    let ticks = axis.ticks.iter().map(|tick| (tick.value, TICK_LENGTH));
    ticks.chain(axis.minor.iter().map(|&value| (value, MINOR_LENGTH)))
}
