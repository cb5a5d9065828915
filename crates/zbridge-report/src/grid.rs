use base64::Engine as _;

use crate::ink::Ink;
use crate::raster::{self, Pixels};
use crate::svg::{Anchor, Line, Svg};
use crate::{ReportError, Tile, typeface};

const SIZE: f64 = 15.0;
const LINE_HEIGHT: f64 = 1.3;
const MARGIN: usize = 12;
/// Between a caption and its tiles.
const CAPTION_GAP: f64 = 8.0;
/// Between columns that belong to different captions.
const GROUP_GAP: usize = 18;
/// Size of the words below a tile.
const SMALL: f64 = 12.0;
/// Room that the words below a row of tiles take.
const TILE_CAPTION: usize = 26;
/// Tiles are enlarged as far as a row stays within this.
const COMFORTABLE_WIDTH: usize = 900;
const LARGEST_SCALE: usize = 4;

/// A caption above one or several columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnCaption {
    /// What is written.
    pub text: String,
    /// How many columns it stands above.
    pub columns: usize,
}

/// Tiles in rows and columns, with captions.
///
/// ```
/// use zbridge_report::{ColumnCaption, Grid, Tile};
///
/// let tile = Tile::new(2, 2, 1, &[0.0, 1.0, 1.0, 0.0])?;
/// let grid = Grid {
///     row_captions: vec!["3".into(), "5".into()],
///     column_captions: vec![ColumnCaption { text: "N = 256".into(), columns: 2 }],
///     ..Grid::new(vec![vec![tile.clone(), tile.clone()], vec![tile]])
/// };
/// assert_eq!(&grid.to_png_bytes()?[1..4], b"PNG");
/// # Ok::<(), zbridge_report::ReportError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// The tiles, row by row; rows may differ in length.
    pub tiles: Vec<Vec<Tile>>,
    /// What stands left of each row; may be shorter than the rows, or empty.
    pub row_captions: Vec<String>,
    /// What stands above the columns, from the left; where a caption spans several, the groups are
    /// set apart.
    pub column_captions: Vec<ColumnCaption>,
    /// What stands in bold above the captions of columns, from the left, counted in columns like
    /// them.
    pub headings: Vec<ColumnCaption>,
    /// What stands below each tile, row by row; may be shorter than the tiles, or empty.
    pub tile_captions: Vec<Vec<String>>,
    /// How many pixels a side a tile's pixel becomes; the edges stay crisp.
    pub scale: usize,
    /// Pixels between tiles.
    pub gap: usize,
}

