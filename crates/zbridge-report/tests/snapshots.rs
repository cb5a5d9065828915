//! A small page as HTML and Markdown, as it was when it was last checked by eye.
//!
//! `INSTA_UPDATE=always cargo test -p zbridge-report --test snapshots` writes both again.
#![allow(clippy::unwrap_used)]

use zbridge_plot::{Figure, Histogram};
use zbridge_report::{Block, Cell, Column, KeyFigure, Page, Recording, Section, Table, Verdict};

/// Text that must not become markup.
const MARKUP: &str = "<b>bold</b> & \"quoted\" *stars* \u{1b}[31m";

fn page() -> Page {
    let accuracy = KeyFigure::new("image → label", 97.25, 1)
        .with_unit("%")
        .with_interval(96.8, 97.5)
        .with_reading("of images get their label");
    let verdict = Verdict::new("The bridge works.")
        .with_text(MARKUP)
        .figure(accuracy)
        .figure(KeyFigure::new("log p(x)", f64::NAN, 1).with_unit("nats"));
    let table = Table {
        caption: "Table 1. Accuracy".into(),
        columns: vec![
            Column::words("model"),
            Column::numbers("accuracy").with_unit("%"),
        ],
        rows: vec![
            vec![Cell::text(MARKUP), Cell::interval(97.25, 96.8, 97.5, 1)],
            vec![Cell::text("no bridge"), Cell::missing()],
        ],
    };
    let counts = Figure::from(Histogram::of_equal_bins(0.0, 1.0, &[3, 5]));
    let sound = Recording {
        caption: "“seven”".into(),
        wav: b"RIFF".to_vec(),
    };
    let result = Section::new("Result")
        .table(table)
        .illustration("counts", "How many.", "Two bars.", counts)
        .with(Block::Sounds(vec![sound]))
        .details("Settings", vec![Block::Code(format!("a = 1\n{MARKUP}"))]);
    let origin = Section::new(MARKUP)
        .subheading("Origin")
        .command("zbridge report")
        .facts([("seed", "7")]);
    Page {
        title: MARKUP.into(),
        sections: vec![
            Section::new("").verdict(verdict).warning("One seed only."),
            result,
            origin,
        ],
    }
}

#[test]
fn a_page_as_html() {
    let html = page().to_html().unwrap();
    // The style sheet and the drawing have files and tests of their own.
    let html = without(&html, "<style>", "</style>");
    insta::assert_snapshot!(without(&html, "--width", "</svg>"));
}

#[test]
fn a_page_as_markdown() {
    insta::assert_snapshot!(page().to_markdown(|id| format!("figures/{id}.png")));
}

/// The text with an ellipsis between `start` and `end`.
fn without(text: &str, start: &str, end: &str) -> String {
    let (before, rest) = text.split_once(start).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    format!("{before}{start}…{end}{after}")
}
