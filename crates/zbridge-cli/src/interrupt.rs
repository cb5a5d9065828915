//! Ctrl-C: the first asks the work to stop cleanly, the second ends the process.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use zbridge_tasks::Failure;
use zbridge_tasks::training::Verdict;

/// Whether the user wants the work to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes Ctrl-C over from now on.
    pub fn listen() -> Self {
        let interrupt = Self::default();
        let flag = interrupt.clone();
        // Where no handler can be installed, Ctrl-C keeps its usual effect.
        let _ = ctrlc::set_handler(move || {
            if flag.0.swap(true, Ordering::Relaxed) {
                std::process::exit(Failure::Interrupted.exit_code().into());
            }
            let _ = writeln!(
                std::io::stderr(),
                "\nstopping after this step; press Ctrl-C again to stop at once"
            );
        });
        interrupt
    }

    /// Whether Ctrl-C was pressed.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The same as an observer's answer.
    pub fn verdict(&self) -> Verdict {
        if self.requested() {
            Verdict::Stop
        } else {
            Verdict::Continue
        }
    }
}
