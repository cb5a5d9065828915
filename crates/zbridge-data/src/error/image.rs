/// An image cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The image cannot be decoded.
    #[error("cannot be read as an image: {0}; save it as PNG and try again")]
    Undecodable(String),
    /// The image has too many pixels.
    #[error("{width}×{height} pixels; expected at most {longest}×{longest}")]
    TooLarge {
        /// Columns of pixels.
        width: usize,
        /// Rows of pixels.
        height: usize,
        /// The longest side that is read.
        longest: usize,
    },
    /// The image is smaller than those of the model, or has another aspect ratio.
    #[error(
        "{} × {} pixels (width × height), but the model takes {} × {}\nhint: a larger image of the \
         same aspect ratio is averaged down", found.0, found.1, expected.0, expected.1
    )]
    Shape {
        /// Width and height of the images of the model.
        expected: (usize, usize),
        /// Width and height of the image.
        found: (usize, usize),
    },
    /// PNG files have one channel or three (grey or colour) when they are read, not this number.
    #[error("a PNG file is read as 1 or 3 channels; the model takes {channels}")]
    Channels {
        /// Channels of the images of the model.
        channels: usize,
    },
    /// A folder of images has none.
    #[error("holds no .png files")]
    EmptyFolder,
}
