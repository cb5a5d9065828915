use serde::Serialize;
use std::fmt;

/// A property of a model that its files do not state and that was inferred from its graphs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Guess {
    /// The key of `model.toml` that states it.
    pub what: String,
    /// The value that is assumed, as `model.toml` would write it.
    pub value: String,
    /// The evidence for it.
    pub why: String,
}

impl Guess {
    pub(crate) fn new(what: &str, value: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            value: value.into(),
            why: why.into(),
        }
    }
}

impl fmt::Display for Guess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: {}", self.what, self.value, self.why)
    }
}
