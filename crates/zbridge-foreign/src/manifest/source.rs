use crate::ForeignError;
use std::path::{Path, PathBuf};

/// Where a manifest came from, for errors that name the line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    pub(super) fn new(path: &Path, text: &str) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }

    /// Returns the error that the text is no manifest.
    pub(super) fn syntax_error(&self, error: &toml::de::Error) -> ForeignError {
        let line = match error.span() {
            Some(span) => self.line_of_byte(span.start),
            None => 1,
        };
        self.error(line, error.message().into())
    }

    /// Returns the error that `key` of `section` (empty for the top) has a wrong value.
    pub(super) fn wrong_value(&self, section: &str, key: &str, why: &str) -> ForeignError {
        let place = match section {
            "" => format!("`{key}`"),
            _ => format!("`{key}` in [{section}]"),
        };
        self.error(self.line_of(section, key), format!("{place}: {why}"))
    }

    fn error(&self, line: usize, why: String) -> ForeignError {
        ForeignError::Manifest {
            path: self.path.clone(),
            line,
            why,
        }
    }

    /// Returns the line of a key; of its section, or 1, if there is no such key. This is exact
    /// enough for a text that was parsed without error.
    fn line_of(&self, section: &str, key: &str) -> usize {
        // Keys before the first header belong to no section.
        let (mut current, mut header) = ("", 1);
        for (line, text) in (1..).zip(self.text.lines()) {
            if let Some(name) = section_name(text) {
                current = name;
                if current == section {
                    header = line;
                }
            } else if current == section && key_name(text) == key {
                return line;
            }
        }
        header
    }

    /// Returns the line of a byte, from 1.
    fn line_of_byte(&self, byte: usize) -> usize {
        let before = self.text.bytes().take(byte);
        1 + before.filter(|&byte| byte == b'\n').count()
    }
}

/// Returns the name in a line `[name]`.
fn section_name(line: &str) -> Option<&str> {
    let rest = line.trim().strip_prefix('[')?;
    let (name, _) = rest.split_once(']').unwrap_or((rest, ""));
    Some(name.trim())
}

/// Returns the key in a line `key = value`.
fn key_name(line: &str) -> &str {
    let (key, _value) = line.split_once('=').unwrap_or((line, ""));
    key.trim()
}
