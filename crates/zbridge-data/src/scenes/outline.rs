use super::Attribute;
use std::f32::consts::FRAC_1_SQRT_2;

/// The outline of a shape, known by the distance to it. All have about the same area, 2 reach².
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Outline {
    Square,
    Ellipse,
    Heart,
}

/// The shorter axis of an ellipse by the longer one.
const ELLIPSE_RATIO: f32 = 0.62;

impl Outline {
    /// The outline of a class of [`Attribute::Shape`].
    pub(super) fn of_class(class: u8) -> Self {
        debug_assert!(usize::from(class) < Attribute::Shape.classes());
        [Self::Square, Self::Ellipse, Self::Heart][usize::from(class)]
    }

    /// The distance of `[x, y]` from the outline, negative inside, about a shape upright at the
    /// origin that nowhere goes beyond `reach` from it. Exact near the outline, where a pixel is
    /// covered in part; y points down.
    pub(super) fn distance(self, point: [f32; 2], reach: f32) -> f32 {
        match self {
            Self::Square => box_distance(point, reach * FRAC_1_SQRT_2),
            Self::Ellipse => ellipse_distance(point, [reach, ELLIPSE_RATIO * reach]),
            Self::Heart => heart_distance(point, reach / HEART_REACH),
        }
    }
}

fn length([x, y]: [f32; 2]) -> f32 {
    x.hypot(y)
}

fn box_distance([x, y]: [f32; 2], half: f32) -> f32 {
    let (x, y) = (x.abs() - half, y.abs() - half);
    length([x.max(0.0), y.max(0.0)]) + x.max(y).min(0.0)
}

/// The implicit function over the length of its gradient: right to first order at the outline.
fn ellipse_distance([x, y]: [f32; 2], [a, b]: [f32; 2]) -> f32 {
    let level = length([x / a, y / b]);
    let slope = length([x / (a * a), y / (b * b)]);
    if slope > 0.0 {
        level * (level - 1.0) / slope
    } else {
        -b
    }
}

/// How far a heart of half side 1 is let down, so that its highest and lowest points are equally
/// far from the origin.
const LET_DOWN: f32 = 0.5 * (1.0 + FRAC_1_SQRT_2 - std::f32::consts::SQRT_2);

/// How far a heart of half side 1 goes from the origin: to the far sides of its discs.
const HEART_REACH: f32 = 1.903;

/// A square on its corner with a disc on each of the upper sides.
fn heart_distance([x, y]: [f32; 2], half: f32) -> f32 {
    let (x, y) = (x.abs(), y - LET_DOWN * half);
    let along = [FRAC_1_SQRT_2 * (x + y), FRAC_1_SQRT_2 * (x - y)];
    let disc = length([along[0], along[1] - half]) - half;
    box_distance(along, half).min(disc)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Outline; 3] = [Outline::Square, Outline::Ellipse, Outline::Heart];

    /// Points of a fine grid over the square of side 2.4 about the origin, and a point's area.
    fn grid() -> (impl Iterator<Item = [f32; 2]>, f32) {
        let place = |i: i32| (i as f32 - 120.0) * 0.01;
        (
            (0..240).flat_map(move |i| (0..240).map(move |j| [place(i), place(j)])),
            1e-4,
        )
    }

    #[test]
    fn areas_do_not_tell_shapes_apart() {
        for outline in ALL {
            let (points, area) = grid();
            let inside = points
                .filter(|point| outline.distance(*point, 1.0) < 0.0)
                .count() as f32
                * area;
            assert!(
                (inside - 1.98).abs() < 0.06,
                "{outline:?} has area {inside}"
            );
        }
    }

    #[test]
    fn nothing_goes_beyond_the_reach_and_something_goes_there() {
        for outline in ALL {
            let (points, _) = grid();
            let inside = points.filter(|point| outline.distance(*point, 1.0) < 0.0);
            let furthest = inside.map(length).fold(0.0, f32::max);
            assert!(
                (0.97..=1.001).contains(&furthest),
                "{outline:?} goes to {furthest}"
            );
        }
    }

    #[test]
    fn distances_rise_by_one_a_pixel_at_the_outline() {
        for outline in ALL {
            let (points, _) = grid();
            let outside = |p: &[f32; 2]| (0.0..0.02).contains(&outline.distance(*p, 1.0));
            let slopes = points.filter(outside).map(|[x, y]| {
                let at = |x, y| outline.distance([x, y], 1.0);
                length([
                    at(x + 1e-3, y) - at(x - 1e-3, y),
                    at(x, y + 1e-3) - at(x, y - 1e-3),
                ]) / 2e-3
            });
            let slopes: Vec<f32> = slopes.collect();
            let mean = slopes.iter().sum::<f32>() / slopes.len() as f32;
            assert!((mean - 1.0).abs() < 0.05, "{outline:?}: {mean}");
        }
    }
}
