//! Estimates below one another with their intervals.

use super::reference_names;
use super::{IntervalPlot, IntervalRow};
use crate::axis::Axis;
use crate::canvas::{Anchor, Canvas, Markers, Stroke, Text};
use crate::chart::{Chart, PlotArea, usual_frame_size, usual_x_axis};
use crate::colour::Colour;
use crate::font::WIDER_FONT;
use crate::geometry::{Point, Size, Xy};
use crate::legend::{Legend, Sample};
use crate::number_text;
use crate::path::Path;
use crate::scale::{Scale, Span};
use crate::style::{LABEL_FONT, MIDDLE_TO_BASELINE, TICK_FONT, TICK_GAP, line_height};

/// Width of a name if the chart is alone in its row, and if it is not.
const NAME_WIDTHS: [f64; 2] = [280.0, 150.0];
/// Height of a row whose name has one line, with few rows and with many.
const ROW_HEIGHTS: [f64; 2] = [34.0, 24.0];
/// A chart with more rows than this has many.
const FEW_ROWS: usize = 14;
/// Between the frame and the numbers beside it.
const NUMBER_GAP: f64 = 14.0;
/// Half the height of the end of an interval.
const HALF_CAP: f64 = 4.5;

impl Chart for IntervalPlot {
    fn title(&self) -> &str {
        &self.title
    }

    fn labels(&self) -> Xy<&str> {
        Xy::new(&self.x_label, "")
    }

    fn scales(&self) -> Xy<Scale> {
        Xy::new(self.x_scale, Scale::Linear)
    }

    fn points(&self) -> Vec<(f64, f64)> {
        let mut values = Vec::new();
        for row in &self.rows {
            values.push(row.value);
            values.extend(
                row.known_interval()
                    .into_iter()
                    .flat_map(|(low, high)| [low, high]),
            );
        }
        values.extend(self.references.iter().map(|reference| reference.value));
        // Only the horizontal axis has a scale; the other coordinate is any that can be drawn.
        values.into_iter().map(|value| (value, 0.0)).collect()
    }

    /// None: a row without a place on the axis says so itself.
    fn omitted(&self) -> usize {
        0
    }

    fn has_data(&self) -> bool {
        true
    }

    fn can_share_y(&self) -> bool {
        false
    }

    fn frame_size(&self, columns: usize) -> Size {
        let height = self.height(columns == 1);
        match columns {
            1 => Size::new(460.0, height),
            _ => Size::new(0.75 * usual_frame_size(columns).width, height),
        }
    }

    fn axes(&self, spans: Xy<Option<Span>>, size: Size) -> Xy<Axis> {
        Xy::new(
            usual_x_axis(spans.x, self.x_scale, size.width),
            Axis::of_rows(self.rows.len()),
        )
    }

    fn row_names_width(&self, is_alone: bool) -> Option<f64> {
        let lines = self.rows.iter().flat_map(|row| name_lines(row, is_alone));
        // Names must not reach into the frame in a browser without our font.
        let widths = lines.map(|line| LABEL_FONT.width(&line) * WIDER_FONT);
        Some(widths.fold(0.0, f64::max))
    }

    fn row_numbers_width(&self) -> f64 {
        let widths = self
            .rows
            .iter()
            .map(|row| TICK_FONT.width(&self.number(row)));
        NUMBER_GAP + WIDER_FONT * widths.fold(0.0, f64::max)
    }

    fn height_above(&self, x: &Axis, width: f64) -> f64 {
        reference_names::height(&self.references, x, width)
    }

    fn draw(&self, canvas: &mut dyn Canvas, area: &PlotArea<'_>, legend: &Legend) {
        self.draw_references(canvas, area);
        for (index, row) in self.rows.iter().enumerate() {
            // The axis of rows counts downwards from 0.
            let y = area.y_at(-(index as f64));
            if area.axes.x.can_draw(row.value) {
                draw_row(canvas, area, row, y, legend.index(&row.group));
            } else {
                write_value(canvas, area, row.value, y);
            }
            write_name(canvas, area, row, y);
            if area.is_alone {
                self.write_number(canvas, area, row, y);
            }
        }
    }

    fn add_to_legend(&self, legend: &mut Legend) {
        for row in &self.rows {
            legend.add(&row.group, Sample::Line);
        }
    }
}

