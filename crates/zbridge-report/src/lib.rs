#![forbid(unsafe_code)]
mod atomic_file;
mod axis;
mod chart;
mod error;
mod escape;
mod figure;
mod ink;
mod legend;
mod marker;
mod plot;
mod raster;
mod svg;
mod typeface;
pub use atomic_file::write_atomically;
pub use axis::Scale;
pub use chart::{Group, LineChart, Panel, Scatter, Series};
pub use error::ReportError;
pub use figure::Figure;
