//! Operators that change the order of numbers, or keep some of them.

use super::graph_lowering::GraphLowering;
use super::known_sizes::part;
use super::row_axis::row_axis;
use super::view::View;
use crate::onnx::operator::Operator;
use std::ops::Range;

impl<'a> GraphLowering<'a> {
    /// Lowers an operator that gives another view of `x`.
    pub(super) fn view_operator(&mut self, node: Operator<'a>, x: &'a str) -> Option<View> {
        let view = self.values.share(x)?;
        match node.name() {
            "Slice" => self.slice(node, view),
            "Resize" => self.repeat(node, view),
            "Transpose" => transpose(node, view),
            "DepthToSpace" => depth_to_space(node, view),
            _ => self.reshape(node, view),
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
        let view = self.values.share(x)?;
        let axis = row_axis(node.int("axis", 0), view.shape().len())?;
        let size = view.shape()[axis];
        let lengths = self.split_lengths(node, size)?;
        let parts = part_ranges(&lengths, size)?;
        for (output, part) in node.all_outputs().iter().zip(parts) {
            let places: Vec<usize> = part.collect();
            self.values.put(output, view.selected(axis, &places)?);
        }
        Some(())
    }

    /// Returns the lengths of the parts of `size` places: an input, an attribute before operator
    /// set 13, or equal lengths.
    fn split_lengths(&self, node: Operator<'_>, size: usize) -> Option<Vec<i64>> {
        match (node.input(1), node.attribute("split")) {
            (Some(name), _) => self.constants.ints(name),
            (None, Some(attribute)) => Some(attribute.ints.clone()),
            (None, None) => equal_lengths(node.all_outputs().len(), size),
        }
    }

    /// Puts vectors side by side.
    pub(super) fn concatenate(&mut self, node: Operator<'a>) -> Option<View> {
        row_axis(node.int("axis", 0), 1)?;
        let mut columns = Vec::new();
        for name in node.inputs() {
            let view = self.values.share(name)?;
            if view.shape().len() != 1 {
                return None;
            }
            columns.extend_from_slice(view.columns());
        }
        View::from_columns(&[columns.len()], columns)
    }
}

fn equal_lengths(parts: usize, size: usize) -> Option<Vec<i64>> {
    // A node without outputs has no parts.
    let length = size.div_ceil(parts.max(1));
    Some(vec![i64::try_from(length).ok()?; parts])
}

/// Returns the places of consecutive parts; `None` if they are not `size` places altogether.
fn part_ranges(lengths: &[i64], size: usize) -> Option<Vec<Range<usize>>> {
    let mut ranges = Vec::new();
    let mut start = 0usize;
    for &length in lengths {
        let length = usize::try_from(length).ok()?;
        // The last of equal parts may be shorter.
        let end = start.checked_add(length)?.min(size);
        ranges.push(start..end);
        start = end;
    }
    (start == size).then_some(ranges)
}

fn transpose(node: Operator<'_>, view: View) -> Option<View> {
    let order = node.sizes("perm")?;
    // The batch must stay first.
    let row = order.strip_prefix(&[0])?;
    let row: Option<Vec<usize>> = row.iter().map(|axis| axis.checked_sub(1)).collect();
    view.transposed(&row?)
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
