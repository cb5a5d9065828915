use std::sync::{Mutex, PoisonError};
use zbridge_nn::Tape;

/// Tapes that are lent out and come back, so that inference allocates its buffers once a core.
#[derive(Debug, Default)]
pub(crate) struct TapePool(Mutex<Vec<Tape>>);

impl TapePool {
    /// Runs `work` with a tape that nobody else has meanwhile.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Tape) -> R) -> R {
        let lent = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut tape = lent.unwrap_or_default();
        let result = work(&mut tape);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(tape);
        result
    }
}
