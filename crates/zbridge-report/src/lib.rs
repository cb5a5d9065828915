//! Tables, pages and TensorBoard event files.
//!
//! A page is a report to read from top to bottom, as one HTML file or as Markdown. This crate
//! writes what it is given: it knows no model and computes no number.
//!
//! In the workspace it is between `zbridge-plot`, which makes the drawings, and `zbridge`, which
//! fills pages with results. It takes from `zbridge-core` only how a file is replaced.
//!
//! | what | type |
//! |---|---|
//! | a page | [`Page`] of [`Section`]s of [`Block`]s |
//! | what a report comes to | [`Verdict`] with [`KeyFigure`]s |
//! | a table for Markdown, HTML, CSV and the terminal | [`Table`] of [`Cell`]s |
//! | the numbers of a chart as tables | [`Table::of_figure`] |
//! | a file that is complete or absent | [`write_atomically`] |
//! | curves that TensorBoard shows while they grow | [`EventFile`] |
//!
//! An HTML page needs nothing from outside and runs nothing: no script, font or picture is loaded.
//! It follows the reader's choice of light or dark, fits a phone, and prints each section on a page
//! of its own. A first section with a [`Verdict`] or without a heading comes before the list of
//! contents, which a page with more than four other sections has. Below each chart and table the
//! numbers are folded away as CSV in full precision.
//!
//! ```
//! use zbridge_plot::{Figure, LineChart, Series};
//! use zbridge_report::{Cell, Column, Page, Section, Table, write_atomically};
//!
//! let points = vec![(0.0, 80.0), (1000.0, 9.0), (2000.0, 7.5)];
//! let objective = LineChart {
//!     x_label: "step".into(),
//!     y_label: "KL in nats".into(),
//!     series: vec![Series::new("N = 256", points)],
//!     ..LineChart::default()
//! };
//! let table = Table {
//!     caption: "Accuracy from image to label".into(),
//!     columns: vec![Column::words("bridge"), Column::numbers("accuracy")],
//!     rows: vec![vec![Cell::text("N = 256"), Cell::estimate(0.715, 0.005, 3)]],
//! };
//! let result = Section::new("Result")
//!     .illustration("figure-1", "The objective.", "A falling line.", Figure::from(objective))
//!     .table(table);
//! let page = Page { title: "A small bridge".into(), sections: vec![result] };
//! let folder = tempfile::tempdir()?;
//! write_atomically(&folder.path().join("report.html"), page.to_html()?.as_bytes())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod atomic_file;
mod cell;
mod error;
mod event_file;
mod figure_tables;
mod html;
mod illustration;
mod markdown;
mod markdown_escape;
mod page;
mod section;
mod table;
mod table_csv;
mod table_text;
mod verdict;

pub use atomic_file::write_atomically;
pub use cell::Cell;
pub use error::ReportError;
pub use event_file::EventFile;
pub use illustration::{Drawing, Illustration};
pub use page::Page;
pub use section::{Block, Recording, Section};
pub use table::{Align, Column, Table};
pub use verdict::{KeyFigure, Verdict};
