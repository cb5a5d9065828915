//! Tables, figures and pages of zbridge.
//!
//! This crate draws what it is given and computes nothing: no mean, no smoothing, no choice of what to show. What
//! cannot be drawn is said to be missing. The same input gives the same bytes on every machine; letters come from a
//! typeface inside the program, so pictures are legible where no font is installed.
//!
//! - [`LineChart`] and [`Scatter`], side by side in a [`Figure`], as SVG and PNG;
//! - a [`Grid`] of small images, as PNG and SVG;
//! - a [`Table`] for Markdown, HTML, CSV and the terminal;
//! - a [`Page`] of all of these, as one HTML file or as Markdown;
//! - [`write_atomically`], through which every file goes.
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
mod error;
mod escape;
mod figure;
mod grid;
mod histogram;
mod ink;
mod interval_plot;
mod legend;
mod marker;
mod page;
mod page_html;
mod page_markdown;
mod panel;
mod plot;
mod raster;
mod reference;
mod reliability;
mod svg;
mod table;
mod tile;
mod typeface;

pub use atomic_file::write_atomically;
pub use axis::Scale;
pub use cell::Cell;
pub use chart::{Group, LineChart, Scatter, Series};
pub use error::ReportError;
pub use figure::Figure;
pub use grid::{ColumnCaption, Grid};
pub use histogram::{Bin, ExpectedBand, Histogram};
pub use interval_plot::{IntervalPlot, IntervalRow};
pub use page::{Block, Drawing, Illustration, Page, Section};
pub use panel::Panel;
pub use reference::Reference;
pub use reliability::{ConfidenceBin, ReliabilityDiagram};
pub use table::{Align, Column, Table};
pub use tile::Tile;
