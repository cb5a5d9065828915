use crate::DataError;
use crate::picture_file::mean_between;
use crate::png_file::{PngFile, png_files, stems};
use std::ops::Range;
use std::path::Path;
use zbridge_core::{EventKind, Observations};

/// Pixels of a side of a digit.
const SIDE: usize = 28;
/// Pixels of the longer side of the ink.
const INK_SIDE: usize = 20;
/// Less contrast than this is no ink.
const LEAST_CONTRAST: f32 = 0.1;
/// The box around the ink goes round pixels darker than this part of the darkest.
const INK_LEVEL: f32 = 0.2;

/// One digit, `[1, 1·28·28]` in 0..1, from the PNG file at `path`, of any size from 28×28 and
/// either polarity.
///
/// The image is made like MNIST's: grey, bright ink on dark ground (a bright border is inverted;
/// transparent is white), the ink cropped, scaled so that its longer side has 20 pixels, and its
/// centre of mass put into pixel (14, 14) of 28×28. An image that already is 28×28 keeps its
/// pixels, at most inverted.
///
/// # Source
/// LeCun, Cortes and Burges, *The MNIST database*: "size normalized to fit in a 20x20 pixel box
/// while preserving their aspect ratio … centered in a 28x28 image by computing the center of mass
/// of the pixels".
///
/// # Errors
/// [`DataError::Read`], [`DataError::Image`], [`DataError::ImageSize`] or
/// [`DataError::BlankImage`], with the path.
pub fn read_image(path: &Path) -> Result<Observations, DataError> {
    observations(digit(path)?)
}

/// The digits of all `.png` files in `folder`, sorted by name, each as [`read_image`] gives it; the
/// ids are the names without `.png`.
///
/// # Errors
/// As [`read_image`]; [`DataError::NoImages`]; [`DataError::DuplicateId`] for names that differ in
/// `.png` and `.PNG`.
pub fn image_folder(folder: &Path) -> Result<(Vec<String>, Observations), DataError> {
    let paths = png_files(folder)?;
    let ids = stems(folder, &paths)?;
    let mut values = Vec::with_capacity(paths.len() * SIDE * SIDE);
    for path in &paths {
        values.extend(digit(path)?);
    }
    Ok((ids, observations(values)?))
}

fn observations(values: Vec<f32>) -> Result<Observations, DataError> {
    let kind = EventKind::Image {
        channels: 1,
        height: SIDE,
        width: SIDE,
    };
    Ok(Observations::new(values, kind).expect("brightness is finite and rows are whole"))
}

fn digit(path: &Path) -> Result<Vec<f32>, DataError> {
    let mut grey = decode(path)?;
    if grey.border_is_bright() {
        grey.invert();
    }
    if grey.contrast() < LEAST_CONTRAST {
        return Err(DataError::BlankImage {
            path: path.to_owned(),
        });
    }
    if (grey.width, grey.height()) == (SIDE, SIDE) {
        return Ok(grey.values);
    }
    grey.stretch();
    Ok(centred(&grey.ink().shrunk()))
}

/// A grey image: brightness in 0..1, row by row.
#[derive(Debug, Clone, PartialEq)]
struct Grey {
    width: usize,
    values: Vec<f32>,
}

impl Grey {
    fn height(&self) -> usize {
        self.values.len() / self.width
    }

    fn row(&self, y: usize) -> &[f32] {
        &self.values[y * self.width..(y + 1) * self.width]
    }

    fn border(&self) -> Vec<f32> {
        let (right, bottom) = (self.width - 1, self.height() - 1);
        let sides = (1..bottom).flat_map(|y| [self.row(y)[0], self.row(y)[right]]);
        self.row(0)
            .iter()
            .chain(self.row(bottom))
            .copied()
            .chain(sides)
            .collect()
    }

    fn border_is_bright(&self) -> bool {
        let border = self.border();
        border.iter().sum::<f32>() > 0.5 * border.len() as f32
    }

    fn invert(&mut self) {
        self.values
            .iter_mut()
            .for_each(|value| *value = 1.0 - *value);
    }

    fn brightest(&self) -> f32 {
        self.values.iter().copied().fold(0.0, f32::max)
    }

    /// Brightness of the ground: the median of the border, which a stroke that touches it does not
    /// move.
    fn ground(&self) -> f32 {
        let mut border = self.border();
        border.sort_by(f32::total_cmp);
        border[border.len() / 2]
    }

