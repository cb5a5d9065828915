use crate::error::AtPath;
use crate::files::read_bytes;
use crate::{DataError, ImageError};
use ndarray::{Array2, Array3, Axis};
use png::{ColorType, Decoder, DecodingError, Transformations};
use std::io::Cursor;
use std::path::Path;

/// Longest side that is read, in pixels: a damaged header may say anything.
const LONGEST_SIDE: usize = 8192;

/// The image of a PNG file, as brightnesses in 0..1. What is transparent is on white.
#[derive(Debug, Clone, PartialEq)]
pub struct PngImage {
    /// `[3, height, width]`: red, green and blue.
    colours: Array3<f32>,
}

impl PngImage {
    /// Returns the image in the PNG file at `path`.
    ///
    /// # Errors
    /// [`FileError::Read`](crate::FileError::Read); [`ImageError`] if it cannot be decoded, or has
    /// a side of more than 8192 pixels.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = read_bytes(path)?;
        Self::decode(&bytes).at(path)
    }

    fn decode(bytes: &[u8]) -> Result<Self, ImageError> {
        let mut decoder = Decoder::new(Cursor::new(bytes));
        // Palettes, grey of fewer bits, and 16 bits all become samples of 8 bits.
        decoder.set_transformations(Transformations::normalize_to_color8());
        let reader = decoder.read_info();
        let mut reader = reader.map_err(|error| not_png(bytes, &error))?;
        let (width, height) = (reader.info().width as usize, reader.info().height as usize);
        expect_size(width, height)?;
        let size = reader.output_buffer_size();
        let size = size.ok_or_else(|| undecodable("its size is beyond memory"))?;
        let mut samples = vec![0; size];
        let frame = reader.next_frame(&mut samples).map_err(undecodable)?;
        // The buffer has room for the largest frame.
        samples.truncate(frame.buffer_size());
        Ok(Self {
            colours: colours(&samples, frame.color_type, [height, width]),
        })
    }

    /// Returns the number of columns of pixels.
    pub fn width(&self) -> usize {
        self.colours.dim().2
    }

    /// Returns the number of rows of pixels.
    pub fn height(&self) -> usize {
        self.colours.dim().1
    }

    /// Returns red, green and blue, `[3, height, width]`.
    pub fn into_colours(self) -> Array3<f32> {
        self.colours
    }

    /// Returns the brightness, `[height, width]`.
    ///
    /// # Source
    /// The weights of ITU-R Recommendation BT.601, which Pillow's mode `L` has as well.
    pub fn grey(&self) -> Array2<f32> {
        self.colours.map_axis(Axis(0), |colour| {
            let (red, green, blue) = (colour[0], colour[1], colour[2]);
            // The weights add up to 1 but for rounding: pixels that are grey stay what they are.
            if red == green && green == blue {
                return red;
            }
            0.299 * red + 0.587 * green + 0.114 * blue
        })
    }
}

/// Returns an error if the image is too large. Otherwise the memory that its header asks for is
/// bounded.
fn expect_size(width: usize, height: usize) -> Result<(), ImageError> {
    if width.max(height) <= LONGEST_SIDE {
        return Ok(());
    }
    Err(ImageError::TooLarge {
        width,
        height,
        longest: LONGEST_SIDE,
    })
}

fn undecodable(reason: impl std::fmt::Display) -> ImageError {
    ImageError::Undecodable(reason.to_string())
}

/// Returns the pixels of interleaved samples of 8 bits, `[3, height, width]`.
fn colours(samples: &[u8], color_type: ColorType, [height, width]: [usize; 2]) -> Array3<f32> {
    let mut colours = Array3::zeros((3, height, width));
    let pixels = samples.chunks_exact(color_type.samples());
    for (place, pixel) in pixels.enumerate() {
        let colour = match *pixel {
            [value, alpha] => [on_white(value, alpha); 3],
            [red, green, blue] => [red, green, blue].map(|value| on_white(value, u8::MAX)),
            [red, green, blue, alpha] => [red, green, blue].map(|value| on_white(value, alpha)),
            _ => [on_white(pixel[0], u8::MAX); 3],
        };
        for (channel, value) in colour.into_iter().enumerate() {
            colours[[channel, place / width, place % width]] = value;
        }
    }
    colours
}

/// Returns the brightness of a sample in front of white.
fn on_white(value: u8, alpha: u8) -> f32 {
    let alpha = f32::from(alpha) / 255.0;
    alpha * f32::from(value) / 255.0 + (1.0 - alpha)
}

fn not_png(bytes: &[u8], error: &DecodingError) -> ImageError {
    match bytes {
        [0xff, 0xd8, ..] => undecodable("this is a JPEG"),
        [b'G', b'I', b'F', ..] => undecodable("this is a GIF"),
        [0x89, b'P', b'N', b'G', ..] => undecodable(error),
        _ => undecodable("this is not a PNG file"),
    }
}
