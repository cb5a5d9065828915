//! A network on all cores: each core takes batches of its own and computes them alone. Splitting
//! every operator over the cores instead is slower, since most operators of such networks are
//! small.

use rten::ThreadPool;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

/// Returns pools of one thread each, one for each core.
fn pools() -> &'static [Arc<ThreadPool>] {
    static POOLS: OnceLock<Vec<Arc<ThreadPool>>> = OnceLock::new();
    POOLS.get_or_init(|| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let pool = |_| Arc::new(ThreadPool::with_num_threads(1));
        (0..cores).map(pool).collect()
    })
}

/// Returns the results of `work` on each index below `items`, in order of the index; the first
/// error if there is one.
///
/// The calling thread waits outside of any pool: a thread of rayon's that waited within one would
/// take up other work meanwhile, which may be another call of this function, and so on until its
/// stack ends.
pub(super) fn map<T: Send, E: Send>(
    items: usize,
    work: impl Fn(usize, &Arc<ThreadPool>) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    // One queue for all cores: some batches take longer than others.
    let queue = Queue::new(items);
    let pools = pools();
    let first = first_pool();
    thread::scope(|scope| {
        for worker in 0..pools.len().min(items) {
            let pool = &pools[(first + worker) % pools.len()];
            let (queue, work) = (&queue, &work);
            scope.spawn(move || pool.run(|| queue.process(|item| work(item, pool))));
        }
    });
    queue.into_results()
}

/// Callers that have one batch each shall not all ask for the same core.
fn first_pool() -> usize {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed)
}

/// Indices that are still to be worked on, and the results so far, shared by all workers.
struct Queue<T, E> {
    items: usize,
    next: AtomicUsize,
    results: Mutex<Vec<(usize, Result<T, E>)>>,
}

impl<T, E> Queue<T, E> {
    fn new(items: usize) -> Self {
        Self {
            items,
            next: AtomicUsize::new(0),
            results: Mutex::new(Vec::with_capacity(items)),
        }
    }

    /// Works until nothing is left, or until an error, which ends the work of all.
    fn process(&self, work: impl Fn(usize) -> Result<T, E>) {
        loop {
            let item = self.next.fetch_add(1, Ordering::Relaxed);
            if item >= self.items {
                return;
            }
            let result = work(item);
            if result.is_err() {
                self.next.store(self.items, Ordering::Relaxed);
            }
            // A panic in `work` happens outside of the lock, so what it guards is whole.
            let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
            results.push((item, result));
        }
    }

    fn into_results(self) -> Result<Vec<T>, E> {
        let results = self.results.into_inner();
        let mut results = results.unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(item, _)| *item);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order_and_errors_are_returned() {
        let squares = map(100, |i, _| Ok::<_, ()>(i * i)).unwrap();
        let expected: Vec<usize> = (0..100).map(|i| i * i).collect();
        assert_eq!(squares, expected);
        assert_eq!(map(100, |i, _| if i == 7 { Err(i) } else { Ok(i) }), Err(7));
    }
}
