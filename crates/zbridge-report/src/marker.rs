//! Marker shapes, so that a chart also works in grey.

/// Corners of the ten shapes in units of the radius; no corner means a circle. Areas are about
/// equal.
const SHAPES: [&[(f64, f64)]; 10] = [
    &[],
    &[(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)],
    &[(0.0, -1.25), (1.15, 0.8), (-1.15, 0.8)],
    &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
    &[(0.0, 1.25), (1.15, -0.8), (-1.15, -0.8)],
    &PLUS,
    &CROSS,
    &STAR,
    &[(-1.4, -0.5), (1.4, -0.5), (1.4, 0.5), (-1.4, 0.5)],
    &[(-0.5, -1.4), (0.5, -1.4), (0.5, 1.4), (-0.5, 1.4)],
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

/// A marker as a path in tenths of a pixel, relative to the point that it marks.
pub(crate) struct Marker {
    start: (i64, i64),
    outline: String,
}

impl Marker {
    /// The marker of the series or group at `place`; a second round of colours gets other shapes.
    pub(crate) fn of(place: usize, radius: f64) -> Self {
        let tenths = radius * 10.0;
        match SHAPES[(place + place / SHAPES.len()) % SHAPES.len()] {
            [] => Self::circle(rounded(tenths)),
            corners => Self::polygon(corners, tenths),
        }
    }

    fn circle(radius: i64) -> Self {
        let across = 2 * radius;
        let outline =
            format!("a{radius} {radius} 0 1 0 {across} 0 {radius} {radius} 0 1 0-{across} 0z");
        Self {
            start: (-radius, 0),
            outline,
        }
    }

    fn polygon(corners: &[(f64, f64)], tenths: f64) -> Self {
        let places: Vec<(i64, i64)> = corners
            .iter()
            .map(|&(x, y)| (rounded(x * tenths), rounded(y * tenths)))
            .collect();
        let mut outline = String::from("l");
        for (step, pair) in places.windows(2).enumerate() {
            if step > 0 {
                outline.push(' ');
            }
            outline.push_str(&format!(
                "{} {}",
                pair[1].0 - pair[0].0,
                pair[1].1 - pair[0].1
            ));
        }
        outline.push('z');
        Self {
            start: places[0],
            outline,
        }
    }

    /// Appends the marker at a point given in tenths of a pixel.
    pub(crate) fn draw_at(&self, (x, y): (i64, i64), path: &mut String) {
        path.push_str(&format!(
            "M{} {}{}",
            x + self.start.0,
            y + self.start.1,
            self.outline
        ));
    }
}

/// The nearest whole number.
pub(crate) fn rounded(value: f64) -> i64 {
    value.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_places_get_ten_shapes_and_the_next_ten_differ_from_their_colour_mates() {
        let outlines: Vec<String> = (0..20)
            .map(|place| Marker::of(place, 3.0).outline)
            .collect();
        let distinct: std::collections::BTreeSet<_> = outlines[..10].iter().collect();
        assert_eq!(distinct.len(), 10);
        assert!((0..10).all(|place| outlines[place] != outlines[place + 10]));
    }
}
