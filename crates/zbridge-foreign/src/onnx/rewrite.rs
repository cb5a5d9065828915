//! Operators that the engine lacks, written with those that it has.

use super::operator::Operator;
use rten_onnx::onnx::{GraphProto, ModelProto, NodeProto};
use std::mem;

/// Rewrites the operators of `model` that the engine lacks; returns whether there were any.
pub(super) fn rewrite(model: &mut ModelProto) -> bool {
    match &mut model.graph {
        Some(graph) => rewrite_graph(graph),
        None => false,
    }
}

fn rewrite_graph(graph: &mut GraphProto) -> bool {
    let mut is_changed = false;
    // In their order: nodes must follow those that they take values from.
    for node in mem::take(&mut graph.node) {
        match replacement(&node) {
            Some(nodes) => {
                graph.node.extend(nodes);
                is_changed = true;
            }
            None => graph.node.push(node),
        }
    }
    is_changed
}

/// Returns the nodes that do what `node` does; `None` if the engine has its operator.
fn replacement(node: &NodeProto) -> Option<Vec<NodeProto>> {
    let operator = Operator(node).name();
    match (operator, node.input.as_slice(), node.output.as_slice()) {
        ("Mish", [x], [y]) => Some(mish(node, x, y)),
        // Nothing is dropped outside of training, which a third input would ask for.
        ("Dropout", [x] | [x, _], [y]) => Some(vec![step(node, "Identity", &[x], y)]),
        _ => None,
    }
}

/// x · tanh(softplus(x)): its definition in ONNX.
fn mish(node: &NodeProto, x: &str, y: &str) -> Vec<NodeProto> {
    let (softplus, tanh) = (format!("{y}/softplus"), format!("{y}/tanh"));
    vec![
        step(node, "Softplus", &[x], &softplus),
        step(node, "Tanh", &[&softplus], &tanh),
        step(node, "Mul", &[x, &tanh], y),
    ]
}

/// Returns a node that does a part of what `whole` does.
fn step(whole: &NodeProto, operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        name: whole.name.as_ref().map(|name| format!("{name}/{operator}")),
        op_type: Some(operator.into()),
        input: inputs.iter().map(|&name| name.into()).collect(),
        output: vec![output.into()],
        ..NodeProto::default()
    }
}
