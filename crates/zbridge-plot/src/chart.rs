//! What every kind of chart can do, so that a figure can arrange and draw it.

use crate::axis::Axis;
use crate::canvas::Canvas;
use crate::geometry::{Frame, Point, Size, Xy};
use crate::legend::Legend;
use crate::scale::{Scale, Span};

/// One kind of chart.
///
/// A figure asks for the values' spans, then makes the axes, then measures the space that texts
/// take, and draws last.
pub(crate) trait Chart {
    fn title(&self) -> &str;

    /// Labels of the axes.
    fn labels(&self) -> Xy<&str>;

    fn scales(&self) -> Xy<Scale> {
        Xy::new(Scale::Linear, Scale::Linear)
    }

    /// Every point, corner of a bar and end of an interval, in data coordinates.
    fn points(&self) -> Vec<(f64, f64)>;

    /// Whether the point has a place on the axes.
    fn can_draw(&self, point: (f64, f64)) -> bool {
        let scales = self.scales();
        scales.x.can_draw(point.0) && scales.y.can_draw(point.1)
    }

    /// The number of values without a place on the axes, of which a note must tell.
    fn omitted(&self) -> usize {
        let points = self.points();
        points
            .iter()
            .filter(|&&point| !self.can_draw(point))
            .count()
    }

    /// Ranges of what is drawn; `None` if nothing is.
    fn spans(&self) -> Xy<Option<Span>> {
        self.point_spans()
    }

    /// Ranges of the points that can be drawn.
    fn point_spans(&self) -> Xy<Option<Span>> {
        let mut points = self.points();
        points.retain(|&point| self.can_draw(point));
        Xy::new(
            Span::of(points.iter().map(|point| point.0)),
            Span::of(points.iter().map(|point| point.1)),
        )
    }

    /// Whether there is something to draw.
    fn has_data(&self) -> bool {
        self.spans().x.is_some()
    }

    /// Whether the vertical axis measures something that other charts may measure too.
    fn can_share_y(&self) -> bool {
        true
    }

    /// The size of the frame that suits the data, with `columns` charts in a row.
    fn frame_size(&self, columns: usize) -> Size {
        usual_frame_size(columns)
    }

    /// The axes of a frame of this size.
    fn axes(&self, spans: Xy<Option<Span>>, size: Size) -> Xy<Axis> {
        Xy::new(
            usual_x_axis(spans.x, self.scales().x, size.width),
            Axis::covering(spans.y, self.scales().y, steps_up(size.height)),
        )
    }

    /// Width of the names of rows left of the frame; `None` if there is a vertical scale instead.
    fn row_names_width(&self, _is_alone: bool) -> Option<f64> {
        None
    }

    /// Width that the numbers right of the frame take where the chart is alone in its row.
    fn row_numbers_width(&self) -> f64 {
        0.0
    }

    /// Height between the title and a frame of this width.
    fn height_above(&self, _x: &Axis, _width: f64) -> f64 {
        0.0
    }

    /// Height between the frame and the labels of the horizontal axis.
    fn height_below(&self) -> f64 {
        0.0
    }

    /// Draws what is between the frame and the labels of the horizontal axis.
    fn draw_below(&self, _canvas: &mut dyn Canvas, _area: &PlotArea<'_>) {}

    /// Draws the data; called only if there is any.
    fn draw(&self, canvas: &mut dyn Canvas, area: &PlotArea<'_>, legend: &Legend);

    /// Adds the names of series and reference lines.
    fn add_to_legend(&self, legend: &mut Legend);
}

/// The frame in which a chart draws, and the axes that give values their place in it.
pub(crate) struct PlotArea<'a> {
    pub(crate) frame: Frame,
    pub(crate) axes: &'a Xy<Axis>,
    /// Whether the labels of the vertical axis are written.
    pub(crate) writes_y: bool,
    /// Whether the chart is alone in its row, with space for long names and for numbers.
    pub(crate) is_alone: bool,
}

impl PlotArea<'_> {
    pub(crate) fn point(&self, (x, y): (f64, f64)) -> Point {
        Point::new(self.x_at(x), self.y_at(y))
    }

    pub(crate) fn x_at(&self, value: f64) -> f64 {
        self.frame.left + self.axes.x.fraction(value) * self.frame.width
    }

    pub(crate) fn y_at(&self, value: f64) -> f64 {
        self.frame.bottom() - self.axes.y.fraction(value) * self.frame.height
    }
}

/// A horizontal axis with as many labels as fit.
pub(crate) fn usual_x_axis(span: Option<Span>, scale: Scale, width: f64) -> Axis {
    // 60 pixels hold a label of six digits and a gap.
    Axis::fitting(width, 60.0, |steps| Axis::covering(span, scale, steps))
}

/// The number of steps on a vertical axis.
pub(crate) fn steps_up(height: f64) -> usize {
    // Labels are low, so ticks can be closer together than on the other axis.
    ((height / 52.0) as usize).max(2)
}

/// The size of a frame with this number of charts in a row; a row is about 1000 pixels wide.
pub(crate) fn usual_frame_size(columns: usize) -> Size {
    match columns {
        1 => Size::new(640.0, 360.0),
        2 => Size::new(410.0, 290.0),
        3 => Size::new(270.0, 240.0),
        4 => Size::new(215.0, 215.0),
        _ => Size::new(180.0, 180.0),
    }
}
