use serde::Serialize;
use std::fmt;

/// Something about a model that nobody said and that was read off its graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Guess {
    /// The key of `model.toml` that would say it.
    pub what: String,
    /// What is taken for true.
    pub value: String,
    /// What speaks for it.
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
