//! From the nodes of a graph to the steps of a network.

use super::graph_lowering::{GraphLowering, MOST_NUMBERS};
use super::view::View;
use crate::onnx::graph_proto;
use crate::onnx::operator::{Operator, foreign_domain};
use crate::shape::checked_size;
use rten_onnx::onnx::ModelProto;
use std::collections::BTreeMap;
use zbridge_infer::FixedNetwork;

/// The first operator set in which operators mean what they mean here: before it, some of them
/// repeated constants by other rules.
const FIRST_OPERATOR_SET: i64 = 9;

/// A graph as a network, whose outputs lie side by side.
pub(super) struct LoweredGraph {
    pub(super) network: FixedNetwork,
    /// The shape of one row of each output.
    pub(super) output_shapes: Vec<Vec<usize>>,
}

/// Returns the network that a graph is; `None` if it is no chain, or its weights are no floats.
pub(super) fn lower(
    model: &ModelProto,
    data: &BTreeMap<String, Vec<u8>>,
    input_shape: &[usize],
) -> Option<LoweredGraph> {
    let size = checked_size(input_shape)?;
    if !(1..=MOST_NUMBERS).contains(&size) || !has_known_operators(model) {
        return None;
    }
    let graph = model.graph.as_ref()?;
    let inputs = graph_proto::inputs(graph);
    let [input] = inputs.as_slice() else {
        return None;
    };
    let mut lowering = GraphLowering::new(graph, data, input.name.as_deref()?, input_shape);
    for place in 0..graph.node.len() {
        lower_node(&mut lowering, place)?;
    }
    finish(lowering)
}

fn has_known_operators(model: &ModelProto) -> bool {
    let mut sets = model.opset_import.iter();
    let onnx = sets.find(|set| foreign_domain(set.domain.as_deref()).is_none());
    onnx.is_some_and(|set| set.version >= Some(FIRST_OPERATOR_SET))
}

fn lower_node<'a>(lowering: &mut GraphLowering<'a>, place: usize) -> Option<()> {
    let graph = lowering.graph;
    let node = Operator(&graph.node[place]);
    if lowering.fused.contains(&place) {
        return Some(());
    }
    let values = &lowering.values;
    let is_value = |name: &&str| values.shape(name).is_some();
    let Some(x) = node.inputs().find(is_value) else {
        // It works on constants. If its output is needed and is not known, a later node fails.
        lowering.constants.put_sizes(node);
        return Some(());
    };
    if node.name() == "Shape" {
        return lowering.constants.put_shape(node, values.shape(x)?);
    }
    // Before the operator itself: it may be the first of several that are one activation.
    if let Some(pattern) = lowering.activation_pattern(place, x) {
        return lowering.activate_pattern(pattern, x);
    }
    lower_operator(lowering, node, x)
}

/// Lowers one node; `x` is its first input that is no constant.
fn lower_operator<'a>(
    lowering: &mut GraphLowering<'a>,
    node: Operator<'a>,
    x: &'a str,
) -> Option<()> {
    match node.name() {
        // These may have several outputs.
        "Gemm" | "MatMul" => lowering.linear_layers(x),
        "Split" => lowering.split(node, x),
        _ => {
            let view = output_view(lowering, node, x)?;
            lowering.values.put(node.output()?, view);
            Some(())
        }
    }
}

/// Returns the output of a node that has one only.
fn output_view<'a>(
    lowering: &mut GraphLowering<'a>,
    node: Operator<'a>,
    x: &'a str,
) -> Option<View> {
    match node.name() {
        "Conv" | "ConvTranspose" => lowering.convolution(node),
        "BatchNormalization" => lowering.batch_norm(node),
        "InstanceNormalization" => lowering.instance_norm(node),
        "Add" | "Sub" | "Mul" | "Div" => lowering.scale_by_constant(node, x),
        "PRelu" => lowering.prelu(node),
        "Resize" if node.text("mode", "nearest") != "nearest" => lowering.interpolate(node),
        "Concat" => lowering.concatenate(node),
        _ => match lowering.activation(node) {
            Some(activation) => lowering.activate(node, activation),
            None => lowering.view_operator(node, x),
        },
    }
}

/// Puts the outputs of the graph side by side.
fn finish(mut lowering: GraphLowering<'_>) -> Option<LoweredGraph> {
    let mut columns = Vec::new();
    let mut output_shapes = Vec::new();
    for output in &lowering.graph.output {
        // An output that is a constant, or the input of a node that changed it, has no view.
        let view = lowering.values.get(output.name.as_deref()?)?;
        columns.extend_from_slice(view.columns());
        output_shapes.push(view.shape().to_vec());
    }
    if !(1..=MOST_NUMBERS).contains(&columns.len()) {
        return None;
    }
    lowering.network.gather(&columns);
    Some(LoweredGraph {
        network: lowering.network,
        output_shapes,
    })
}
