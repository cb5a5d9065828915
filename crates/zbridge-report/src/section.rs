use crate::illustration::{Drawing, Illustration};
use crate::table::Table;
use crate::verdict::Verdict;

/// A heading and the blocks below it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Section {
    /// The heading; may be empty.
    pub heading: String,
    /// What is below it.
    pub blocks: Vec<Block>,
}

/// One thing on a page. All text is plain: nothing in it is read as markup.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Block {
    /// What the report comes to. A first section with a verdict comes before the list of contents.
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
    /// Text whose spaces and line ends count, such as settings.
    Code(String),
    /// A command to run; on an HTML page, one click selects all of it.
    Command(String),
    /// Names and values, such as commit, seed and digests.
    Facts(Vec<(String, String)>),
    /// Sounds to listen to, one below the other.
    Sounds(Vec<Recording>),
    /// Blocks that are folded away.
    Details {
        /// The line that is always shown.
        summary: String,
        /// The blocks.
        blocks: Vec<Block>,
    },
}

/// A sound and its caption.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The caption above the sound.
    pub caption: String,
    /// The bytes of a WAV file, which become part of an HTML page.
    pub wav: Vec<u8>,
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

    /// The section with a verdict.
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

    /// The section with one more illustration; `alt` describes it to readers who cannot see it.
    pub fn illustration(
        self,
        id: impl Into<String>,
        caption: impl Into<String>,
        alt: impl Into<String>,
        drawing: impl Into<Drawing>,
    ) -> Self {
        self.with(Block::Illustration(Illustration {
            id: id.into(),
            caption: caption.into(),
            alt: alt.into(),
            drawing: drawing.into(),
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
        let facts = facts
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        self.with(Block::Facts(facts.collect()))
    }

    /// The section with blocks folded away below the line `summary`.
    pub fn details(self, summary: impl Into<String>, blocks: Vec<Block>) -> Self {
        self.with(Block::Details {
            summary: summary.into(),
            blocks,
        })
    }
}
