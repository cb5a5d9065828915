//! The `d` attribute of SVG paths, as short as it can be written.

use std::fmt::Write as _;

use crate::canvas::{Dots, Markers};
use crate::geometry::Point;
use crate::marker::MarkerShape;
use crate::path::{Path, Segment};

/// A coordinate to a tenth of a pixel.
pub(super) fn number(value: f64) -> String {
    // Adding zero turns −0 into 0, which is one byte shorter and never surprises a reader.
    let tenths = (value * 10.0).round() / 10.0 + 0.0;
    tenths.to_string()
}

/// A path in pixels. Lines along an axis are written as `H` and `V`.
pub(super) fn path_data(path: &Path) -> String {
    let mut data = String::new();
    let mut last = (String::new(), String::new());
    for segment in path.segments() {
        let (Segment::Move(point) | Segment::Line(point)) = segment else {
            data.push('Z');
            continue;
        };
        let (x, y) = (number(point.x), number(point.y));
        match segment {
            Segment::Move(_) => append(&mut data, format_args!("M{x} {y}")),
            // Compared as written: what rounds to the same tenth is the same place.
            _ if y == last.1 => append(&mut data, format_args!("H{x}")),
            _ if x == last.0 => append(&mut data, format_args!("V{y}")),
            _ => append(&mut data, format_args!("L{x} {y}")),
        }
        last = (x, y);
    }
    data
}

/// Markers in tenths of a pixel: whole numbers need no decimal points.
pub(super) fn marker_data(markers: &Markers) -> String {
    let radius = markers.radius * 10.0;
    let outline = match MarkerShape::of_series(markers.series) {
        MarkerShape::Circle => circle(rounded(radius)),
        MarkerShape::Polygon(corners) => polygon(corners, radius),
    };
    let mut data = String::new();
    for &centre in &markers.centres {
        let Tenths { x, y } = tenths(centre);
        let (x, y) = (x + outline.start.x, y + outline.start.y);
        append(&mut data, format_args!("M{x} {y}{}", outline.steps));
    }
    data
}

/// Dots in tenths of a pixel, each a line without length from the dot before.
pub(super) fn dot_data(dots: &Dots) -> String {
    let mut data = String::new();
    let mut last = Tenths { x: 0, y: 0 };
    for &centre in &dots.centres {
        let next = tenths(centre);
        append(
            &mut data,
            format_args!("m{} {}h0", next.x - last.x, next.y - last.y),
        );
        last = next;
    }
    data
}

/// The nearest whole number.
pub(super) fn rounded(value: f64) -> i64 {
    value.round() as i64
}

/// A point in tenths of a pixel.
#[derive(Debug, Clone, Copy)]
struct Tenths {
    x: i64,
    y: i64,
}

fn tenths(point: Point) -> Tenths {
    Tenths {
        x: rounded(point.x * 10.0),
        y: rounded(point.y * 10.0),
    }
}

/// The outline of a marker: its first corner, relative to the centre, and the steps from there.
struct Outline {
    start: Tenths,
    steps: String,
}

fn circle(radius: i64) -> Outline {
    let diameter = 2 * radius;
    Outline {
        start: Tenths { x: -radius, y: 0 },
        steps: format!(
            "a{radius} {radius} 0 1 0 {diameter} 0 {radius} {radius} 0 1 0-{diameter} 0z"
        ),
    }
}

fn polygon(corners: &[(f64, f64)], radius: f64) -> Outline {
    let corner = |index: usize| {
        let (x, y) = corners[index];
        tenths(Point::new(x * radius / 10.0, y * radius / 10.0))
    };
    let steps: Vec<String> = (1..corners.len())
        .map(|index| {
            let (from, to) = (corner(index - 1), corner(index));
            format!("{} {}", to.x - from.x, to.y - from.y)
        })
        .collect();
    Outline {
        start: corner(0),
        steps: format!("l{}z", steps.join(" ")),
    }
}

fn append(data: &mut String, text: std::fmt::Arguments<'_>) {
    data.write_fmt(text)
        .expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_no_negative_zero() {
        assert_eq!(number(12.0), "12");
        assert_eq!(number(12.3456), "12.3");
        assert_eq!(number(-0.01), "0");
        assert_eq!(number(-1.26), "-1.3");
    }

    #[test]
    fn lines_along_an_axis_need_one_number() {
        let path = Path::rectangle(0.0, 10.0, 5.04, 2.0);
        assert_eq!(path_data(&path), "M0 10V2H5V10Z");
        let slanted = Path::line(Point::new(0.0, 0.0), Point::new(1.0, 2.0));
        assert_eq!(path_data(&slanted), "M0 0L1 2");
    }
}
