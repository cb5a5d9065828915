use crate::Tape;
use std::sync::{Mutex, PoisonError};

/// Tapes, workspaces or other buffers that are lent out and come back, so that inference allocates
/// them once a core.
#[derive(Debug)]
pub struct BufferPool<T = Tape>(Mutex<Vec<T>>);

impl<T> Default for BufferPool<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Default> BufferPool<T> {
    /// What `work` gives with a buffer that nobody else has meanwhile.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let lent = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffer = lent.unwrap_or_default();
        let result = work(&mut buffer);
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(buffer);
        result
    }
}
