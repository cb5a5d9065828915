//! Results of long work, kept in a folder as they come, so that an interrupted run goes on where it
//! was.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;
use zbridge_report::write_atomically;
use zbridge_tasks::Error;

/// What an earlier run left at `path` under the same settings, or else what `measure` finds, which
/// is left there.
///
/// # Errors
/// Those of `measure`, and of writing.
pub(crate) fn remembered_or<T: Serialize + DeserializeOwned>(
    path: &Path,
    settings: &impl Serialize,
    measure: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let settings = serde_json::to_value(settings).unwrap_or_default();
    let stored = std::fs::read(path)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<(Value, T)>(&bytes).ok());
    if let Some((_, point)) = stored.filter(|(of, _)| *of == settings) {
        return Ok(point);
    }
    let point = measure()?;
    let text = serde_json::to_string_pretty(&(settings, &point)).unwrap_or_default();
    write_atomically(path, text.as_bytes())?;
    Ok(point)
}
