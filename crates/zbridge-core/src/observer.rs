use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How far a stage of a long computation is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a> {
    /// Name of the stage, in plain words: `fitting x → y`.
    pub stage: &'a str,
    /// Units of work that are done: steps, rows, bytes.
    pub done: u64,
    /// Units of work of the whole stage; 0 if that is not known.
    pub total: u64,
    /// Units that were done before this run, by one that was interrupted.
    pub done_before: u64,
    /// Time since the stage began.
    pub elapsed: Duration,
}

impl Progress<'_> {
    /// Returns the time that the rest of the stage takes at the speed so far; `None` before the
    /// first unit is done, or if the total is not known.
    pub fn time_left(&self) -> Option<Duration> {
        let done_now = self.done.saturating_sub(self.done_before);
        // A total of 0 is an unknown one, and is below `done` as soon as anything is.
        if done_now == 0 || self.total < self.done {
            return None;
        }
        let left = (self.total - self.done) as f64 / done_now as f64;
        Some(self.elapsed.mul_f64(left))
    }
}

/// Is called during long computations with their progress, and can stop them.
///
/// The threads of a computation share the observer. It is called often (at least every few hundred
/// milliseconds), and must return quickly. A function of a [`Progress`] is an observer.
///
/// ```
/// use std::ops::ControlFlow;
/// use zbridge_core::{Observer, Progress, Stage};
///
/// let stop_after_three = |progress: &Progress| match progress.done {
///     0..3 => ControlFlow::Continue(()),
///     _ => ControlFlow::Break(()),
/// };
/// let stage = Stage::new(&stop_after_three, "counting", 10);
/// let counted = (0..10).take_while(|_| stage.advance(1).is_ok()).count();
/// assert_eq!(counted, 2);
/// ```
pub trait Observer: Sync {
    /// Is called with the progress of a stage; `ControlFlow::Break` stops the computation.
    fn progress(&self, progress: &Progress<'_>) -> ControlFlow<()>;

    /// Is called with a figure of a training at a step: an objective, a learning rate, a held-out
    /// likelihood. Does nothing by default.
    fn figure(&self, _name: &str, _step: u64, _value: f64) {}
}

impl<F: Fn(&Progress<'_>) -> ControlFlow<()> + Sync> Observer for F {
    fn progress(&self, progress: &Progress<'_>) -> ControlFlow<()> {
        self(progress)
    }
}

/// An observer that does nothing and never stops a computation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn progress(&self, _: &Progress<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// The observer stopped the computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// A stage of a computation that reports to an [`Observer`]; threads share it.
pub struct Stage<'o> {
    observer: &'o dyn Observer,
    name: String,
    total: u64,
    done_before: u64,
    done: AtomicU64,
    begin: Instant,
}

impl<'o> Stage<'o> {
    /// Begins a stage of `total` units of work; 0 if that is not known.
    pub fn new(observer: &'o dyn Observer, name: impl Into<String>, total: u64) -> Self {
        Self::resumed(observer, name, 0, total)
    }

    /// Begins a stage of which `done` units were done by an earlier run.
    pub fn resumed(
        observer: &'o dyn Observer,
        name: impl Into<String>,
        done: u64,
        total: u64,
    ) -> Self {
        Self {
            observer,
            name: name.into(),
            total,
            done_before: done,
            done: AtomicU64::new(done),
            begin: Instant::now(),
        }
    }

    /// Adds `units` of done work, and reports.
    ///
    /// # Errors
    /// [`Interrupted`] if the observer stops the computation.
    pub fn advance(&self, units: u64) -> Result<(), Interrupted> {
        // The count alone is shared, no data is published with it: relaxed order suffices.
        let done = self.done.fetch_add(units, Ordering::Relaxed) + units;
        let progress = Progress {
            stage: &self.name,
            done,
            total: self.total,
            done_before: self.done_before,
            elapsed: self.begin.elapsed(),
        };
        match self.observer.progress(&progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Interrupted),
        }
    }

    /// Reports without new work: for a check between two units that take long.
    ///
    /// # Errors
    /// [`Interrupted`] if the observer stops the computation.
    pub fn check(&self) -> Result<(), Interrupted> {
        self.advance(0)
    }

    /// Passes a figure of a training at a step to the observer.
    pub fn figure(&self, name: &str, step: u64, value: f64) {
        self.observer.figure(name, step, value);
    }
}

impl std::fmt::Debug for Stage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage")
            .field("name", &self.name)
            .field("done", &self.done)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_follows_the_speed_of_this_run() {
        let progress = Progress {
            stage: "fitting",
            done: 60,
            total: 100,
            done_before: 50,
            elapsed: Duration::from_secs(5),
        };
        assert_eq!(progress.time_left(), Some(Duration::from_secs(20)));
        assert_eq!(
            Progress {
                done: 50,
                ..progress
            }
            .time_left(),
            None
        );
        assert_eq!(
            Progress {
                total: 0,
                ..progress
            }
            .time_left(),
            None
        );
    }

    #[test]
    fn an_observer_stops_a_stage() {
        let stop = |progress: &Progress<'_>| match progress.done {
            0..5 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        };
        let stage = Stage::resumed(&stop, "fitting", 3, 10);
        assert_eq!(stage.check(), Ok(()));
        assert_eq!(stage.advance(1), Ok(()));
        assert_eq!(stage.advance(1), Err(Interrupted));
        assert_eq!(Stage::new(&Unobserved, "x", 1).advance(7), Ok(()));
    }
}
