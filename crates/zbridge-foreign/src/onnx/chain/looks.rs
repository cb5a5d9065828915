//! Operators that give numbers as they are: in another shape or order, or some of them.

use super::constants::clamped;
use super::follower::Follower;
use super::operator::Operator;
use super::view::{View, size_of};

impl<'a> Follower<'a> {
    /// Other looks at the same numbers.
    pub(super) fn look(&mut self, node: Operator<'a>, x: &'a str) -> Option<()> {
        let view = self.live.get(x)?.clone();
        self.used(x);
        if node.name() == "Split" {
            return self.split(node, &view);
        }
        let output = node.output()?;
        let looked = match node.name() {
            "Identity" => view,
            "Dropout" if node.input(2).is_none() => view,
            "Flatten" if node.int("axis", 1) == 1 => {
                let size = view.size();
                view.reshaped(&[size])?
            }
            "Reshape" => {
                let shape = self.reshape_target(node, &view.shape)?;
                view.reshaped(&shape)?
            }
            "Squeeze" | "Unsqueeze" => {
                let shape = self.squeezed(node, &view.shape)?;
                view.reshaped(&shape)?
            }
            "Transpose" => {
                let order = node
                    .sizes("perm")
                    .filter(|order| order.first() == Some(&0))?;
                view.transposed(&order[1..].iter().map(|axis| axis - 1).collect::<Vec<_>>())?
            }
            "DepthToSpace" => {
                let side = usize::try_from(node.int("blocksize", 0)).ok()?;
                view.shuffled(side, node.text("mode", "DCR") == "CRD")?
            }
            "Slice" => self.sliced(node, view)?,
            "Resize" => self.repeated(node, &view)?,
            _ => return None,
        };
        self.put(output, looked);
        Some(())
    }

    fn reshape_target(&self, node: Operator<'a>, row: &[usize]) -> Option<Vec<usize>> {
        let target = self.constants.sizes(node.input(1)?)?;
        let (zero_copies, total) = (node.int("allowzero", 0) == 0, row.iter().product::<usize>());
        let dimension = |(axis, size): (usize, &Option<i64>)| match (*size)? {
            0 if zero_copies => row.get(axis).copied().map(Some),
            -1 => Some(None),
            size => usize::try_from(size).ok().map(Some),
        };
        let own = target
            .get(1..)?
            .iter()
            .enumerate()
            .map(dimension)
            .collect::<Option<Vec<_>>>()?;
        let known = size_of(&own.iter().copied().flatten().collect::<Vec<_>>())?;
        let is_batch = match target[0] {
            None => true,
            Some(0) => zero_copies,
            // What is left is the batch when the rest is a row.
            Some(-1) => known == total && own.iter().all(Option::is_some),
            Some(_) => false,
        };
        let left = own.iter().filter(|size| size.is_none()).count();
        if !is_batch || left > 1 || known == 0 {
            return None;
        }
        Some(
            own.into_iter()
                .map(|size| size.unwrap_or(total / known))
                .collect(),
        )
    }

    fn squeezed(&self, node: Operator<'a>, row: &[usize]) -> Option<Vec<usize>> {
        let axes = match node.attribute("axes") {
            Some(axes) => axes.ints.clone(),
            None => self.constants.ints(node.input(1)?)?,
        };
        let adds = node.name() == "Unsqueeze";
        let rank = row.len() + if adds { axes.len() } else { 0 };
        let mut axes = axes
            .iter()
            .map(|&axis| own_axis(axis, rank))
            .collect::<Option<Vec<_>>>()?;
        axes.sort_unstable();
        let mut shape = row.to_vec();
        for (gone, axis) in axes.into_iter().enumerate() {
            match adds {
                true if axis <= shape.len() => shape.insert(axis, 1),
                false if shape.get(axis.checked_sub(gone)?) == Some(&1) => {
                    drop(shape.remove(axis - gone))
                }
                _ => return None,
            }
        }
        Some(shape)
    }

    fn split(&mut self, node: Operator<'a>, view: &View) -> Option<()> {
        let axis = own_axis(node.int("axis", 0), view.shape.len())?;
        let (size, parts) = (view.shape[axis], node.0.output.len());
        let said = match node.input(1) {
            Some(name) => Some(self.constants.ints(name)?),
            None => node
                .attribute("split")
                .map(|attribute| attribute.ints.clone()),
        };
        let even = || vec![i64::try_from(size.div_ceil(parts)).unwrap_or(i64::MAX); parts];
        let mut start = 0usize;
        for (output, length) in node.0.output.iter().zip(said.unwrap_or_else(even)) {
            let end = start.checked_add(usize::try_from(length).ok()?)?.min(size);
            self.put(
                output,
                view.picked(axis, &(start..end).collect::<Vec<_>>())?,
            );
            start = end;
        }
        (start == size).then_some(())
    }

    fn sliced(&self, node: Operator<'a>, view: View) -> Option<View> {
        let given = |place| self.constants.ints(node.input(place)?);
        let (starts, ends) = (given(1)?, given(2)?);
        let axes = if node.input(3).is_some() {
            given(3)?
        } else {
            (0..).take(starts.len()).collect()
        };
        if node.input(4).is_some() && given(4)?.iter().any(|step| *step != 1) {
            return None;
        }
        starts
            .iter()
            .zip(ends)
            .zip(axes)
            .try_fold(view, |view, ((&start, end), axis)| {
                let axis = own_axis(axis, view.shape.len())?;
                let part = clamped(start, view.shape[axis])..clamped(end, view.shape[axis]);
                view.picked(axis, &part.collect::<Vec<_>>())
            })
    }

    /// Vectors side by side.
    pub(super) fn concatenated(&mut self, node: Operator<'a>) -> Option<()> {
        let views = node
            .inputs()
            .map(|name| self.live.get(name))
            .collect::<Option<Vec<_>>>()?;
        if views.iter().any(|view| view.shape.len() != 1)
            || own_axis(node.int("axis", 0), 1) != Some(0)
        {
            return None;
        }
        let columns: Vec<usize> = views
            .iter()
            .flat_map(|view| view.columns.iter().copied())
            .collect();
        node.inputs().for_each(|name| self.used(name));
        self.put(
            node.output()?,
            View {
                shape: vec![columns.len()],
                columns,
            },
        );
        Some(())
    }
}

/// A dimension of a row for one of a batch: none for that of the rows.
fn own_axis(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 {
        usize::try_from(axis + i64::try_from(rank).ok()? + 1).ok()?
    } else {
        usize::try_from(axis).ok()?
    };
    axis.checked_sub(1).filter(|axis| *axis < rank)
}
