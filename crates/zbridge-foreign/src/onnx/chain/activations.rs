//! Activations: operators of their own, or several operators that are one.

use super::activation_pattern::ActivationPattern;
use super::graph_lowering::GraphLowering;
use super::view::View;
use crate::onnx::operator::Operator;
use std::collections::HashSet;
use std::ops::Range;
use zbridge_infer::Activation;

impl<'a> GraphLowering<'a> {
    /// Returns the activation that an operator is.
    pub(super) fn activation(&self, node: Operator<'_>) -> Option<Activation> {
        Some(match node.name() {
            "Relu" => Activation::Clip(0.0, f32::INFINITY),
            "Clip" => Activation::Clip(
                self.bound(node, 1, "min", f32::NEG_INFINITY)?,
                self.bound(node, 2, "max", f32::INFINITY)?,
            ),
            // The kernel takes the larger of x and slope · x, which needs a slope up to 1.
            "LeakyRelu" if node.float("alpha", 0.01) <= 1.0 => {
                Activation::LeakyRelu(node.float("alpha", 0.01))
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

    /// Returns a bound of `Clip`: an input, or an attribute before operator set 11.
    fn bound(
        &self,
        node: Operator<'_>,
        place: usize,
        attribute: &str,
        default: f32,
    ) -> Option<f32> {
        match node.input(place) {
            Some(name) => self.constants.scalar(name),
            None => Some(node.float(attribute, default)),
        }
    }

    pub(super) fn activate(&mut self, node: Operator<'a>, activation: Activation) -> Option<View> {
        let view = self.take_input(node)?;
        self.activate_view(&view, activation)?;
        Some(view)
    }

    /// Returns the activation of `x` that begins with the node at a place and takes several nodes.
    pub(super) fn activation_pattern(
        &self,
        place: usize,
        x: &'a str,
    ) -> Option<ActivationPattern<'a>> {
        let uses = |name: &str| self.values.uses(name);
        // Every pattern uses its input twice.
        if uses(x) < 2 {
            return None;
        }
        ActivationPattern::find(&self.graph.node, place, x, &self.constants, uses)
    }

    pub(super) fn activate_pattern(
        &mut self,
        pattern: ActivationPattern<'a>,
        x: &'a str,
    ) -> Option<()> {
        let view = self.values.take_for_all_uses(x)?;
        self.fused.extend(pattern.nodes);
        self.activate_view(&view, pattern.activation)?;
        self.values.put(pattern.output, view);
        Some(())
    }

    /// Activates the columns of a view, which must be neighbours unless all columns are of this
    /// value.
    fn activate_view(&mut self, view: &View, activation: Activation) -> Option<()> {
        if self.values.is_empty() {
            self.network.activate(activation);
            return Some(());
        }
        let columns = contiguous_columns(view)?;
        self.network.activate_columns(activation, columns);
        Some(())
    }
}

/// Returns the columns of a view, each once; `None` if others lie between them.
fn contiguous_columns(view: &View) -> Option<Range<usize>> {
    let columns: HashSet<usize> = view.columns().iter().copied().collect();
    let range = *columns.iter().min()?..columns.iter().max()? + 1;
    (columns.len() == range.len()).then_some(range)
}
