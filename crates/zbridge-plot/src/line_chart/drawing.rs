//! Lines, their bands and the values they are compared with.

use super::{LineChart, Series};
use crate::canvas::{Canvas, Fill, Markers, Stroke};
use crate::chart::{Chart, PlotArea};
use crate::colour::Colour;
use crate::geometry::{Point, Xy};
use crate::legend::{Legend, Sample};
use crate::path::Path;
use crate::scale::{Scale, Span};

/// A line of at most this number of points has a marker at each of them.
const ALL_MARKED: usize = 24;
/// The number of markers on a longer line, so that lines also differ without colours.
const SOME_MARKED: usize = 8;

impl Chart for LineChart {
    fn title(&self) -> &str {
        &self.title
    }

    fn labels(&self) -> Xy<&str> {
        Xy::new(&self.x_label, &self.y_label)
    }

    fn scales(&self) -> Xy<Scale> {
        Xy::new(self.x_scale, self.y_scale)
    }

    fn points(&self) -> Vec<(f64, f64)> {
        let mut points = Vec::new();
        for series in &self.series {
            points.extend_from_slice(&series.points);
            for edge in &series.band {
                points.extend([(edge.x, edge.low), (edge.x, edge.high)]);
            }
        }
        points
    }

    fn spans(&self) -> Xy<Option<Span>> {
        let spans = self.point_spans();
        let references = self.references.iter().map(|reference| reference.value);
        // A reference belongs to the picture even if no line comes near it.
        let references = Span::of(references.filter(|&value| self.y_scale.can_draw(value)));
        Xy::new(spans.x, Span::join(spans.y, references))
    }

    fn draw(&self, canvas: &mut dyn Canvas, area: &PlotArea<'_>, legend: &Legend) {
        for series in &self.series {
            // Bands come first, so that they cover no line.
            self.draw_band(canvas, area, series, legend.index(&series.name));
        }
        for (index, reference) in self.references.iter().enumerate() {
            if area.axes.y.can_draw(reference.value) {
                let y = area.y_at(reference.value);
                let line = Path::horizontal(area.frame.left, area.frame.right(), y);
                canvas.stroke(&line, Stroke::reference(index));
            }
        }
        for series in &self.series {
            let line = self.line(area, series);
            draw_line(canvas, &line, legend.index(&series.name));
        }
        // Markers come last, so that no line crosses them.
        for series in &self.series {
            let line = self.line(area, series);
            draw_marks(canvas, &line, legend.index(&series.name));
        }
    }

    fn add_to_legend(&self, legend: &mut Legend) {
        for series in &self.series {
            legend.add(&series.name, Sample::Line);
        }
        for (index, reference) in self.references.iter().enumerate() {
            legend.add_note(&reference.name, Sample::Reference(index));
        }
    }
}

impl LineChart {
    /// Where the points of a line are; `None` for one without a place.
    fn line(&self, area: &PlotArea<'_>, series: &Series) -> Vec<Option<Point>> {
        series
            .points
            .iter()
            .map(|&point| self.can_draw(point).then(|| area.point(point)))
            .collect()
    }

    fn draw_band(
        &self,
        canvas: &mut dyn Canvas,
        area: &PlotArea<'_>,
        series: &Series,
        index: usize,
    ) {
        let mut upper = Vec::new();
        let mut lower = Vec::new();
        for edge in &series.band {
            let (low, high) = ((edge.x, edge.low), (edge.x, edge.high));
            if self.can_draw(low) && self.can_draw(high) {
                lower.push(Some(area.point(low)));
                upper.push(Some(area.point(high)));
            }
        }
        if upper.is_empty() {
            return;
        }
        // There along the upper edge and back along the lower one.
        lower.reverse();
        let mut outline = path_through(&[upper, lower].concat());
        outline.close();
        canvas.fill(&outline, Fill::new(Colour::Series(index), 0.18));
    }
}

