use crate::image_grid::ImageGrid;
use crate::tile::Tile;

/// More pairs than this are shown in several rows.
const PAIRS_IN_A_ROW: usize = 10;

/// A generated image, the training image that is nearest to it, and their distance.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbour {
    /// The generated image.
    pub generated: Tile,
    /// The nearest image of those that the model was trained on.
    pub nearest: Tile,
    /// Their distance, as it is written below them.
    pub distance: String,
}

impl Neighbour {
    /// A pair with what is written below it.
    pub fn new(generated: Tile, nearest: Tile, distance: impl Into<String>) -> Self {
        Self {
            generated,
            nearest,
            distance: distance.into(),
        }
    }
}

impl ImageGrid {
    /// A grid of generated images, each above its nearest training image and their distance.
    ///
    /// ```
    /// use ndarray::Array3;
    /// use zbridge_plot::{ImageGrid, Neighbour, Tile};
    ///
    /// let tile = |value| Tile::new(Array3::from_elem((1, 1, 1), value).view());
    /// let grid = ImageGrid::of_neighbours(&[Neighbour::new(tile(0.2)?, tile(0.25)?, "0.05")]);
    /// assert_eq!(grid.row_captions, ["generated", "nearest in training"]);
    /// # Ok::<(), zbridge_plot::PlotError>(())
    /// ```
    pub fn of_neighbours(pairs: &[Neighbour]) -> Self {
        let mut tiles = Vec::new();
        let mut tile_captions = Vec::new();
        let mut row_captions = Vec::new();
        for row in pairs.chunks(PAIRS_IN_A_ROW) {
            tiles.push(row.iter().map(|pair| pair.generated.clone()).collect());
            tiles.push(row.iter().map(|pair| pair.nearest.clone()).collect());
            // The distance is written once, below the lower of the two images.
            tile_captions.push(Vec::new());
            tile_captions.push(row.iter().map(|pair| pair.distance.clone()).collect());
            row_captions.extend(["generated".to_owned(), "nearest in training".to_owned()]);
        }
        Self {
            row_captions,
            tile_captions,
            ..Self::new(tiles)
        }
    }
}
