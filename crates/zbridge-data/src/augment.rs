use zbridge_core::{EventKind, Observations, RandomStream};

/// Largest shift in pixels, each way.
const SHIFT: f32 = 2.0;
/// Largest rotation in radians: 12 degrees.
const ROTATION: f32 = 0.21;
/// Largest change of size, as a logarithm: 10 %.
const SCALE: f32 = 0.1;
/// Largest share by which strokes get thicker or thinner.
const THICKNESS: f32 = 0.5;

/// `views` other looks at each image, `[n · views, event]`, those of an image side by side:
/// slightly shifted, turned, scaled, with thicker or thinner strokes. An image's looks depend on
/// its row and `stream` only.
///
/// Handwriting stays what it is under these; whether your images do is for you to say. Nothing is
/// done to observations that are no images: their views are copies.
pub fn augmented(observations: &Observations, views: usize, stream: &RandomStream) -> Observations {
    let size = observations.kind().size();
    let rows: Vec<usize> = (0..observations.rows())
        .flat_map(|row| std::iter::repeat_n(row, views))
        .collect();
    let repeated = observations.select(&rows);
    let EventKind::Image {
        channels,
        height,
        width,
    } = *observations.kind()
    else {
        return repeated;
    };
    let mut values = vec![0.0; rows.len() * size];
    for (index, (view, image)) in values
        .chunks_exact_mut(size)
        .zip(repeated.values().chunks_exact(size))
        .enumerate()
    {
        let mut stream = stream
            .child(rows[index] as u64)
            .child((index % views) as u64);
        let look = Look::drawn(&mut stream);
        for channel in 0..channels {
            let plane = channel * height * width..(channel + 1) * height * width;
            look.at(&image[plane.clone()], (height, width), &mut view[plane]);
        }
    }
    Observations::new(values, observations.kind().clone()).unwrap_or(repeated)
}

/// One way to look at an image.
struct Look {
    /// From a pixel of the view to a place in the image, around the centre.
    matrix: [[f32; 2]; 2],
    shift: [f32; 2],
    /// −1 … 1: thinner … thicker.
    thickness: f32,
}

impl Look {
    fn drawn(stream: &mut RandomStream) -> Self {
        let mut within = |most: f32| (2.0 * stream.uniform() - 1.0) * most;
        let (angle, scale) = (within(ROTATION), within(SCALE).exp());
        let (sin, cos) = (angle.sin() / scale, angle.cos() / scale);
        Self {
            matrix: [[cos, -sin], [sin, cos]],
            shift: [within(SHIFT), within(SHIFT)],
            thickness: within(THICKNESS),
        }
    }

    fn at(&self, plane: &[f32], (height, width): (usize, usize), view: &mut [f32]) {
        let centre = [(height as f32 - 1.0) / 2.0, (width as f32 - 1.0) / 2.0];
        let brush = self.brushed(plane, (height, width));
        for (place, value) in view.iter_mut().enumerate() {
            let (y, x) = (
                (place / width) as f32 - centre[0],
                (place % width) as f32 - centre[1],
            );
            let [[a, b], [c, d]] = self.matrix;
            let from = [
                a * y + b * x + centre[0] + self.shift[0],
                c * y + d * x + centre[1] + self.shift[1],
            ];
            *value = between_pixels(&brush, (height, width), from);
        }
    }

    /// Each pixel drawn towards the brightest or the darkest of its neighbours.
    fn brushed(&self, plane: &[f32], (height, width): (usize, usize)) -> Vec<f32> {
        let thicker = self.thickness > 0.0;
        let neighbours = [(0i64, 1i64), (1, 0), (0, -1), (-1, 0)];
        let extreme = |y: usize, x: usize| {
            let around = neighbours
                .iter()
                .map(|(dy, dx)| pixel(plane, (height, width), y as i64 + dy, x as i64 + dx));
            let own = plane[y * width + x];
            around.fold(own, |a, b| if thicker { a.max(b) } else { a.min(b) })
        };
        let share = self.thickness.abs();
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        places
            .map(|(y, x)| (1.0 - share) * plane[y * width + x] + share * extreme(y, x))
            .collect()
    }
}

/// 0 outside the image.
fn pixel(plane: &[f32], (height, width): (usize, usize), y: i64, x: i64) -> f32 {
    let inside = (0..height as i64).contains(&y) && (0..width as i64).contains(&x);
    if inside {
        plane[y as usize * width + x as usize]
    } else {
        0.0
    }
}

/// Bilinear interpolation.
fn between_pixels(plane: &[f32], size: (usize, usize), [y, x]: [f32; 2]) -> f32 {
    let (top, left) = (y.floor(), x.floor());
    let (down, right) = (y - top, x - left);
    let at = |dy: i64, dx: i64| pixel(plane, size, top as i64 + dy, left as i64 + dx);
    (1.0 - down) * ((1.0 - right) * at(0, 0) + right * at(0, 1))
        + down * ((1.0 - right) * at(1, 0) + right * at(1, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: EventKind = EventKind::Image {
        channels: 1,
        height: 28,
        width: 28,
    };

    /// A bright square in the middle.
    fn square() -> Observations {
        let values = (0..784).map(|i| {
            f32::from(u8::from(
                (10..18).contains(&(i / 28)) && (10..18).contains(&(i % 28)),
            ))
        });
        Observations::new(values.collect(), KIND).unwrap()
    }

    #[test]
    fn views_differ_a_little_and_stay_images() {
        let (image, stream) = (square(), RandomStream::named(1, "views"));
        let views = augmented(&image, 20, &stream);
        assert_eq!(views.rows(), 20);
        assert!(
            views
                .values()
                .iter()
                .all(|value| (0.0..=1.0).contains(value))
        );
        for view in 0..20 {
            let gap: f32 = views
                .row(view)
                .iter()
                .zip(image.row(0))
                .map(|(a, b)| (a - b).abs())
                .sum();
            let ink: f32 = views.row(view).iter().sum();
            assert!(
                gap > 1.0 && (30.0..120.0).contains(&ink),
                "view {view}: {gap} apart, {ink} ink"
            );
        }
        assert_eq!(views, augmented(&image, 20, &stream));
    }

    #[test]
    fn an_image_is_seen_the_same_whatever_stands_beside_it() {
        let stream = RandomStream::named(1, "views");
        let (one, two) = (square(), square().select(&[0, 0]));
        assert_eq!(
            augmented(&one, 3, &stream).values(),
            &augmented(&two, 3, &stream).values()[..3 * 784]
        );
    }

    #[test]
    fn no_look_at_all_is_the_image() {
        let look = Look {
            matrix: [[1.0, 0.0], [0.0, 1.0]],
            shift: [0.0; 2],
            thickness: 0.0,
        };
        let (image, mut view) = (square(), vec![0.0; 784]);
        look.at(image.row(0), (28, 28), &mut view);
        assert_eq!(view, image.row(0));
        let shifted = Look {
            shift: [1.0, 0.0],
            ..look
        };
        shifted.at(image.row(0), (28, 28), &mut view);
        assert_eq!(view[9 * 28..10 * 28], image.row(0)[10 * 28..11 * 28]);
    }

    #[test]
    fn classes_have_no_other_looks() {
        let classes = Observations::one_hot(&[1, 0], 2).unwrap();
        let views = augmented(&classes, 2, &RandomStream::named(1, "views"));
        assert_eq!(views.values(), [0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
    }
}
