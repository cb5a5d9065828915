mod drawing;
mod grid_layout;

use crate::tile::Tile;

/// Tiles of a new grid are enlarged as far as its widest row stays within this.
const COMFORTABLE_WIDTH: usize = 900;
const LARGEST_SCALE: usize = 4;

/// A caption above one or several columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnCaption {
    /// The caption.
    pub text: String,
    /// The number of columns below it.
    pub columns: usize,
}

/// Small images in rows and columns, with captions.
///
/// ```
/// use ndarray::array;
/// use zbridge_plot::{ColumnCaption, ImageGrid, Tile};
///
/// let tile = Tile::new(array![[[0.0], [1.0]], [[1.0], [0.0]]].view())?;
/// let grid = ImageGrid {
///     row_captions: vec!["3".into(), "5".into()],
///     column_captions: vec![ColumnCaption { text: "N = 256".into(), columns: 2 }],
///     ..ImageGrid::new(vec![vec![tile.clone(), tile.clone()], vec![tile]])
/// };
/// assert_eq!(&grid.to_png()?[1..4], b"PNG");
/// # Ok::<(), zbridge_plot::PlotError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageGrid {
    /// The tiles, row by row; rows may differ in length.
    pub tiles: Vec<Vec<Tile>>,
    /// Captions left of the rows; may be fewer than the rows.
    pub row_captions: Vec<String>,
    /// Captions above the columns, from the left. If one spans several columns, there is a gap
    /// between the columns of two captions.
    pub column_captions: Vec<ColumnCaption>,
    /// Bold headings above the captions of columns, from the left.
    pub headings: Vec<ColumnCaption>,
    /// Captions below the tiles, row by row; may be fewer than the tiles.
    pub tile_captions: Vec<Vec<String>>,
    /// Pixels a side that each pixel of a tile becomes; its edges stay crisp.
    pub scale: usize,
    /// Pixels between tiles.
    pub gap: usize,
}

impl ImageGrid {
    /// A grid without captions, enlarged as far as a row stays comfortable to read.
    pub fn new(tiles: Vec<Vec<Tile>>) -> Self {
        let columns = tiles.iter().map(Vec::len).max().unwrap_or(0);
        let tile_width = tiles.iter().flatten().map(Tile::width).max().unwrap_or(1);
        let row_width = (columns * tile_width).max(1);
        Self {
            tiles,
            row_captions: Vec::new(),
            column_captions: Vec::new(),
            headings: Vec::new(),
            tile_captions: Vec::new(),
            // A division of whole numbers: every pixel becomes the same whole number of pixels.
            scale: (COMFORTABLE_WIDTH / row_width).clamp(1, LARGEST_SCALE),
            gap: 4,
        }
    }

    /// The same grid with a caption above each column.
    pub fn with_caption_per_column(self, captions: impl IntoIterator<Item = String>) -> Self {
        let captions = captions
            .into_iter()
            .map(|text| ColumnCaption { text, columns: 1 });
        Self {
            column_captions: captions.collect(),
            ..self
        }
    }

    /// The number of columns, which is the length of the longest row.
    pub(crate) fn columns(&self) -> usize {
        self.tiles.iter().map(Vec::len).max().unwrap_or(0)
    }
}
