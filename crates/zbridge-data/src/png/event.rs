use super::{PngFolder, PngImage, area_average};
use crate::error::AtPath;
use crate::{DataError, ImageError};
use ndarray::{Array3, Axis};
use std::path::Path;
use zbridge_core::{EventKind, Observations};

/// Returns the PNG file at `path` as one image of `kind`, `[1, channels · height · width]` in 0..1:
/// in grey or in colour as the kind asks. A larger file is averaged down; it is neither cropped nor
/// inverted nor centred.
///
/// # Errors
/// [`FileError::Read`](crate::FileError::Read); [`ImageError`] if the file cannot be decoded, is
/// smaller than the kind, has another aspect ratio, or the kind has neither 1 nor 3 channels.
///
/// # Panics
/// If `kind` is not an image.
pub fn read_png(path: &Path, kind: &EventKind) -> Result<Observations, DataError> {
    Ok(observations(pixels(path, kind)?, kind))
}

/// Returns all `.png` files in `folder`, sorted by name, each as [`read_png`] returns it,
/// `[files, channels · height · width]`, with their names without `.png` as ids.
///
/// # Errors
/// As [`read_png`] and [`PngFolder::list`].
///
/// # Panics
/// As [`read_png`].
pub fn read_png_folder(
    folder: &Path,
    kind: &EventKind,
) -> Result<(Vec<String>, Observations), DataError> {
    let PngFolder { paths, ids } = PngFolder::list(folder)?;
    let mut values = Vec::with_capacity(paths.len() * kind.size());
    for path in &paths {
        values.extend(pixels(path, kind)?);
    }
    Ok((ids, observations(values, kind)))
}

fn observations(values: Vec<f32>, kind: &EventKind) -> Observations {
    let observations = Observations::new(values, kind.clone());
    observations.expect("brightnesses are finite, and every image has all of them")
}

/// Returns the pixels of a file as `kind` has them, `[channels, height, width]`.
fn pixels(path: &Path, kind: &EventKind) -> Result<Vec<f32>, DataError> {
    let &EventKind::Image {
        channels,
        height,
        width,
    } = kind
    else {
        panic!("{} are not images", kind.in_words())
    };
    let image = PngImage::read(path)?;
    expect_shape(&image, [height, width]).at(path)?;
    let planes = planes(image, channels).at(path)?;
    let mut values = Vec::with_capacity(kind.size());
    for plane in planes.outer_iter() {
        values.extend(area_average(plane, [height, width]));
    }
    Ok(values)
}

/// Returns the image in grey or in colour, `[channels, height, width]`.
fn planes(image: PngImage, channels: usize) -> Result<Array3<f32>, ImageError> {
    match channels {
        1 => Ok(image.grey().insert_axis(Axis(0))),
        3 => Ok(image.into_colours()),
        _ => Err(ImageError::Channels { channels }),
    }
}

/// Returns an error unless the image can be averaged down to this size.
fn expect_shape(image: &PngImage, [height, width]: [usize; 2]) -> Result<(), ImageError> {
    // Compared as products: a quotient would be rounded.
    let same_ratio = image.width() * height == image.height() * width;
    if same_ratio && image.width() >= width {
        return Ok(());
    }
    Err(ImageError::Shape {
        expected: (width, height),
        found: (image.width(), image.height()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use png::{BitDepth, ColorType, Encoder};

    const KIND: EventKind = EventKind::Image {
        channels: 3,
        height: 2,
        width: 2,
    };

    fn saved(side: u32, data: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let mut encoder = Encoder::new(
            std::fs::File::create(&path).unwrap(),
            side,
            data.len() as u32 / side / 3,
        );
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(BitDepth::Eight);
        encoder
            .write_header()
            .unwrap()
            .write_image_data(data)
            .unwrap();
        (folder, path)
    }

    #[test]
    fn channels_are_planes_and_larger_images_are_averaged() {
        let (_folder, path) = saved(2, &[255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]);
        let small = read_png(&path, &KIND).unwrap();
        assert_eq!(
            small.values(),
            [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]
        );
        let data: Vec<u8> = (0..16)
            .flat_map(|i| [if i % 4 < 2 { 200 } else { 100 }, 0, 0])
            .collect();
        let (folder, path) = saved(4, &data);
        let large = read_png(&path, &KIND).unwrap();
        assert_eq!(
            large.values()[..4],
            [200.0 / 255.0, 100.0 / 255.0, 200.0 / 255.0, 100.0 / 255.0]
        );
        assert_eq!(
            read_png_folder(folder.path(), &KIND).unwrap(),
            (vec!["a".to_owned()], large)
        );
    }

    #[test]
    fn another_shape_is_an_error() {
        let (_folder, path) = saved(4, &[0; 24]);
        let text = read_png(&path, &KIND).unwrap_err().to_string();
        assert!(text.contains("4 × 2") && text.contains("2 × 2"), "{text}");
    }
}
