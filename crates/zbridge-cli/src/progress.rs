//! Progress on standard error: a bar on a terminal, plain lines elsewhere, nothing when quiet. No
//! colours at all.

use crate::interrupt::Interrupt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use zbridge_core::{Observer, Progress};

/// Steps of the bar: finer than any terminal is wide.
const STEPS: u64 = 1000;
const TEMPLATE: &str = "{prefix} {bar:24} {percent:>3}% {msg}";

/// Where progress is shown.
#[derive(Debug)]
pub enum ProgressDisplay {
    /// Nowhere.
    Quiet,
    /// Standard error, for a file or a pipe.
    Lines,
    /// Standard error, a terminal.
    Bar(ProgressBar),
}

impl ProgressDisplay {
    /// What standard error allows, or nothing when `quiet`.
    pub fn new(quiet: bool) -> Self {
        match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Self::Quiet,
            (false, false) => Self::Lines,
            (false, true) => Self::Bar(bar()),
        }
    }

    /// Moves the bar: `label ████ 45% detail`. Only on a terminal.
    pub fn show(&self, label: impl Into<String>, share: f64, detail: impl Into<String>) {
        if let Self::Bar(bar) = self {
            bar.set_prefix(label.into());
            bar.set_message(detail.into());
            bar.set_position((share.clamp(0.0, 1.0) * STEPS as f64) as u64);
        }
    }

    /// Returns an observer that shows each stage as a bar, or as lines, and stops the work once
    /// `interrupt` is requested.
    pub fn observer<'d>(&'d self, interrupt: &'d Interrupt) -> StageObserver<'d> {
        StageObserver {
            display: self,
            interrupt,
            last: Mutex::new(LastLine::default()),
        }
    }

    /// Prints a line that stays.
    pub fn line(&self, line: impl AsRef<str>) {
        match self {
            Self::Quiet => {}
            Self::Lines => writeln!(std::io::stderr(), "{}", line.as_ref()).unwrap_or(()),
            Self::Bar(bar) => bar.println(line),
        }
    }
}

/// Time between two lines about the same stage, where there is no terminal.
const LINES_EVERY: Duration = Duration::from_secs(10);

/// Shows the stages of a computation: how far each is, and how long it still takes.
pub struct StageObserver<'d> {
    display: &'d ProgressDisplay,
    interrupt: &'d Interrupt,
    last: Mutex<LastLine>,
}

/// The last line that was printed about a stage.
#[derive(Debug, Default)]
struct LastLine {
    stage: String,
    at: Option<Instant>,
}

impl Observer for StageObserver<'_> {
    fn progress(&self, progress: &Progress<'_>) -> ControlFlow<()> {
        match self.display {
            ProgressDisplay::Quiet => {}
            ProgressDisplay::Bar(_) => {
                let share = progress.done as f64 / progress.total.max(1) as f64;
                self.display
                    .show(progress.stage, share, time_left(progress));
            }
            ProgressDisplay::Lines => self.line(progress),
        }
        self.interrupt.flow()
    }
}

impl StageObserver<'_> {
    /// Returns `Break` once the user has asked the work to stop.
    pub fn interrupted(&self) -> ControlFlow<()> {
        self.interrupt.flow()
    }

    /// Prints a line when a stage begins, and every few seconds while it lasts.
    fn line(&self, progress: &Progress<'_>) {
        // A poisoned lock only means that another thread panicked while it printed.
        let Ok(mut last) = self.last.lock() else {
            return;
        };
        let is_new = last.stage != progress.stage;
        let is_due = last.at.is_none_or(|at| at.elapsed() >= LINES_EVERY);
        if !is_new && !is_due {
            return;
        }
        progress.stage.clone_into(&mut last.stage);
        last.at = Some(Instant::now());
        let share = match progress.total {
            0 => String::new(),
            total => format!("  {:.0} %", 100.0 * progress.done as f64 / total as f64),
        };
        self.display.line(format!(
            "{}{share}  {}",
            progress.stage,
            time_left(progress)
        ));
    }
}

/// Returns `2 min left`, or nothing while that is not known.
fn time_left(progress: &Progress<'_>) -> String {
    match progress.time_left() {
        Some(time) if progress.done < progress.total => format!("{} left", in_words(time)),
        _ => String::new(),
    }
}

impl Drop for ProgressDisplay {
    /// Takes the bar off the screen, so that results and errors stand alone.
    fn drop(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr_with_hz(10));
    let style =
        ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.progress_chars("█▉▊▋▌▍▎▏ "))
}

/// `40 s`, `12 min`, `1 h 20 min`.
pub fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..90 => format!("{seconds} s"),
        seconds @ 90..5400 => format!("{} min", (seconds + 30) / 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_one() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }

    #[test]
    fn times_are_in_words() {
        let words =
            [40, 89, 90, 725, 4800, 7260].map(|seconds| in_words(Duration::from_secs(seconds)));
        assert_eq!(
            words,
            ["40 s", "89 s", "2 min", "12 min", "80 min", "2 h 1 min"]
        );
    }
}
