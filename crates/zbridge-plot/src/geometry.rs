//! Points, sizes and rectangles in pixels; y grows downwards.

/// A place on the drawing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

impl Point {
    pub(crate) const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    /// The point `dx` to the right and `dy` below this one.
    pub(crate) fn shifted(self, dx: f64, dy: f64) -> Self {
        Self::new(self.x + dx, self.y + dy)
    }
}

/// Width and height of something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Size {
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Size {
    pub(crate) const fn new(width: f64, height: f64) -> Self {
        Self { width, height }
    }
}

/// A rectangle, such as the one in which a chart draws its data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Frame {
    pub(crate) fn right(&self) -> f64 {
        self.left + self.width
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    pub(crate) fn centre(&self) -> Point {
        Point::new(self.left + self.width / 2.0, self.top + self.height / 2.0)
    }
}

/// One thing for the horizontal axis and one for the vertical axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Xy<T> {
    pub(crate) x: T,
    pub(crate) y: T,
}

impl<T> Xy<T> {
    pub(crate) const fn new(x: T, y: T) -> Self {
        Self { x, y }
    }
}
