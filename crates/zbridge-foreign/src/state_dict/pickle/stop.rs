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

/// Values that a well-formed pickle has.
pub(super) trait OrDamaged<T> {
    /// Returns the value; as an error, that the pickle is damaged, and why.
    fn or_damaged(self, why: &'static str) -> Step<T>;
}

impl<T> OrDamaged<T> for Option<T> {
    fn or_damaged(self, why: &'static str) -> Step<T> {
        self.ok_or(Stop::Damaged(why))
    }
}
