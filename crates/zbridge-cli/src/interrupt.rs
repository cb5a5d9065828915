//! Ctrl-C: the first asks the work to stop cleanly, the second ends the process.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use zbridge_tasks::Failure;

/// Whether the user has asked the work to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Handles Ctrl-C from now on.
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

    /// Returns whether Ctrl-C was pressed.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns `Break` once Ctrl-C was pressed: the answer of an observer.
    pub fn flow(&self) -> ControlFlow<()> {
        if self.requested() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
