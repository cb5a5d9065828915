use super::Position;
use std::ops::Range;
use zbridge_core::RandomStream;

/// Which rows each step of a training sees: all rows in a random order, cut into batches, and in
/// another order in the next epoch.
#[derive(Debug, Clone)]
pub struct BatchSampler {
    rows: usize,
    /// The parts of the order that are the batches of an epoch.
    batches: Vec<Range<usize>>,
    shuffling: Shuffling,
    order: Vec<usize>,
    /// The epoch that `order` is of; `None` before the first batch.
    shuffled_epoch: Option<usize>,
    next: Position,
}

/// Where the order of the rows comes from.
#[derive(Debug, Clone)]
enum Shuffling {
    /// Every epoch has a child of this stream.
    ByEpoch(RandomStream),
    /// The epochs draw from one stream, one after the other.
    InSequence {
        start: RandomStream,
        now: RandomStream,
    },
}

impl BatchSampler {
    /// Returns a sampler that gives every row once in an epoch.
    ///
    /// The last batch of an epoch may be smaller. A single row that remains joins the batch before
    /// it, because one row has no batch statistics. The order of an epoch depends on its number
    /// only, so that a training can be resumed anywhere.
    ///
    /// # Panics
    /// If `batch` is 0.
    pub fn whole_epochs(rows: usize, batch: usize, orders: RandomStream) -> Self {
        let batches = with_remainder(rows, batch);
        Self::new(rows, batches, Shuffling::ByEpoch(orders))
    }

    /// Returns a sampler of batches of `batch` rows each, or of all rows if there are fewer. The
    /// rows that remain at the end of an epoch are left out of that epoch.
    pub fn full_batches(rows: usize, batch: usize, orders: RandomStream) -> Self {
        let batch = batch.min(rows);
        // Without rows there is one empty batch, so that there always is a next one.
        let count = rows.checked_div(batch).unwrap_or(1);
        let batches = (0..count).map(|i| i * batch..(i + 1) * batch).collect();
        let shuffling = Shuffling::InSequence {
            start: orders.clone(),
            now: orders,
        };
        Self::new(rows, batches, shuffling)
    }

    fn new(rows: usize, batches: Vec<Range<usize>>, shuffling: Shuffling) -> Self {
        Self {
            rows,
            batches,
            shuffling,
            order: Vec::new(),
            shuffled_epoch: None,
            next: Position::default(),
        }
    }

    /// Returns the number of batches in an epoch.
    pub fn batches_per_epoch(&self) -> usize {
        self.batches.len()
    }

    /// Returns the place of the next batch.
    pub fn position(&self) -> Position {
        self.next
    }

    /// Continues with the batch at `position`, as if all batches before it had been given.
    pub fn seek(&mut self, position: Position) {
        self.next = position;
        self.shuffled_epoch = None;
        if let Shuffling::InSequence { start, now } = &mut self.shuffling {
            // One stream for all orders: those of the epochs before have to be drawn again.
            *now = start.clone();
            for _ in 0..position.epoch {
                now.permutation(self.rows);
            }
        }
    }

    /// Returns the rows of the next batch.
    ///
    /// # Panics
    /// If an epoch has no batches.
    pub fn next_batch(&mut self) -> &[usize] {
        // Drawn when it is needed, so that an epoch that is skipped costs nothing.
        if self.shuffled_epoch != Some(self.next.epoch) {
            self.order = self.shuffling.order(self.next.epoch, self.rows);
            self.shuffled_epoch = Some(self.next.epoch);
        }
        let batch = self.batches[self.next.step].clone();
        self.next = self.next.after_step(self.batches.len());
        &self.order[batch]
    }
}

impl Shuffling {
    fn order(&mut self, epoch: usize, rows: usize) -> Vec<usize> {
        match self {
            Self::ByEpoch(orders) => orders.child(epoch as u64).permutation(rows),
            Self::InSequence { now, .. } => now.permutation(rows),
        }
    }
}

fn with_remainder(rows: usize, batch: usize) -> Vec<Range<usize>> {
    let full = rows / batch;
    let mut batches: Vec<Range<usize>> = (0..full).map(|i| i * batch..(i + 1) * batch).collect();
    match (rows - full * batch, batches.last_mut()) {
        (0, _) => {}
        (1, Some(last)) => last.end = rows,
        _ => batches.push(full * batch..rows),
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> RandomStream {
        RandomStream::named(1, "batches")
    }

    fn epoch(sampler: &mut BatchSampler) -> Vec<Vec<usize>> {
        let batches = sampler.batches_per_epoch();
        (0..batches)
            .map(|_| sampler.next_batch().to_vec())
            .collect()
    }

    #[test]
    fn every_row_comes_once_an_epoch_and_never_alone() {
        for (rows, batch) in [(257, 128), (256, 128), (2, 128), (130, 128), (129, 64)] {
            let mut sampler = BatchSampler::whole_epochs(rows, batch, stream());
            for _ in 0..3 {
                let batches = epoch(&mut sampler);
                let alone = batches.iter().any(|batch| batch.len() < 2);
                assert!(!alone, "{rows} rows in batches of {batch}");
                let mut seen = batches.concat();
                seen.sort_unstable();
                assert_eq!(seen, (0..rows).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn full_batches_are_full_and_epochs_differ() {
        let mut sampler = BatchSampler::full_batches(10, 4, stream());
        let (first, second) = (epoch(&mut sampler), epoch(&mut sampler));
        assert!(first.iter().chain(&second).all(|batch| batch.len() == 4));
        assert_ne!(first, second);
        let mut all = BatchSampler::full_batches(3, 4, stream());
        assert_eq!(all.next_batch().len(), 3);
        assert!(
            BatchSampler::full_batches(0, 4, stream())
                .next_batch()
                .is_empty()
        );
    }

    #[test]
    fn a_sampler_continues_anywhere() {
        let samplers = [
            BatchSampler::whole_epochs(11, 4, stream()),
            BatchSampler::full_batches(11, 4, stream()),
        ];
        for mut sampler in samplers {
            let batches: Vec<Vec<usize>> = (0..3).flat_map(|_| epoch(&mut sampler)).collect();
            let per_epoch = sampler.batches_per_epoch();
            for (index, batch) in batches.iter().enumerate() {
                sampler.seek(Position {
                    epoch: index / per_epoch,
                    step: index % per_epoch,
                });
                assert_eq!(sampler.next_batch(), batch, "batch {index}");
            }
        }
    }
}
