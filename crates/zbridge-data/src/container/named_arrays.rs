use crate::FileError;
use crate::array::{ArrayHeader, Elements};
use std::collections::BTreeMap;

/// Arrays with names, from a container of any kind.
pub(crate) trait NamedArrays {
    fn headers(&self) -> &[ArrayHeader];

    /// Returns the elements of `headers()[index]`, as many as its shape says.
    fn load(&self, index: usize) -> Result<Elements<'_>, FileError>;

    /// Returns the texts beside the arrays.
    fn metadata(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}
