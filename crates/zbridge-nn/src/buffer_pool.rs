use crate::Tape;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tapes, workspaces or other buffers that are lent to one task at a time, so that each core
/// allocates them once.
///
/// ```
/// let pool = zbridge_nn::BufferPool::<Vec<f32>>::default();
/// let capacity = pool.with(|buffer| {
///     buffer.resize(100, 0.0);
///     buffer.capacity()
/// });
/// assert_eq!(pool.with(|buffer| buffer.capacity()), capacity);
/// ```
#[derive(Debug)]
pub struct BufferPool<T = Tape>(Mutex<Vec<T>>);

impl<T> Default for BufferPool<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Default> BufferPool<T> {
    /// Returns what `work` returns with a buffer that no other task has at the same time.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let free = self.free_buffers().pop();
        let mut buffer = free.unwrap_or_default();
        let result = work(&mut buffer);
        self.free_buffers().push(buffer);
        result
    }

    fn free_buffers(&self) -> MutexGuard<'_, Vec<T>> {
        // A task that panicked held no lock while it worked: the list is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
