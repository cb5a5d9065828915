//! Operators that change nothing but the shape.

use super::graph_lowering::GraphLowering;
use super::known_sizes::Size;
use super::row_axis::sorted_row_axes;
use super::view::View;
use crate::onnx::operator::Operator;
use crate::shape::checked_size;

impl GraphLowering<'_> {
    /// Lowers an operator that changes nothing but the shape.
    pub(super) fn reshape(&self, node: Operator<'_>, view: View) -> Option<View> {
        let shape = match node.name() {
            "Identity" => return Some(view),
            // A third input would ask for training.
            "Dropout" if node.input(2).is_none() => return Some(view),
            "Flatten" if node.int("axis", 1) == 1 => vec![view.size()],
            "Reshape" => self.reshape_target(node, view.shape())?,
            "Squeeze" => squeezed(view.shape(), &self.axes(node)?)?,
            "Unsqueeze" => unsqueezed(view.shape(), &self.axes(node)?)?,
            _ => return None,
        };
        view.reshaped(&shape)
    }

    /// Returns the shape of a row that a reshape asks for; `None` if it does not keep the batch.
    fn reshape_target(&self, node: Operator<'_>, row: &[usize]) -> Option<Vec<usize>> {
        let target = self.constants.sizes(node.input(1)?)?;
        let (batch, row_target) = target.split_first()?;
        let is_zero_a_copy = node.int("allowzero", 0) == 0;
        let target = RowTarget::of(row_target, is_zero_a_copy, row)?;
        let keeps_batch = match batch {
            Size::Batch => true,
            Size::Number(0) => is_zero_a_copy,
            // What is left is the batch if the other dimensions are a whole row.
            Size::Number(-1) => target.is_whole(row),
            Size::Number(_) => false,
        };
        keeps_batch.then(|| target.filled(row))?
    }

    /// Returns the axes that a node names in an attribute, or in an input since operator set 13.
    fn axes(&self, node: Operator<'_>) -> Option<Vec<i64>> {
        match node.attribute("axes") {
            Some(axes) => Some(axes.ints.clone()),
            None => self.constants.ints(node.input(1)?),
        }
    }
}

/// The dimensions of a row that a reshape asks for; `None` for one that takes what is left.
struct RowTarget {
    dims: Vec<Option<usize>>,
    /// The size of the dimensions that are stated; at least 1.
    stated_size: usize,
}

impl RowTarget {
    fn of(target: &[Size], is_zero_a_copy: bool, row: &[usize]) -> Option<Self> {
        let mut dims = Vec::new();
        for (axis, size) in target.iter().enumerate() {
            dims.push(match size.number()? {
                0 if is_zero_a_copy => Some(*row.get(axis)?),
                -1 => None,
                size => Some(usize::try_from(size).ok()?),
            });
        }
        let stated: Vec<usize> = dims.iter().copied().flatten().collect();
        let stated_size = checked_size(&stated).filter(|size| *size > 0)?;
        Some(Self { dims, stated_size })
    }

    /// Returns whether the stated dimensions are all, and have all numbers of a row.
    fn is_whole(&self, row: &[usize]) -> bool {
        let is_stated = self.dims.iter().all(Option::is_some);
        is_stated && Some(self.stated_size) == checked_size(row)
    }

    /// Returns the shape; `None` if more than one dimension takes what is left.
    fn filled(self, row: &[usize]) -> Option<Vec<usize>> {
        let open = self.dims.iter().filter(|dim| dim.is_none()).count();
        let left = checked_size(row)? / self.stated_size;
        let shape = self.dims.into_iter().map(|dim| dim.unwrap_or(left));
        (open <= 1).then(|| shape.collect())
    }
}

fn unsqueezed(row: &[usize], axes: &[i64]) -> Option<Vec<usize>> {
    let mut shape = row.to_vec();
    for axis in sorted_row_axes(axes, row.len() + axes.len())? {
        if axis > shape.len() {
            return None;
        }
        shape.insert(axis, 1);
    }
    Some(shape)
}

fn squeezed(row: &[usize], axes: &[i64]) -> Option<Vec<usize>> {
    let mut shape = row.to_vec();
    // From the last, so that the places of the others stay what they are.
    for axis in sorted_row_axes(axes, row.len())?.into_iter().rev() {
        if shape.get(axis) != Some(&1) {
            return None;
        }
        shape.remove(axis);
    }
    Some(shape)
}
