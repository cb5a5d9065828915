//! Parallel work on rows and blocks of rows, with progress.

use crate::EvalError;
use rayon::prelude::*;
use std::ops::Range;
use zbridge_core::{Interrupted, Stage};

/// Returns `work(row)` for each of `0..rows`, in the order of the rows. The rows are computed in
/// parallel, and each is one unit of progress.
///
/// # Errors
/// That of a row that failed; if several fail, one of them. [`EvalError::Interrupted`] if the
/// observer stops the stage.
pub(crate) fn each_row<T: Send>(
    rows: usize,
    stage: &Stage<'_>,
    work: impl Fn(usize) -> Result<T, EvalError> + Sync,
) -> Result<Vec<T>, EvalError> {
    let observed = |row| {
        let result = work(row)?;
        // After the work: what is reported as done is done.
        stage.advance(1)?;
        Ok(result)
    };
    (0..rows).into_par_iter().map(observed).collect()
}

/// Returns `work(block)` for blocks of at most `size` of the rows, in their order. The blocks are
/// computed in parallel, and each row is one unit of progress.
///
/// # Errors
/// [`Interrupted`] if the observer stops the stage.
pub(crate) fn each_block<T: Send>(
    rows: usize,
    size: usize,
    stage: &Stage<'_>,
    work: impl Fn(Range<usize>) -> T + Sync,
) -> Result<Vec<T>, Interrupted> {
    let observed = |block: Range<usize>| {
        let units = block.len() as u64;
        let result = work(block);
        stage.advance(units)?;
        Ok(result)
    };
    let blocks: Vec<_> = chunks(rows, size).collect();
    blocks.into_par_iter().map(observed).collect()
}

/// Returns `0..total` in ranges of at most `size`.
pub(crate) fn chunks(total: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..total)
        .step_by(size)
        .map(move |first| first..(first + size).min(total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::ControlFlow;
    use zbridge_core::{Progress, Unobserved};

    #[test]
    fn rows_and_blocks_keep_their_order() {
        let stage = Stage::new(&Unobserved, "counting", 10);
        let rows = each_row(10, &stage, |row| Ok(row * row)).unwrap();
        assert_eq!(rows, (0..10).map(|row| row * row).collect::<Vec<_>>());
        let blocks = each_block(10, 4, &stage, |block| block).unwrap();
        assert_eq!(blocks, [0..4, 4..8, 8..10]);
    }

    #[test]
    fn an_observer_stops_the_work() {
        let stop = |_: &Progress<'_>| ControlFlow::Break(());
        let stage = Stage::new(&stop, "counting", 10);
        assert_eq!(
            each_row(10, &stage, Ok),
            Err(EvalError::Interrupted(Interrupted))
        );
        assert_eq!(each_block(10, 4, &stage, |_| ()), Err(Interrupted));
    }
}
