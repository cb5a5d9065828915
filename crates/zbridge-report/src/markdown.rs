//! A page in Markdown, as GitHub reads it.

use maud::html;
use zbridge_plot::{Figure, Panel};

use crate::illustration::{Drawing, Illustration};
use crate::markdown_escape::markdown;
use crate::page::Page;
use crate::section::{Block, Recording};
use crate::table::Table;
use crate::verdict::{KeyFigure, Verdict};

/// The path of the picture for the id of an illustration.
type FigurePath<'a> = &'a dyn Fn(&str) -> String;

impl Page {
    /// The page in Markdown; `figure_path` returns the path of a picture for its illustration's id.
    pub fn to_markdown(&self, figure_path: impl Fn(&str) -> String) -> String {
        let mut parts = vec![format!("# {}", markdown(&self.title))];
        for section in &self.sections {
            if !section.heading.is_empty() {
                parts.push(format!("## {}", markdown(&section.heading)));
            }
            for block in &section.blocks {
                parts.push(block_markdown(block, &figure_path));
            }
        }
        parts.join("\n\n") + "\n"
    }
}

fn block_markdown(block: &Block, figure_path: FigurePath<'_>) -> String {
    match block {
        Block::Verdict(verdict) => verdict_markdown(verdict),
        Block::Subheading(text) => format!("### {}", markdown(text)),
        Block::Paragraph(text) => markdown(text),
        Block::Illustration(illustration) => illustration_markdown(illustration, figure_path),
        Block::Table(table) => table_markdown(table),
        Block::Warning(text) => format!("> [!WARNING]\n> {}", markdown(text)),
        Block::Code(text) | Block::Command(text) => code(text),
        Block::Facts(facts) => facts_markdown(facts),
        Block::Sounds(recordings) => sounds(recordings),
        Block::Details { summary, blocks } => details(summary, blocks, figure_path),
    }
}

/// The headline in bold, and the key figures as a list.
fn verdict_markdown(verdict: &Verdict) -> String {
    let headline = match verdict.headline.trim() {
        "" => String::new(),
        headline => format!("**{}**", markdown(headline)),
    };
    let figures: Vec<String> = verdict.figures.iter().map(key_figure).collect();
    // An empty part would leave three line ends in a row.
    let mut parts = vec![headline, markdown(&verdict.text), figures.join("\n")];
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

fn key_figure(figure: &KeyFigure) -> String {
    let mut number = figure.number();
    if !figure.name.is_empty() {
        number = format!("{}: {number}", figure.name);
    }
    if let Some(unit) = figure.shown_unit() {
        number = format!("{number} {unit}");
    }
    let mut text = format!("- **{}**", markdown(&number));
    for rest in [&figure.bracket().unwrap_or_default(), &figure.reading] {
        if !rest.is_empty() {
            text += &format!(" {}", markdown(rest));
        }
    }
    text
}

fn illustration_markdown(illustration: &Illustration, figure_path: FigurePath<'_>) -> String {
    let path = link_target(&figure_path(&illustration.id));
    let mut parts = vec![format!("![{}]({path})", markdown(&illustration.alt))];
    let caption = illustration.caption.trim();
    if !caption.is_empty() {
        parts.push(format!("*{}*", markdown(caption)));
    }
    // An HTML page has the numbers below the chart; Markdown has no place to fold them away.
    if let Drawing::Chart(figure) = &illustration.drawing {
        parts.extend(interval_tables(figure).iter().map(table_markdown));
    }
    parts.join("\n\n")
}

/// Tables of the interval plots in the figure, for readers of Markdown who cannot see it.
fn interval_tables(figure: &Figure) -> Vec<Table> {
    let mut tables = Vec::new();
    for panel in &figure.panels {
        if let Panel::Intervals(plot) = panel {
            tables.push(Table::of_intervals(plot));
        }
    }
    tables
}

fn table_markdown(table: &Table) -> String {
    table.to_markdown().trim_end().to_owned()
}

/// The path as the target of a link, without characters that would end it.
fn link_target(path: &str) -> String {
    let mut target = String::with_capacity(path.len());
    for character in path.chars() {
        match character {
            ' ' | '(' | ')' | '<' | '>' | '\\' | '"' => {
                target += &format!("%{:02X}", u32::from(character));
            }
            // A line end in a link target would end the link.
            _ if character.is_control() => {}
            _ => target.push(character),
        }
    }
    target
}

/// The text between fences that are longer than any run of backticks in it.
fn code(text: &str) -> String {
    let runs = text.split(|letter| letter != '`').map(str::len);
    // A fence ends at the first line with as many backticks.
    let longest = runs.max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}\n{}\n{fence}", text.trim_end_matches('\n'))
}

fn facts_markdown(facts: &[(String, String)]) -> String {
    let mut lines = Vec::new();
    for (name, value) in facts {
        lines.push(format!("- **{}**: {}", markdown(name), markdown(value)));
    }
    lines.join("\n")
}

/// The captions of sounds, which Markdown cannot play.
fn sounds(recordings: &[Recording]) -> String {
    let mut lines = vec!["To be heard on the HTML page:\n".to_owned()];
    for recording in recordings {
        lines.push(format!("- {}", markdown(&recording.caption)));
    }
    lines.join("\n")
}

/// GitHub reads Markdown inside HTML elements only between empty lines.
fn details(summary: &str, blocks: &[Block], figure_path: FigurePath<'_>) -> String {
    let summary = html! { summary { (summary) } }.into_string();
    let mut parts = vec![format!("<details>\n{summary}")];
    for block in blocks {
        parts.push(block_markdown(block, figure_path));
    }
    parts.push("</details>".to_owned());
    parts.join("\n\n")
}
