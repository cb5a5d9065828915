/// Why a pickle is not read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// It asks for this function or class.
    Refused(String),
    /// It breaks the rules of pickles, or has what no state dict has.
    Damaged(&'static str),
}

/// The result of one step of reading.
pub(super) type Step<T> = Result<T, Stop>;