impl Grid {
    /// A grid without captions, enlarged as far as a row stays comfortable to read.
    pub fn new(tiles: Vec<Vec<Tile>>) -> Self {
        let (columns, width) = (
            longest(&tiles),
            tiles.iter().flatten().map(Tile::width).max().unwrap_or(1),
        );
        let scale = (COMFORTABLE_WIDTH / (columns * width).max(1)).clamp(1, LARGEST_SCALE);
        Self {
            tiles,
            row_captions: Vec::new(),
            column_captions: Vec::new(),
            headings: Vec::new(),
            tile_captions: Vec::new(),
            scale,
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

    /// The grid with its captions as a PNG file, on white.
    ///
    /// # Errors
    /// [`ReportError::TooLarge`] where the scale makes a side too long.
    pub fn to_png_bytes(&self) -> Result<Vec<u8>, ReportError> {
        let layout = Layout::of(self);
        let mut pixels = raster::rasterise(&self.draw(&layout, Ink::Standalone, "", None), 1.0)?;
        self.paint(&layout, (layout.left, layout.top), &mut pixels);
        pixels.to_png()
    }

    /// The grid as an SVG file: the tiles as an embedded picture, the captions as text.
    ///
    /// # Errors
    /// As [`Grid::to_png_bytes`].
    pub fn to_svg(&self) -> Result<String, ReportError> {
        self.to_ink_svg(Ink::Standalone, "grid of images")
    }

    /// The grid for a page, whose style sheet brings fonts and colours.
    pub(crate) fn to_page_svg(&self, alt: &str) -> Result<String, ReportError> {
        self.to_ink_svg(Ink::Page, alt)
    }

    fn to_ink_svg(&self, ink: Ink, alt: &str) -> Result<String, ReportError> {
        let layout = Layout::of(self);
        if layout.is_empty() {
            return Ok(self.draw(&layout, ink, alt, None));
        }
        let mut pixels = Pixels::filled(
            layout.tiles_width(),
            layout.tiles_height(),
            &[255, 255, 255, 0],
        )?;
        self.paint(&layout, (0, 0), &mut pixels);
        let picture = base64::engine::general_purpose::STANDARD.encode(pixels.to_png()?);
        Ok(self.draw(
            &layout,
            ink,
            alt,
            Some(&format!("data:image/png;base64,{picture}")),
        ))
    }

    /// Captions, and the picture of the tiles where there is one.
    fn draw(&self, layout: &Layout, ink: Ink, alt: &str, picture: Option<&str>) -> String {
        let mut svg = Svg::new((layout.width as f64, layout.height as f64), ink, alt);
        if let Some(picture) = picture {
            svg.leaf(
                "image",
                &[
                    ("x", &layout.left.to_string()),
                    ("y", &layout.top.to_string()),
                    ("width", &layout.tiles_width().to_string()),
                    ("height", &layout.tiles_height().to_string()),
                    ("style", "image-rendering:pixelated"),
                    ("href", picture),
                ],
            );
        }
        self.write_row_captions(layout, &mut svg);
        self.outline_tiles(layout, &mut svg);
        write_captions(
            layout,
            &layout.captions,
            layout.top as f64 - CAPTION_GAP,
            false,
            &mut svg,
        );
        let above_captions = layout.top as f64 - CAPTION_GAP - layout.captions_height;
        write_captions(layout, &layout.headings, above_captions, true, &mut svg);
        self.write_tile_captions(layout, &mut svg);
        if layout.is_empty() {
            let place = (layout.width as f64 / 2.0, layout.height as f64 / 2.0);
            svg.line(&Line::new("no images", place, SIZE, Anchor::Middle).muted());
        }
        svg.finish()
    }

    fn write_row_captions(&self, layout: &Layout, svg: &mut Svg) {
        for (row, caption) in self.row_captions.iter().take(self.tiles.len()).enumerate() {
            let middle = (layout.top + layout.row_tops[row]) as f64 + layout.cell.1 as f64 / 2.0;
            let place = (layout.left as f64 - CAPTION_GAP, middle + 0.36 * SIZE);
            svg.line(&Line::new(caption, place, SIZE, Anchor::End));
        }
    }

    /// Words below tiles, cut where they are wider than their tile and the gap beside it.
    fn write_tile_captions(&self, layout: &Layout, svg: &mut Svg) {
        for (row, tiles) in self.tiles.iter().enumerate() {
            let captions = self.tile_captions.get(row).map_or(&[][..], Vec::as_slice);
            for (column, caption) in captions.iter().take(tiles.len()).enumerate() {
                let room = (layout.cell.0 + self.gap) as f64 - 2.0;
                let text = typeface::cut(caption, SMALL, false, room);
                let x = (layout.left + layout.columns[column]) as f64 + layout.cell.0 as f64 / 2.0;
                let y = (layout.top + layout.row_tops[row] + layout.cell.1) as f64 + SMALL + 2.0;
                svg.line(&Line::new(&text, (x, y), SMALL, Anchor::Middle).muted());
            }
        }
    }

    /// A hair line around each tile, so that a black one shows on a dark page and a white one on a
    /// light page.
    fn outline_tiles(&self, layout: &Layout, svg: &mut Svg) {
        let mut path = String::new();
        for (row, tiles) in self.tiles.iter().enumerate() {
            for (column, tile) in tiles
                .iter()
                .enumerate()
                .filter(|(_, tile)| tile.width() * tile.height() > 0)
            {
                let (x, y) = layout.corner(row, column, tile);
                let (width, height) = (
                    tile.width() * layout.scale + 1,
                    tile.height() * layout.scale + 1,
                );
                let (x, y) = (
                    (layout.left + x) as f64 - 0.5,
                    (layout.top + y) as f64 - 0.5,
                );
                path.push_str(&format!("M{x} {y}h{width}v{height}h-{width}z"));
            }
        }
        if !path.is_empty() && svg.ink() == Ink::Page {
            let colour = svg.ink().grid();
            svg.leaf(
                "path",
                &[
                    ("d", &path),
                    ("stroke", colour),
                    ("stroke-width", "1"),
                    ("fill", "none"),
                ],
            );
        }
    }

    /// Paints the tiles, each pixel as a crisp square; small tiles stand in the middle of their
    /// cell.
    fn paint(&self, layout: &Layout, (left, top): (usize, usize), pixels: &mut Pixels) {
        for (row, tiles) in self.tiles.iter().enumerate() {
            for (column, tile) in tiles.iter().enumerate() {
                let (x, y) = layout.corner(row, column, tile);
                paint_tile(tile, layout.scale, (left + x, top + y), pixels);
            }
        }
    }
}

/// Writes captions so that their last lines stand at `baseline`.
fn write_captions(layout: &Layout, captions: &[Caption], baseline: f64, bold: bool, svg: &mut Svg) {
    for caption in captions {
        let mut y = baseline - (caption.lines.len().max(1) - 1) as f64 * SIZE * LINE_HEIGHT;
        for text in &caption.lines {
            let middle = layout.left as f64 + (caption.from + caption.to) as f64 / 2.0;
            let line = Line::new(text, (middle, y), SIZE, Anchor::Middle);
            svg.line(&if bold { line.bold() } else { line });
            y += SIZE * LINE_HEIGHT;
        }
    }
}

fn paint_tile(tile: &Tile, scale: usize, (left, top): (usize, usize), pixels: &mut Pixels) {
    for y in 0..tile.height() * scale {
        for x in 0..tile.width() * scale {
            pixels.paint(left + x, top + y, tile.colour(x / scale, y / scale));
        }
    }
}

fn longest(tiles: &[Vec<Tile>]) -> usize {
    tiles.iter().map(Vec::len).max().unwrap_or(0)
}

/// A caption's words, and the edges of the columns that it stands above.
struct Caption {
    lines: Vec<String>,
    from: usize,
    to: usize,
}

/// Where everything stands, in pixels.
struct Layout {
    /// Left edges of the columns, from the first.
    columns: Vec<usize>,
    /// Upper edges of the rows, from the first.
    row_tops: Vec<usize>,
    /// Lower end of the last row and of the words below it.
    rows_height: usize,
    cell: (usize, usize),
    scale: usize,
    captions: Vec<Caption>,
    captions_height: f64,
    headings: Vec<Caption>,
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Layout {
    fn of(grid: &Grid) -> Self {
        let mut layout = Self::of_tiles(grid);
        layout.captions = layout.captions_of(&grid.column_captions, grid.gap, false);
        layout.headings = layout.captions_of(&grid.headings, grid.gap, true);
        layout.captions_height = height_of(&layout.captions);
        let captions = grid.row_captions.iter().take(grid.tiles.len());
        let widest = captions
            .map(|text| typeface::width(text, SIZE, false))
            .fold(0.0, f64::max);
        layout.left = MARGIN
            + if widest > 0.0 {
                (widest + CAPTION_GAP).ceil() as usize
            } else {
                0
            };
        let words = layout.captions_height + height_of(&layout.headings);
        layout.top = MARGIN
            + if words > 0.0 {
                (words + CAPTION_GAP).ceil() as usize
            } else {
                0
            };
        layout.width = (layout.left + layout.tiles_width() + MARGIN).max(100);
        layout.height = (layout.top + layout.rows_height + MARGIN).max(40);
        layout
    }

    fn of_tiles(grid: &Grid) -> Self {
        let scale = grid.scale.max(1);
        let largest = |side: fn(&Tile) -> usize| {
            grid.tiles.iter().flatten().map(side).max().unwrap_or(0) * scale
        };
        let cell = (largest(Tile::width), largest(Tile::height));
        let breaks: std::collections::BTreeSet<usize> = [&grid.column_captions, &grid.headings]
            .into_iter()
            .flat_map(|captions| group_breaks(captions))
            .collect();
        let columns = (0..longest(&grid.tiles)).map(|column| {
            column * (cell.0 + grid.gap)
                + GROUP_GAP * breaks.iter().filter(|&&first| first <= column).count()
        });
        let (row_tops, rows_height) = row_tops(grid, cell.1);
        Self {
            columns: columns.collect(),
            row_tops,
            rows_height,
            cell,
            scale,
            captions: Vec::new(),
            captions_height: 0.0,
            headings: Vec::new(),
            left: 0,
            top: 0,
            width: 0,
            height: 0,
        }
    }

    /// Captions in lines as wide as their columns.
    fn captions_of(&self, captions: &[ColumnCaption], gap: usize, bold: bool) -> Vec<Caption> {
        let (mut first, mut placed) = (0, Vec::new());
        for caption in captions {
            let last = (first + caption.columns.max(1) - 1).min(self.columns.len().wrapping_sub(1));
            if let (Some(&from), Some(&to)) = (self.columns.get(first), self.columns.get(last)) {
                let (to, room) = (to + self.cell.0, to + self.cell.0 + gap - from);
                placed.push(Caption {
                    lines: typeface::wrap(&caption.text, SIZE, bold, room as f64),
                    from,
                    to,
                });
            }
            first += caption.columns.max(1);
        }
        placed
    }

    /// Where a tile's corner is; small tiles stand in the middle of their cell.
    fn corner(&self, row: usize, column: usize, tile: &Tile) -> (usize, usize) {
        let x = self.columns[column] + (self.cell.0 - tile.width() * self.scale) / 2;
        (
            x,
            self.row_tops[row] + (self.cell.1 - tile.height() * self.scale) / 2,
        )
    }

    fn is_empty(&self) -> bool {
        self.tiles_width() == 0 || self.tiles_height() == 0
    }

    fn tiles_width(&self) -> usize {
        self.columns.last().map_or(0, |left| left + self.cell.0)
    }

    fn tiles_height(&self) -> usize {
        self.row_tops.last().map_or(0, |top| top + self.cell.1)
    }
}

/// Upper edges of the rows, and the lower end of the last; words below a row push the next one
/// down.
fn row_tops(grid: &Grid, height: usize) -> (Vec<usize>, usize) {
    let (mut y, mut end, mut tops) = (0, 0, Vec::with_capacity(grid.tiles.len()));
    for row in 0..grid.tiles.len() {
        let has_words = grid
            .tile_captions
            .get(row)
            .is_some_and(|words| words.iter().any(|text| !text.is_empty()));
        tops.push(y);
        end = y + height + if has_words { TILE_CAPTION } else { 0 };
        y = end + grid.gap;
    }
    (tops, end)
}

/// Height of the most lines that a caption has.
fn height_of(captions: &[Caption]) -> f64 {
    captions
        .iter()
        .map(|caption| caption.lines.len())
        .max()
        .unwrap_or(0) as f64
        * SIZE
        * LINE_HEIGHT
}

/// First columns of all groups but the first, where captions span groups.
fn group_breaks(captions: &[ColumnCaption]) -> Vec<usize> {
    if captions.iter().all(|caption| caption.columns <= 1) {
        return Vec::new();
    }
    let ends = captions.iter().scan(0, |end, caption| {
        *end += caption.columns.max(1);
        Some(*end)
    });
    ends.collect()
}
