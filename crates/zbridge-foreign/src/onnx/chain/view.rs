use ndarray::{ArrayD, Axis, IxDyn};

/// Where the numbers of one row of a value lie: for each place of its shape, the column of the
/// network that holds it.
///
/// A value that is only reordered, or cut into parts, is another view of the same columns: nothing
/// is computed for it until a step needs its numbers in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// In standard layout; the shape is that of the value, without the batch.
    columns: ArrayD<usize>,
}

impl View {
    /// Returns the view of this shape whose numbers lie in order from column `first` on.
    pub(super) fn in_order(shape: &[usize], first: usize) -> Self {
        let size: usize = shape.iter().product();
        let columns = (first..first + size).collect();
        Self::from_columns(shape, columns).expect("as many columns as the shape has places")
    }

    /// Returns the view of a value `[channels, places..]` of which the network holds the grid
    /// `[places.., channels]`.
    pub(super) fn of_grid(shape: &[usize]) -> Self {
        let grid = [&shape[1..], &shape[..1]].concat();
        let rank = shape.len();
        let channels_first: Vec<usize> = [rank - 1].into_iter().chain(0..rank - 1).collect();
        Self::in_order(&grid, 0).permuted(&channels_first)
    }

    /// Returns the view with these columns in row-major order; `None` if their number is another.
    pub(super) fn from_columns(shape: &[usize], columns: Vec<usize>) -> Option<Self> {
        let columns = ArrayD::from_shape_vec(IxDyn(shape), columns).ok()?;
        Some(Self { columns })
    }

    pub(super) fn shape(&self) -> &[usize] {
        self.columns.shape()
    }

    pub(super) fn size(&self) -> usize {
        self.columns.len()
    }

    /// Returns the columns in row-major order.
    pub(super) fn columns(&self) -> &[usize] {
        self.columns
            .as_slice()
            .expect("views are in standard layout")
    }

    /// Returns the columns of a value `[channels, places..]` in the order `[places.., channels]`.
    pub(super) fn grid_columns(&self) -> Vec<usize> {
        let channels_last: Vec<usize> = (1..self.shape().len()).chain([0]).collect();
        self.clone().permuted(&channels_last).columns().to_vec()
    }

    pub(super) fn reshaped(self, shape: &[usize]) -> Option<Self> {
        Self::from_columns(shape, self.columns.into_raw_vec_and_offset().0)
    }

    /// Returns the view whose dimension i is dimension `order[i]` of this one; `None` if `order` is
    /// no permutation.
    pub(super) fn transposed(self, order: &[usize]) -> Option<Self> {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        // `permuted_axes` panics on anything else.
        let is_permutation = sorted.into_iter().eq(0..self.shape().len());
        is_permutation.then(|| self.permuted(order))
    }

    fn permuted(self, order: &[usize]) -> Self {
        let permuted = self.columns.permuted_axes(IxDyn(order));
        Self {
            columns: permuted.as_standard_layout().into_owned(),
        }
    }

    /// Returns the view of these places of one dimension, in this order; `None` if there are none,
    /// or one does not exist.
    pub(super) fn selected(&self, axis: usize, places: &[usize]) -> Option<Self> {
        let size = *self.shape().get(axis)?;
        if places.is_empty() || places.iter().any(|place| *place >= size) {
            return None;
        }
        // `select` panics on places that do not exist, which were refused above.
        let columns = self.columns.select(Axis(axis), places);
        Some(Self {
            columns: columns.as_standard_layout().into_owned(),
        })
    }

    /// Returns the view in which each block of `side`² channels is spread over a square of places;
    /// `channels_first` if the channels of a block are neighbours.
    ///
    /// # Source
    /// Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution".
    pub(super) fn depth_to_space(self, side: usize, channels_first: bool) -> Option<Self> {
        let [channels, height, width] = *self.shape() else {
            return None;
        };
        let kept = channels.checked_div(side.checked_mul(side)?)?;
        let (blocks, order) = match channels_first {
            true => ([kept, side, side, height, width], [0, 3, 1, 4, 2]),
            false => ([side, side, kept, height, width], [2, 3, 0, 4, 1]),
        };
        let spread = self.reshaped(&blocks)?.transposed(&order)?;
        spread.reshaped(&[kept, height * side, width * side])
    }

    /// Returns a constant repeated to this view's shape by ONNX's rules, in row-major order; `None`
    /// if the rules do not allow it. The constant's shape may begin with the batch, of size 1.
    pub(super) fn broadcast(&self, constant: &ArrayD<f32>) -> Option<Vec<f32>> {
        let without_batch = match constant.ndim() > self.shape().len() {
            true if constant.shape()[0] == 1 => constant.index_axis(Axis(0), 0),
            true => return None,
            false => constant.view(),
        };
        let repeated = without_batch.broadcast(IxDyn(self.shape()))?;
        Some(repeated.iter().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reordered_and_selected_numbers_keep_their_columns() {
        let view = View::in_order(&[2, 3], 10);
        assert_eq!(
            view.clone().transposed(&[1, 0]).unwrap().columns(),
            [10, 13, 11, 14, 12, 15]
        );
        assert_eq!(
            view.selected(1, &[2, 2]).unwrap().columns(),
            [12, 12, 15, 15]
        );
        assert_eq!(view.selected(0, &[1]).unwrap(), View::in_order(&[1, 3], 13));
        assert_eq!(view.clone().transposed(&[1, 1]), None);
        assert_eq!(view.selected(1, &[3]), None);
        assert_eq!(view.reshaped(&[5]), None);
    }

    #[test]
    fn grids_have_their_channels_last() {
        let image = View::in_order(&[2, 1, 3], 0);
        assert_eq!(image.grid_columns(), [0, 3, 1, 4, 2, 5]);
        let grid = View::of_grid(&[2, 1, 3]).grid_columns();
        assert!(grid.into_iter().eq(0..6));
    }

    #[test]
    fn blocks_of_channels_become_squares() {
        let view = || View::in_order(&[8, 1, 1], 0);
        assert_eq!(
            view().depth_to_space(2, true).unwrap(),
            View::in_order(&[2, 2, 2], 0)
        );
        assert_eq!(
            view().depth_to_space(2, false).unwrap().columns(),
            [0, 2, 4, 6, 1, 3, 5, 7]
        );
        assert_eq!(view().depth_to_space(3, true), None);
    }

    #[test]
    fn constants_are_repeated_along_missing_dimensions() {
        let view = View::in_order(&[2, 2], 0);
        let repeated = |shape: &[usize], values: &[f32]| {
            let constant = ArrayD::from_shape_vec(IxDyn(shape), values.to_vec()).unwrap();
            view.broadcast(&constant)
        };
        assert_eq!(repeated(&[], &[7.0]), Some(vec![7.0; 4]));
        assert_eq!(repeated(&[2], &[1.0, 2.0]), Some(vec![1.0, 2.0, 1.0, 2.0]));
        assert_eq!(
            repeated(&[1, 2, 1], &[1.0, 2.0]),
            Some(vec![1.0, 1.0, 2.0, 2.0])
        );
        assert_eq!(repeated(&[3], &[1.0, 2.0, 3.0]), None);
        assert_eq!(
            repeated(&[2, 2, 1], &[1.0; 4]),
            None,
            "rows of a batch that differ"
        );
    }
}
