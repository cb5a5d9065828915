//! Charts and grids of images, as SVG and PNG.
//!
//! This crate draws what it is given and computes nothing: no mean, no smoothing, no choice of what
//! to show. Values that cannot be drawn are counted in a note. The same input gives the same bytes
//! on every machine: the font is part of the program.
//!
//! In the workspace, `zbridge-report` puts these drawings on pages, and `zbridge` makes them from
//! results. This crate depends on no other crate of the workspace.
//!
//! | drawing | type |
//! |---|---|
//! | charts side by side | [`Figure`] of [`Panel`]s |
//! | lines with bands | [`LineChart`] of [`Series`] |
//! | points in a plane | [`Scatter`] of [`Group`]s |
//! | counts, and the band in which they should be | [`Histogram`] of [`Bin`]s, [`ExpectedBand`] |
//! | accuracy over confidence | [`ReliabilityDiagram`] of [`ConfidenceBin`]s |
//! | estimates with intervals (a forest plot) | [`IntervalPlot`] of [`IntervalRow`]s |
//! | small images in rows and columns | [`ImageGrid`] of [`Tile`]s |
//! | grids of images side by side | [`Gallery`] |
//! | generated images above their nearest training images | [`ImageGrid::of_neighbours`] |
//!
//! ```
//! use zbridge_plot::{Figure, LineChart, Scale, Series};
//!
//! let points = vec![(0.0, 80.0), (1000.0, 9.0), (2000.0, 7.5)];
//! let chart = LineChart {
//!     title: "Objective".into(),
//!     x_label: "step".into(),
//!     y_label: "KL in nats".into(),
//!     series: vec![Series::new("N = 256", points)],
//!     y_scale: Scale::Log,
//!     ..LineChart::default()
//! };
//! let figure = Figure::from(chart);
//! assert!(figure.to_svg().starts_with("<svg"));
//! assert_eq!(&figure.to_png(2.0)?[1..4], b"PNG");
//! # Ok::<(), zbridge_plot::PlotError>(())
//! ```
//!
//! # How it is built
//! A figure is laid out once and drawn on a canvas. There are two: an SVG document, and pixels that
//! tiny-skia fills. Charts know neither: they draw paths, markers and text in pixels of the SVG,
//! and name a colour by its use.
#![forbid(unsafe_code)]

pub mod number_text;

mod axis;
mod canvas;
mod chart;
mod colour;
mod error;
mod figure;
mod font;
mod gallery;
mod geometry;
mod histogram;
mod image_grid;
mod interval_plot;
mod layout;
mod legend;
mod line_chart;
mod linear_ticks;
mod log_ticks;
mod marker;
mod neighbours;
mod panel;
mod panel_plot;
mod path;
mod pixels;
mod raster;
mod reference;
mod reliability;
mod scale;
mod scatter;
mod style;
mod svg;
mod tick;
mod tile;

pub use colour::{DARK_PALETTE, LIGHT_PALETTE, Theme};
pub use error::PlotError;
pub use figure::Figure;
pub use gallery::Gallery;
pub use histogram::{Bin, ExpectedBand, Histogram};
pub use image_grid::{ColumnCaption, ImageGrid};
pub use interval_plot::{IntervalPlot, IntervalRow};
pub use line_chart::{BandPoint, LineChart, Series};
pub use neighbours::Neighbour;
pub use panel::Panel;
pub use reference::Reference;
pub use reliability::{ConfidenceBin, ReliabilityDiagram};
pub use scale::Scale;
pub use scatter::{Group, Scatter};
pub use tile::Tile;
