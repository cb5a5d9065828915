use super::FlowShape;
use super::spline::Splines;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use serde::{Deserialize, Serialize};
use zbridge_core::RandomStream;

/// What each coupling of a flow does with each dimension of the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Couplings {
    /// Bins of each spline.
    bins: usize,
    /// For each coupling the target's dimensions: first those it keeps, then those it moves.
    orders: Vec<Vec<usize>>,
}

impl Couplings {
    pub(super) const COUNT: std::ops::RangeInclusive<usize> = 1..=256;

    /// Returns pairs of couplings: the first of a pair keeps dimensions drawn at random, the second
    /// those that it moved.
    pub(super) fn drawn(target: usize, shape: &FlowShape, stream: &mut RandomStream) -> Self {
        let mut orders: Vec<Vec<usize>> = Vec::with_capacity(shape.couplings);
        for index in 0..shape.couplings {
            let order = match orders.last() {
                Some(previous) if index % 2 == 1 => {
                    // After a pair, every dimension has been moved; one of an odd number twice.
                    let (kept, moved) = previous.split_at(target / 2);
                    [moved, kept].concat()
                }
                _ => stream.permutation(target),
            };
            orders.push(order);
        }
        Self {
            bins: shape.bins,
            orders,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.orders.len()
    }

    /// Returns the number of dimensions of the target.
    pub(super) fn target(&self) -> usize {
        self.orders.first().map_or(0, Vec::len)
    }

    /// Returns the number of dimensions that a coupling keeps.
    pub(super) fn kept(&self) -> usize {
        self.target() / 2
    }

    /// Returns the number of dimensions that a coupling moves.
    pub(super) fn moved(&self) -> usize {
        self.target() - self.kept()
    }

    pub(super) fn splines(&self) -> Splines {
        Splines::new(self.bins)
    }

    /// Returns the dimensions that coupling `index` keeps.
    pub(super) fn kept_by(&self, index: usize) -> &[usize] {
        &self.orders[index][..self.kept()]
    }

    /// Returns the dimensions that coupling `index` moves.
    pub(super) fn moved_by(&self, index: usize) -> &[usize] {
        &self.orders[index][self.kept()..]
    }

    /// Returns the number of outputs of each coupling's network.
    pub(super) fn outputs(&self) -> usize {
        self.moved() * self.splines().raw_count()
    }

    /// Returns what is wrong with couplings that a file describes; `None` if nothing is.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let in_range = Splines::BINS.contains(&self.bins)
            && Self::COUNT.contains(&self.count())
            && self.target() > 0;
        if !in_range {
            return Some("numbers out of range");
        }
        let all: Vec<usize> = (0..self.target()).collect();
        let is_order = |order: &Vec<usize>| {
            let mut order = order.clone();
            order.sort_unstable();
            order == all
        };
        let sound = self.orders.iter().all(is_order);
        (!sound).then_some("an order that does not name every dimension once")
    }
}

/// Writes some columns of `rows` `[rows, dim]` into `gathered` `[rows, columns]`.
pub(super) fn gather(rows: ArrayView2<'_, f32>, columns: &[usize], gathered: &mut Array2<f32>) {
    for (row, mut gathered) in rows.rows().into_iter().zip(gathered.rows_mut()) {
        for (value, &column) in gathered.iter_mut().zip(columns) {
            *value = row[column];
        }
    }
}

/// Writes `gathered` `[rows, columns]` into some columns of `rows` `[rows, dim]`.
pub(super) fn scatter(
    gathered: ArrayView2<'_, f32>,
    columns: &[usize],
    mut rows: ArrayViewMut2<'_, f32>,
) {
    for (mut row, gathered) in rows.rows_mut().into_iter().zip(gathered.rows()) {
        for (&value, &column) in gathered.iter().zip(columns) {
            row[column] = value;
        }
    }
}
