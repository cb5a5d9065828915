//! What the engine says when it fails, and what to do then.

use crate::ForeignError;
use rten::{LoadError, LoadErrorKind};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

pub(super) fn load_error(path: &Path, error: &LoadError) -> ForeignError {
    let reason = error.to_string();
    match (error.kind(), refused_operator(&reason)) {
        (LoadErrorKind::OperatorInvalid, Some((operator, why))) => ForeignError::Operator {
            path: path.into(),
            node: error.node().unwrap_or_default().into(),
            operator: operator.into(),
            remedy: remedy(operator, why),
        },
        // Weights that are too short for their shapes, in the file or beside it.
        (LoadErrorKind::ParseError | LoadErrorKind::ExternalDataError, _) => {
            ForeignError::damaged(path, "its tensors", reason)
        }
        _ => ForeignError::engine(path, "while it was opened", reason),
    }
}

/// Returns the operator in the engine's message, and what the message says about it: the engine has
/// them in its text only.
fn refused_operator(message: &str) -> Option<(&str, &str)> {
    let (_, rest) = message.split_once("operator error: ")?;
    rest.split_once(" operator ")
}

fn remedy(operator: &str, why: &str) -> &'static str {
    let is_random = operator.starts_with("Random") || operator == "Multinomial";
    if is_random || operator == "Dropout" {
        "export the network without its draws, with the mean and the log-variance as outputs, \
         after `model.eval()`"
    } else if why.contains("opset version") {
        "this version of it is too old: export with `opset_version=17` or later"
    } else {
        "write it with other operators before exporting, or encode to a latents file where the \
         model was trained"
    }
}

/// Returns what `work` returns; as an error, the message of a panic in it. The engine panics on
/// some graphs that it should refuse; nothing of it is used after that.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| panic_message(&*panic))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let owned = || panic.downcast_ref::<String>().map(String::as_str);
    let text = panic.downcast_ref::<&str>().copied().or_else(owned);
    format!(
        "the engine stopped: {}",
        text.unwrap_or("it did not say why")
    )
}
