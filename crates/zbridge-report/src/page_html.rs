//! A page as one HTML file.

use crate::escape::xml;
use crate::ink::{DARK, LIGHT};
use crate::page::{Block, Illustration, Page, Section};
use crate::{ReportError, Table};

const STYLE: &str = include_str!("page.css");

/// Nothing may be loaded or run: a report is data.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// Pages with more sections than this get a list of them.
const SECTIONS_AT_A_GLANCE: usize = 3;

pub(crate) fn render(page: &Page) -> Result<String, ReportError> {
    let mut html = head(&page.title);
    html.push_str(&contents(&page.sections));
    for (place, section) in page.sections.iter().enumerate() {
        html.push_str(&format!("<section id=\"section-{}\">\n", place + 1));
        if !section.heading.is_empty() {
            html.push_str(&format!("<h2>{}</h2>\n", xml(&section.heading)));
        }
        html.push_str(&blocks(&section.blocks)?);
        html.push_str("</section>\n");
    }
    html.push_str("</main>\n</body>\n</html>\n");
    Ok(html)
}

fn head(title: &str) -> String {
    let title = xml(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\"/>\n\
         <title>{title}</title>\n<style>\n{}{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n",
        series_colours(),
    )
}

/// The colours of series, for light and dark.
fn series_colours() -> String {
    let list = |palette: [&str; 10]| -> String {
        palette.iter().enumerate().map(|(place, colour)| format!("--series-{place}:{colour};")).collect()
    };
    format!(":root{{{}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}\n", list(LIGHT), list(DARK))
}

fn contents(sections: &[Section]) -> String {
    if sections.len() <= SECTIONS_AT_A_GLANCE {
        return String::new();
    }
    let links = sections.iter().enumerate().filter(|(_, section)| !section.heading.is_empty());
    let links = links
        .map(|(place, section)| format!("<li><a href=\"#section-{}\">{}</a></li>\n", place + 1, xml(&section.heading)));
    format!("<nav aria-label=\"Contents\">\n<ol>\n{}</ol>\n</nav>\n", links.collect::<String>())
}

fn blocks(blocks: &[Block]) -> Result<String, ReportError> {
    blocks.iter().map(block).collect()
}

fn block(block: &Block) -> Result<String, ReportError> {
    Ok(match block {
        Block::Paragraph(text) => format!("<p>{}</p>\n", xml(text)),
        Block::Illustration(shown) => illustration(shown)?,
        Block::Table(shown) => table(shown),
        Block::Warning(text) => {
            format!("<aside class=\"warning\" role=\"note\"><strong>Warning</strong> {}</aside>\n", xml(text))
        }
        Block::Code(text) => format!("<pre><code>{}</code></pre>\n", xml(text)),
        Block::Facts(pairs) => facts(pairs),
        Block::Details { summary, blocks: folded } => {
            format!("<details>\n<summary>{}</summary>\n{}</details>\n", xml(summary), blocks(folded)?)
        }
    })
}

fn illustration(shown: &Illustration) -> Result<String, ReportError> {
    let drawing = shown.drawing.to_page_svg(&shown.alt)?;
    let caption = match shown.caption.trim() {
        "" => String::new(),
        caption => format!("<figcaption>{}</figcaption>\n", xml(caption)),
    };
    Ok(format!("<figure id=\"{}\">\n<div class=\"wide\">\n{drawing}</div>\n{caption}</figure>\n", xml(&shown.id)))
}

fn table(shown: &Table) -> String {
    format!("<div class=\"wide\">\n{}</div>\n", shown.to_html())
}

fn facts(pairs: &[(String, String)]) -> String {
    let rows = pairs.iter().map(|(name, value)| format!("<dt>{}</dt><dd>{}</dd>\n", xml(name), xml(value)));
    format!("<dl>\n{}</dl>\n", rows.collect::<String>())
}
