//! Stages of one part of a long experiment, told apart from those of the other parts.

use std::ops::ControlFlow;
use zbridge_core::{Observer, Progress};

/// Passes progress on to an observer, with a label before the name of each stage:
/// `N = 256, seed 1: comparing families`.
pub(crate) struct LabelledStages<'o> {
    observer: &'o dyn Observer,
    label: String,
}

impl<'o> LabelledStages<'o> {
    /// Returns the observer of a part.
    pub(crate) fn new(observer: &'o dyn Observer, label: impl Into<String>) -> Self {
        let label = label.into();
        Self { observer, label }
    }
}

impl Observer for LabelledStages<'_> {
    fn progress(&self, progress: &Progress<'_>) -> ControlFlow<()> {
        let stage = format!("{}: {}", self.label, progress.stage);
        self.observer.progress(&Progress {
            stage: &stage,
            ..*progress
        })
    }

    fn figure(&self, name: &str, step: u64, value: f64) {
        self.observer.figure(name, step, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use zbridge_core::Stage;

    #[test]
    fn stages_have_the_label_of_their_part() {
        let told = Mutex::new(vec![]);
        let observer = |progress: &Progress<'_>| {
            told.lock().unwrap().push(progress.stage.to_owned());
            ControlFlow::Continue(())
        };
        let part = LabelledStages::new(&observer, "N = 256");
        Stage::new(&part, "fitting", 2).advance(1).unwrap();
        assert_eq!(told.into_inner().unwrap(), ["N = 256: fitting"]);
    }
}
