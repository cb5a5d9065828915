use super::ElementType;
use crate::printable;
use std::fmt;

/// What a file says of one of its arrays, before the elements are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArrayHeader {
    pub(crate) name: String,
    pub(crate) element_type: ElementType,
    pub(crate) shape: Vec<usize>,
}

impl ArrayHeader {
    /// Returns the number of elements of a row: of everything after the first axis.
    pub(crate) fn row_size(&self) -> usize {
        self.shape.iter().skip(1).product()
    }
}

/// The header as messages show it: `` `name` f32 [3, 2] ``.
impl fmt::Display for ArrayHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = printable(&self.name);
        write!(f, "`{name}` {} {:?}", self.element_type, self.shape)
    }
}
