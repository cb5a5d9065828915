use super::array::{Elements, Header};
use super::contents::Arrays;
use super::npy_layout::NpyLayout;
use crate::DataError;
use std::path::Path;

/// What a bare array is taken for: one point of a latent space a row.
pub(super) const NAME: &str = "z";

/// The one array of an `.npy` file, which has no name of its own.
pub(super) struct NpyArray<'a> {
    layout: NpyLayout,
    data: &'a [u8],
    header: Header,
}

impl<'a> NpyArray<'a> {
    pub(super) fn open(path: &Path, bytes: &'a [u8]) -> Result<Self, DataError> {
        let layout = NpyLayout::parse(path, bytes)?;
        let data = bytes.get(layout.start..).unwrap_or_default();
        let expected = (layout.start as u64).saturating_add(layout.length as u64);
        let (header, found, path) = (layout.header(NAME), bytes.len() as u64, path.to_owned());
        match data.len().cmp(&layout.length) {
            std::cmp::Ordering::Less => Err(DataError::Truncated {
                path,
                expected,
                found,
            }),
            // What has no width here is listed, and not read.
            std::cmp::Ordering::Greater if header.element.width() > 0 => {
                Err(DataError::TrailingBytes { path, expected })
            }
            _ => Ok(Self {
                layout,
                data,
                header,
            }),
        }
    }
}

impl Arrays for NpyArray<'_> {
    fn headers(&self) -> &[Header] {
        std::slice::from_ref(&self.header)
    }

    fn load(&self, _index: usize) -> Result<Elements<'_>, DataError> {
        Ok(self.layout.elements(self.data.into()))
    }
}
