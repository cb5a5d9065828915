use crate::{DataError, read_bytes};
use png::{ColorType, Decoder, Transformations};
use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// No picture needs a longer side; a header that claims one is not believed.
const LONGEST_SIDE: usize = 8192;

/// The pixels of a PNG file, 8 bits a sample.
pub(crate) struct PngFile {
    pub(crate) width: usize,
    pub(crate) height: usize,
    color: ColorType,
    samples: Vec<u8>,
}

impl PngFile {
    /// # Errors
    /// [`DataError::Read`], [`DataError::Image`], [`DataError::ImageSize`], with the path.
    pub(crate) fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = read_bytes(path)?;
        let undecodable = |why: String| DataError::Image {
            path: path.to_owned(),
            why,
        };
        let mut decoder = Decoder::new(Cursor::new(bytes.as_slice()));
        decoder.set_transformations(Transformations::normalize_to_color8());
        let mut reader = decoder
            .read_info()
            .map_err(|error| undecodable(not_png(&bytes, &error)))?;
        let (width, height) = (reader.info().width as usize, reader.info().height as usize);
        if width.max(height) > LONGEST_SIDE {
            return Err(DataError::ImageSize {
                path: path.to_owned(),
                width,
                height,
            });
        }
        let size = reader
            .output_buffer_size()
            .ok_or_else(|| undecodable("its size is beyond memory".to_owned()))?;
        let mut samples = vec![0; size];
        let frame = reader
            .next_frame(&mut samples)
            .map_err(|error| undecodable(error.to_string()))?;
        samples.truncate(frame.buffer_size());
        Ok(Self {
            width,
            height,
            color: frame.color_type,
            samples,
        })
    }

    /// Brightness in 0..1, row by row, with the weights of Rec. 601, as Pillow's mode `L`; on white
    /// where transparent.
    pub(crate) fn grey(&self) -> Vec<f32> {
        // The weights add up to 1 but for rounding, from which grey pixels are spared.
        let mix = |[r, g, b]: [f32; 3]| {
            if r == g && g == b {
                r
            } else {
                0.299 * r + 0.587 * g + 0.114 * b
            }
        };
        self.colours().map(mix).collect()
    }

    /// Red, green and blue in 0..1 of each pixel, row by row; on white where transparent.
    pub(crate) fn colours(&self) -> impl Iterator<Item = [f32; 3]> {
        self.samples
            .chunks_exact(self.color.samples())
            .map(|pixel| match *pixel {
                [value, alpha] => [on_white(value, alpha); 3],
                [r, g, b] => [r, g, b].map(|value| on_white(value, u8::MAX)),
                [r, g, b, alpha] => [r, g, b].map(|value| on_white(value, alpha)),
                _ => [on_white(pixel[0], u8::MAX); 3],
            })
    }
}

fn on_white(value: u8, alpha: u8) -> f32 {
    let alpha = f32::from(alpha) / 255.0;
    alpha * f32::from(value) / 255.0 + (1.0 - alpha)
}

fn not_png(bytes: &[u8], error: &png::DecodingError) -> String {
    match bytes {
        [0xff, 0xd8, ..] => "this is a JPEG".to_owned(),
        [b'G', b'I', b'F', ..] => "this is a GIF".to_owned(),
        [0x89, b'P', b'N', b'G', ..] => error.to_string(),
        _ => "this is not a PNG file".to_owned(),
    }
}

/// The `.png` files of a folder, sorted by name.
pub(crate) fn png_files(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let unreadable = |reason| DataError::Read {
        path: folder.to_owned(),
        reason,
    };
    let is_png = |path: &Path| {
        path.extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if is_png(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        Err(DataError::NoImages {
            path: folder.to_owned(),
        })
    } else {
        Ok(paths)
    }
}

/// Their names without the extension: ids.
pub(crate) fn stems(folder: &Path, paths: &[PathBuf]) -> Result<Vec<String>, DataError> {
    let stem = |path: &PathBuf| {
        path.file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let ids: Vec<String> = paths.iter().map(stem).collect();
    let mut seen = HashMap::new();
    for (second, id) in ids.iter().enumerate() {
        if let Some(first) = seen.insert(id, second) {
            return Err(DataError::DuplicateId {
                path: folder.to_owned(),
                id: id.clone(),
                first,
                second,
            });
        }
    }
    Ok(ids)
}
