//! Activations, scales and norms: what leaves a value its shape.

use super::follower::Follower;
use super::operator::Operator;
use super::spelled_out::{SpelledOut, spelled_out};
use super::view::View;
use std::collections::HashSet;
use zbridge_infer::{Activation, Affine};

impl<'a> Follower<'a> {
    /// An activation of `x` that begins at a place and takes several nodes.
    pub(super) fn spelled_out(&self, place: usize, x: &'a str) -> Option<SpelledOut<'a>> {
        let uses = |name: &str| self.uses.get(name).copied().unwrap_or(0);
        if uses(x) < 2 {
            return None;
        }
        spelled_out(&self.graph.node, place, x, &self.constants, uses)
    }

    pub(super) fn activate_spelled_out(&mut self, found: SpelledOut<'a>, x: &'a str) -> Option<()> {
        // All of its uses are in these nodes, so they are one.
        self.remaining.insert(x, 1);
        let view = self.take(x)?;
        self.done.extend(found.nodes);
        self.activate_columns(&view, found.activation)?;
        self.put(found.output, view);
        Some(())
    }

    pub(super) fn batch_norm(&mut self, node: Operator<'a>) -> Option<()> {
        let view = self.take(node.input(0)?)?;
        let channels = *view.shape.first()?;
        let given = |place| self.constants.vector(node.input(place)?, channels);
        let (scales, shifts, means, variances) = (given(1)?, given(2)?, given(3)?, given(4)?);
        if node.int("training_mode", 0) != 0 {
            return None;
        }
        let epsilon = node.float("epsilon", 1e-5);
        let channel = |c: usize| {
            let factor = scales[c] / (variances[c] + epsilon).sqrt();
            (factor, shifts[c] - means[c] * factor)
        };
        let view = self.scale_channels(view, channel)?;
        self.put(node.output()?, view);
        Some(())
    }

    pub(super) fn instance_norm(&mut self, node: Operator<'a>) -> Option<()> {
        let view = self.take(node.input(0)?)?;
        let channels = *view.shape.first()?;
        let given = |place| self.constants.vector(node.input(place)?, channels);
        let (scales, shifts) = (given(1)?, given(2)?);
        let view = self.spread(view)?;
        let (mut sets, places) = (vec![0; view.size()], view.size() / channels);
        view.columns
            .iter()
            .enumerate()
            .for_each(|(i, &column)| sets[column] = (i / places) as u32);
        self.network.group_norm(&sets, node.float("epsilon", 1e-5));
        let view = self.scale_channels(view, |c| (scales[c], shifts[c]))?;
        self.put(node.output()?, view);
        Some(())
    }

    pub(super) fn scale_by_constant(&mut self, node: Operator<'a>, x: &'a str) -> Option<()> {
        let other = (0..2).find(|place| node.input(*place) != Some(x))?;
        let (shape, values) = self.constants.floats(node.input(other)?)?;
        let view = self.take(x)?;
        let column: fn(f32) -> (f32, f32) = match (node.name(), other) {
            ("Add", _) => |c| (1.0, c),
            ("Sub", 1) => |c| (1.0, -c),
            ("Sub", _) => |c| (-1.0, c),
            ("Mul", _) => |c| (c, 0.0),
            ("Div", 1) => |c| (1.0 / c, 0.0),
            _ => return None,
        };
        let columns: Vec<_> = view
            .broadcast(&shape, &values)?
            .into_iter()
            .map(column)
            .collect();
        let view = self.scale(view, &columns)?;
        self.put(node.output()?, view);
        Some(())
    }

    fn scale_channels(
        &mut self,
        view: View,
        channel: impl Fn(usize) -> (f32, f32),
    ) -> Option<View> {
        let places: usize = view.shape[1..].iter().product();
        let columns: Vec<_> = (0..view.size()).map(|i| channel(i / places)).collect();
        self.scale(view, &columns)
    }

    fn scale(&mut self, view: View, numbers: &[(f32, f32)]) -> Option<View> {
        if numbers.iter().all(|number| *number == (1.0, 0.0)) {
            return Some(view);
        }
        let view = self.without_repeats(view)?;
        let columns = self.by_column(&view, numbers, (1.0, 0.0));
        let columns = columns
            .into_iter()
            .map(|(factor, offset)| Affine { factor, offset });
        self.network.affine(&columns.collect::<Vec<_>>());
        Some(view)
    }

    pub(super) fn prelu(&mut self, node: Operator<'a>) -> Option<()> {
        let (shape, slopes) = self.constants.floats(node.input(1)?)?;
        let view = self.take(node.input(0)?)?;
        let slopes = view.broadcast(&shape, &slopes)?;
        let view = self.without_repeats(view)?;
        self.network.prelu(&self.by_column(&view, &slopes, 1.0));
        self.put(node.output()?, view);
        Some(())
    }

    /// What belongs to each column, `usual` where the view does not look; as short as the columns
    /// repeat it.
    fn by_column<T: Copy + PartialEq>(&self, view: &View, numbers: &[T], usual: T) -> Vec<T> {
        let mut columns = vec![usual; self.network.outputs()];
        view.columns
            .iter()
            .zip(numbers)
            .for_each(|(&column, &number)| columns[column] = number);
        let repeats = |size: &usize| columns.chunks(*size).all(|part| part == &columns[..*size]);
        let sizes = (1..=columns.len()).filter(|size| columns.len().is_multiple_of(*size));
        let size = sizes.into_iter().find(repeats).unwrap_or(columns.len());
        columns.truncate(size);
        columns
    }

    pub(super) fn activation(&self, node: Operator<'a>) -> Option<Activation> {
        Some(match node.name() {
            "Relu" => Activation::Clip(0.0, f32::INFINITY),
            "LeakyRelu" => Activation::LeakyRelu(
                Some(node.float("alpha", 0.01)).filter(|slope| *slope <= 1.0)?,
            ),
            "Clip" => {
                let bound = |place, attribute, usual| match node.input(place) {
                    Some(name) => self.constants.scalar(name),
                    None => Some(node.float(attribute, usual)),
                };
                Activation::Clip(
                    bound(1, "min", f32::NEG_INFINITY)?,
                    bound(2, "max", f32::INFINITY)?,
                )
            }
            "Elu" => Activation::Elu(node.float("alpha", 1.0)),
            "Sigmoid" => Activation::Sigmoid,
            "Tanh" => Activation::Tanh,
            "Gelu" if node.text("approximate", "none") == "tanh" => Activation::GeluTanh,
            "Gelu" => Activation::Gelu,
            "Softplus" => Activation::Softplus,
            "Mish" => Activation::Mish,
            _ => return None,
        })
    }

    pub(super) fn activate(&mut self, node: Operator<'a>, activation: Activation) -> Option<()> {
        let view = self.take(node.input(0)?)?;
        self.activate_columns(&view, activation)?;
        self.put(node.output()?, view);
        Some(())
    }

    fn activate_columns(&mut self, view: &View, activation: Activation) -> Option<()> {
        if self.live.is_empty() {
            self.network.activate(activation);
            return Some(());
        }
        let (first, last) = (*view.columns.iter().min()?, *view.columns.iter().max()?);
        let between: HashSet<usize> = view.columns.iter().copied().collect();
        (between.len() == last + 1 - first)
            .then(|| self.network.activate_columns(activation, first..last + 1))
    }
}
