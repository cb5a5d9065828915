//! From drawings to pixels, and from pixels to PNG.

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use crate::ReportError;
use crate::typeface;

/// The most pixels a side: 20,000² pixels are already 1.6 GB.
pub(crate) const LIMIT: usize = 20_000;

/// Pixels of three or four bytes, row by row.
pub(crate) struct Pixels {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) channels: usize,
    pub(crate) bytes: Vec<u8>,
}

impl Pixels {
    /// Pixels that all have the same value.
    ///
    /// # Errors
    /// [`ReportError::TooLarge`] where a side exceeds the limit.
    pub(crate) fn filled(width: usize, height: usize, value: &[u8]) -> Result<Self, ReportError> {
        check_size(width, height)?;
        Ok(Self {
            width,
            height,
            channels: value.len(),
            bytes: value.repeat(width * height),
        })
    }

    /// Writes one pixel's first three channels, and makes it opaque where there is a fourth.
    pub(crate) fn paint(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        let at = (y * self.width + x) * self.channels;
        self.bytes[at..at + 3].copy_from_slice(&colour);
        if self.channels == 4 {
            self.bytes[at + 3] = 255;
        }
    }

    /// The pixels as a PNG file.
    ///
    /// # Errors
    /// [`ReportError::Png`] where the encoder refuses, which is a defect.
    pub(crate) fn to_png(&self) -> Result<Vec<u8>, ReportError> {
        let (width, height) = (self.width as u32, self.height as u32);
        self.encode(width, height)
            .map_err(|source| ReportError::Png {
                width,
                height,
                source,
            })
    }

    fn encode(&self, width: u32, height: u32) -> Result<Vec<u8>, png::EncodingError> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(if self.channels == 4 {
            png::ColorType::Rgba
        } else {
            png::ColorType::Rgb
        });
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Balanced);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.bytes)?;
        writer.finish()?;
        Ok(file)
    }
}

/// The opaque pixels of an SVG document, `scale` pixels for each of its units.
///
/// # Errors
/// [`ReportError::Scale`], [`ReportError::TooLarge`], or [`ReportError::Raster`] where the document
/// is not SVG.
pub(crate) fn rasterise(svg: &str, scale: f32) -> Result<Pixels, ReportError> {
    if !(scale.is_finite() && scale > 0.0) {
        return Err(ReportError::Scale { scale });
    }
    let tree = Tree::from_str(svg, &options()).map_err(|error| ReportError::Raster {
        reason: error.to_string(),
    })?;
    let side = |units: f32| (units * scale).round().max(1.0) as usize;
    let (width, height) = (side(tree.size().width()), side(tree.size().height()));
    check_size(width, height)?;
    let mut pixmap =
        Pixmap::new(width as u32, height as u32).ok_or_else(|| ReportError::Raster {
            reason: format!("no room for {width} × {height} pixels"),
        })?;
    pixmap.fill(Color::WHITE);
    resvg::render(
        &tree,
        Transform::from_scale(scale, scale),
        &mut pixmap.as_mut(),
    );
    let bytes = pixmap
        .data()
        .chunks_exact(4)
        .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
        .collect();
    Ok(Pixels {
        width,
        height,
        channels: 3,
        bytes,
    })
}

fn options() -> Options<'static> {
    Options {
        fontdb: typeface::database(),
        font_family: typeface::EMBEDDED_FAMILY.to_owned(),
        ..Options::default()
    }
}

fn check_size(width: usize, height: usize) -> Result<(), ReportError> {
    if width > LIMIT || height > LIMIT {
        return Err(ReportError::TooLarge {
            width,
            height,
            limit: LIMIT,
        });
    }
    Ok(())
}
