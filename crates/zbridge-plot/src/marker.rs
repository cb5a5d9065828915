//! Marker shapes, so that a chart is also readable without colours.

/// The outline of a marker around the origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum MarkerShape {
    /// A circle of the given radius.
    Circle,
    /// Corners `(x, y)` in units of the radius.
    Polygon(&'static [(f64, f64)]),
}

/// The ten shapes; their areas are about equal.
const SHAPES: [MarkerShape; 10] = [
    MarkerShape::Circle,
    MarkerShape::Polygon(&[(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)]),
    MarkerShape::Polygon(&[(0.0, -1.25), (1.15, 0.8), (-1.15, 0.8)]),
    MarkerShape::Polygon(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
    MarkerShape::Polygon(&[(0.0, 1.25), (1.15, -0.8), (-1.15, -0.8)]),
    MarkerShape::Polygon(&PLUS),
    MarkerShape::Polygon(&CROSS),
    MarkerShape::Polygon(&STAR),
    MarkerShape::Polygon(&[(-1.4, -0.5), (1.4, -0.5), (1.4, 0.5), (-1.4, 0.5)]),
    MarkerShape::Polygon(&[(-0.5, -1.4), (0.5, -1.4), (0.5, 1.4), (-0.5, 1.4)]),
];

const PLUS: [(f64, f64); 12] = [
    (-0.42, -1.25),
    (0.42, -1.25),
    (0.42, -0.42),
    (1.25, -0.42),
    (1.25, 0.42),
    (0.42, 0.42),
    (0.42, 1.25),
    (-0.42, 1.25),
    (-0.42, 0.42),
    (-1.25, 0.42),
    (-1.25, -0.42),
    (-0.42, -0.42),
];

const CROSS: [(f64, f64); 12] = [
    (-0.6, -1.15),
    (0.0, -0.55),
    (0.6, -1.15),
    (1.15, -0.6),
    (0.55, 0.0),
    (1.15, 0.6),
    (0.6, 1.15),
    (0.0, 0.55),
    (-0.6, 1.15),
    (-1.15, 0.6),
    (-0.55, 0.0),
    (-1.15, -0.6),
];

const STAR: [(f64, f64); 10] = [
    (0.0, -1.4),
    (0.38, -0.52),
    (1.33, -0.43),
    (0.61, 0.2),
    (0.82, 1.13),
    (0.0, 0.64),
    (-0.82, 1.13),
    (-0.61, 0.2),
    (-1.33, -0.43),
    (-0.38, -0.52),
];

impl MarkerShape {
    /// The shape of the series or group at `index`.
    pub(crate) fn of_series(index: usize) -> Self {
        // After ten series the colours repeat. The shapes move on by one then: the eleventh series
        // has the colour of the first and the shape of the second.
        SHAPES[(index + index / SHAPES.len()) % SHAPES.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_series_have_ten_shapes_and_the_next_ten_differ_from_those_of_their_colour() {
        let shapes: Vec<MarkerShape> = (0..20).map(MarkerShape::of_series).collect();
        for (index, shape) in shapes[..10].iter().enumerate() {
            assert!(!shapes[..index].contains(shape));
            assert_ne!(*shape, shapes[index + 10]);
        }
    }
}
