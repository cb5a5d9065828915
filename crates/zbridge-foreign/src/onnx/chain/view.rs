/// The numbers of a row of a value, by where they lie in the network's columns: a value that is
/// only looked at in another order, or in part, costs nothing until something needs its numbers
/// side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// Its shape without the batch.
    pub(super) shape: Vec<usize>,
    /// The column of each number, the last dimension fastest.
    pub(super) columns: Vec<usize>,
}

impl View {
    /// Columns from `first` on, in order.
    pub(super) fn in_order(shape: &[usize], first: usize) -> Self {
        let size: usize = shape.iter().product();
        Self {
            shape: shape.to_vec(),
            columns: (first..first + size).collect(),
        }
    }

    /// Columns that are a grid `[places.., channels]` for a value `[channels, places..]`.
    pub(super) fn of_grid(shape: &[usize]) -> Self {
        let (places, channels) = (shape[1..].iter().product::<usize>(), shape[0]);
        let column = |i: usize| i % places * channels + i / places;
        Self {
            shape: shape.to_vec(),
            columns: (0..places * channels).map(column).collect(),
        }
    }

    pub(super) fn size(&self) -> usize {
        self.columns.len()
    }

    /// For a value `[channels, places..]`, the columns in the order of a grid `[places..,
    /// channels]`.
    pub(super) fn as_grid(&self) -> Vec<usize> {
        let channels = self.shape[0];
        let places = self.size() / channels;
        (0..self.size())
            .map(|i| self.columns[i % channels * places + i / channels])
            .collect()
    }

    pub(super) fn reshaped(self, shape: &[usize]) -> Option<Self> {
        (size_of(shape)? == self.size()).then(|| Self {
            shape: shape.to_vec(),
            columns: self.columns,
        })
    }

    /// With dimension `order[i]` as dimension i.
    pub(super) fn transposed(&self, order: &[usize]) -> Option<Self> {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..self.shape.len()) {
            return None;
        }
        let strides = self.strides();
        let shape: Vec<usize> = order.iter().map(|&from| self.shape[from]).collect();
        let steps: Vec<usize> = order.iter().map(|&from| strides[from]).collect();
        let place = |i: usize| {
            places(&shape, i)
                .zip(&steps)
                .map(|(place, step)| place * step)
                .sum::<usize>()
        };
        Some(Self {
            columns: (0..self.size()).map(|i| self.columns[place(i)]).collect(),
            shape,
        })
    }

    /// With the places of one dimension that are named, in that order; there must be some.
    pub(super) fn picked(&self, axis: usize, picked: &[usize]) -> Option<Self> {
        let (size, inner) = (
            *self.shape.get(axis)?,
            self.shape[axis + 1..].iter().product::<usize>(),
        );
        if picked.is_empty() || picked.iter().any(|place| *place >= size) {
            return None;
        }
        let blocks = self.columns.chunks(size * inner);
        let columns = blocks.flat_map(|block| {
            picked
                .iter()
                .flat_map(|&place| &block[place * inner..][..inner])
        });
        let (columns, mut shape) = (columns.copied().collect(), self.shape.clone());
        shape[axis] = picked.len();
        Some(Self { shape, columns })
    }

    /// Each block of `side`² channels spread over a square of places (Shi et al. 2016);
    /// `channels_first` where a block is together.
    pub(super) fn shuffled(self, side: usize, channels_first: bool) -> Option<Self> {
        let [channels, height, width] = *self.shape.as_slice() else {
            return None;
        };
        let kept = channels / (side * side).max(1);
        let (shape, order) = match channels_first {
            true => ([kept, side, side, height, width], [0, 3, 1, 4, 2]),
            false => ([side, side, kept, height, width], [2, 3, 0, 4, 1]),
        };
        self.reshaped(&shape)?
            .transposed(&order)?
            .reshaped(&[kept, height * side, width * side])
    }

    /// `values` of this shape, or of one that is repeated to it by ONNX's rules, number by number.
    /// `shape` may begin with the batch, of size 1.
    pub(super) fn broadcast(&self, shape: &[usize], values: &[f32]) -> Option<Vec<f32>> {
        let shape = if shape.len() > self.shape.len() {
            shape.strip_prefix(&[1])?
        } else {
            shape
        };
        let missing = self.shape.len().checked_sub(shape.len())?;
        let fits = |(own, given): (&usize, &usize)| *given == 1 || own == given;
        if !self.shape[missing..].iter().zip(shape).all(fits)
            || Some(values.len()) != size_of(shape)
        {
            return None;
        }
        let at = |i: usize| {
            let given = places(&self.shape, i).skip(missing).zip(shape);
            given.fold(0, |at, (place, &size)| {
                at * size + if size == 1 { 0 } else { place }
            })
        };
        Some((0..self.size()).map(|i| values[at(i)]).collect())
    }

    fn strides(&self) -> Vec<usize> {
        (0..self.shape.len())
            .map(|axis| self.shape[axis + 1..].iter().product())
            .collect()
    }
}

/// Numbers in a shape.
pub(super) fn size_of(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1usize, |size, &dim| size.checked_mul(dim))
}

/// The place along each dimension of number `i`.
fn places(shape: &[usize], i: usize) -> impl Iterator<Item = usize> {
    let inner = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product::<usize>());
    inner.zip(shape).map(move |(inner, size)| i / inner % size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_looked_at_in_other_orders() {
        let view = View::in_order(&[2, 3], 10);
        assert_eq!(
            view.transposed(&[1, 0]).unwrap().columns,
            [10, 13, 11, 14, 12, 15]
        );
        assert_eq!(view.picked(1, &[2, 2]).unwrap().columns, [12, 12, 15, 15]);
        assert_eq!(view.picked(0, &[1]).unwrap(), View::in_order(&[1, 3], 13));
        assert_eq!(view.transposed(&[1, 1]), None);
        assert_eq!(view.picked(1, &[3]), None);
        assert_eq!(view.reshaped(&[5]), None);
    }

    #[test]
    fn grids_have_their_channels_last() {
        let image = View::in_order(&[2, 1, 3], 0);
        assert_eq!(image.as_grid(), [0, 3, 1, 4, 2, 5]);
        assert!(View::of_grid(&[2, 1, 3]).as_grid().into_iter().eq(0..6));
    }

    #[test]
    fn blocks_of_channels_become_squares() {
        let view = || View::in_order(&[8, 1, 1], 0);
        assert_eq!(
            view().shuffled(2, true).unwrap(),
            View::in_order(&[2, 2, 2], 0)
        );
        assert_eq!(
            view().shuffled(2, false).unwrap().columns,
            [0, 2, 4, 6, 1, 3, 5, 7]
        );
        assert_eq!(view().shuffled(3, true), None);
    }

    #[test]
    fn constants_are_repeated_along_what_they_lack() {
        let view = View::in_order(&[2, 2], 0);
        let given = |shape: &[usize], values: &[f32]| view.broadcast(shape, values);
        assert_eq!(given(&[], &[7.0]), Some(vec![7.0; 4]));
        assert_eq!(given(&[2], &[1.0, 2.0]), Some(vec![1.0, 2.0, 1.0, 2.0]));
        assert_eq!(
            given(&[1, 2, 1], &[1.0, 2.0]),
            Some(vec![1.0, 1.0, 2.0, 2.0])
        );
        assert_eq!(given(&[3], &[1.0, 2.0, 3.0]), None);
        assert_eq!(
            given(&[2, 2, 1], &[1.0; 4]),
            None,
            "rows of a batch that differ"
        );
    }
}
