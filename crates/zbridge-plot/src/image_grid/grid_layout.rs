//! Where the tiles and captions of a grid are, in whole pixels.

use std::collections::BTreeSet;

use super::{ColumnCaption, ImageGrid};
use crate::font::Font;
use crate::geometry::{Frame, Point, Size};
use crate::style::line_height;
use crate::tile::Tile;

/// Captions of rows and columns.
pub(super) const CAPTION_FONT: Font = Font::regular(15.0);
/// Headings above the captions of columns.
pub(super) const HEADING_FONT: Font = Font::bold(15.0);
/// Between a caption and the tiles.
pub(super) const CAPTION_GAP: f64 = 8.0;
const MARGIN: usize = 12;
/// Between the columns of two captions.
const GROUP_GAP: usize = 18;
/// Height of the captions below a row of tiles.
const TILE_CAPTION_HEIGHT: usize = 26;
/// The smallest picture, with space for the words “no images”.
const LEAST_WIDTH: usize = 100;
const LEAST_HEIGHT: usize = 40;

/// A caption above columns.
pub(super) struct Caption {
    pub(super) lines: Vec<String>,
    /// Left side of its first column, from the left side of the tiles.
    pub(super) left: usize,
    /// Right side of its last column.
    pub(super) right: usize,
}

/// A tile and its upper left corner, from that of all tiles.
pub(super) struct PlacedTile<'a> {
    pub(super) tile: &'a Tile,
    pub(super) left: usize,
    pub(super) top: usize,
}

pub(super) struct GridLayout {
    /// Left sides of the columns, from the left side of the tiles.
    column_lefts: Vec<usize>,
    /// Upper sides of the rows, from the top of the tiles.
    pub(super) row_tops: Vec<usize>,
    /// The size of the largest tile.
    pub(super) cell_width: usize,
    pub(super) cell_height: usize,
    pub(super) scale: usize,
    pub(super) captions: Vec<Caption>,
    pub(super) headings: Vec<Caption>,
    /// The corner of all tiles in the picture.
    pub(super) left: usize,
    pub(super) top: usize,
    /// The size of the picture.
    pub(super) width: usize,
    pub(super) height: usize,
}

impl GridLayout {
    pub(super) fn of(grid: &ImageGrid) -> Self {
        let mut layout = Self::of_tiles(grid);
        layout.captions = layout.place_captions(&grid.column_captions, grid.gap, CAPTION_FONT);
        layout.headings = layout.place_captions(&grid.headings, grid.gap, HEADING_FONT);
        let captions_width = grid
            .row_captions
            .iter()
            .take(grid.tiles.len())
            .map(|caption| CAPTION_FONT.width(caption))
            .fold(0.0, f64::max);
        let captions_height = layout.captions_height() + height_of(&layout.headings, HEADING_FONT);
        // Captions are left of the tiles and above them, so they decide where the tiles are.
        layout.left = MARGIN + with_gap(captions_width);
        layout.top = MARGIN + with_gap(captions_height);
        let rows_height = rows_height(grid, &layout);
        layout.width = (layout.left + layout.tiles_width() + MARGIN).max(LEAST_WIDTH);
        layout.height = (layout.top + rows_height + MARGIN).max(LEAST_HEIGHT);
        layout
    }

    /// The layout of the tiles alone.
    fn of_tiles(grid: &ImageGrid) -> Self {
        let scale = grid.scale.max(1);
        let tiles = || grid.tiles.iter().flatten();
        let cell_width = tiles().map(Tile::width).max().unwrap_or(0) * scale;
        let cell_height = tiles().map(Tile::height).max().unwrap_or(0) * scale;
        Self {
            column_lefts: column_lefts(grid, cell_width),
            row_tops: row_tops(grid, cell_height),
            cell_width,
            cell_height,
            scale,
            captions: Vec::new(),
            headings: Vec::new(),
            left: 0,
            top: 0,
            width: 0,
            height: 0,
        }
    }

    /// The captions in lines as wide as their columns.
    fn place_captions(&self, captions: &[ColumnCaption], gap: usize, font: Font) -> Vec<Caption> {
        let mut placed = Vec::new();
        let mut first = 0;
        for caption in captions {
            let end = first + caption.columns.max(1);
            let last = end.min(self.column_lefts.len()).saturating_sub(1);
            let edges = (self.column_lefts.get(first), self.column_lefts.get(last));
            if let (Some(&left), Some(&last_left)) = edges {
                let right = last_left + self.cell_width;
                // A caption may use the gap behind its last column.
                let limit = right + gap - left;
                placed.push(Caption {
                    lines: font.wrap(&caption.text, limit as f64),
                    left,
                    right,
                });
            }
            first = end;
        }
        placed
    }

