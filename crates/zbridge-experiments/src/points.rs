//! Results of long work that a folder keeps, so that an interrupted run continues where it was.

use crate::pages::write_json;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;
use zbridge_tasks::Error;

/// Returns the result that an earlier run with the same settings left at `path`; otherwise the
/// result of `measure`, which is then written there.
///
/// # Errors
/// Those of `measure`, and [`Error`] if the result cannot be written.
pub(crate) fn stored_or<T: Serialize + DeserializeOwned>(
    path: &Path,
    settings: &impl Serialize,
    measure: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let settings = serde_json::to_value(settings).map_err(|reason| Error::Json { reason })?;
    if let Some(point) = stored(path, &settings) {
        return Ok(point);
    }
    let point = measure()?;
    write_json(path, &(settings, &point))?;
    Ok(point)
}

/// Returns the result at `path`; `None` if there is no file, if it has other settings, or if it was
/// written by a version that stored something else. In all these cases it is measured again.
fn stored<T: DeserializeOwned>(path: &Path, settings: &Value) -> Option<T> {
    let bytes = std::fs::read(path).ok()?;
    let (stored_settings, point) = serde_json::from_slice::<(Value, T)>(&bytes).ok()?;
    (stored_settings == *settings).then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_taken_over_under_the_same_settings_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("point.json");
        let measured =
            |settings: u8, value: f64| stored_or(&path, &settings, || Ok(value)).unwrap();
        assert_eq!(measured(1, 0.5), 0.5);
        assert_eq!(measured(1, 0.7), 0.5);
        assert_eq!(measured(2, 0.7), 0.7);
        std::fs::write(&path, b"damaged").unwrap();
        assert_eq!(measured(2, 0.9), 0.9);
    }
}
