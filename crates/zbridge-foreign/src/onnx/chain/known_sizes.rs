use crate::onnx::operator::Operator;
use std::collections::HashMap;
use std::ops::Range;

/// A number that a shape is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// The number of rows, which is not known before the network runs.
    Batch,
    Number(i64),
}

impl Size {
    pub(super) fn number(self) -> Option<i64> {
        match self {
            Self::Batch => None,
            Self::Number(number) => Some(number),
        }
    }
}

/// ONNX's number for the type of 64-bit integers.
const INT64: i64 = 7;

/// Values that a graph computes from shapes: exporters write reshapes with them.
#[derive(Default)]
pub(super) struct KnownSizes<'a> {
    values: HashMap<&'a str, Vec<Size>>,
}

impl<'a> KnownSizes<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&[Size]> {
        self.values.get(name).map(Vec::as_slice)
    }

    /// Records the output of a node, if its value is known.
    pub(super) fn put(&mut self, node: Operator<'a>, sizes: Option<Vec<Size>>) {
        self.values.extend(node.output().zip(sizes));
    }

    /// Records the part of a shape, batch included, that a `Shape` node asks for.
    pub(super) fn put_shape(&mut self, node: Operator<'a>, row: &[usize]) -> Option<()> {
        // Views have no batch; shapes in a graph do.
        let mut shape = vec![Size::Batch];
        for &size in row {
            shape.push(Size::Number(i64::try_from(size).ok()?));
        }
        let part = part(node.int("start", 0), node.int("end", i64::MAX), shape.len());
        self.put(node, Some(shape.get(part)?.to_vec()));
        Some(())
    }

    /// Returns the output of a node from its inputs' values; `None` if they are not known, or for
    /// operators that shapes are not computed with.
    pub(super) fn computed(
        node: Operator<'_>,
        sizes: impl Fn(&str) -> Option<Vec<Size>>,
    ) -> Option<Vec<Size>> {
        let input = |place: usize| node.input(place).and_then(&sizes);
        match node.name() {
            // Lists of one number and single numbers are not told apart.
            "Identity" | "Squeeze" | "Unsqueeze" => input(0),
            "Cast" if node.int("to", 0) == INT64 => input(0),
            "Concat" => concatenated(node.inputs().map(&sizes)),
            "Gather" => gathered(&input(0)?, &input(1)?),
            // A fifth input is the step.
            "Slice" if node.input(4).is_none() => sliced(&input(0)?, &input(1)?, &input(2)?),
            _ => None,
        }
    }
}

fn concatenated(parts: impl Iterator<Item = Option<Vec<Size>>>) -> Option<Vec<Size>> {
    let parts: Option<Vec<_>> = parts.collect();
    Some(parts?.concat())
}

fn gathered(sizes: &[Size], places: &[Size]) -> Option<Vec<Size>> {
    let count = i64::try_from(sizes.len()).ok()?;
    let mut gathered = Vec::new();
    for place in places {
        // Negative places count from the end.
        let place = match place.number()? {
            place @ ..0 => place.checked_add(count)?,
            place => place,
        };
        gathered.push(*sizes.get(usize::try_from(place).ok()?)?);
    }
    Some(gathered)
}

fn sliced(sizes: &[Size], start: &[Size], end: &[Size]) -> Option<Vec<Size>> {
    let start = start.first()?.number()?;
    let end = end.first()?.number()?;
    Some(sizes.get(part(start, end, sizes.len()))?.to_vec())
}

/// Returns the places of a part of `count` places; `start` and `end` as ONNX writes them.
pub(super) fn part(start: i64, end: i64, count: usize) -> Range<usize> {
    bound(start, count)..bound(end, count)
}

/// Returns the place of a bound: a negative one counts from the end, and those beyond the first and
/// the last place are moved there.
fn bound(bound: i64, count: usize) -> usize {
    // Distances that do not fit are beyond any end.
    let distance = usize::try_from(bound.unsigned_abs()).unwrap_or(usize::MAX);
    if bound < 0 {
        count.saturating_sub(distance)
    } else {
        distance.min(count)
    }
}
