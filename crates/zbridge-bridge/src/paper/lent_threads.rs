//! Two fits on two threads that lend each other time.
//!
//! The matrix products of a fit are offered to all threads. The two directions cost unequally much:
//! latents of 64 dimensions have larger networks than those of 2. So the thread of the cheaper
//! direction computes parts of the products of the other one, between its own steps and after its
//! last one. None of this changes a result: a product is the same on any number of threads.

use crate::{Direction, Directions};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Returns what `fit` returns for the two directions, which run at the same time.
pub(super) fn join<T: Send>(fit: impl Fn(Direction) -> T + Sync) -> Directions<T> {
    let begun = AtomicUsize::new(0);
    Directions::from_fn(|_| ()).join(|direction, ()| {
        wait_for_both(&begun);
        let fitted = fit(direction);
        lend_until_idle();
        fitted
    })
}

/// Computes a part of a product that waits for a thread, if there is one.
pub(super) fn lend() {
    rayon::yield_now();
}

/// Waits a moment until the other direction has begun on another thread. A thread that lends time
/// before that would be given the whole other fit, and do it between two steps of its own.
fn wait_for_both(begun: &AtomicUsize) {
    const PATIENCE: Duration = Duration::from_millis(2);
    begun.fetch_add(1, Ordering::Relaxed);
    let start = Instant::now();
    while rayon::current_num_threads() > 1
        && begun.load(Ordering::Relaxed) < 2
        && start.elapsed() < PATIENCE
    {
        std::hint::spin_loop();
    }
}

/// Computes parts of products until none has been offered for a while. A thread that slept between
/// two of them would wake too late for the next.
fn lend_until_idle() {
    const PATIENCE: Duration = Duration::from_micros(200);
    let mut last = Instant::now();
    while last.elapsed() < PATIENCE {
        match rayon::yield_now() {
            Some(rayon::Yield::Executed) => last = Instant::now(),
            _ => std::hint::spin_loop(),
        }
    }
}
