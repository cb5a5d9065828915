use super::NamedArrays;
use crate::array::{ArrayHeader, Elements};
use crate::npy::NpyArray;
use crate::{FileError, FormatError};

/// The one array of an `.npy` file.
pub(super) struct NpyFile<'a> {
    array: NpyArray<'a>,
    header: ArrayHeader,
}

impl<'a> NpyFile<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let array = NpyArray::parse(bytes)?;
        let header = array.header();
        Ok(Self { array, header })
    }
}

impl NamedArrays for NpyFile<'_> {
    fn headers(&self) -> &[ArrayHeader] {
        std::slice::from_ref(&self.header)
    }

    fn load(&self, _index: usize) -> Result<Elements<'_>, FileError> {
        Ok(self.array.elements())
    }
}
