use crate::{ColumnCaption, Grid, ReportError, Tile, escape};

/// Tiles of a merged row are enlarged as far as the row stays within so many pixels.
const WIDEST: usize = 1400;

/// Grids side by side, each under a heading.
///
/// On a page they stand beside one another while there is room, and below one another on a phone.
/// As a picture they become one grid, with the row captions of the first.
///
/// ```
/// use zbridge_report::{Gallery, Grid, Tile};
///
/// let tile = Tile::new(1, 1, 1, &[0.5])?;
/// let grid = || Grid { row_captions: vec!["label 3".into()], ..Grid::new(vec![vec![tile.clone(); 4]]) };
/// let gallery = Gallery::default().with("generated", grid()).with("real, held out", grid());
/// assert_eq!(gallery.to_grid().headings.len(), 2);
/// # Ok::<(), zbridge_report::ReportError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gallery {
    /// Headings and grids from left to right.
    pub parts: Vec<(String, Grid)>,
}

impl Gallery {
    /// The gallery with one more grid.
    pub fn with(mut self, heading: impl Into<String>, grid: Grid) -> Self {
        self.parts.push((heading.into(), grid));
        self
    }

    /// All grids as one, the headings above their columns.
    ///
    /// Its scale is the smallest that a part has, or less where the row would otherwise be too
    /// wide.
    pub fn to_grid(&self) -> Grid {
        let rows = self
            .parts
            .iter()
            .map(|(_, grid)| grid.tiles.len())
            .max()
            .unwrap_or(0);
        let tiles = (0..rows)
            .map(|row| self.across(|grid| filled(grid, row)))
            .collect();
        let fitting = Grid::new(tiles);
        let widest = fitting
            .tiles
            .iter()
            .flatten()
            .map(Tile::width)
            .max()
            .unwrap_or(1);
        let across = self
            .parts
            .iter()
            .map(|(_, grid)| columns(grid))
            .sum::<usize>()
            * widest;
        let most = (WIDEST / across.max(1)).max(1);
        let scale = self
            .parts
            .iter()
            .map(|(_, grid)| grid.scale)
            .fold(most, usize::min);
        let heading = |(text, grid): &(String, Grid)| ColumnCaption {
            text: text.clone(),
            columns: columns(grid),
        };
        Grid {
            row_captions: self
                .parts
                .first()
                .map(|(_, grid)| grid.row_captions.clone())
                .unwrap_or_default(),
            column_captions: self.column_captions(),
            headings: self
                .parts
                .iter()
                .filter(|(_, grid)| columns(grid) > 0)
                .map(heading)
                .collect(),
            tile_captions: (0..rows).map(|row| self.captions_across(row)).collect(),
            scale,
            gap: self
                .parts
                .iter()
                .map(|(_, grid)| grid.gap)
                .max()
                .unwrap_or(fitting.gap),
            ..fitting
        }
    }

    /// One row through all parts.
    fn across<T>(&self, row: impl Fn(&Grid) -> Vec<T>) -> Vec<T> {
        self.parts.iter().flat_map(|(_, grid)| row(grid)).collect()
    }

    fn captions_across(&self, row: usize) -> Vec<String> {
        self.across(|grid| {
            let mut captions = grid.tile_captions.get(row).cloned().unwrap_or_default();
            captions.resize(columns(grid), String::new());
            captions
        })
    }

    /// Captions of all parts' columns, filled up so that each stands above its own; none where no
    /// part has any.
    fn column_captions(&self) -> Vec<ColumnCaption> {
        if self
            .parts
            .iter()
            .all(|(_, grid)| grid.column_captions.is_empty())
        {
            return Vec::new();
        }
        self.across(|grid| {
            let mut captions = grid.column_captions.clone();
            let used: usize = captions.iter().map(|caption| caption.columns.max(1)).sum();
            let rest = columns(grid).saturating_sub(used);
            captions.extend((0..rest).map(|_| ColumnCaption {
                text: String::new(),
                columns: 1,
            }));
            captions
        })
    }

    /// The parts beside one another, for a page whose style sheet lets them flow.
    pub(crate) fn to_page_html(&self, alt: &str) -> Result<String, ReportError> {
        let part = |(heading, grid): &(String, Grid)| {
            let drawing = grid.to_page_svg(&format!("{heading}: {alt}"))?;
            let heading = escape::xml(heading);
            Ok(format!(
                "<div class=\"part\">\n<p class=\"heading\">{heading}</p>\n{drawing}</div>\n"
            ))
        };
        let parts: Result<String, ReportError> = self.parts.iter().map(part).collect();
        Ok(format!("<div class=\"gallery\">\n{}</div>\n", parts?))
    }
}

/// A row's tiles, with empty ones up to the length of the longest row.
fn filled(grid: &Grid, row: usize) -> Vec<Tile> {
    let mut tiles = grid.tiles.get(row).cloned().unwrap_or_default();
    tiles.resize(columns(grid), Tile::empty());
    tiles
}

/// Columns of the longest row.
fn columns(grid: &Grid) -> usize {
    grid.tiles.iter().map(Vec::len).max().unwrap_or(0)
}
