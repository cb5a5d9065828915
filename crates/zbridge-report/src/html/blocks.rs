//! The blocks of a page as HTML.

use base64::Engine as _;
use maud::{Markup, PreEscaped, html};
use zbridge_plot::{Gallery, Theme};

use super::data_links::{Preview, data_links};
use super::table::table_html;
use crate::ReportError;
use crate::illustration::{Drawing, Illustration};
use crate::section::{Block, Recording};
use crate::table::Table;
use crate::verdict::{KeyFigure, Verdict};

/// A triangle with an exclamation mark.
const WARNING_SIGN: PreEscaped<&str> = PreEscaped(
    "<svg viewBox=\"0 0 20 20\" width=\"18\" height=\"18\" aria-hidden=\"true\">\
     <path d=\"M10 1.8 19 18H1z\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.8\" \
     stroke-linejoin=\"round\"/>\
     <path d=\"M10 7.5v5M10 14.6v1.4\" stroke=\"currentColor\" stroke-width=\"1.9\"/></svg>",
);

/// All blocks, each on a line of its own.
pub(super) fn blocks(blocks: &[Block]) -> Result<Markup, ReportError> {
    Ok(html! {
        @for block in blocks { (block_html(block)?) "\n" }
    })
}

fn block_html(block: &Block) -> Result<Markup, ReportError> {
    Ok(match block {
        Block::Verdict(verdict) => verdict_html(verdict),
        Block::Subheading(text) => html! { h3 { (text) } },
        Block::Paragraph(text) => html! { p { (text) } },
        Block::Illustration(illustration) => illustration_html(illustration)?,
        Block::Table(table) => table_with_data(table),
        Block::Warning(text) => warning(text),
        Block::Code(text) => html! { pre { code { (text) } } },
        Block::Command(text) => command(text),
        Block::Facts(facts) => facts_html(facts),
        Block::Sounds(recordings) => sounds(recordings),
        Block::Details { summary, blocks } => details(summary, blocks)?,
    })
}

fn verdict_html(verdict: &Verdict) -> Markup {
    let (headline, text) = (verdict.headline.trim(), verdict.text.trim());
    html! {
        div.verdict role="group" aria-label="Verdict" {
            @if !headline.is_empty() { p.headline { (headline) } }
            @if !text.is_empty() { p.more { (text) } }
            @if !verdict.figures.is_empty() {
                ul.key-figures {
                    @for figure in &verdict.figures { (key_figure(figure)) }
                }
            }
        }
    }
}

/// Spaces between the parts keep them apart where no style sheet does.
fn key_figure(figure: &KeyFigure) -> Markup {
    html! {
        li {
            @if !figure.name.is_empty() { span.name { (figure.name) } " " }
            span.value {
                (figure.number())
                @if let Some(unit) = figure.shown_unit() { span.unit { " " (unit) } }
            }
            @if let Some(interval) = figure.bracket() { " " span.interval { (interval) } }
            @if !figure.reading.is_empty() { " " span.reading { (figure.reading) } }
        }
    }
}

fn illustration_html(illustration: &Illustration) -> Result<Markup, ReportError> {
    let caption = illustration.caption.trim();
    let tables = numbers_of(&illustration.drawing);
    Ok(html! {
        figure id=(illustration.id) {
            (drawing(&illustration.drawing, &illustration.alt)?)
            @if !caption.is_empty() { figcaption { (caption) } }
            (data_links(&illustration.id, &tables, Preview::FirstRows))
        }
    })
}

/// The numbers that the drawing shows; images have none.
fn numbers_of(drawing: &Drawing) -> Vec<Table> {
    match drawing {
        Drawing::Chart(figure) => Table::of_figure(figure),
        Drawing::Grid(_) | Drawing::Gallery(_) => Vec::new(),
    }
}

/// The drawing in a box that scrolls if it is too wide; a gallery wraps instead.
fn drawing(drawing: &Drawing, alt: &str) -> Result<Markup, ReportError> {
    let svg = match drawing {
        Drawing::Chart(figure) => figure.to_themed_svg(Theme::StyleSheet, alt),
        Drawing::Grid(grid) => grid.to_themed_svg(Theme::StyleSheet, alt)?,
        // The parts of a gallery move below one another instead of scrolling.
        Drawing::Gallery(gallery) => return gallery_html(gallery, alt),
    };
    Ok(html! { div.wide { "\n" (PreEscaped(svg)) } })
}

fn gallery_html(gallery: &Gallery, alt: &str) -> Result<Markup, ReportError> {
    let mut parts = Vec::new();
    for (heading, grid) in &gallery.parts {
        // Each part is a picture of its own for a reader who cannot see it.
        let svg = grid.to_themed_svg(Theme::StyleSheet, &format!("{heading}: {alt}"))?;
        parts.push(html! {
            div.part { p.heading { (heading) } "\n" (PreEscaped(svg)) }
        });
    }
    Ok(html! {
        div.gallery { @for part in parts { (part) } }
    })
}

fn table_with_data(table: &Table) -> Markup {
    let tables = std::slice::from_ref(table);
    html! {
        div.table {
            div.wide { (table_html(table)) }
            (data_links(&table.caption, tables, Preview::None))
        }
    }
}

fn warning(text: &str) -> Markup {
    html! {
        aside.warning role="note" { strong { (WARNING_SIGN) " Warning" } " " (text) }
    }
}

fn command(text: &str) -> Markup {
    html! {
        div.command {
            // A line end would be selected too, and run the command when it is pasted.
            pre { code { (text.trim_end()) } }
            p.hint { "One click selects the command." }
        }
    }
}

fn facts_html(facts: &[(String, String)]) -> Markup {
    html! {
        dl {
            @for (name, value) in facts { dt { (name) } dd { (value) } }
        }
    }
}

fn sounds(recordings: &[Recording]) -> Markup {
    html! {
        div.sounds { @for recording in recordings { (sound(recording)) } }
    }
}

fn sound(recording: &Recording) -> Markup {
    // Part of the page: a report is one file.
    let wav = base64::engine::general_purpose::STANDARD.encode(&recording.wav);
    let source = format!("data:audio/wav;base64,{wav}");
    html! {
        figure.sound {
            figcaption { (recording.caption) }
            audio controls preload="metadata" src=(source) aria-label=(recording.caption) {}
        }
    }
}

fn details(summary: &str, blocks: &[Block]) -> Result<Markup, ReportError> {
    Ok(html! {
        details { summary { (summary) } "\n" (self::blocks(blocks)?) }
    })
}
