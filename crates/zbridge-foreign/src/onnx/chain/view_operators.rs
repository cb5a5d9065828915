//! Operators that leave numbers as they are: they change their shape or order, or keep some of
//! them.

use super::super::operator::Operator;
use super::graph_lowering::GraphLowering;
use super::known_sizes::{Size, part};
use super::view::View;
use crate::shape::checked_size;

impl<'a> GraphLowering<'a> {
    /// Lowers an operator that gives another view of `x`.
    pub(super) fn view_operator(&mut self, node: Operator<'a>, x: &'a str) -> Option<()> {
        let view = self.values.get(x)?.clone();
        self.values.release(x);
        let view = match node.name() {
            "Slice" => self.slice(node, view),
            "Resize" => self.repeat(node, view),
            "Transpose" => transpose(node, view),
            "DepthToSpace" => depth_to_space(node, view),
            _ => self.reshape(node, view),
        };
        self.values.put(node.output()?, view?);
        Some(())
    }

    /// Lowers an operator that changes nothing but the shape.
    fn reshape(&self, node: Operator<'_>, view: View) -> Option<View> {
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
        if keeps_batch {
            target.filled(row)
        } else {
            None
        }
    }

    /// Returns the axes that a node names in an attribute, or in an input since operator set 13.
    fn axes(&self, node: Operator<'_>) -> Option<Vec<i64>> {
        match node.attribute("axes") {
            Some(axes) => Some(axes.ints.clone()),
            None => self.constants.ints(node.input(1)?),
        }
    }

    fn slice(&self, node: Operator<'_>, mut view: View) -> Option<View> {
        let input = |place: usize| self.constants.ints(node.input(place)?);
        let (starts, ends) = (input(1)?, input(2)?);
        let axes = match node.input(3) {
            Some(_) => input(3)?,
            None => (0..).take(starts.len()).collect(),
        };
        if node.input(4).is_some() && !is_step_one(&input(4)?) {
            return None;
        }
        for ((start, end), axis) in starts.into_iter().zip(ends).zip(axes) {
            view = sliced(&view, start, end, axis)?;
        }
        Some(view)
    }

    /// Cuts `x` into parts along one axis.
    pub(super) fn split(&mut self, node: Operator<'a>, x: &'a str) -> Option<()> {
        let view = self.values.get(x)?.clone();
        self.values.release(x);
        let axis = row_axis(node.int("axis", 0), view.shape().len())?;
        let size = view.shape()[axis];
        let lengths = self.split_lengths(node, size)?;
        let mut start = 0usize;
        for (output, length) in node.all_outputs().iter().zip(lengths) {
            // The last of equal parts may be shorter.
            let end = start.checked_add(usize::try_from(length).ok()?)?.min(size);
            let places: Vec<usize> = (start..end).collect();
            self.values.put(output, view.selected(axis, &places)?);
            start = end;
        }
        (start == size).then_some(())
    }

    /// Returns the lengths of the parts of `size` places, by input, by attribute, or equal ones.
    fn split_lengths(&self, node: Operator<'_>, size: usize) -> Option<Vec<i64>> {
        if let Some(name) = node.input(1) {
            return self.constants.ints(name);
        }
        if let Some(attribute) = node.attribute("split") {
            return Some(attribute.ints.clone());
        }
        let parts = node.all_outputs().len();
        let length = if parts == 0 { 0 } else { size.div_ceil(parts) };
        Some(vec![i64::try_from(length).ok()?; parts])
    }

    /// Puts vectors side by side.
    pub(super) fn concatenate(&mut self, node: Operator<'a>) -> Option<()> {
        row_axis(node.int("axis", 0), 1)?;
        let mut columns = Vec::new();
        for name in node.inputs() {
            let view = self.values.get(name)?;
            if view.shape().len() != 1 {
                return None;
            }
            columns.extend_from_slice(view.columns());
        }
        for name in node.inputs() {
            self.values.release(name);
        }
        let view = View::from_columns(&[columns.len()], columns)?;
        self.values.put(node.output()?, view);
        Some(())
    }
}

fn transpose(node: Operator<'_>, view: View) -> Option<View> {
    let order = node.sizes("perm")?;
    let (0, row) = (*order.first()?, &order[1..]) else {
        return None;
    };
    let mut row_order = Vec::new();
    for axis in row {
        // A second 0 would be the batch again.
        row_order.push(axis.checked_sub(1)?);
    }
    view.transposed(&row_order)
}

fn depth_to_space(node: Operator<'_>, view: View) -> Option<View> {
    let side = usize::try_from(node.int("blocksize", 0)).ok()?;
    view.depth_to_space(side, node.text("mode", "DCR") == "CRD")
}

fn is_step_one(steps: &[i64]) -> bool {
    steps.iter().all(|step| *step == 1)
}

fn sliced(view: &View, start: i64, end: i64, axis: i64) -> Option<View> {
    let axis = row_axis(axis, view.shape().len())?;
    let places: Vec<usize> = part(start, end, view.shape()[axis]).collect();
    view.selected(axis, &places)
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

fn sorted_row_axes(axes: &[i64], rank: usize) -> Option<Vec<usize>> {
    let axes = axes.iter().map(|&axis| row_axis(axis, rank));
    let mut axes = axes.collect::<Option<Vec<_>>>()?;
    axes.sort_unstable();
    let is_repeated = axes.windows(2).any(|pair| pair[0] == pair[1]);
    (!is_repeated).then_some(axes)
}

/// Returns the axis of a row of `rank` dimensions that is `axis` of the batch, as ONNX writes it:
/// negative from the end. `None` for the axis of the rows, and for those that do not exist.
fn row_axis(axis: i64, rank: usize) -> Option<usize> {
    let axis = match axis < 0 {
        true => axis
            .checked_add(i64::try_from(rank).ok()?)?
            .checked_add(1)?,
        false => axis,
    };
    let axis = usize::try_from(axis).ok()?.checked_sub(1)?;
    (axis < rank).then_some(axis)
}
