use crate::{Figure, Gallery, Grid, Panel, ReportError, Table, Verdict};

/// A report that can be read from top to bottom.
///
/// ```
/// use zbridge_report::{Page, Section};
///
/// let page = Page {
///     title: "Bridge between images and labels".into(),
///     sections: vec![Section::new("Result").paragraph("It works with 256 pairs.").warning("One seed only.")],
/// };
/// assert!(page.to_html()?.contains("<p>It works with 256 pairs.</p>"));
/// assert!(page.to_markdown(|id| format!("figures/{id}.png")).starts_with("# Bridge"));
/// # Ok::<(), zbridge_report::ReportError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// What stands at the top and in the window's title.
    pub title: String,
    /// The parts, in order.
    pub sections: Vec<Section>,
}

/// A heading and what belongs under it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// What stands below it.
    pub blocks: Vec<Block>,
}

/// One thing on a page. All text is plain: nothing in it is read as markup.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Block {
    /// What the report comes to; in the first section it opens the page, before the list of
    /// contents.
    Verdict(Verdict),
    /// A heading inside a section.
    Subheading(String),
    /// Running text.
    Paragraph(String),
    /// A chart or a grid of images.
    Illustration(Illustration),
    /// A table.
    Table(Table),
    /// Something that a reader must not miss.
    Warning(String),
    /// Text in which spaces and line ends count: commands, settings.
    Code(String),
    /// A command to run; on a page, one click selects all of it.
    Command(String),
    /// Names and values, such as commit, seed and digests.
    Facts(Vec<(String, String)>),
    /// Sounds to listen to, one below the other.
    Sounds(Vec<Recording>),
    /// Blocks that are folded away under a line that says what they are.
    Details {
        /// The line that is always shown.
        summary: String,
        /// What is shown on demand.
        blocks: Vec<Block>,
    },
}

/// A sound with what is said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// What stands beside it.
    pub caption: String,
    /// A WAV file; a page carries it along.
    pub wav: Vec<u8>,
}

/// A figure with what is said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Illustration {
    /// Short name, unique on the page: the anchor in HTML and usually the file's name beside
    /// Markdown.
    pub id: String,
    /// What stands below.
    pub caption: String,
    /// What the figure shows, for those who cannot see it.
    pub alt: String,
    /// What is drawn.
    pub drawing: Drawing,
}

/// What can be drawn.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Drawing {
    /// Charts.
    Chart(Figure),
    /// Images.
    Grid(Grid),
    /// Several grids of images side by side.
    Gallery(Gallery),
}

impl From<Figure> for Drawing {
    fn from(figure: Figure) -> Self {
        Self::Chart(figure)
    }
}

impl From<Grid> for Drawing {
    fn from(grid: Grid) -> Self {
        Self::Grid(grid)
    }
}

impl From<Gallery> for Drawing {
    fn from(gallery: Gallery) -> Self {
        Self::Gallery(gallery)
    }
}

impl Drawing {
    /// The drawing as an SVG file of its own.
    ///
    /// # Errors
    /// As [`Grid::to_svg`].
    pub fn to_svg(&self) -> Result<String, ReportError> {
        match self {
            Self::Chart(figure) => Ok(figure.to_svg()),
            Self::Grid(grid) => grid.to_svg(),
            Self::Gallery(gallery) => gallery.to_grid().to_svg(),
        }
    }

    /// The drawing as a PNG file: charts at two pixels a unit, grids at their own scale.
    ///
    /// # Errors
    /// As [`Figure::to_png`] and [`Grid::to_png_bytes`].
    pub fn to_png(&self) -> Result<Vec<u8>, ReportError> {
        match self {
            Self::Chart(figure) => figure.to_png(2.0),
            Self::Grid(grid) => grid.to_png_bytes(),
            Self::Gallery(gallery) => gallery.to_grid().to_png_bytes(),
        }
    }

    /// The numbers that the drawing shows, as tables; images have none.
    pub fn data(&self) -> Vec<Table> {
        match self {
            Self::Chart(figure) => figure.data(),
            Self::Grid(_) | Self::Gallery(_) => Vec::new(),
        }
    }

