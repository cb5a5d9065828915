//! Pixels, and their PNG encoding.

use base64::Engine as _;
use ndarray::{Array3, ArrayView3, Axis};

use crate::PlotError;

/// The largest number of pixels a side: 20,000² pixels are already 1.6 GB.
const LIMIT: usize = 20_000;

/// A picture, `[height, width, channels]`, with 3 (red, green, blue) or 4 channels (and opacity).
pub(crate) struct Pixels {
    values: Array3<u8>,
}

impl Pixels {
    /// The picture with these values, `[height, width, channels]`.
    pub(crate) fn new(values: Array3<u8>) -> Self {
        Self { values }
    }

    /// A picture without colour and opacity.
    ///
    /// # Errors
    /// [`PlotError::TooLarge`] if a side exceeds the limit.
    pub(crate) fn transparent(width: usize, height: usize) -> Result<Self, PlotError> {
        check_size(width, height)?;
        // White, so that a viewer which ignores opacity shows a white background.
        let mut values = Array3::from_elem((height, width, 4), 255);
        values.index_axis_mut(Axis(2), 3).fill(0);
        Ok(Self { values })
    }

    /// Copies an opaque picture, `[height, width, 3]`, to a place inside this one.
    pub(crate) fn paste(&mut self, left: usize, top: usize, picture: ArrayView3<'_, u8>) {
        for ((y, x, channel), &value) in picture.indexed_iter() {
            self.values[[top + y, left + x, channel]] = value;
            // Absent in a picture with three channels.
            if let Some(opacity) = self.values.get_mut([top + y, left + x, 3]) {
                *opacity = 255;
            }
        }
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// [`PlotError::Png`] if the encoder refuses the pixels, which is a defect.
    pub(crate) fn to_png(&self) -> Result<Vec<u8>, PlotError> {
        let (height, width, _) = self.values.dim();
        self.encode().map_err(|source| PlotError::Png {
            width,
            height,
            source,
        })
    }

    /// The picture as a `data:` address, to be part of an SVG or HTML file.
    ///
    /// # Errors
    /// As [`Pixels::to_png`].
    pub(crate) fn to_data_address(&self) -> Result<String, PlotError> {
        let encoded = base64::engine::general_purpose::STANDARD.encode(self.to_png()?);
        Ok(format!("data:image/png;base64,{encoded}"))
    }

    fn encode(&self) -> Result<Vec<u8>, png::EncodingError> {
        let (height, width, channels) = self.values.dim();
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
        encoder.set_color(match channels {
            4 => png::ColorType::Rgba,
            _ => png::ColorType::Rgb,
        });
        encoder.set_depth(png::BitDepth::Eight);
        // Charts are large areas of few colours, which every setting compresses well.
        encoder.set_compression(png::Compression::Balanced);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.values.iter().copied().collect::<Vec<u8>>())?;
        writer.finish()?;
        Ok(file)
    }
}

/// # Errors
/// [`PlotError::TooLarge`] if a side exceeds the limit.
pub(crate) fn check_size(width: usize, height: usize) -> Result<(), PlotError> {
    if width > LIMIT || height > LIMIT {
        return Err(PlotError::TooLarge {
            width,
            height,
            limit: LIMIT,
        });
    }
    Ok(())
}
