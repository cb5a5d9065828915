/// Why a picture could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// A tile is neither grey (1 channel) nor in colour (3 channels).
    #[error("a tile has {channels} channels: give grey tiles 1 channel, colour tiles 3 channels")]
    TileChannels {
        /// Values per pixel.
        channels: usize,
    },
    /// The picture has too many pixels.
    #[error(
        "a picture of {width} × {height} pixels is larger than {limit} pixels a side: \
         lower the scale or draw less"
    )]
    TooLarge {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
        /// The largest number of pixels a side.
        limit: usize,
    },
    /// The scale of a picture is not a positive, finite number.
    #[error(
        "a picture cannot be drawn at scale {scale}: the scale must be a positive, finite number"
    )]
    Scale {
        /// The scale that was asked for.
        scale: f32,
    },
    /// The PNG encoder refused the pixels, which is a defect of this crate.
    #[error(
        "could not encode {width} × {height} pixels as PNG: {source}; \
         please report this as a defect"
    )]
    Png {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
        /// The encoder's error.
        source: png::EncodingError,
    },
}
