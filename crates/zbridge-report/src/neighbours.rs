use crate::{Grid, Tile};

/// More pairs than this stand in several bands of rows.
const PAIRS_IN_A_ROW: usize = 10;

/// A generated image, the training image that is nearest to it, and how far apart they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbour {
    /// The generated image.
    pub generated: Tile,
    /// The nearest of those that the model was trained on.
    pub nearest: Tile,
    /// Their distance, written as it is to stand below them.
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

impl Grid {
    /// Each generated image above its nearest training image, with their distance below both.
    ///
    /// ```
    /// use zbridge_report::{Grid, Neighbour, Tile};
    ///
    /// let tile = |value| Tile::new(1, 1, 1, &[value]);
    /// let grid = Grid::of_neighbours(&[Neighbour::new(tile(0.2)?, tile(0.25)?, "0.05")]);
    /// assert_eq!(grid.row_captions, ["generated", "nearest in training"]);
    /// # Ok::<(), zbridge_report::ReportError>(())
    /// ```
    pub fn of_neighbours(pairs: &[Neighbour]) -> Self {
        let (mut tiles, mut captions, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for band in pairs.chunks(PAIRS_IN_A_ROW) {
            tiles.push(band.iter().map(|pair| pair.generated.clone()).collect());
            tiles.push(band.iter().map(|pair| pair.nearest.clone()).collect());
            captions.push(Vec::new());
            captions.push(band.iter().map(|pair| pair.distance.clone()).collect());
            rows.extend(["generated", "nearest in training"].map(str::to_owned));
        }
        Self {
            row_captions: rows,
            tile_captions: captions,
            ..Self::new(tiles)
        }
    }
}
