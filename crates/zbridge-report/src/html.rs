//! A page as one HTML file.

mod blocks;
mod data_links;
mod table;
mod valid_xml;

use maud::{Markup, PreEscaped, html};
use zbridge_plot::{DARK_PALETTE, LIGHT_PALETTE};

use crate::ReportError;
use crate::page::Page;
use crate::section::{Block, Section};
use valid_xml::valid_xml;

const STYLE: &str = include_str!("html/page.css");

/// The policy in it lets a browser load and run nothing: a report is data.
const META: &str = "<meta charset=\"utf-8\"/>
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>
<meta name=\"color-scheme\" content=\"light dark\"/>
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
style-src 'unsafe-inline'; img-src data:; media-src data:\"/>
";

/// A page with more sections than this has a list of them.
const FEW_SECTIONS: usize = 4;

impl Page {
    /// The page as one HTML file that needs nothing from outside.
    ///
    /// # Errors
    /// [`ReportError::Plot`] if a grid of images is too large.
    pub fn to_html(&self) -> Result<String, ReportError> {
        // The number of sections before the list of contents: one or none.
        let opening = usize::from(self.sections.first().is_some_and(is_opening));
        let markup = html! {
            (PreEscaped("<!DOCTYPE html>\n"))
            html lang="en" {
                (head(&self.title))
                body { main {
                    h1 { (self.title) }
                    @for (index, section) in self.sections.iter().enumerate() {
                        // An opening section comes before the list, all others after it.
                        @if index == opening { (contents(&self.sections, opening)) }
                        (section_html(index, section, index < opening)?)
                    }
                } }
            }
        };
        Ok(valid_xml(&markup.into_string()))
    }
}

fn head(title: &str) -> Markup {
    html! {
        head {
            "\n" (PreEscaped(META))
            title { (title) }
            // Colours come from code, the rest of the style from a file: neither has user text.
            style { "\n" (PreEscaped(series_colours())) (PreEscaped(STYLE)) }
        }
        "\n"
    }
}

/// The colours of series, for light and for dark.
fn series_colours() -> String {
    let light = colour_variables(LIGHT_PALETTE);
    let dark = colour_variables(DARK_PALETTE);
    format!(":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n")
}

fn colour_variables(palette: [&str; 10]) -> String {
    let mut variables = String::new();
    for (index, colour) in palette.iter().enumerate() {
        variables += &format!("--series-{index}:{colour};");
    }
    variables
}

/// Whether a first section comes before the list of contents.
fn is_opening(section: &Section) -> bool {
    let has_verdict = section
        .blocks
        .iter()
        .any(|block| matches!(block, Block::Verdict(_)));
    has_verdict || section.heading.is_empty()
}

/// A list of the sections from index `first`; empty if there are few.
fn contents(sections: &[Section], first: usize) -> Markup {
    // The index is that of the section on the page, which its anchor has.
    let mut named: Vec<(usize, &Section)> = sections.iter().enumerate().skip(first).collect();
    named.retain(|(_, section)| !section.heading.is_empty());
    html! {
        @if named.len() > FEW_SECTIONS {
            nav aria-label="Contents" {
                p.heading { "Contents" }
                ol {
                    @for (index, section) in named {
                        li { a href={ "#section-" (index + 1) } { (section.heading) } }
                    }
                }
            }
            "\n"
        }
    }
}

fn section_html(index: usize, section: &Section, opens: bool) -> Result<Markup, ReportError> {
    Ok(html! {
        section id={ "section-" (index + 1) } class=[opens.then_some("opening")] {
            "\n"
            @if !section.heading.is_empty() { h2 { (section.heading) } "\n" }
            (blocks::blocks(&section.blocks)?)
        }
        "\n"
    })
}
