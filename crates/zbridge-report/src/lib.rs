//! Tables, figures and pages of zbridge.
//!
//! This crate draws what it is given and computes nothing: no mean, no smoothing, no choice of what
//! to show. What cannot be drawn is said to be missing. The same input gives the same bytes on
//! every machine; letters come from a typeface inside the program, so pictures are legible where no
//! font is installed.
//!
//! | what | type |
//! |---|---|
//! | a page, as one HTML file or as Markdown | [`Page`] of [`Section`]s of [`Block`]s |
//! | what it comes to | [`Verdict`] with [`KeyFigure`]s |
//! | charts side by side, as SVG and PNG | [`Figure`] of [`Panel`]s |
//! | lines with bands | [`LineChart`] of [`Series`] |
//! | points in a plane, before others | [`Scatter`] of [`Group`]s |
//! | counts, and the band in which they should end | [`Histogram`] of [`Bin`]s with an [`ExpectedBand`] |
//! | accuracy over confidence | [`ReliabilityDiagram`] of [`ConfidenceBin`]s |
//! | estimates with intervals below one another | [`IntervalPlot`] of [`IntervalRow`]s |
//! | small images in rows and columns, with captions | [`Grid`] of [`Tile`]s |
//! | grids side by side | [`Gallery`] |
//! | generated images above their nearest training images | [`Grid::of_neighbours`] |
//! | a table for Markdown, HTML, CSV and the terminal | [`Table`] of [`Cell`]s |
//! | a file that is whole or absent | [`write_atomically`] |
//! | curves that TensorBoard shows while they grow | [`EventFile`] |
//!
//! A page needs nothing from outside and runs nothing: no script, no font, no picture is loaded. It
//! follows the reader's choice of light or dark, fits a phone, and prints with a section a page. It
//! opens with the first section where that has a [`Verdict`] or no heading; a list of contents
//! follows where there are more than four others. Below each chart and table a fold holds the
//! numbers as CSV in full precision ([`Figure::data`], [`Table::to_csv`]).
//!
//! ```
//! use zbridge_report::{Cell, Column, LineChart, Page, Scale, Section, Series, Table};
//!
//! let objective = LineChart {
//!     title: "Objective".into(),
//!     x_label: "step".into(),
//!     y_label: "KL in nats".into(),
//!     series: vec![Series::new("N = 256", vec![(0.0, 80.0), (1000.0, 9.0), (2000.0, 7.5)])],
//!     y_scale: Scale::Log,
//!     ..LineChart::default()
//! };
//! let table = Table {
//!     caption: "Accuracy from image to label".into(),
//!     columns: vec![Column::words("bridge"), Column::numbers("accuracy")],
//!     rows: vec![vec![Cell::text("N = 256"), Cell::estimate(0.715, 0.005, 3)]],
//! };
//! let result = Section::new("Result")
//!     .illustration("figure-1", "The objective falls.", "A falling line.", zbridge_report::Figure::from(objective))
//!     .table(table);
//! let page = Page { title: "A small bridge".into(), sections: vec![result] };
//! let folder = tempfile::tempdir()?;
//! zbridge_report::write_atomically(&folder.path().join("report.html"), page.to_html()?.as_bytes())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod atomic_file;
mod axis;
mod cell;
mod chart;
mod chart_data;
mod csv_text;
mod download;
mod error;
mod escape;
mod event_file;
mod figure;
mod gallery;
mod grid;
mod histogram;
mod ink;
mod interval_plot;
mod layout;
mod legend;
mod marker;
mod neighbours;
mod page;
mod page_html;
mod page_markdown;
mod panel;
mod panel_axes;
mod plot;
mod raster;
mod reference;
mod reliability;
mod svg;
mod table;
mod tile;
mod typeface;
mod verdict;

pub use atomic_file::write_atomically;
pub use axis::Scale;
pub use cell::Cell;
pub use chart::{Group, LineChart, Scatter, Series};
pub use error::ReportError;
pub use event_file::EventFile;
pub use figure::Figure;
pub use gallery::Gallery;
pub use grid::{ColumnCaption, Grid};
pub use histogram::{Bin, ExpectedBand, Histogram};
pub use interval_plot::{IntervalPlot, IntervalRow};
pub use neighbours::Neighbour;
pub use page::{Block, Drawing, Illustration, Page, Recording, Section};
pub use panel::Panel;
pub use reference::Reference;
pub use reliability::{ConfidenceBin, ReliabilityDiagram};
pub use table::{Align, Column, Table};
pub use tile::Tile;
pub use verdict::{KeyFigure, Verdict};
