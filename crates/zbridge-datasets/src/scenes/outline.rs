use super::Attribute;
use std::f32::consts::FRAC_1_SQRT_2;

/// The outline of a shape, given by the distance from it. All shapes have about the same area,
/// 2 · reach².
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Outline {
    Square,
    Ellipse,
    Heart,
}

/// The ratio of the shorter axis of an ellipse to the longer one.
const ELLIPSE_RATIO: f32 = 0.62;

impl Outline {
    /// Returns the outline of a class of [`Attribute::Shape`].
    pub(super) fn of_class(class: u8) -> Self {
        debug_assert!(usize::from(class) < Attribute::Shape.classes());
        [Self::Square, Self::Ellipse, Self::Heart][usize::from(class)]
    }

    /// Returns the signed distance of `[x, y]` from the outline of an upright shape at the origin:
    /// negative inside. No point of the shape is further than `reach` from the origin; y points
    /// down. The distance is exact near the outline, where a pixel is covered in part.
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

/// Returns the distance from a square of side 2 · `half`.
fn box_distance([x, y]: [f32; 2], half: f32) -> f32 {
    let (x, y) = (x.abs() - half, y.abs() - half);
    length([x.max(0.0), y.max(0.0)]) + x.max(y).min(0.0)
}

/// Returns the implicit function of an ellipse divided by the length of its gradient, which is the
/// distance to first order at the outline.
fn ellipse_distance([x, y]: [f32; 2], [a, b]: [f32; 2]) -> f32 {
    let level = length([x / a, y / b]);
    let slope = length([x / (a * a), y / (b * b)]);
    // At the centre the gradient is 0, and the distance is the shorter axis.
    if slope > 0.0 {
        level * (level - 1.0) / slope
    } else {
        -b
    }
}

/// Downward shift of a heart of half side 1, which makes its highest and lowest points equally far
/// from the origin.
const HEART_SHIFT: f32 = 0.5 * (1.0 + FRAC_1_SQRT_2 - std::f32::consts::SQRT_2);

/// Distance of the furthest points of a heart of half side 1 from the origin: the far sides of its
/// discs.
const HEART_REACH: f32 = 1.903;

/// Returns the distance from a square that stands on a corner, with a disc on each upper side.
fn heart_distance([x, y]: [f32; 2], half: f32) -> f32 {
    let (x, y) = (x.abs(), y - HEART_SHIFT * half);
    // Coordinates along the sides of the square.
    let along = [FRAC_1_SQRT_2 * (x + y), FRAC_1_SQRT_2 * (x - y)];
    // The other disc is its mirror image.
    let disc = length([along[0], along[1] - half]) - half;
    box_distance(along, half).min(disc)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Outline; 3] = [Outline::Square, Outline::Ellipse, Outline::Heart];

    /// Returns the points of a fine grid over the square of side 2.4 around the origin, and the
    /// area of a point.
    fn grid() -> (impl Iterator<Item = [f32; 2]>, f32) {
        let place = |i: i32| (i as f32 - 120.0) * 0.01;
        (
            (0..240).flat_map(move |i| (0..240).map(move |j| [place(i), place(j)])),
            1e-4,
        )
    }

    #[test]
    fn all_shapes_have_the_same_area() {
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
    fn the_furthest_point_is_at_the_reach() {
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
    fn the_gradient_has_length_one_at_the_outline() {
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
