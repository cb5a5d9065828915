//! Images in PNG files.

mod area_average;
mod event;
mod folder;
mod image;

pub use area_average::area_average;
pub use event::{read_png, read_png_folder};
pub use folder::PngFolder;
pub use image::PngImage;
