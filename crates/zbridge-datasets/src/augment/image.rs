use super::draw_within;
use ndarray::{Array2, ArrayView2};
use zbridge_core::RandomStream;

/// Largest shift in pixels, each way.
const SHIFT: f32 = 2.0;
/// Largest rotation in radians: 12 degrees.
const ROTATION: f32 = 0.21;
/// Largest change of size, as a logarithm: 10 %.
const SCALE: f32 = 0.1;
/// Largest weight of the neighbours of a pixel, by which strokes get thicker or thinner.
const THICKNESS: f32 = 0.5;

/// A small change of an image.
pub(super) struct ImageTransform {
    /// From a pixel of the view to a place in the image, both from the centre, `[y, x]`.
    matrix: [[f32; 2]; 2],
    /// In pixels, `[y, x]`.
    shift: [f32; 2],
    /// −1 … 1: thinner … thicker strokes.
    thickness: f32,
}

impl ImageTransform {
    pub(super) fn draw(stream: &mut RandomStream) -> Self {
        let angle = draw_within(ROTATION, stream);
        let scale = draw_within(SCALE, stream).exp();
        // The inverse of the change: a view that is larger looks at a smaller part of the image.
        let (sin, cos) = (angle.sin() / scale, angle.cos() / scale);
        Self {
            matrix: [[cos, -sin], [sin, cos]],
            shift: [draw_within(SHIFT, stream), draw_within(SHIFT, stream)],
            thickness: draw_within(THICKNESS, stream),
        }
    }

    /// Returns the view of one channel, `[height, width]`.
    pub(super) fn apply(&self, image: ArrayView2<'_, f32>) -> Array2<f32> {
        let (height, width) = image.dim();
        let centre = [(height as f32 - 1.0) / 2.0, (width as f32 - 1.0) / 2.0];
        // Before the image is turned, when strokes are sharpest.
        let strokes = self.change_strokes(image);
        Array2::from_shape_fn((height, width), |(y, x)| {
            let place = self.place([y as f32 - centre[0], x as f32 - centre[1]], centre);
            interpolate(&strokes, place)
        })
    }

    /// Returns the place in the image of a pixel of the view, `[y, x]` from the centre.
    fn place(&self, [y, x]: [f32; 2], centre: [f32; 2]) -> [f32; 2] {
        let [[a, b], [c, d]] = self.matrix;
        [
            a * y + b * x + centre[0] + self.shift[0],
            c * y + d * x + centre[1] + self.shift[1],
        ]
    }

    /// Returns the image with each pixel moved towards the brightest (or darkest) of itself and its
    /// neighbours, which makes bright strokes thicker (or thinner).
    fn change_strokes(&self, image: ArrayView2<'_, f32>) -> Array2<f32> {
        let share = self.thickness.abs();
        Array2::from_shape_fn(image.dim(), |(y, x)| {
            let own = image[[y, x]];
            let most = match self.thickness > 0.0 {
                true => neighbours(image, y, x).fold(own, f32::max),
                false => neighbours(image, y, x).fold(own, f32::min),
            };
            (1.0 - share) * own + share * most
        })
    }
}

/// Returns the pixels to the right, below, to the left and above.
fn neighbours(image: ArrayView2<'_, f32>, y: usize, x: usize) -> impl Iterator<Item = f32> {
    let (y, x) = (y as i64, x as i64);
    let places = [(y, x + 1), (y + 1, x), (y, x - 1), (y - 1, x)];
    places.into_iter().map(move |(y, x)| pixel(image, y, x))
}

/// Returns a pixel; 0 outside of the image.
fn pixel(image: ArrayView2<'_, f32>, y: i64, x: i64) -> f32 {
    match (usize::try_from(y), usize::try_from(x)) {
        (Ok(y), Ok(x)) => image.get([y, x]).copied().unwrap_or(0.0),
        _ => 0.0,
    }
}

/// Returns the bilinear interpolation between the four pixels around a place.
fn interpolate(image: &Array2<f32>, [y, x]: [f32; 2]) -> f32 {
    let (top, left) = (y.floor(), x.floor());
    let (down, right) = (y - top, x - left);
    let at = |dy: i64, dx: i64| pixel(image.view(), top as i64 + dy, left as i64 + dx);
    (1.0 - down) * ((1.0 - right) * at(0, 0) + right * at(0, 1))
        + down * ((1.0 - right) * at(1, 0) + right * at(1, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Axis;

    #[test]
    fn without_a_change_the_view_is_the_image() {
        let image = Array2::from_shape_fn((28, 28), |(y, x)| {
            let is_bright = (10..18).contains(&y) && (10..18).contains(&x);
            f32::from(u8::from(is_bright))
        });
        let unchanged = ImageTransform {
            matrix: [[1.0, 0.0], [0.0, 1.0]],
            shift: [0.0; 2],
            thickness: 0.0,
        };
        assert_eq!(unchanged.apply(image.view()), image);
        let shifted = ImageTransform {
            shift: [1.0, 0.0],
            ..unchanged
        };
        let view = shifted.apply(image.view());
        assert_eq!(view.index_axis(Axis(0), 9), image.index_axis(Axis(0), 10));
    }
}
