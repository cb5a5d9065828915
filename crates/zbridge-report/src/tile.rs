use crate::ReportError;

/// What a value that is not a number looks like: a colour that no grey tile has.
const NOT_A_NUMBER: [u8; 3] = [255, 0, 200];

/// A small grey or colour image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    width: usize,
    height: usize,
    colours: Vec<[u8; 3]>,
}

impl Tile {
    /// A tile of `values` from 0 (black) to 1 (white); values outside are cut off, and NaN is drawn
    /// in magenta.
    ///
    /// # Shapes
    /// `values` is `[height, width, channels]`, row by row; `channels` is 1 (grey) or 3 (red,
    /// green, blue).
    ///
    /// # Errors
    /// [`ReportError::TileChannels`] or [`ReportError::TileSize`] where the shape is another.
    pub fn new(
        width: usize,
        height: usize,
        channels: usize,
        values: &[f32],
    ) -> Result<Self, ReportError> {
        if channels != 1 && channels != 3 {
            return Err(ReportError::TileChannels { channels });
        }
        if values.len() != width * height * channels {
            return Err(ReportError::TileSize {
                width,
                height,
                channels,
                values: values.len(),
            });
        }
        Ok(Self {
            width,
            height,
            colours: values.chunks_exact(channels).map(colour).collect(),
        })
    }

    /// A tile without pixels, which keeps a place free.
    pub(crate) fn empty() -> Self {
        Self {
            width: 0,
            height: 0,
            colours: Vec::new(),
        }
    }

    /// Pixels across.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Colour of a pixel.
    pub(crate) fn colour(&self, x: usize, y: usize) -> [u8; 3] {
        self.colours[y * self.width + x]
    }
}

fn colour(pixel: &[f32]) -> [u8; 3] {
    if pixel.iter().any(|value| value.is_nan()) {
        return NOT_A_NUMBER;
    }
    std::array::from_fn(|channel| {
        (pixel[channel.min(pixel.len() - 1)].clamp(0.0, 1.0) * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_bytes() {
        let tile = Tile::new(4, 1, 1, &[0.0, 0.5, 7.0, f32::NAN]).unwrap();
        let colours: Vec<_> = (0..4).map(|x| tile.colour(x, 0)).collect();
        assert_eq!(colours, [[0; 3], [128; 3], [255; 3], NOT_A_NUMBER]);
        assert_eq!(
            Tile::new(1, 1, 3, &[1.0, 0.0, -3.0]).unwrap().colour(0, 0),
            [255, 0, 0]
        );
    }

    #[test]
    fn a_wrong_shape_is_refused_with_its_numbers() {
        let message = Tile::new(2, 2, 1, &[0.0; 3]).unwrap_err().to_string();
        assert!(message.contains("needs 4 values, found 3"), "{message}");
        assert!(matches!(
            Tile::new(1, 1, 2, &[0.0; 2]),
            Err(ReportError::TileChannels { channels: 2 })
        ));
    }
}
