//! Two tasks on two cores that take parts of each other's large products.
//!
//! Products divide their work by [`rayon::join`]: half of it may be done by a core that looks for
//! work at that moment. A core that sleeps wakes too late for a product of some 10 µs. The two
//! functions here keep the cores awake, and are the only place of the workspace that does so.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Runs both tasks at the same time, each on a core of its own if there are two, and returns their
/// results.
///
/// The task that ends first helps with the products of the other one. The tasks must not wait for
/// each other.
pub fn run_side_by_side<A: Send, B: Send>(
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B + Send,
) -> (A, B) {
    let begun = AtomicUsize::new(0);
    rayon::join(
        || {
            wait_until_both_begin(&begun);
            let result = first();
            help_until_idle();
            result
        },
        || {
            wait_until_both_begin(&begun);
            let result = second();
            help_until_idle();
            result
        },
    )
}

/// Does a part of the products of the other task, if one is waiting; returns at once otherwise.
/// A task calls it between the steps of its own work.
pub fn help_other_task() {
    rayon::yield_now();
}

/// Waits a moment for the other task to begin on another core. If one task looked for parts of
/// products before, it would find the whole other task, and run it between two of its own steps.
fn wait_until_both_begin(begun: &AtomicUsize) {
    /// A core that other programs use may never come.
    const AT_MOST: Duration = Duration::from_millis(2);
    begun.fetch_add(1, Ordering::Relaxed);
    let start = Instant::now();
    // On one core the tasks run one after the other: the second would never come.
    while rayon::current_num_threads() > 1
        && begun.load(Ordering::Relaxed) < 2
        && start.elapsed() < AT_MOST
    {
        std::hint::spin_loop();
    }
}

/// Does parts of the products of the other task until none was found for a while.
fn help_until_idle() {
    /// Longer than the time between two products of a step.
    const IDLE: Duration = Duration::from_micros(200);
    let mut last = Instant::now();
    while last.elapsed() < IDLE {
        match rayon::yield_now() {
            // There was work; more may follow soon.
            Some(rayon::Yield::Executed) => last = Instant::now(),
            _ => std::hint::spin_loop(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tasks_run_on_any_number_of_cores() {
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let sum = |count: u64| (0..count).inspect(|_| help_other_task()).sum::<u64>();
            let results = pool.install(|| run_side_by_side(|| sum(100), || sum(1000)));
            assert_eq!(results, (4950, 499_500));
        }
    }
}
