use zbridge_plot::{Figure, Gallery, ImageGrid};

use crate::ReportError;

/// A drawing and its caption.
#[derive(Debug, Clone, PartialEq)]
pub struct Illustration {
    /// Short name, unique on the page: the anchor in HTML and usually the name of the file beside
    /// Markdown.
    pub id: String,
    /// The caption below the drawing; may be empty.
    pub caption: String,
    /// What the drawing shows, for readers who cannot see it.
    pub alt: String,
    /// The drawing.
    pub drawing: Drawing,
}

/// What can be drawn.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Drawing {
    /// Charts.
    Chart(Figure),
    /// Images.
    Grid(ImageGrid),
    /// Several grids of images side by side.
    Gallery(Gallery),
}

impl Drawing {
    /// The drawing as an SVG file of its own.
    ///
    /// # Errors
    /// As [`ImageGrid::to_svg`].
    pub fn to_svg(&self) -> Result<String, ReportError> {
        Ok(match self {
            Self::Chart(figure) => figure.to_svg(),
            Self::Grid(grid) => grid.to_svg()?,
            Self::Gallery(gallery) => gallery.to_grid().to_svg()?,
        })
    }

    /// The drawing as a PNG file: charts at two pixels a unit, grids at their own scale.
    ///
    /// # Errors
    /// As [`Figure::to_png`] and [`ImageGrid::to_png`].
    pub fn to_png(&self) -> Result<Vec<u8>, ReportError> {
        Ok(match self {
            // Two pixels a unit are sharp on most screens and in print.
            Self::Chart(figure) => figure.to_png(2.0)?,
            Self::Grid(grid) => grid.to_png()?,
            Self::Gallery(gallery) => gallery.to_grid().to_png()?,
        })
    }
}

impl From<Figure> for Drawing {
    fn from(figure: Figure) -> Self {
        Self::Chart(figure)
    }
}

impl From<ImageGrid> for Drawing {
    fn from(grid: ImageGrid) -> Self {
        Self::Grid(grid)
    }
}

impl From<Gallery> for Drawing {
    fn from(gallery: Gallery) -> Self {
        Self::Gallery(gallery)
    }
}
