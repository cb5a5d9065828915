use crate::Error;
use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// A fit would refuse it.
    Fault,
    /// A fit would go through, and its result be doubtful.
    Warning,
    /// Worth knowing.
    Note,
}

/// Something that the doctor found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where: `x`, `y` or `pairs`.
    pub place: String,
    /// What, and why it matters.
    pub what: String,
    /// What to do; empty where there is nothing to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl Finding {
    pub(super) fn new(
        severity: Severity,
        place: &str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            place: place.into(),
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// Returns an error that stops a fit; its message says what to do, too.
    pub(super) fn fault(place: &str, fault: &Error) -> Self {
        Self::new(Severity::Fault, place, fault.to_string(), "")
    }

    /// Returns the finding in a sentence or two.
    pub fn in_words(&self) -> String {
        let remedy = if self.remedy.is_empty() {
            String::new()
        } else {
            format!("; {}", self.remedy)
        };
        format!("{}: {}{remedy}", self.place, self.what)
    }
}
