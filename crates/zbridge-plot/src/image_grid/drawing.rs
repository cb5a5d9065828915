//! Grids of images as PNG and SVG.

use super::ImageGrid;
use super::grid_layout::{
    CAPTION_FONT, CAPTION_GAP, Caption, GridLayout, HEADING_FONT, PlacedTile,
};
use crate::PlotError;
use crate::canvas::{Anchor, Canvas, Stroke, Text};
use crate::colour::{Colour, Theme};
use crate::font::Font;
use crate::geometry::Point;
use crate::path::Path;
use crate::pixels::Pixels;
use crate::raster::Raster;
use crate::style::{MIDDLE_TO_BASELINE, line_height};
use crate::svg::SvgDocument;

/// Captions below tiles.
const TILE_CAPTION_FONT: Font = Font::regular(12.0);

impl ImageGrid {
    /// The grid with its captions as a PNG file, on white.
    ///
    /// # Errors
    /// [`PlotError::TooLarge`] if the scale makes a side too long.
    pub fn to_png(&self) -> Result<Vec<u8>, PlotError> {
        let layout = GridLayout::of(self);
        // At scale 1 the tiles, which have whole pixels, stay crisp.
        let mut raster = Raster::new(layout.size(), 1.0)?;
        self.write_captions(&layout, &mut raster);
        let mut pixels = raster.finish();
        self.paste_tiles(&layout, layout.left, layout.top, &mut pixels);
        pixels.to_png()
    }

    /// The grid as an SVG file: the tiles as an embedded picture, the captions as text.
    ///
    /// # Errors
    /// As [`ImageGrid::to_png`].
    pub fn to_svg(&self) -> Result<String, PlotError> {
        self.to_themed_svg(Theme::Standalone, "grid of images")
    }

    /// The grid as SVG for the given place; `alt` describes it to readers who cannot see it.
    ///
    /// # Errors
    /// As [`ImageGrid::to_png`].
    pub fn to_themed_svg(&self, theme: Theme, alt: &str) -> Result<String, PlotError> {
        let layout = GridLayout::of(self);
        let mut document = SvgDocument::new(layout.size(), theme, alt);
        if !layout.is_empty() {
            let (width, height) = (layout.tiles_width(), layout.tiles_height());
            let mut pixels = Pixels::transparent(width, height)?;
            self.paste_tiles(&layout, 0, 0, &mut pixels);
            document.image(layout.tiles_frame(), &pixels.to_data_address()?);
        }
        // A black tile must show on a dark page, a white one on a light page.
        if theme == Theme::StyleSheet {
            document.stroke(&self.outlines(&layout), Stroke::solid(Colour::Grid, 1.0));
        }
        self.write_captions(&layout, &mut document);
        Ok(document.finish())
    }

    fn write_captions(&self, layout: &GridLayout, canvas: &mut dyn Canvas) {
        if layout.is_empty() {
            let at = Point::new(layout.width as f64 / 2.0, layout.height as f64 / 2.0);
            let text = Text::new("no images", at, CAPTION_FONT);
            canvas.text(&text.anchored(Anchor::Middle).muted());
        }
        self.write_row_captions(layout, canvas);
        let above_tiles = layout.top as f64 - CAPTION_GAP;
        let above_captions = above_tiles - layout.captions_height();
        for caption in &layout.captions {
            write_caption(canvas, layout, caption, CAPTION_FONT, above_tiles);
        }
        for heading in &layout.headings {
            write_caption(canvas, layout, heading, HEADING_FONT, above_captions);
        }
        self.write_tile_captions(layout, canvas);
    }

    fn write_row_captions(&self, layout: &GridLayout, canvas: &mut dyn Canvas) {
        for (caption, row_top) in self.row_captions.iter().zip(&layout.row_tops) {
            let middle = (layout.top + row_top) as f64 + layout.cell_height as f64 / 2.0;
            let at = Point::new(
                layout.left as f64 - CAPTION_GAP,
                middle + MIDDLE_TO_BASELINE * CAPTION_FONT.size,
            );
            canvas.text(&Text::new(caption, at, CAPTION_FONT).anchored(Anchor::End));
        }
    }

    /// Writes the captions below tiles, cut if they are wider than a tile and the gap beside it.
    fn write_tile_captions(&self, layout: &GridLayout, canvas: &mut dyn Canvas) {
        // Two pixels between the captions of neighbouring tiles.
        let limit = (layout.cell_width + self.gap) as f64 - 2.0;
        for (row, captions) in self.tile_captions.iter().enumerate() {
            let columns = self.tiles.get(row).map_or(0, Vec::len);
            for (column, caption) in captions.iter().take(columns).enumerate() {
                let text = TILE_CAPTION_FONT.cut(caption, limit);
                let below = layout.bottom_middle_of_cell(row, column);
                let at = below.shifted(0.0, TILE_CAPTION_FONT.size + 2.0);
                let text = Text::new(&text, at, TILE_CAPTION_FONT);
                canvas.text(&text.anchored(Anchor::Middle).muted());
            }
        }
    }

    /// A thin line around each tile.
    fn outlines(&self, layout: &GridLayout) -> Path {
        let mut outlines = Path::new();
        for tile in layout.placed_tiles(self) {
            // Half a pixel outside, so that the line does not cover the tile.
            let left = (layout.left + tile.left) as f64 - 0.5;
            let top = (layout.top + tile.top) as f64 - 0.5;
            let right = left + (tile.tile.width() * layout.scale + 1) as f64;
            let bottom = top + (tile.tile.height() * layout.scale + 1) as f64;
            outlines.add_rectangle(left, bottom, right, top);
        }
        outlines
    }

    /// Copies the tiles into pixels in which the tiles' corner is at `left`, `top`.
    fn paste_tiles(&self, layout: &GridLayout, left: usize, top: usize, pixels: &mut Pixels) {
        for PlacedTile {
            tile,
            left: x,
            top: y,
        } in layout.placed_tiles(self)
        {
            let picture = tile.enlarged(layout.scale);
            pixels.paste(left + x, top + y, picture.view());
        }
    }
}

/// Writes a caption so that its last line is at `baseline`.
fn write_caption(
    canvas: &mut dyn Canvas,
    layout: &GridLayout,
    caption: &Caption,
    font: Font,
    baseline: f64,
) {
    let last_to_first = caption.lines.len().saturating_sub(1) as f64 * line_height(font);
    let mut at = Point::new(
        layout.left as f64 + (caption.left + caption.right) as f64 / 2.0,
        baseline - last_to_first,
    );
    for line in &caption.lines {
        canvas.text(&Text::new(line, at, font).anchored(Anchor::Middle));
        at.y += line_height(font);
    }
}