    /// The tiles that have pixels, each in the middle of its cell.
    pub(super) fn placed_tiles<'a>(&self, grid: &'a ImageGrid) -> Vec<PlacedTile<'a>> {
        let mut placed = Vec::new();
        for (row, tiles) in grid.tiles.iter().enumerate() {
            for (column, tile) in tiles.iter().enumerate() {
                if tile.is_empty() {
                    continue;
                }
                // Tiles smaller than the largest one are in the middle of their cells.
                let space_across = self.cell_width - tile.width() * self.scale;
                let space_down = self.cell_height - tile.height() * self.scale;
                placed.push(PlacedTile {
                    tile,
                    left: self.column_lefts[column] + space_across / 2,
                    top: self.row_tops[row] + space_down / 2,
                });
            }
        }
        placed
    }

    /// The middle of the lower side of a cell, in the picture.
    pub(super) fn bottom_middle_of_cell(&self, row: usize, column: usize) -> Point {
        let left = self.left + self.column_lefts[column];
        let bottom = self.top + self.row_tops[row] + self.cell_height;
        Point::new(left as f64 + self.cell_width as f64 / 2.0, bottom as f64)
    }

    /// Height of the captions of columns.
    pub(super) fn captions_height(&self) -> f64 {
        height_of(&self.captions, CAPTION_FONT)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tiles_width() == 0 || self.tiles_height() == 0
    }

    pub(super) fn tiles_width(&self) -> usize {
        self.column_lefts
            .last()
            .map_or(0, |left| left + self.cell_width)
    }

    pub(super) fn tiles_height(&self) -> usize {
        self.row_tops.last().map_or(0, |top| top + self.cell_height)
    }

    /// Where the tiles are in the picture.
    pub(super) fn tiles_frame(&self) -> Frame {
        Frame {
            left: self.left as f64,
            top: self.top as f64,
            width: self.tiles_width() as f64,
            height: self.tiles_height() as f64,
        }
    }

    /// The size of the picture.
    pub(super) fn size(&self) -> Size {
        Size::new(self.width as f64, self.height as f64)
    }
}

/// The space that captions of this size take, with the gap behind them; none without captions.
fn with_gap(size: f64) -> usize {
    if size > 0.0 {
        (size + CAPTION_GAP).ceil() as usize
    } else {
        0
    }
}

fn column_lefts(grid: &ImageGrid, cell_width: usize) -> Vec<usize> {
    let mut starts = group_starts(&grid.column_captions);
    starts.extend(group_starts(&grid.headings));
    let mut lefts = Vec::new();
    for column in 0..grid.columns() {
        // A gap for each group that starts at this column or before.
        let gaps = starts.iter().filter(|&&start| start <= column).count();
        lefts.push(column * (cell_width + grid.gap) + gaps * GROUP_GAP);
    }
    lefts
}

/// First columns of all captions but the first; none if each caption has one column.
fn group_starts(captions: &[ColumnCaption]) -> BTreeSet<usize> {
    let mut starts = BTreeSet::new();
    if captions.iter().all(|caption| caption.columns <= 1) {
        return starts;
    }
    let mut end = 0;
    for caption in captions {
        end += caption.columns.max(1);
        starts.insert(end);
    }
    starts
}

fn row_tops(grid: &ImageGrid, cell_height: usize) -> Vec<usize> {
    let mut tops = Vec::new();
    let mut top = 0;
    for row in 0..grid.tiles.len() {
        tops.push(top);
        top += cell_height + tile_captions_height(grid, row) + grid.gap;
    }
    tops
}

/// From the top of the first row to the lower end of the captions below the last one.
fn rows_height(grid: &ImageGrid, layout: &GridLayout) -> usize {
    match layout.row_tops.len() {
        0 => 0,
        rows => layout.tiles_height() + tile_captions_height(grid, rows - 1),
    }
}

fn tile_captions_height(grid: &ImageGrid, row: usize) -> usize {
    let captions = grid.tile_captions.get(row);
    // Without captions the rows are as close as the columns.
    let has_text = captions.is_some_and(|row| row.iter().any(|caption| !caption.is_empty()));
    if has_text { TILE_CAPTION_HEIGHT } else { 0 }
}

/// Height of the caption with the most lines.
fn height_of(captions: &[Caption], font: Font) -> f64 {
    let lines = captions.iter().map(|caption| caption.lines.len());
    lines.max().unwrap_or(0) as f64 * line_height(font)
}
