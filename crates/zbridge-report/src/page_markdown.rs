//! A page in Markdown, as GitHub reads it.

use crate::escape::{self, markdown};
use crate::page::{Block, Illustration, Page, Recording};
use crate::verdict::{KeyFigure, Verdict};

pub(crate) fn render(page: &Page, figure_path: &dyn Fn(&str) -> String) -> String {
    let mut parts = vec![format!("# {}", markdown(&page.title))];
    for section in &page.sections {
        if !section.heading.is_empty() {
            parts.push(format!("## {}", markdown(&section.heading)));
        }
        parts.extend(section.blocks.iter().map(|shown| block(shown, figure_path)));
    }
    parts.join("\n\n") + "\n"
}

fn block(block: &Block, figure_path: &dyn Fn(&str) -> String) -> String {
    match block {
        Block::Verdict(shown) => verdict(shown),
        Block::Subheading(text) => format!("### {}", markdown(text)),
        Block::Paragraph(text) => markdown(text),
        Block::Illustration(shown) => illustration(shown, figure_path),
        Block::Table(table) => table.to_markdown().trim_end().to_owned(),
        Block::Warning(text) => format!("> [!WARNING]\n> {}", markdown(text)),
        Block::Code(text) | Block::Command(text) => code(text),
        Block::Facts(pairs) => facts(pairs),
        Block::Sounds(recordings) => sounds(recordings),
        Block::Details { summary, blocks } => details(summary, blocks, figure_path),
    }
}

/// What there is to hear; Markdown cannot play it.
fn sounds(recordings: &[Recording]) -> String {
    let captions: Vec<String> = recordings
        .iter()
        .map(|recording| format!("- {}", markdown(&recording.caption)))
        .collect();
    format!("To be heard on the HTML page:\n\n{}", captions.join("\n"))
}

/// The headline in bold, and the key figures as a list.
fn verdict(shown: &Verdict) -> String {
    let headline = match shown.headline.trim() {
        "" => String::new(),
        headline => format!("**{}**", markdown(headline)),
    };
    let figures = shown
        .figures
        .iter()
        .map(key_figure)
        .collect::<Vec<_>>()
        .join("\n");
    let parts = [headline, markdown(&shown.text), figures];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("\n\n")
}

fn key_figure(figure: &KeyFigure) -> String {
    let unit = figure
        .shown_unit()
        .map(|unit| format!(" {unit}"))
        .unwrap_or_default();
    let name = if figure.name.is_empty() {
        String::new()
    } else {
        format!("{}: ", figure.name)
    };
    let number = format!(
        "- **{}**",
        markdown(&format!("{name}{}{unit}", figure.number()))
    );
    let rest = [figure.bracket().unwrap_or_default(), figure.reading.clone()];
    let rest = rest
        .iter()
        .filter(|text| !text.is_empty())
        .map(|text| format!(" {}", markdown(text)));
    number + &rest.collect::<String>()
}

fn illustration(shown: &Illustration, figure_path: &dyn Fn(&str) -> String) -> String {
    let mut parts = vec![format!(
        "![{}]({})",
        markdown(&shown.alt),
        destination(&figure_path(&shown.id))
    )];
    parts.extend(
        Some(shown.caption.trim())
            .filter(|text| !text.is_empty())
            .map(|text| format!("*{}*", markdown(text))),
    );
    parts.extend(
        shown
            .drawing
            .spoken()
            .iter()
            .map(|table| table.to_markdown().trim_end().to_owned()),
    );
    parts.join("\n\n")
}

/// The path as the target of a link, without characters that would end it.
fn destination(path: &str) -> String {
    let mut safe = String::with_capacity(path.len());
    for character in path.chars() {
        match character {
            ' ' | '(' | ')' | '<' | '>' | '\\' | '"' => {
                safe.push_str(&format!("%{:02X}", character as u32))
            }
            _ if character.is_control() => {}
            _ => safe.push(character),
        }
    }
    safe
}

/// The text between fences that are longer than any in it.
fn code(text: &str) -> String {
    let longest = text
        .split(|letter| letter != '`')
        .map(str::len)
        .max()
        .unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}\n{}\n{fence}", text.trim_end_matches('\n'))
}

fn facts(pairs: &[(String, String)]) -> String {
    let lines = pairs
        .iter()
        .map(|(name, value)| format!("- **{}**: {}", markdown(name), markdown(value)));
    lines.collect::<Vec<_>>().join("\n")
}

fn details(summary: &str, blocks: &[Block], figure_path: &dyn Fn(&str) -> String) -> String {
    let inside: Vec<String> = blocks
        .iter()
        .map(|shown| block(shown, figure_path))
        .collect();
    let summary = escape::xml(summary);
    format!(
        "<details>\n<summary>{summary}</summary>\n\n{}\n\n</details>",
        inside.join("\n\n")
    )
}
