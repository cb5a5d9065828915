//! Outlines and lines, independent of the back end that draws them.

use crate::geometry::Point;

/// One step of a path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Segment {
    /// Starts a new line at the point.
    Move(Point),
    /// Draws a straight line to the point.
    Line(Point),
    /// Draws a straight line back to where the current line started.
    Close,
}

/// Straight lines, one after the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Path {
    segments: Vec<Segment>,
}

impl Path {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// One straight line.
    pub(crate) fn line(from: Point, to: Point) -> Self {
        let mut path = Self::new();
        path.add_line(from, to);
        path
    }

    /// One straight line from left to right.
    pub(crate) fn horizontal(left: f64, right: f64, y: f64) -> Self {
        Self::line(Point::new(left, y), Point::new(right, y))
    }

    /// One rectangle; see [`Path::add_rectangle`].
    pub(crate) fn rectangle(left: f64, bottom: f64, right: f64, top: f64) -> Self {
        let mut path = Self::new();
        path.add_rectangle(left, bottom, right, top);
        path
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(crate) fn move_to(&mut self, point: Point) {
        self.segments.push(Segment::Move(point));
    }

    pub(crate) fn line_to(&mut self, point: Point) {
        self.segments.push(Segment::Line(point));
    }

    pub(crate) fn close(&mut self) {
        self.segments.push(Segment::Close);
    }

    pub(crate) fn add_line(&mut self, from: Point, to: Point) {
        self.move_to(from);
        self.line_to(to);
    }

    /// Adds a line from left to right.
    pub(crate) fn add_horizontal(&mut self, left: f64, right: f64, y: f64) {
        self.add_line(Point::new(left, y), Point::new(right, y));
    }

    /// Adds a line from one height to another.
    pub(crate) fn add_vertical(&mut self, x: f64, from: f64, to: f64) {
        self.add_line(Point::new(x, from), Point::new(x, to));
    }

    /// Adds a closed rectangle that starts at its lower left corner.
    pub(crate) fn add_rectangle(&mut self, left: f64, bottom: f64, right: f64, top: f64) {
        self.move_to(Point::new(left, bottom));
        self.line_to(Point::new(left, top));
        self.line_to(Point::new(right, top));
        self.line_to(Point::new(right, bottom));
        self.close();
    }
}