fn draw_line(canvas: &mut dyn Canvas, line: &[Option<Point>], index: usize) {
    // A long line is often noisy, and a thin stroke shows more of it.
    let width = if line.len() <= ALL_MARKED { 2.0 } else { 1.4 };
    let stroke = Stroke {
        is_rounded: true,
        ..Stroke::solid(Colour::Series(index), width)
    };
    canvas.stroke(&path_through(&thinned(line)), stroke);
}

fn draw_marks(canvas: &mut dyn Canvas, line: &[Option<Point>], index: usize) {
    canvas.markers(&Markers {
        centres: marked(line, index),
        series: index,
        radius: 4.2,
        opacity: 1.0,
        outline: 1.0,
    });
}

/// The points of a line that get a marker: all of a few, some of many, at other places for each
/// series.
fn marked(line: &[Option<Point>], series: usize) -> Vec<Point> {
    if line.len() <= ALL_MARKED {
        return line.iter().copied().flatten().collect();
    }
    let distance = line.len() as f64 / SOME_MARKED as f64;
    // Lines that run together would hide their markers if all had them at the same places.
    let offset = 0.1 * (series % 5) as f64;
    (0..SOME_MARKED)
        .map(|mark| ((mark as f64 + 0.35 + offset) * distance) as usize)
        .filter_map(|index| line.get(index).copied().flatten())
        .collect()
}

/// The path through the points; a missing one starts a new line.
fn path_through(line: &[Option<Point>]) -> Path {
    let mut path = Path::new();
    let mut continues = false;
    for point in line {
        match *point {
            Some(point) if continues => path.line_to(point),
            Some(point) => path.move_to(point),
            None => {}
        }
        continues = point.is_some();
    }
    path
}

/// The same line with at most four points in each half pixel across: the first, lowest, highest and
/// last.
fn thinned(line: &[Option<Point>]) -> Vec<Option<Point>> {
    // Half a pixel of the drawing is one pixel of a picture at scale 2.
    let column = |point: &Option<Point>| point.map(|point| (point.x * 2.0).round() as i64);
    let is_same_column =
        |a: &Option<Point>, b: &Option<Point>| a.is_some() && column(a) == column(b);
    line.chunk_by(is_same_column).flat_map(extremes).collect()
}

/// First, lowest, highest and last of some points, in their order.
fn extremes(points: &[Option<Point>]) -> Vec<Option<Point>> {
    if points.len() <= 4 {
        return points.to_vec();
    }
    let last = points.len() - 1;
    let (mut lowest, mut highest) = (0, 0);
    let height = |index: usize| points[index].map_or(0.0, |point| point.y);
    for index in 1..points.len() {
        if height(index) < height(lowest) {
            lowest = index;
        }
        if height(index) >= height(highest) {
            highest = index;
        }
    }
    // A set puts them in order, and counts a point once that is two of them.
    let kept = std::collections::BTreeSet::from([0, lowest, highest, last]);
    kept.into_iter().map(|index| points[index]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Segment;

    #[test]
    fn thinning_keeps_gaps_and_extremes() {
        let mut line: Vec<_> = (0..1000)
            .map(|step| Some(Point::new(f64::from(step) / 1000.0, 5.0)))
            .collect();
        let (low, high) = (Point::new(0.1, -9.0), Point::new(0.2, 99.0));
        line[100] = Some(low);
        line[120] = None;
        line[200] = Some(high);
        let thin = thinned(&line);
        assert!(thin.len() < 20, "{thin:?}");
        assert!(thin.contains(&Some(low)) && thin.contains(&Some(high)) && thin.contains(&None));
    }

    #[test]
    fn a_gap_starts_a_new_line() {
        let [a, b, c] = [(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)].map(|(x, y)| Point::new(x, y));
        let path = path_through(&[Some(a), None, Some(b), Some(c)]);
        let expected = [Segment::Move(a), Segment::Move(b), Segment::Line(c)];
        assert_eq!(path.segments(), expected);
    }
}
