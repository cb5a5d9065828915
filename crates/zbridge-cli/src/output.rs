//! Results on standard output: text for people, or one JSON object.

use serde::Serialize;
use std::io::{ErrorKind, Write};
use zbridge_tasks::Error;

/// How results are printed.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// One JSON object in place of text.
    pub json: bool,
}

impl Output {
    /// Prints `report`: as it is in JSON, or as `text` puts it.
    ///
    /// # Errors
    /// [`Error::Output`] when standard output cannot be written; a reader that has gone (`| head`)
    /// is no error.
    pub fn print<R: Serialize>(
        &self,
        report: &R,
        text: impl FnOnce(&R) -> String,
    ) -> Result<(), Error> {
        let printed = if self.json {
            as_json(report)?
        } else {
            text(report)
        };
        let mut stdout = std::io::stdout().lock();
        let written = writeln!(stdout, "{}", printed.trim_end()).and_then(|()| stdout.flush());
        written.or_else(|reason| match reason.kind() {
            ErrorKind::BrokenPipe => Ok(()),
            _ => Err(Error::Output { reason }),
        })
    }
}

fn as_json(report: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string_pretty(report).map_err(|error| Error::Output {
        reason: error.into(),
    })
}
