use crate::illustration::Illustration;
use crate::section::{Block, Section};

/// A report to read from top to bottom.
///
/// ```
/// use zbridge_report::{Page, Section};
///
/// let section = Section::new("Result")
///     .paragraph("It works with 256 pairs.")
///     .warning("One seed only.");
/// let page = Page {
///     title: "Bridge between images and labels".into(),
///     sections: vec![section],
/// };
/// assert!(page.to_html()?.contains("<p>It works with 256 pairs.</p>"));
/// assert!(page.to_markdown(|id| format!("figures/{id}.png")).starts_with("# Bridge"));
/// # Ok::<(), zbridge_report::ReportError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// The title at the top and of the window.
    pub title: String,
    /// The parts, in order.
    pub sections: Vec<Section>,
}

impl Page {
    /// Every illustration, also those inside details, in order.
    pub fn illustrations(&self) -> Vec<&Illustration> {
        let mut found = Vec::new();
        for section in &self.sections {
            collect(&section.blocks, &mut found);
        }
        found
    }
}

fn collect<'a>(blocks: &'a [Block], found: &mut Vec<&'a Illustration>) {
    for block in blocks {
        match block {
            Block::Illustration(illustration) => found.push(illustration),
            // Folded blocks can have folded blocks in them.
            Block::Details { blocks, .. } => collect(blocks, found),
            _ => {}
        }
    }
}