impl IntervalPlot {
    /// The height in which all rows fit.
    fn height(&self, is_alone: bool) -> f64 {
        let lines = self.rows.iter().map(|row| name_lines(row, is_alone).len());
        let most_lines = lines.max().unwrap_or(1).max(1);
        let row_height = ROW_HEIGHTS[usize::from(self.rows.len() > FEW_ROWS)]
            + (most_lines - 1) as f64 * line_height(LABEL_FONT);
        (self.rows.len() as f64 * row_height).max(60.0)
    }

    fn draw_references(&self, canvas: &mut dyn Canvas, area: &PlotArea<'_>) {
        let frame = &area.frame;
        let names = reference_names::place(&self.references, &area.axes.x, frame.width);
        for (index, name) in names.iter().enumerate() {
            let mut line = Path::new();
            let top = frame.top - name.line_height();
            line.add_vertical(frame.left + name.line_x, top, frame.bottom());
            canvas.stroke(&line, Stroke::reference(index));
        }
        // Names come after all lines: their halo hides the line behind them.
        for name in &names {
            let baseline = frame.top - name.line_height() - 4.0;
            let at = Point::new(frame.left + name.text_x, baseline);
            canvas.text(&Text::new(&name.text, at, TICK_FONT).muted().with_halo());
        }
    }

    /// Writes the numbers of a row right of the frame.
    fn write_number(
        &self,
        canvas: &mut dyn Canvas,
        area: &PlotArea<'_>,
        row: &IntervalRow,
        y: f64,
    ) {
        let at = Point::new(
            area.frame.right() + self.row_numbers_width(),
            y + MIDDLE_TO_BASELINE * TICK_FONT.size,
        );
        canvas.text(&Text::new(&self.number(row), at, TICK_FONT).anchored(Anchor::End));
    }
}

fn name_lines(row: &IntervalRow, is_alone: bool) -> Vec<String> {
    LABEL_FONT.wrap(&row.name, NAME_WIDTHS[usize::from(!is_alone)])
}

/// Draws the interval of a row and the marker of its estimate.
fn draw_row(
    canvas: &mut dyn Canvas,
    area: &PlotArea<'_>,
    row: &IntervalRow,
    y: f64,
    series: usize,
) {
    if let Some((low, high)) = row.known_interval() {
        let line = interval_path(area, low, high, y);
        canvas.stroke(&line, Stroke::solid(Colour::Series(series), 2.0));
    }
    canvas.markers(&Markers {
        centres: vec![Point::new(area.x_at(row.value), y)],
        series,
        radius: 5.0,
        opacity: 1.0,
        outline: 1.0,
    });
}

/// The interval as a line with a short stroke at each end. An end without a place on the axis goes
/// on to the side of the frame and has no stroke.
fn interval_path(area: &PlotArea<'_>, low: f64, high: f64, y: f64) -> Path {
    let x_of_end = |value: f64| {
        if area.axes.x.can_draw(value) {
            area.x_at(value)
        } else if value == f64::INFINITY {
            area.frame.right()
        } else {
            area.frame.left
        }
    };
    let mut path = Path::horizontal(x_of_end(low), x_of_end(high), y);
    for end in [low, high] {
        if area.axes.x.can_draw(end) {
            path.add_vertical(area.x_at(end), y - HALF_CAP, y + HALF_CAP);
        }
    }
    path
}

/// Writes a value that cannot be drawn.
fn write_value(canvas: &mut dyn Canvas, area: &PlotArea<'_>, value: f64, y: f64) {
    let text = number_text::fixed(value, 0);
    let at = Point::new(
        area.frame.left + 8.0,
        y + MIDDLE_TO_BASELINE * LABEL_FONT.size,
    );
    canvas.text(&Text::new(&text, at, LABEL_FONT).muted());
}

/// Writes the name of a row left of the frame.
fn write_name(canvas: &mut dyn Canvas, area: &PlotArea<'_>, row: &IntervalRow, y: f64) {
    let lines = name_lines(row, area.is_alone);
    // The lines of a name are centred on the row.
    let above_middle = lines.len().saturating_sub(1) as f64 * line_height(LABEL_FONT) / 2.0;
    let mut at = Point::new(
        area.frame.left - TICK_GAP,
        y + MIDDLE_TO_BASELINE * LABEL_FONT.size - above_middle,
    );
    for line in lines {
        canvas.text(&Text::new(&line, at, LABEL_FONT).anchored(Anchor::End));
        at.y += line_height(LABEL_FONT);
    }
}