    fn contrast(&self) -> f32 {
        self.brightest() - self.ground()
    }

    /// Makes the ground 0 and the brightest ink 1.
    fn stretch(&mut self) {
        let (ground, contrast) = (self.ground(), self.contrast());
        self.values
            .iter_mut()
            .for_each(|value| *value = ((*value - ground) / contrast).clamp(0.0, 1.0));
    }

    /// The part within the box around the ink.
    fn ink(&self) -> Self {
        let rows = extent(self.height(), |y| {
            self.row(y).iter().any(|&value| value > INK_LEVEL)
        });
        let columns = extent(self.width, |x| {
            rows.clone().any(|y| self.row(y)[x] > INK_LEVEL)
        });
        let values = rows
            .flat_map(|y| &self.row(y)[columns.clone()])
            .copied()
            .collect();
        Self {
            width: columns.len(),
            values,
        }
    }

    /// The image scaled by area averaging so that its longer side has 20 pixels.
    fn shrunk(&self) -> Self {
        let longer = self.width.max(self.height());
        let scaled = |side: usize| ((side * INK_SIDE + longer / 2) / longer).max(1);
        self.narrowed(scaled(self.width))
            .transposed()
            .narrowed(scaled(self.height()))
            .transposed()
    }

    /// The image with every row averaged down to `width` pixels.
    fn narrowed(&self, width: usize) -> Self {
        let step = self.width as f32 / width as f32;
        let average =
            |row: &[f32], x: usize| mean_between(row, x as f32 * step, (x + 1) as f32 * step);
        let rows = self.values.chunks_exact(self.width);
        Self {
            width,
            values: rows
                .flat_map(|row| (0..width).map(move |x| average(row, x)))
                .collect(),
        }
    }

    fn transposed(&self) -> Self {
        let columns = (0..self.width).flat_map(|x| (0..self.height()).map(move |y| self.row(y)[x]));
        Self {
            width: self.height(),
            values: columns.collect(),
        }
    }

    /// Centre of mass `(x, y)`, where pixel 0 reaches from 0 to 1.
    fn centre(&self) -> (f32, f32) {
        let (mut mass, mut x_moment, mut y_moment) = (0.0, 0.0, 0.0);
        for (place, value) in self.values.iter().enumerate() {
            mass += value;
            x_moment += value * ((place % self.width) as f32 + 0.5);
            y_moment += value * ((place / self.width) as f32 + 0.5);
        }
        (x_moment / mass, y_moment / mass)
    }
}

/// From the first to behind the last index below `count` that has ink; all when none has.
fn extent(count: usize, has_ink: impl Fn(usize) -> bool) -> Range<usize> {
    let first = (0..count).find(|&i| has_ink(i)).unwrap_or(0);
    let last = (first..count)
        .rev()
        .find(|&i| has_ink(i))
        .unwrap_or(count - 1);
    first..last + 1
}

/// `ink` on 28×28, its centre of mass within pixel 14 as far as it stays inside: MNIST counts
/// pixels from 0 and calls 14 the middle, so its digits lie half a pixel right of and below the
/// true one.
fn centred(ink: &Grey) -> Vec<f32> {
    let (x_centre, y_centre) = ink.centre();
    let offset = |centre: f32, side: usize| {
        ((SIDE as f32 / 2.0 + 0.5 - centre).round().max(0.0) as usize).min(SIDE - side)
    };
    let (left, top) = (offset(x_centre, ink.width), offset(y_centre, ink.height()));
    let mut values = vec![0.0; SIDE * SIDE];
    for y in 0..ink.height() {
        let start = (top + y) * SIDE + left;
        values[start..start + ink.width].copy_from_slice(ink.row(y));
    }
    values
}

