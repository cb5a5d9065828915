use crate::image_grid::{ColumnCaption, ImageGrid};
use crate::tile::Tile;

/// Tiles of a merged grid are enlarged as far as its rows stay within this many pixels.
const WIDEST: usize = 1400;

/// Grids of images side by side, each under a heading.
///
/// On a page they are next to one another if there is space, and below one another on a phone. As a
/// picture they become one grid with the row captions of the first.
///
/// ```
/// use ndarray::array;
/// use zbridge_plot::{Gallery, ImageGrid, Tile};
///
/// let tile = Tile::new(array![[[0.5]]].view())?;
/// let grid = ImageGrid {
///     row_captions: vec!["label 3".into()],
///     ..ImageGrid::new(vec![vec![tile; 4]])
/// };
/// let gallery = Gallery::default()
///     .with("generated", grid.clone())
///     .with("real, held out", grid);
/// assert_eq!(gallery.to_grid().headings.len(), 2);
/// # Ok::<(), zbridge_plot::PlotError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gallery {
    /// Headings and grids from left to right.
    pub parts: Vec<(String, ImageGrid)>,
}

impl Gallery {
    /// The gallery with one more grid.
    pub fn with(mut self, heading: impl Into<String>, grid: ImageGrid) -> Self {
        self.parts.push((heading.into(), grid));
        self
    }

    /// All grids as one, with the headings above their columns.
    ///
    /// Its scale is the smallest of its parts, or less if a row would be too wide.
    pub fn to_grid(&self) -> ImageGrid {
        let rows = self.grids().map(|grid| grid.tiles.len()).max().unwrap_or(0);
        let tiles = (0..rows).map(|row| self.tiles_of_row(row)).collect();
        let merged = ImageGrid::new(tiles);
        let row_captions = self.grids().next().map(|grid| grid.row_captions.clone());
        ImageGrid {
            row_captions: row_captions.unwrap_or_default(),
            column_captions: self.column_captions(),
            headings: self.headings(),
            tile_captions: (0..rows)
                .map(|row| self.tile_captions_of_row(row))
                .collect(),
            scale: self.scale(&merged),
            gap: self
                .grids()
                .map(|grid| grid.gap)
                .max()
                .unwrap_or(merged.gap),
            ..merged
        }
    }

    fn grids(&self) -> impl Iterator<Item = &ImageGrid> {
        self.parts.iter().map(|(_, grid)| grid)
    }

    fn scale(&self, merged: &ImageGrid) -> usize {
        let widths = merged.tiles.iter().flatten().map(Tile::width);
        let row_width = merged.columns() * widths.max().unwrap_or(1);
        // Even a row that is too wide shows each pixel once.
        let largest = (WIDEST / row_width.max(1)).max(1);
        self.grids()
            .map(|grid| grid.scale)
            .fold(largest, usize::min)
    }

    /// A row through all grids, with empty tiles at the end of rows that are too short.
    fn tiles_of_row(&self, row: usize) -> Vec<Tile> {
        let mut tiles = Vec::new();
        for grid in self.grids() {
            let start = tiles.len();
            tiles.extend(grid.tiles.get(row).into_iter().flatten().cloned());
            // The next grid starts at the same column in each row.
            tiles.resize(start + grid.columns(), Tile::empty());
        }
        tiles
    }

    fn tile_captions_of_row(&self, row: usize) -> Vec<String> {
        let mut captions = Vec::new();
        for grid in self.grids() {
            let start = captions.len();
            captions.extend(grid.tile_captions.get(row).into_iter().flatten().cloned());
            captions.resize(start + grid.columns(), String::new());
        }
        captions
    }

    fn headings(&self) -> Vec<ColumnCaption> {
        let mut headings = Vec::new();
        for (heading, grid) in &self.parts {
            if grid.columns() > 0 {
                headings.push(ColumnCaption {
                    text: heading.clone(),
                    columns: grid.columns(),
                });
            }
        }
        headings
    }

    /// The captions of all columns, with empty ones above columns that have none. No captions at
    /// all if no grid has any.
    fn column_captions(&self) -> Vec<ColumnCaption> {
        let mut captions = Vec::new();
        if self.grids().all(|grid| grid.column_captions.is_empty()) {
            return captions;
        }
        let empty = ColumnCaption {
            text: String::new(),
            columns: 1,
        };
        for grid in self.grids() {
            let counts = grid
                .column_captions
                .iter()
                .map(|caption| caption.columns.max(1));
            // Captions are counted from the left, so a grid without some must fill its columns.
            let without = grid.columns().saturating_sub(counts.sum());
            captions.extend_from_slice(&grid.column_captions);
            captions.extend(std::iter::repeat_n(empty.clone(), without));
        }
        captions
    }
}
