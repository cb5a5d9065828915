//! A page as one HTML file.

use crate::download::{self, Preview};
use crate::escape::xml;
use crate::ink::{DARK, LIGHT};
use crate::page::{Block, Illustration, Page, Recording, Section};
use crate::verdict::{KeyFigure, Verdict};
use crate::{ReportError, Table};
use base64::Engine as _;

const STYLE: &str = include_str!("page.css");

/// Nothing may be loaded or run: a report is data.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:";

/// Pages with more sections than this get a list of them.
const SECTIONS_AT_A_GLANCE: usize = 4;

/// A triangle with an exclamation mark.
const WARNING_SIGN: &str = "<svg viewBox=\"0 0 20 20\" width=\"18\" height=\"18\" aria-hidden=\"true\">\
    <path d=\"M10 1.8 19 18H1z\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.8\" stroke-linejoin=\"round\"/>\
    <path d=\"M10 7.5v5M10 14.6v1.4\" stroke=\"currentColor\" stroke-width=\"1.9\"/></svg>";

pub(crate) fn render(page: &Page) -> Result<String, ReportError> {
    let mut html = head(&page.title);
    let opening = usize::from(page.sections.first().is_some_and(opens));
    for (place, section) in page.sections.iter().enumerate() {
        if place == opening {
            html.push_str(&contents(&page.sections, opening));
        }
        html.push_str(&self::section(place, section, place < opening)?);
    }
    html.push_str("</main>\n</body>\n</html>\n");
    Ok(html)
}

/// Whether the section stands before the list of contents.
fn opens(section: &Section) -> bool {
    section.heading.is_empty()
        || section
            .blocks
            .iter()
            .any(|block| matches!(block, Block::Verdict(_)))
}

fn section(place: usize, section: &Section, opens: bool) -> Result<String, ReportError> {
    let class = if opens { " class=\"opening\"" } else { "" };
    let heading = match section.heading.as_str() {
        "" => String::new(),
        heading => format!("<h2>{}</h2>\n", xml(heading)),
    };
    Ok(format!(
        "<section id=\"section-{}\"{class}>\n{heading}{}</section>\n",
        place + 1,
        blocks(&section.blocks)?
    ))
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
        palette
            .iter()
            .enumerate()
            .map(|(place, colour)| format!("--series-{place}:{colour};"))
            .collect()
    };
    format!(
        ":root{{{}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}\n",
        list(LIGHT),
        list(DARK)
    )
}

/// A list of the sections from place `first`.
fn contents(sections: &[Section], first: usize) -> String {
    let named: Vec<_> = sections
        .iter()
        .enumerate()
        .skip(first)
        .filter(|(_, section)| !section.heading.is_empty())
        .collect();
    if named.len() <= SECTIONS_AT_A_GLANCE {
        return String::new();
    }
    let link = |(place, section): (usize, &Section)| {
        format!(
            "<li><a href=\"#section-{}\">{}</a></li>\n",
            place + 1,
            xml(&section.heading)
        )
    };
    let links: String = named.into_iter().map(link).collect();
    format!(
        "<nav aria-label=\"Contents\">\n<p class=\"heading\">Contents</p>\n<ol>\n{links}</ol>\n</nav>\n"
    )
}

fn blocks(blocks: &[Block]) -> Result<String, ReportError> {
    blocks.iter().map(block).collect()
}

fn block(block: &Block) -> Result<String, ReportError> {
    Ok(match block {
        Block::Verdict(shown) => verdict(shown),
        Block::Subheading(text) => format!("<h3>{}</h3>\n", xml(text)),
        Block::Paragraph(text) => format!("<p>{}</p>\n", xml(text)),
        Block::Illustration(shown) => illustration(shown)?,
        Block::Table(shown) => table(shown),
        Block::Warning(text) => {
            let sign = format!("<strong>{WARNING_SIGN} Warning</strong>");
            format!(
                "<aside class=\"warning\" role=\"note\">{sign} {}</aside>\n",
                xml(text)
            )
        }
        Block::Code(text) => format!("<pre><code>{}</code></pre>\n", xml(text)),
        Block::Command(text) => format!(
            "<div class=\"command\">\n<pre><code>{}</code></pre>\n<p class=\"hint\">One click selects the command.</p>\n</div>\n",
            xml(text.trim_end())
        ),
        Block::Facts(pairs) => facts(pairs),
        Block::Sounds(recordings) => {
            format!(
                "<div class=\"sounds\">\n{}</div>\n",
                recordings.iter().map(sound).collect::<String>()
            )
        }
        Block::Details {
            summary,
            blocks: folded,
        } => {
            format!(
                "<details>\n<summary>{}</summary>\n{}</details>\n",
                xml(summary),
                blocks(folded)?
            )
        }
    })
}

fn verdict(shown: &Verdict) -> String {
    let paragraph = |class: &str, text: &str| match text.trim() {
        "" => String::new(),
        text => format!("<p class=\"{class}\">{}</p>\n", xml(text)),
    };
    let figures = match shown.figures.iter().map(key_figure).collect::<String>() {
        figures if figures.is_empty() => figures,
        figures => format!("<ul class=\"key-figures\">\n{figures}</ul>\n"),
    };
    let (headline, text) = (
        paragraph("headline", &shown.headline),
        paragraph("more", &shown.text),
    );
    format!(
        "<div class=\"verdict\" role=\"group\" aria-label=\"Verdict\">\n{headline}{text}{figures}</div>\n"
    )
}

fn key_figure(figure: &KeyFigure) -> String {
    let span = |class: &str, text: &str| match text {
        "" => String::new(),
        text => format!("<span class=\"{class}\">{}</span> ", xml(text)),
    };
    let unit = figure
        .shown_unit()
        .map(|unit| format!("<span class=\"unit\"> {}</span>", xml(unit)))
        .unwrap_or_default();
    format!(
        "<li>{}<span class=\"value\">{}{unit}</span> {}{}</li>\n",
        span("name", &figure.name),
        xml(&figure.number()),
        span("interval", &figure.bracket().unwrap_or_default()),
        span("reading", &figure.reading),
    )
}

fn illustration(shown: &Illustration) -> Result<String, ReportError> {
    let drawing = shown.drawing.to_page_html(&shown.alt)?;
    let caption = match shown.caption.trim() {
        "" => String::new(),
        caption => format!("<figcaption>{}</figcaption>\n", xml(caption)),
    };
    let data = download::details(&shown.id, &shown.drawing.data(), Preview::FirstRows);
    Ok(format!(
        "<figure id=\"{}\">\n{drawing}{caption}{data}</figure>\n",
        xml(&shown.id)
    ))
}

fn table(shown: &Table) -> String {
    let data = download::details(&shown.caption, std::slice::from_ref(shown), Preview::None);
    format!(
        "<div class=\"table\">\n<div class=\"wide\">\n{}</div>\n{data}</div>\n",
        shown.to_html()
    )
}

fn sound(recording: &Recording) -> String {
    let (caption, wav) = (
        xml(&recording.caption),
        base64::engine::general_purpose::STANDARD.encode(&recording.wav),
    );
    format!(
        "<figure class=\"sound\"><figcaption>{caption}</figcaption>\
         <audio controls preload=\"metadata\" src=\"data:audio/wav;base64,{wav}\" aria-label=\"{caption}\"></audio></figure>\n"
    )
}

fn facts(pairs: &[(String, String)]) -> String {
    let rows = pairs
        .iter()
        .map(|(name, value)| format!("<dt>{}</dt><dd>{}</dd>\n", xml(name), xml(value)));
    format!("<dl>\n{}</dl>\n", rows.collect::<String>())
}
