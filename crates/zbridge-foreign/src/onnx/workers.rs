//! A network on all cores: each core takes batches of its own and computes them alone. Splitting
//! every operator over the cores instead is slower, since most operators of such networks are
//! small.

use rten::ThreadPool;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

/// Pools of one thread each, one for each core.
fn pools() -> &'static [Arc<ThreadPool>] {
    static POOLS: OnceLock<Vec<Arc<ThreadPool>>> = OnceLock::new();
    POOLS.get_or_init(|| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        (0..cores)
            .map(|_| Arc::new(ThreadPool::with_num_threads(1)))
            .collect()
    })
}

/// `work` on each index below `items`, in order of the index; the first error where there is one.
///
/// The calling thread waits outside of any pool: a thread of rayon's that waited within one would
/// take up other work meanwhile, which may be another call of this function, and so on until its
/// stack ends.
pub(super) fn map<T: Send, E: Send>(
    items: usize,
    work: impl Fn(usize, &Arc<ThreadPool>) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    static FIRST: AtomicUsize = AtomicUsize::new(0);
    let (pools, next, results) = (
        pools(),
        AtomicUsize::new(0),
        Mutex::new(Vec::with_capacity(items)),
    );
    let run = |pool: &Arc<ThreadPool>| {
        loop {
            let item = next.fetch_add(1, Ordering::Relaxed);
            if item >= items {
                return;
            }
            let result = work(item, pool);
            if result.is_err() {
                next.store(items, Ordering::Relaxed);
            }
            results
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .push((item, result));
        }
    };
    // Callers that have one batch each shall not all ask for the same core.
    let first = FIRST.fetch_add(1, Ordering::Relaxed);
    thread::scope(|scope| {
        for worker in 0..pools.len().min(items) {
            let (pool, run) = (&pools[(first + worker) % pools.len()], &run);
            scope.spawn(move || pool.run(|| run(pool)));
        }
    });
    let mut results = results
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    results.sort_by_key(|(item, _)| *item);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_errors_come_through() {
        let squares = map(100, |i, _| Ok::<_, ()>(i * i)).unwrap();
        assert!(
            squares
                .iter()
                .enumerate()
                .all(|(i, &square)| square == i * i)
        );
        assert_eq!(map(100, |i, _| if i == 7 { Err(i) } else { Ok(i) }), Err(7));
    }
}