    /// Tables that say the same where a page cannot show the drawing's numbers beside it, as
    /// Markdown.
    pub(crate) fn spoken(&self) -> Vec<Table> {
        let panels = match self {
            Self::Chart(figure) => &figure.panels[..],
            Self::Grid(_) | Self::Gallery(_) => &[],
        };
        let table = |panel: &Panel| match panel {
            Panel::Intervals(chart) => Some(chart.table()),
            _ => None,
        };
        panels.iter().filter_map(table).collect()
    }

    /// The drawing as part of a page, whose style sheet brings fonts and colours.
    pub(crate) fn to_page_html(&self, alt: &str) -> Result<String, ReportError> {
        match self {
            Self::Chart(figure) => Ok(scrolling(&figure.to_page_svg(alt))),
            Self::Grid(grid) => Ok(scrolling(&grid.to_page_svg(alt)?)),
            Self::Gallery(gallery) => gallery.to_page_html(alt),
        }
    }
}

/// The drawing in a box that scrolls where it is too wide.
fn scrolling(drawing: &str) -> String {
    format!("<div class=\"wide\">\n{drawing}</div>\n")
}

impl Page {
    /// The page as one HTML file that needs nothing from outside.
    ///
    /// # Errors
    /// As [`Grid::to_svg`].
    pub fn to_html(&self) -> Result<String, ReportError> {
        crate::page_html::render(self)
    }

    /// The page in Markdown; `figure_path` says where the picture of an illustration's id is.
    pub fn to_markdown(&self, figure_path: impl Fn(&str) -> String) -> String {
        crate::page_markdown::render(self, &figure_path)
    }

    /// Every illustration, also those inside details, in order.
    pub fn illustrations(&self) -> Vec<&Illustration> {
        self.sections
            .iter()
            .flat_map(|section| illustrations(&section.blocks))
            .collect()
    }
}

fn illustrations(blocks: &[Block]) -> Vec<&Illustration> {
    blocks.iter().flat_map(illustrations_of).collect()
}

fn illustrations_of(block: &Block) -> Vec<&Illustration> {
    match block {
        Block::Illustration(illustration) => vec![illustration],
        Block::Details { blocks, .. } => illustrations(blocks),
        _ => Vec::new(),
    }
}

impl Section {
    /// A section without blocks.
    pub fn new(heading: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            blocks: Vec::new(),
        }
    }

    /// The section with one more block.
    pub fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// The section with a verdict; in the first section it opens the page.
    pub fn verdict(self, verdict: Verdict) -> Self {
        self.with(Block::Verdict(verdict))
    }

    /// The section with a heading inside it.
    pub fn subheading(self, text: impl Into<String>) -> Self {
        self.with(Block::Subheading(text.into()))
    }

    /// The section with one more command.
    pub fn command(self, text: impl Into<String>) -> Self {
        self.with(Block::Command(text.into()))
    }

    /// The section with one more paragraph.
    pub fn paragraph(self, text: impl Into<String>) -> Self {
        self.with(Block::Paragraph(text.into()))
    }

    /// The section with one more illustration; `alt` says what it shows to those who cannot see it.
    pub fn illustration(
        self,
        id: impl Into<String>,
        caption: impl Into<String>,
        alt: impl Into<String>,
        drawing: impl Into<Drawing>,
    ) -> Self {
        let (id, caption, alt, drawing) = (id.into(), caption.into(), alt.into(), drawing.into());
        self.with(Block::Illustration(Illustration {
            id,
            caption,
            alt,
            drawing,
        }))
    }

    /// The section with one more table.
    pub fn table(self, table: Table) -> Self {
        self.with(Block::Table(table))
    }

    /// The section with one more warning.
    pub fn warning(self, text: impl Into<String>) -> Self {
        self.with(Block::Warning(text.into()))
    }

    /// The section with one more block of code.
    pub fn code(self, text: impl Into<String>) -> Self {
        self.with(Block::Code(text.into()))
    }

    /// The section with one more list of names and values.
    pub fn facts<K: Into<String>, V: Into<String>>(
        self,
        facts: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.with(Block::Facts(
            facts
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        ))
    }

    /// The section with blocks folded away under a line.
    pub fn details(self, summary: impl Into<String>, blocks: Vec<Block>) -> Self {
        self.with(Block::Details {
            summary: summary.into(),
            blocks,
        })
    }
}
