//! Latents of the other side, drawn piece by piece.
//!
//! A piece is some outputs with a random stream of their own, named by the first of them. So
//! outputs do not depend on how many are made at once, on which core makes them, or on the shard
//! that they belong to.

use crate::Error;
use std::ops::Range;
use zbridge::translate;
use zbridge_bridge::Conditional;
use zbridge_core::{Latents, Posterior, RandomStream};

/// Outputs that share a random stream; those of a row that has more are cut.
const OUTPUTS: usize = 256;

/// How source rows with so many draws each fall into pieces.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pieces {
    draws: usize,
}

/// Some draws of some rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) rows: Range<usize>,
    pub(crate) draws: Range<usize>,
}

impl Pieces {
    pub(crate) fn new(draws: usize) -> Self {
        Self {
            draws: draws.max(1),
        }
    }

    /// Rows that are never torn apart.
    pub(crate) fn rows(self) -> usize {
        (OUTPUTS / self.draws).max(1)
    }

    /// Those of the rows in a range that begins where a piece does.
    pub(crate) fn of(self, rows: Range<usize>) -> impl Iterator<Item = Piece> {
        let (step, draws, end) = (self.rows(), self.draws, rows.end);
        rows.step_by(step).flat_map(move |first| {
            (0..draws).step_by(OUTPUTS).map(move |draw| Piece {
                rows: first..(first + step).min(end),
                draws: draw..(draw + OUTPUTS).min(draws),
            })
        })
    }
}

impl Piece {
    /// How many outputs it has.
    pub(crate) fn outputs(&self) -> usize {
        self.rows.len() * self.draws.len()
    }

    /// One target latent for each output; `posterior` has the rows of the piece only.
    pub(crate) fn latents(
        &self,
        density: &Conditional,
        posterior: &Posterior,
        draws: usize,
        streams: &RandomStream,
    ) -> Result<Latents, Error> {
        // The number of the first output in the whole, not in the shard.
        let first = self.rows.start as u64 * draws as u64 + self.draws.start as u64;
        let mut stream = streams.child(first);
        Ok(translate(
            density,
            posterior,
            self.draws.len(),
            &mut stream,
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_all_outputs_once_and_in_order() {
        for (rows, draws) in [(1000, 1), (7, 100), (3, 256), (2, 1000), (1, 1), (0, 5)] {
            let (pieces, mut next) = (Pieces::new(draws), 0);
            for piece in pieces.of(0..rows) {
                assert_eq!(
                    piece.rows.start * draws + piece.draws.start,
                    next,
                    "{piece:?}"
                );
                assert!(
                    piece.outputs() <= OUTPUTS
                        && (piece.rows.len() == 1 || piece.draws.len() == draws)
                );
                next += piece.outputs();
            }
            assert_eq!(next, rows * draws);
        }
    }

    #[test]
    fn a_range_has_the_pieces_of_the_whole() {
        let pieces = Pieces::new(3);
        let whole: Vec<Piece> = pieces.of(0..1000).collect();
        let cut = 4 * pieces.rows();
        let parts: Vec<Piece> = pieces.of(0..cut).chain(pieces.of(cut..1000)).collect();
        assert_eq!(whole, parts);
    }
}
