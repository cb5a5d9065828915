//! Clouds of points, and those behind them.

use std::collections::HashSet;

use super::{Group, Scatter};
use crate::axis::Axis;
use crate::canvas::{Canvas, Dots, Markers};
use crate::chart::{Chart, PlotArea, steps_up, usual_frame_size, usual_x_axis};
use crate::colour::Colour;
use crate::geometry::{Point, Size, Xy};
use crate::legend::{Legend, Sample};
use crate::scale::{NARROWEST, Scale, Span};
use crate::style::BACKDROP_RADIUS;

/// Clouds with more points than this are drawn in rounds, so that the last group does not hide the
/// others.
const ROUND: usize = 64;
/// With more points than this a marker is too small to have a shape: points become dots, which take
/// fewer bytes.
const MOST_SHAPES: usize = 4000;

impl Chart for Scatter {
    fn title(&self) -> &str {
        &self.title
    }

    fn labels(&self) -> Xy<&str> {
        Xy::new(&self.x_label, &self.y_label)
    }

    fn points(&self) -> Vec<(f64, f64)> {
        let groups = self.groups.iter();
        groups
            .flat_map(|group| group.points.iter().copied())
            .collect()
    }

    fn frame_size(&self, columns: usize) -> Size {
        if columns == 1 && self.equal_aspect {
            Size::new(560.0, 460.0)
        } else {
            usual_frame_size(columns)
        }
    }

    fn axes(&self, spans: Xy<Option<Span>>, size: Size) -> Xy<Axis> {
        if let (true, Some(x), Some(y)) = (self.equal_aspect, spans.x, spans.y) {
            return equal_axes(x, y, size);
        }
        Xy::new(
            usual_x_axis(spans.x, Scale::Linear, size.width),
            Axis::covering(spans.y, Scale::Linear, steps_up(size.height)),
        )
    }

    fn draw(&self, canvas: &mut dyn Canvas, area: &PlotArea<'_>, legend: &Legend) {
        let (behind, before): (Vec<&Group>, Vec<&Group>) = self
            .groups
            .iter()
            .partition(|group| group.backdrop.is_some());
        for group in &behind {
            canvas.dots(&Dots {
                // Pale points may be coarser: their exact place is not read.
                centres: self.distinct_points(area, group, 0.5),
                radius: BACKDROP_RADIUS,
                colour: backdrop_colour(group, legend),
                opacity: 0.38,
            });
        }
        let total: usize = before.iter().map(|group| group.points.len()).sum();
        let grid = if total > MOST_SHAPES { 0.4 } else { 0.1 };
        let mut clouds = Vec::new();
        for group in before {
            clouds.push(Cloud {
                series: legend.index(&group.name),
                points: self.distinct_points(area, group, grid),
            });
        }
        draw_in_rounds(canvas, &clouds, !behind.is_empty());
    }

    fn add_to_legend(&self, legend: &mut Legend) {
        for group in &self.groups {
            if let Some(meaning) = &group.backdrop {
                legend.add_note(meaning, Sample::Backdrop);
            }
            if group.backdrop.is_none() || !group.name.is_empty() {
                legend.add(&group.name, Sample::Marker);
            }
        }
    }
}

impl Scatter {
    /// The group's points that can be drawn, without those that fall together on a grid of this
    /// many pixels.
    fn distinct_points(&self, area: &PlotArea<'_>, group: &Group, grid: f64) -> Vec<Point> {
        let mut seen = HashSet::new();
        let mut points = Vec::new();
        for &point in &group.points {
            if !self.can_draw(point) {
                continue;
            }
            let at = area.point(point);
            // Points in one cell look like one point, and would only make the file larger.
            let cell = [at.x, at.y].map(|value| (value / grid).round() as i64);
            if seen.insert(cell) {
                points.push(at);
            }
        }
        points
    }
}

/// The points of a group on the drawing.
struct Cloud {
    series: usize,
    points: Vec<Point>,
}

fn backdrop_colour(group: &Group, legend: &Legend) -> Colour {
    if group.name.is_empty() {
        Colour::Muted
    } else {
        Colour::Series(legend.index(&group.name))
    }
}

/// Draws a part of each cloud, then the next part of each, and so on.
fn draw_in_rounds(canvas: &mut dyn Canvas, clouds: &[Cloud], has_backdrop: bool) {
    let sizes = || clouds.iter().map(|cloud| cloud.points.len());
    let largest = sizes().max().unwrap_or(0);
    let total = sizes().sum();
    let length = largest.div_ceil(4).max(ROUND);
    for start in (0..largest).step_by(length) {
        for cloud in clouds {
            let end = (start + length).min(cloud.points.len());
            let Some(part) = cloud.points.get(start..end) else {
                continue;
            };
            draw_points(canvas, part.to_vec(), cloud.series, total, has_backdrop);
        }
    }
}

/// Draws points as markers, or as dots if there are many in `total`.
fn draw_points(
    canvas: &mut dyn Canvas,
    centres: Vec<Point>,
    series: usize,
    total: usize,
    has_backdrop: bool,
) {
    let radius = marker_radius(total);
    if total > MOST_SHAPES {
        canvas.dots(&Dots {
            centres,
            radius,
            colour: Colour::Series(series),
            opacity: 0.8,
        });
    } else {
        canvas.markers(&Markers {
            centres,
            series,
            radius,
            opacity: if has_backdrop { 1.0 } else { 0.8 },
            // The outline sets a marker apart from the pale points behind it.
            outline: if has_backdrop { 0.7 } else { 0.0 },
        });
    }
}

/// The radius at which this many points neither vanish nor hide one another.
fn marker_radius(points: usize) -> f64 {
    match points {
        0..=300 => 3.6,
        301..=1500 => 2.8,
        1501..=4000 => 2.2,
        _ => 1.7,
    }
}

/// Axes a little wider than the data, on which a unit has the same length.
fn equal_axes(x: Span, y: Span, size: Size) -> Xy<Axis> {
    let reach = x.reach().max(y.reach());
    let needed = x.length().max(y.length() * size.width / size.height);
    // All points at one place: any range around them will do.
    let is_wide = needed > NARROWEST * reach;
    // 8 % more, so that markers of the outermost points are inside the frame.
    let width = 1.08 * if is_wide { needed } else { reach.max(1.0) };
    let x_range = around(x, width);
    let y_range = around(y, width * size.height / size.width);
    Xy::new(
        Axis::fitting(size.width, 40.0, |steps| Axis::within(x_range, steps)),
        Axis::within(y_range, steps_up(size.height)),
    )
}

/// A range of this length around the middle of the span.
fn around(span: Span, length: f64) -> Span {
    // Halved before they are added: the sum of two large values can overflow.
    let middle = span.low / 2.0 + span.high / 2.0;
    Span::new(middle - length / 2.0, middle + length / 2.0)
}
