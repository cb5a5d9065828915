use ndarray::{Array3, ArrayView1, ArrayView3, Axis, aview1};

use crate::PlotError;

/// The colour of a pixel with NaN: one that no grey tile has.
const NOT_A_NUMBER: [u8; 3] = [255, 0, 200];

/// A small grey or colour image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// `[height, width, 3]`: red, green and blue.
    colours: Array3<u8>,
}

impl Tile {
    /// A tile of values from 0 (black) to 1 (white). Values beyond are drawn as 0 or 1, NaN in
    /// magenta.
    ///
    /// ```
    /// use ndarray::array;
    /// use zbridge_plot::Tile;
    ///
    /// let tile = Tile::new(array![[[0.0], [0.5], [1.0]]].view())?;
    /// assert_eq!((tile.width(), tile.height()), (3, 1));
    /// # Ok::<(), zbridge_plot::PlotError>(())
    /// ```
    ///
    /// # Shapes
    /// `values` is `[height, width, channels]` with 1 channel (grey) or 3 (red, green, blue).
    ///
    /// # Errors
    /// [`PlotError::TileChannels`] for another number of channels.
    pub fn new(values: ArrayView3<'_, f32>) -> Result<Self, PlotError> {
        let (height, width, channels) = values.dim();
        if channels != 1 && channels != 3 {
            return Err(PlotError::TileChannels { channels });
        }
        let mut colours = Array3::zeros((height, width, 3));
        // A lane along the last axis is one pixel.
        let pixels = values.lanes(Axis(2)).into_iter();
        for (pixel, mut colour) in pixels.zip(colours.lanes_mut(Axis(2))) {
            colour.assign(&aview1(&rgb(pixel)));
        }
        Ok(Self { colours })
    }

    /// Pixels across.
    pub fn width(&self) -> usize {
        self.colours.dim().1
    }

    /// Pixels down.
    pub fn height(&self) -> usize {
        self.colours.dim().0
    }

    /// A tile without pixels, which keeps a place free.
    pub(crate) fn empty() -> Self {
        Self {
            colours: Array3::zeros((0, 0, 3)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.colours.is_empty()
    }

    /// The colours, `[height · scale, width · scale, 3]`, with every pixel as a square.
    pub(crate) fn enlarged(&self, scale: usize) -> Array3<u8> {
        let (height, width, channels) = self.colours.dim();
        Array3::from_shape_fn(
            (height * scale, width * scale, channels),
            |(y, x, channel)| self.colours[[y / scale, x / scale, channel]],
        )
    }
}

/// The colour of a pixel with one value or three.
fn rgb(pixel: ArrayView1<'_, f32>) -> [u8; 3] {
    if pixel.iter().any(|value| value.is_nan()) {
        return NOT_A_NUMBER;
    }
    [0, 1, 2].map(|channel: usize| {
        // A grey value is the same for red, green and blue.
        let value = pixel[channel.min(pixel.len() - 1)];
        (value.clamp(0.0, 1.0) * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn values_become_bytes() {
        let grey = array![[[0.0], [0.5], [7.0], [f32::NAN]]];
        let tile = Tile::new(grey.view()).unwrap();
        let [red, green, blue] = NOT_A_NUMBER;
        let expected = [
            [0, 0, 0],
            [128, 128, 128],
            [255, 255, 255],
            [red, green, blue],
        ];
        assert_eq!(tile.colours, array![expected]);
        let red = Tile::new(array![[[1.0, 0.0, -3.0]]].view()).unwrap();
        assert_eq!(red.colours, array![[[255, 0, 0]]]);
    }

    #[test]
    fn another_number_of_channels_is_an_error() {
        let result = Tile::new(Array3::zeros((1, 1, 2)).view());
        assert!(matches!(
            result,
            Err(PlotError::TileChannels { channels: 2 })
        ));
    }

    #[test]
    fn an_enlarged_pixel_is_a_square() {
        let tile = Tile::new(array![[[0.0], [1.0]]].view()).unwrap();
        let enlarged = tile.enlarged(2);
        assert_eq!(enlarged.dim(), (2, 4, 3));
        let lower_row = enlarged.index_axis(Axis(0), 1);
        let red = lower_row.index_axis(Axis(1), 0);
        assert_eq!(red.to_vec(), [0, 0, 255, 255]);
    }
}
