use std::sync::{Mutex, PoisonError};
use zbridge_nn::Tape;

/// Tapes, or other buffers, that are lent out and come back, so that inference allocates them once a core.
#[derive(Debug)]
pub(crate) struct TapePool<T = Tape>(Mutex<Vec<T>>);

impl<T> Default for TapePool<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Default> TapePool<T> {
    /// Runs `work` with a tape that nobody else has meanwhile.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let lent = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut tape = lent.unwrap_or_default();
        let result = work(&mut tape);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(tape);
        result
    }
}
