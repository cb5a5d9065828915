use super::dataset::SIDE;
use crate::{DatasetError, DigitImageError};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, Slice};
use std::ops::Range;
use std::path::Path;
use zbridge_core::{EventKind, Observations};
use zbridge_data::{PngFolder, PngImage, area_average};

/// Pixels of the longer side of the ink.
const INK_SIDE: usize = 20;
/// An image with less contrast than this has no ink.
const LEAST_CONTRAST: f32 = 0.1;
/// The bounding box of the ink has the pixels that are brighter than this; the brightest is 1.
const INK_LEVEL: f32 = 0.2;

/// Returns one digit, `[1, 1 · 28 · 28]` in 0..1, from the PNG file at `path`, of at least 28×28
/// pixels, with dark or bright ink.
///
/// The image is prepared as MNIST is: it becomes grey, with bright ink on a dark background (an
/// image with a bright border is inverted; what is transparent is white). The ink is cropped and
/// scaled so that its longer side has 20 pixels, and its centre of mass is put into pixel (14, 14)
/// of 28×28. An image of 28×28 pixels keeps them; it is only inverted if necessary.
///
/// # Source
/// LeCun, Cortes and Burges, *The MNIST database*: "size normalized to fit in a 20x20 pixel box
/// while preserving their aspect ratio … centered in a 28x28 image by computing the center of mass
/// of the pixels".
///
/// # Errors
/// [`DataError`](zbridge_data::DataError) if the file is not an image;
/// [`DatasetError::DigitImage`] if it is too small or blank.
pub fn read_digit(path: &Path) -> Result<Observations, DatasetError> {
    let image = prepared_digit(path)?;
    Ok(observations(image.iter().copied().collect()))
}

/// Returns the digits of all `.png` files in `folder`, sorted by name, each as [`read_digit`]
/// returns it, `[files, 1 · 28 · 28]`, with their names without `.png` as ids.
///
/// # Errors
/// As [`read_digit`] and [`PngFolder::list`].
pub fn read_digit_folder(folder: &Path) -> Result<(Vec<String>, Observations), DatasetError> {
    let PngFolder { paths, ids } = PngFolder::list(folder)?;
    let mut values = Vec::with_capacity(paths.len() * SIDE * SIDE);
    for path in &paths {
        values.extend(prepared_digit(path)?);
    }
    Ok((ids, observations(values)))
}

fn observations(values: Vec<f32>) -> Observations {
    let kind = EventKind::Image {
        channels: 1,
        height: SIDE,
        width: SIDE,
    };
    Observations::new(values, kind).expect("whole images of finite brightness")
}

fn prepared_digit(path: &Path) -> Result<Array2<f32>, DatasetError> {
    let image = PngImage::read(path)?;
    let prepared = prepare(image.grey());
    prepared.map_err(|fault| DatasetError::DigitImage {
        path: path.to_owned(),
        fault,
    })
}

/// Returns the image, `[height, width]`, as MNIST has it, `[28, 28]`.
fn prepare(image: Array2<f32>) -> Result<Array2<f32>, DigitImageError> {
    expect_size(&image)?;
    let mut image = with_dark_background(image);
    let background = median(border(image.view()));
    let brightest = image.iter().copied().fold(0.0, f32::max);
    let contrast = brightest - background;
    if contrast < LEAST_CONTRAST {
        return Err(DigitImageError::Blank);
    }
    // An image of this size was most likely prepared as MNIST is.
    if image.dim() == (SIDE, SIDE) {
        return Ok(image);
    }
    // The background becomes 0 and the brightest ink 1.
    image.mapv_inplace(|value| ((value - background) / contrast).clamp(0.0, 1.0));
    Ok(centred(&scaled(crop_to_ink(image.view()))))
}

fn expect_size(image: &Array2<f32>) -> Result<(), DigitImageError> {
    let (height, width) = image.dim();
    if height.min(width) >= SIDE {
        return Ok(());
    }
    Err(DigitImageError::TooSmall {
        width,
        height,
        least: SIDE,
    })
}

/// Returns the image, inverted if its border is bright.
fn with_dark_background(image: Array2<f32>) -> Array2<f32> {
    let border = border(image.view());
    if border.iter().sum::<f32>() > 0.5 * border.len() as f32 {
        return image.mapv_into(|value| 1.0 - value);
    }
    image
}

/// Returns the pixels of the border, each once.
fn border(image: ArrayView2<'_, f32>) -> Vec<f32> {
    let (bottom, right) = (image.nrows() - 1, image.ncols() - 1);
    let mut border = image.row(0).to_vec();
    border.extend(image.row(bottom));
    for y in 1..bottom {
        border.extend([image[[y, 0]], image[[y, right]]]);
    }
    border
}

/// Returns the median, which a stroke that touches the border hardly changes.
fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    values[values.len() / 2]
}

/// Returns the part of the image in the bounding box of its ink.
fn crop_to_ink(mut image: ArrayView2<'_, f32>) -> ArrayView2<'_, f32> {
    for axis in [Axis(0), Axis(1)] {
        let range = ink_range(image, axis);
        image.slice_axis_inplace(axis, Slice::from(range));
    }
    image
}

/// Returns the range from the first to the last row or column with ink; all if none has ink.
fn ink_range(image: ArrayView2<'_, f32>, axis: Axis) -> Range<usize> {
    let lanes = image.axis_iter(axis);
    let has_ink: Vec<bool> = lanes.map(has_ink).collect();
    let first = has_ink.iter().position(|&has_ink| has_ink);
    let last = has_ink.iter().rposition(|&has_ink| has_ink);
    match (first, last) {
        (Some(first), Some(last)) => first..last + 1,
        _ => 0..has_ink.len(),
    }
}

fn has_ink(lane: ArrayView1<'_, f32>) -> bool {
    lane.iter().any(|&value| value > INK_LEVEL)
}

/// Returns the ink scaled so that its longer side has 20 pixels.
fn scaled(ink: ArrayView2<'_, f32>) -> Array2<f32> {
    let (height, width) = ink.dim();
    let longer = height.max(width);
    // Rounded to the nearest, but at least one pixel.
    let scaled = |side: usize| ((side * INK_SIDE + longer / 2) / longer).max(1);
    area_average(ink, [scaled(height), scaled(width)])
}

/// Returns the ink on 28×28 pixels, with its centre of mass in pixel 14 as far as it stays inside.
fn centred(ink: &Array2<f32>) -> Array2<f32> {
    let [y, x] = centre_of_mass(ink);
    let (top, left) = (offset(y, ink.nrows()), offset(x, ink.ncols()));
    let mut image = Array2::zeros((SIDE, SIDE));
    for ((y, x), &value) in ink.indexed_iter() {
        image[[top + y, left + x]] = value;
    }
    image
}

/// Returns where ink of this length begins when its centre of mass comes into pixel 14.
fn offset(centre: f32, length: usize) -> usize {
    // MNIST counts pixels from 0 and takes 14 for the middle, so that its digits are half a pixel
    // to the right of and below the middle.
    let offset = SIDE as f32 / 2.0 + 0.5 - centre;
    (offset.round().max(0.0) as usize).min(SIDE - length)
}

/// Returns the centre of mass `[y, x]`, where pixel 0 is from 0 to 1.
fn centre_of_mass(ink: &Array2<f32>) -> [f32; 2] {
    let (mut mass, mut moments) = (0.0, [0.0, 0.0]);
    for ((y, x), value) in ink.indexed_iter() {
        mass += value;
        moments[0] += value * (y as f32 + 0.5);
        moments[1] += value * (x as f32 + 0.5);
    }
    moments.map(|moment| moment / mass)
}
