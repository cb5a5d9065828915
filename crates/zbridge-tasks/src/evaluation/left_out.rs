use serde::Serialize;
use std::fmt;

/// Figures that a report lacks, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The figures.
    pub figures: String,
    /// Why they are left out, and what would bring them in.
    pub reason: String,
}

impl LeftOut {
    pub(crate) fn new(figures: &str, reason: impl Into<String>) -> Self {
        Self {
            figures: figures.to_owned(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.figures, self.reason)
    }
}
