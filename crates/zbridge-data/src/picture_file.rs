use crate::DataError;
use crate::png_file::{PngFile, png_files, stems};
use std::path::Path;
use zbridge_core::{EventKind, Observations};

/// The PNG file at `path` as one image of `kind`, `[1, channels · height · width]` in 0..1: in grey
/// or in colour as the kind asks, its pixels averaged where it is larger. Nothing is cropped,
/// inverted or centred: that is [`read_image`](crate::read_image)'s way with digits.
///
/// # Errors
/// [`DataError::Read`], [`DataError::Image`]; [`DataError::PictureShape`] when it is smaller than
/// the kind or of another shape.
///
/// # Panics
/// When `kind` is not an image of one or three channels.
pub fn read_picture(path: &Path, kind: &EventKind) -> Result<Observations, DataError> {
    observations(pixels(path, kind)?, kind)
}

/// All `.png` files in `folder`, sorted by name, each as [`read_picture`] gives it; the ids are the
/// names without `.png`.
///
/// # Errors
/// As [`read_picture`]; [`DataError::NoImages`]; [`DataError::DuplicateId`] for names that differ
/// in `.png` and `.PNG`.
///
/// # Panics
/// As [`read_picture`].
pub fn picture_folder(
    folder: &Path,
    kind: &EventKind,
) -> Result<(Vec<String>, Observations), DataError> {
    let paths = png_files(folder)?;
    let ids = stems(folder, &paths)?;
    let mut values = Vec::with_capacity(paths.len() * kind.size());
    for path in &paths {
        values.extend(pixels(path, kind)?);
    }
    Ok((ids, observations(values, kind)?))
}

fn observations(values: Vec<f32>, kind: &EventKind) -> Result<Observations, DataError> {
    Ok(Observations::new(values, kind.clone()).expect("brightness is finite and rows are whole"))
}

fn pixels(path: &Path, kind: &EventKind) -> Result<Vec<f32>, DataError> {
    let &EventKind::Image {
        channels,
        height,
        width,
    } = kind
    else {
        panic!("{kind:?} is no image")
    };
    let file = PngFile::read(path)?;
    let wrong = file.width * height != file.height * width || file.width < width;
    if wrong {
        let (expected, found) = ((width, height), (file.width, file.height));
        return Err(DataError::PictureShape {
            path: path.to_owned(),
            expected,
            found,
        });
    }
    let planes: Vec<Vec<f32>> = match channels {
        1 => vec![file.grey()],
        3 => (0..3)
            .map(|channel| file.colours().map(|pixel| pixel[channel]).collect())
            .collect(),
        _ => panic!("images of {channels} channels cannot be read from PNG"),
    };
    let size = (file.width, file.height);
    Ok(planes
        .iter()
        .flat_map(|plane| averaged(plane, size, (width, height)))
        .collect())
}

/// A plane of pixels brought down to another size by averaging the area under each new pixel.
fn averaged(plane: &[f32], from: (usize, usize), to: (usize, usize)) -> Vec<f32> {
    if from == to {
        return plane.to_vec();
    }
    let across: Vec<f32> = plane
        .chunks_exact(from.0)
        .flat_map(|row| narrowed(row, to.0))
        .collect();
    let column = |x: usize| {
        across
            .iter()
            .skip(x)
            .step_by(to.0)
            .copied()
            .collect::<Vec<_>>()
    };
    let down: Vec<Vec<f32>> = (0..to.0).map(|x| narrowed(&column(x), to.1)).collect();
    (0..to.1)
        .flat_map(|y| down.iter().map(move |column| column[y]))
        .collect()
}

fn narrowed(row: &[f32], width: usize) -> Vec<f32> {
    let step = row.len() as f32 / width as f32;
    (0..width)
        .map(|x| mean_between(row, x as f32 * step, (x + 1) as f32 * step))
        .collect()
}

/// The mean of the step function `row` over `start..end`.
pub(crate) fn mean_between(row: &[f32], start: f32, end: f32) -> f32 {
    let pixels = start as usize..(end.ceil() as usize).min(row.len());
    let (mut sum, mut weight) = (0.0, 0.0);
    for x in pixels {
        let covered = (end.min((x + 1) as f32) - start.max(x as f32)).max(0.0);
        sum += covered * row[x];
        weight += covered;
    }
    sum / weight
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
    fn pixels_come_by_channel_and_larger_pictures_are_averaged() {
        let (_folder, path) = saved(2, &[255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]);
        let small = read_picture(&path, &KIND).unwrap();
        assert_eq!(
            small.values(),
            [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]
        );
        let data: Vec<u8> = (0..16)
            .flat_map(|i| [if i % 4 < 2 { 200 } else { 100 }, 0, 0])
            .collect();
        let (folder, path) = saved(4, &data);
        let large = read_picture(&path, &KIND).unwrap();
        assert_eq!(
            large.values()[..4],
            [200.0 / 255.0, 100.0 / 255.0, 200.0 / 255.0, 100.0 / 255.0]
        );
        assert_eq!(
            picture_folder(folder.path(), &KIND).unwrap(),
            (vec!["a".to_owned()], large)
        );
    }

    #[test]
    fn another_shape_is_told() {
        let (_folder, path) = saved(4, &[0; 24]);
        let told = read_picture(&path, &KIND).unwrap_err().to_string();
        assert!(told.contains("4 × 2") && told.contains("2 × 2"), "{told}");
    }
}
