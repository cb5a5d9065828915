use super::port::Port;

/// How many rows go through a network at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BatchSize {
    /// The number that the network was exported for: the last batch is filled up.
    Fixed(usize),
    /// Any number up to this one.
    UpTo(usize),
}

/// Rows that a network may ask for: one that was exported for more fails when it gets these.
const MOST_FIXED_ROWS: usize = 1 << 16;

/// Rows of a network without windows: many, so that its weights are read seldom.
const MOST_ROWS: usize = 128;

/// Numbers that go into and come out of a network with windows at once: few, so that what lies
/// between its layers stays in cache.
const MOST_WINDOW_NUMBERS: usize = 8192;

impl BatchSize {
    pub(super) fn of(input: &Port) -> Self {
        match input.fixed_batch() {
            Some(rows) => Self::Fixed(rows.clamp(1, MOST_FIXED_ROWS)),
            None => Self::UpTo(MOST_ROWS),
        }
    }

    /// Returns the size for a network with windows, whose rows have `numbers` inputs and outputs.
    pub(super) fn for_windows(self, numbers: usize) -> Self {
        match self {
            Self::Fixed(rows) => Self::Fixed(rows),
            // One row goes even if it is too large by itself.
            Self::UpTo(rows) => Self::UpTo((MOST_WINDOW_NUMBERS / numbers.max(1)).clamp(1, rows)),
        }
    }

    /// Returns the number of rows of all batches but the last.
    pub(super) fn rows(self) -> usize {
        match self {
            Self::Fixed(rows) | Self::UpTo(rows) => rows,
        }
    }

    /// Returns the number of rows, if the network takes no other.
    pub(super) fn fixed(self) -> Option<usize> {
        match self {
            Self::Fixed(rows) => Some(rows),
            Self::UpTo(_) => None,
        }
    }
}
