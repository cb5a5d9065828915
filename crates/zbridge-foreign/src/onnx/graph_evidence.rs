use super::graph_proto;
use super::operator::Operator;
use super::tensor_data::TensorData;
use rten_onnx::onnx::{GraphProto, NodeProto, ValueInfoProto};
use std::collections::BTreeMap;

/// What the first and the last operators of a graph tell about its inputs and outputs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct GraphEvidence {
    /// The operator that makes each output, those that only reshape left out.
    pub(crate) last_operators: Vec<LastOperator>,
    /// The number that the first operator after the input divides by.
    pub(crate) input_divisor: Option<f32>,
}

/// The operator that makes an output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LastOperator {
    /// Its name; empty if the output is an input.
    pub(crate) name: String,
    /// Whether its values lie within −1..1.
    pub(crate) is_symmetric: bool,
}

/// Operators that leave the numbers as they are.
const RESHAPING: [&str; 8] = [
    "Reshape",
    "Flatten",
    "Identity",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Cast",
    "DepthToSpace",
];

impl GraphEvidence {
    pub(super) fn of(graph: &GraphProto) -> Self {
        let outputs = graph.output.iter();
        Self {
            last_operators: outputs.map(|output| last_operator(graph, output)).collect(),
            input_divisor: input_divisor(graph),
        }
    }
}

fn last_operator(graph: &GraphProto, output: &ValueInfoProto) -> LastOperator {
    let mut value = output.name.as_deref().unwrap_or_default();
    // Each step goes to an earlier node; the bound is for graphs with a circle.
    for _ in 0..graph.node.len() {
        let Some(node) = graph_proto::producer(graph, value) else {
            break;
        };
        match node.0.input.first() {
            Some(input) if is_reshaping(node) => value = input,
            _ => return LastOperator::of(graph, node),
        }
    }
    LastOperator::default()
}

impl LastOperator {
    fn of(graph: &GraphProto, node: Operator<'_>) -> Self {
        Self {
            name: node.qualified_name(),
            is_symmetric: is_symmetric(graph, node),
        }
    }
}

fn is_reshaping(node: Operator<'_>) -> bool {
    RESHAPING.contains(&node.name())
}

fn is_symmetric(graph: &GraphProto, node: Operator<'_>) -> bool {
    let bound = |place: usize| node.input(place).and_then(|name| scalar(graph, name));
    match node.name() {
        "Tanh" => true,
        "Clip" => bound(1) == Some(-1.0) && bound(2) == Some(1.0),
        _ => false,
    }
}

fn input_divisor(graph: &GraphProto) -> Option<f32> {
    let input = *graph_proto::inputs(graph).first()?;
    let mut value = input.name.as_deref()?;
    for _ in 0..graph.node.len() {
        let node = first_user(graph, value)?;
        let factor = || node.input(1).and_then(|name| scalar(graph, name));
        match node.name() {
            "Div" => return factor(),
            "Mul" => return factor().map(|factor| 1.0 / factor),
            _ if is_reshaping(node) => value = node.0.output.first()?,
            _ => return None,
        }
    }
    None
}

/// Returns the first node that works on a value.
fn first_user<'a>(graph: &'a GraphProto, value: &str) -> Option<Operator<'a>> {
    let uses = |node: &&NodeProto| {
        // The size of the batch is often asked for first.
        Operator(node).name() != "Shape" && node.input.first().is_some_and(|name| name == value)
    };
    graph.node.iter().find(uses).map(Operator)
}

/// Returns the number of a constant that has only one.
fn scalar(graph: &GraphProto, name: &str) -> Option<f32> {
    let constant = graph_proto::constant(graph, name)?;
    // Nobody keeps a single number in a file of its own.
    let values = TensorData::new(&BTreeMap::new()).floats(constant)?;
    (values.len() == 1).then(|| values.first().copied())?
}
