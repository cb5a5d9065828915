use crate::Error;
use std::path::Path;
use zbridge_core::EventKind;

/// The range of pixels, with 0 in it.
#[derive(Clone, Copy)]
pub(crate) struct PixelRange {
    low: f32,
    high: f32,
    whole: bool,
}

impl PixelRange {
    /// Returns the range of `pixels` and 0.
    pub(crate) fn of<'p>(pixels: impl IntoIterator<Item = &'p f32>) -> Self {
        let mut range = Self {
            low: 0.0,
            high: 0.0,
            whole: true,
        };
        for &pixel in pixels {
            range.low = range.low.min(pixel);
            range.high = range.high.max(pixel);
            range.whole &= pixel.fract() == 0.0;
        }
        range
    }

    /// Returns the range of these pixels and others.
    pub(crate) fn and(self, other: Self) -> Self {
        let (low, high) = (self.low.min(other.low), self.high.max(other.high));
        Self {
            low,
            high,
            whole: self.whole && other.whole,
        }
    }

    /// Returns the factor of the values of `event`: white becomes 1, which is 255 if pixels are
    /// whole numbers beyond 1. Other values than pixels are not scaled.
    ///
    /// # Errors
    /// [`Error`] with the file if these are not pixels.
    pub(crate) fn scale(self, path: &Path, event: &EventKind) -> Result<f32, Error> {
        let Self { low, high, whole } = self;
        match event {
            // This order matters: an image of zeros and ones alone is read as black and white.
            EventKind::Image { .. } if low >= 0.0 && high <= 1.0 => Ok(1.0),
            EventKind::Image { .. } if low >= 0.0 && high <= 255.0 && whole => Ok(1.0 / 255.0),
            EventKind::Image { .. } => Err(Error::bad_file(
                path,
                format!(
                    "holds pixels from {low} to {high}; they must lie in 0..1, or be whole numbers \
                     in 0..255"
                ),
            )),
            _ => Ok(1.0),
        }
    }
}