/// The PNG file at `path` in grey, on white where it is transparent.
fn decode(path: &Path) -> Result<Grey, DataError> {
    let file = PngFile::read(path)?;
    if file.width.min(file.height) < SIDE {
        return Err(DataError::ImageSize {
            path: path.to_owned(),
            width: file.width,
            height: file.height,
        });
    }
    Ok(Grey {
        width: file.width,
        values: file.grey(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use png::{BitDepth, ColorType, Encoder};
    use std::path::PathBuf;
    use tempfile::TempDir;

    fn save(
        path: &Path,
        (width, height): (usize, usize),
        color: ColorType,
        depth: BitDepth,
        data: &[u8],
    ) {
        let file = std::fs::File::create(path).unwrap();
        let mut encoder = Encoder::new(file, width as u32, height as u32);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == ColorType::Indexed {
            encoder.set_palette(vec![255, 255, 255, 0, 0, 0]);
        }
        encoder
            .write_header()
            .unwrap()
            .write_image_data(data)
            .unwrap();
    }

    fn written(
        size: (usize, usize),
        color: ColorType,
        depth: BitDepth,
        data: &[u8],
    ) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digit.png");
        save(&path, size, color, depth, data);
        (folder, path)
    }

    /// Whether (x, y) is on a thick upright stroke in a 100×80 drawing.
    fn stroke(place: usize) -> bool {
        let (x, y) = (place % 100, place / 100);
        (10..20).contains(&x) && (20..60).contains(&y)
    }

    fn drawing(color: ColorType, depth: BitDepth, pixel: impl Fn(bool) -> Vec<u8>) -> Vec<f32> {
        let data: Vec<u8> = (0..100 * 80)
            .flat_map(|place| pixel(stroke(place)))
            .collect();
        let (_folder, path) = written((100, 80), color, depth, &data);
        read_image(&path).unwrap().values().to_vec()
    }

    #[test]
    fn a_stroke_becomes_twenty_pixels_long_in_the_middle() {
        let values = drawing(ColorType::Grayscale, BitDepth::Eight, |ink| {
            vec![if ink { 255 } else { 0 }]
        });
        for (place, &value) in values.iter().enumerate() {
            let (x, y) = (place % 28, place / 28);
            // 10×40 pixels of ink become 5×20; their centre of mass goes into pixel (14, 14).
            let inside = (5..25).contains(&y) && (12..17).contains(&x);
            assert_eq!(value, if inside { 1.0 } else { 0.0 }, "({x}, {y})");
        }
    }

    #[test]
    fn every_kind_of_pixel_and_either_polarity_gives_the_same_digit() {
        let level = |ink: bool| if ink { 0 } else { 255 };
        let expected = drawing(ColorType::Grayscale, BitDepth::Eight, |ink| {
            vec![255 - level(ink)]
        });
        let kinds = [
            drawing(ColorType::Grayscale, BitDepth::Eight, |ink| {
                vec![level(ink)]
            }),
            drawing(ColorType::Grayscale, BitDepth::Sixteen, |ink| {
                vec![level(ink); 2]
            }),
            drawing(ColorType::GrayscaleAlpha, BitDepth::Eight, |ink| {
                vec![0, 255 - level(ink)]
            }),
            drawing(ColorType::Rgb, BitDepth::Eight, |ink| vec![level(ink); 3]),
            drawing(ColorType::Rgba, BitDepth::Eight, |ink| {
                vec![0, 0, 0, 255 - level(ink)]
            }),
            drawing(ColorType::Rgba, BitDepth::Sixteen, |ink| {
                [vec![level(ink); 6], vec![255; 2]].concat()
            }),
            drawing(ColorType::Indexed, BitDepth::Eight, |ink| {
                vec![u8::from(ink)]
            }),
        ];
        for (kind, values) in kinds.iter().enumerate() {
            assert_eq!(values, &expected, "kind {kind}");
        }
    }

    #[test]
    fn grey_paper_is_ground_and_not_ink() {
        let faint = drawing(ColorType::Grayscale, BitDepth::Eight, |ink| {
            vec![if ink { 60 } else { 200 }]
        });
        let clean = drawing(ColorType::Grayscale, BitDepth::Eight, |ink| {
            vec![if ink { 0 } else { 255 }]
        });
        assert!(faint.iter().zip(&clean).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn an_image_of_28_pixels_is_kept_but_for_polarity() {
        let data: Vec<u8> = (0..784)
            .map(|i| {
                if (300..500).contains(&i) {
                    (i % 256) as u8
                } else {
                    0
                }
            })
            .collect();
        let (_folder, path) = written((28, 28), ColorType::Grayscale, BitDepth::Eight, &data);
        let expected: Vec<f32> = data.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        assert_eq!(read_image(&path).unwrap().values(), expected);
        let inverted: Vec<u8> = data.iter().map(|byte| 255 - byte).collect();
        save(
            &path,
            (28, 28),
            ColorType::Grayscale,
            BitDepth::Eight,
            &inverted,
        );
        let values = read_image(&path).unwrap();
        assert!(
            values
                .values()
                .iter()
                .zip(&expected)
                .all(|(a, b)| (a - b).abs() < 1e-6)
        );
    }

    #[test]
    fn averaging_keeps_the_mass_of_any_size() {
        let image = Grey {
            width: 37,
            values: (0..37 * 31).map(|i| (i % 7) as f32 / 6.0).collect(),
        };
        let mean = |image: &Grey| image.values.iter().sum::<f32>() / image.values.len() as f32;
        let shrunk = image.shrunk();
        assert_eq!((shrunk.width, shrunk.height()), (20, 17));
        assert!((mean(&shrunk) - mean(&image)).abs() < 1e-4);
        assert_eq!(
            Grey {
                width: 1,
                values: vec![1.0; 400]
            }
            .shrunk()
            .width,
            1
        );
    }

    #[test]
    fn images_without_a_digit_are_refused() {
        let (_folder, path) = written(
            (40, 27),
            ColorType::Grayscale,
            BitDepth::Eight,
            &[0; 40 * 27],
        );
        assert!(matches!(
            read_image(&path),
            Err(DataError::ImageSize {
                width: 40,
                height: 27,
                ..
            })
        ));
        for level in [0, 128, 255] {
            let (_folder, path) = written(
                (40, 40),
                ColorType::Grayscale,
                BitDepth::Eight,
                &[level; 1600],
            );
            assert!(matches!(
                read_image(&path),
                Err(DataError::BlankImage { .. })
            ));
        }
    }

    #[test]
    fn other_and_damaged_files_are_refused() {
        let (_folder, path) = written((40, 40), ColorType::Grayscale, BitDepth::Eight, &[0; 1600]);
        let png = std::fs::read(&path).unwrap();
        for (bytes, word) in [
            (&b"\xff\xd8\xff\xe0"[..], "JPEG"),
            (b"hello", "not a PNG"),
            (b"", "not a PNG"),
            (&png[..50], "digit.png"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let error = read_image(&path).unwrap_err();
            assert!(
                matches!(error, DataError::Image { .. }) && error.to_string().contains(word),
                "{error}"
            );
        }
        assert!(matches!(
            read_image(Path::new("no/such.png")),
            Err(DataError::Read { .. })
        ));
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_names() {
        let (folder, path) = written(
            (28, 28),
            ColorType::Grayscale,
            BitDepth::Eight,
            &[&[0; 400][..], &[255; 384]].concat(),
        );
        for name in ["b.png", "a.PNG"] {
            std::fs::copy(&path, folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("notes.txt"), "not an image").unwrap();
        let (ids, images) = image_folder(folder.path()).unwrap();
        assert_eq!(
            (ids, images.rows()),
            (vec!["a".to_owned(), "b".to_owned(), "digit".to_owned()], 3)
        );
        let twice = stems(folder.path(), &["b.PNG".into(), "b.png".into()]);
        assert!(matches!(
            twice,
            Err(DataError::DuplicateId {
                first: 0,
                second: 1,
                ..
            })
        ));
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(
            image_folder(empty.path()),
            Err(DataError::NoImages { .. })
        ));
    }

    /// `digit` as ink on white paper, every pixel a 9×9 square, with a margin that pushes it off
    /// the middle.
    fn enlarged(digit: &[u8]) -> Vec<u8> {
        let pixel = |place: usize| (place % 300, place / 300);
        let inside =
            |(x, y): (usize, usize)| (x < 252 && y < 252).then(|| digit[y / 9 * 28 + x / 9]);
        (0..300 * 300)
            .map(|place| 255 - inside(pixel(place)).unwrap_or(0))
            .collect()
    }

    #[test]
    fn a_real_digit_enlarged_and_put_on_paper_comes_back() {
        let Some(folder) = crate::mnist::tests::real_folder() else {
            return;
        };
        let digits = crate::Mnist::load(&folder, crate::Split::Test)
            .unwrap()
            .images;
        let gap = |digit: &[u8]| {
            let (_folder, path) = written(
                (300, 300),
                ColorType::Grayscale,
                BitDepth::Eight,
                &enlarged(digit),
            );
            let read = read_image(&path).unwrap();
            let gaps = read
                .values()
                .iter()
                .zip(digit)
                .map(|(a, &b)| (a - f32::from(b) / 255.0).abs());
            gaps.sum::<f32>() / 784.0
        };
        let gaps: Vec<f32> = digits.chunks_exact(784).take(50).map(gap).collect();
        let mean = gaps.iter().sum::<f32>() / gaps.len() as f32;
        assert!(mean < 1e-3, "{mean}: {gaps:?}");
    }
}
