use super::source::Source;
use crate::Error;
use crate::pieces::{Outputs, Piece, Pieces};
use rayon::prelude::*;
use std::ops::Range;
use zbridge_bridge::Conditional;
use zbridge_core::{Latents, RandomStream, Stage};

/// Numbers that are in memory at once, about.
const NUMBERS_AT_ONCE: usize = 1 << 21;
/// Pieces that are made at once at most: more would only delay the observer.
const PIECES_AT_ONCE: usize = 64;

/// Latents of the target for some rows of a source: draws, or means of draws.
pub(super) struct Job<'j> {
    pub(super) density: &'j Conditional,
    pub(super) source: &'j Source,
    pub(super) pieces: Pieces,
    pub(super) rows: Range<usize>,
    /// What is made for each row.
    pub(super) each: Outputs,
    pub(super) streams: RandomStream,
    pub(super) stage: Stage<'j>,
}

impl Job<'_> {
    pub(super) fn outputs(&self) -> usize {
        self.rows.len() * self.each.per_row()
    }

    /// Calls `take` with what `make` returns for the latents of each piece, in order; an output has
    /// about `numbers` numbers. A few pieces are in memory at once, however many there are.
    pub(super) fn each<T: Send>(
        &self,
        numbers: usize,
        make: impl Fn(Latents) -> Result<T, Error> + Sync,
        mut take: impl FnMut(T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut pieces = self.pieces.of(self.rows.clone()).peekable();
        while let Some(first) = pieces.peek() {
            let numbers_of_piece = (first.outputs() * numbers).max(1);
            // Enough pieces for all cores, yet a bounded amount of memory.
            let at_once = (NUMBERS_AT_ONCE / numbers_of_piece).clamp(1, PIECES_AT_ONCE);
            let group: Vec<Piece> = pieces.by_ref().take(at_once).collect();
            // Made in parallel, taken in order.
            for made in self.made(&group, &make)? {
                take(made)?;
            }
            let outputs: usize = group.iter().map(Piece::outputs).sum();
            self.stage.advance(outputs as u64)?;
        }
        Ok(())
    }

    /// Returns what `make` returns for each piece of a group, made in parallel.
    fn made<T: Send>(
        &self,
        group: &[Piece],
        make: &(impl Fn(Latents) -> Result<T, Error> + Sync),
    ) -> Result<Vec<T>, Error> {
        let (first, last) = (&group[0], &group[group.len() - 1]);
        let start = first.rows.start;
        // One read for the group: its rows follow each other in the file.
        let posterior = self.source.posterior(start..last.rows.end)?;
        let made = |piece: &Piece| {
            let rows: Vec<usize> = piece.rows.clone().map(|row| row - start).collect();
            let sources = posterior.select(&rows);
            make(piece.latents(self.density, &sources, self.each, &self.streams)?)
        };
        group.par_iter().map(made).collect()
    }
}
