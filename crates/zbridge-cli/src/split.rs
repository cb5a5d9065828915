//! Parts of a dataset as they are typed.

use clap::ValueEnum;
use zbridge_datasets::Split;

/// A part of a dataset.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SplitName {
    /// The part to train on.
    Train,
    /// The part to test on.
    Test,
}

impl From<SplitName> for Split {
    fn from(name: SplitName) -> Self {
        match name {
            SplitName::Train => Self::Train,
            SplitName::Test => Self::Test,
        }
    }
}
