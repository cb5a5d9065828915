//! Questions about the graph of an ONNX file.

use super::operator::Operator;
use rten_onnx::onnx::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use std::collections::HashSet;

/// Returns the inputs that are not weights: files before ONNX 1.4 list all weights as inputs.
pub(super) fn inputs(graph: &GraphProto) -> Vec<&ValueInfoProto> {
    let weights = graph
        .initializer
        .iter()
        .filter_map(|weight| weight.name.as_deref());
    let weights: HashSet<&str> = weights.collect();
    let is_weight = |input: &ValueInfoProto| match &input.name {
        Some(name) => weights.contains(name.as_str()),
        None => false,
    };
    let inputs = graph.input.iter();
    inputs.filter(|input| !is_weight(input)).collect()
}

/// Returns the node that gives a value.
pub(super) fn producer<'a>(graph: &'a GraphProto, value: &str) -> Option<Operator<'a>> {
    let gives = |node: &&NodeProto| node.output.iter().any(|name| name == value);
    graph.node.iter().find(gives).map(Operator)
}

/// Returns the constant of this name: a weight, or the value of a `Constant` node.
pub(super) fn constant<'a>(graph: &'a GraphProto, name: &str) -> Option<&'a TensorProto> {
    let is_named = |weight: &&TensorProto| weight.name.as_deref() == Some(name);
    if let Some(weight) = graph.initializer.iter().find(is_named) {
        return Some(weight);
    }
    let node = producer(graph, name)?;
    let mut tensors = node
        .0
        .attribute
        .iter()
        .filter_map(|attribute| attribute.t.as_ref());
    tensors.next()
}
