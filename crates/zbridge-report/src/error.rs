use std::path::PathBuf;

/// What can go wrong while something is drawn or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A tile's values are not one number per pixel and channel.
    #[error("a tile of {width} × {height} pixels with {channels} channel(s) needs {} values, found {values}", width * height * channels)]
    TileSize {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
        /// Numbers per pixel.
        channels: usize,
        /// How many values came.
        values: usize,
    },
    /// A tile is neither grey (1) nor colour (3).
    #[error(
        "a tile has {channels} channels: draw grey tiles (1 channel) or colour tiles (3 channels)"
    )]
    TileChannels {
        /// Numbers per pixel that came.
        channels: usize,
    },
    /// The picture would be too large to hold.
    #[error(
        "a picture of {width} × {height} pixels is larger than {limit} pixels a side: lower the scale or draw less"
    )]
    TooLarge {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
        /// The most pixels a side.
        limit: usize,
    },
    /// A scale that is not a positive, finite number.
    #[error(
        "a picture cannot be drawn at scale {scale}: the scale must be a positive, finite number"
    )]
    Scale {
        /// The scale that came.
        scale: f32,
    },
    /// The drawing could not be turned into pixels; a defect of this crate.
    #[error("could not turn the drawing into pixels: {reason}; please report this as a defect")]
    Raster {
        /// What the rasteriser said.
        reason: String,
    },
    /// The pixels could not be stored as PNG; a defect of this crate.
    #[error(
        "could not store {width} × {height} pixels as PNG: {source}; please report this as a defect"
    )]
    Png {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// What the encoder said.
        source: png::EncodingError,
    },
    /// A file could not be written; what stood there before is untouched.
    #[error("could not write {}: {source} (while {step}); the file is as it was before", path.display())]
    Write {
        /// Where the file was to stand.
        path: PathBuf,
        /// What was being done.
        step: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// An event file could not be made or continued.
    #[error("could not write events to {}: {source} (while {step}); events before it are kept", path.display())]
    EventFile {
        /// The file, or its folder.
        path: PathBuf,
        /// What was being done.
        step: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
}
