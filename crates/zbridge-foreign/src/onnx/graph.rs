use super::graph_evidence::GraphEvidence;
use super::graph_proto;
use super::operator::{Operator, foreign_domain};
use super::port::Port;
use super::wire_format;
use crate::ForeignError;
use rten_onnx::onnx::{GraphProto, ModelProto, OperatorSetIdProto, TensorProto};
use rten_onnx::protobuf::ProtobufError;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What an ONNX file states of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Graph {
    /// The version of each operator set by its domain; ONNX's own is `ai.onnx`.
    pub operator_sets: BTreeMap<String, i64>,
    /// The program that wrote the file, with its version; may be empty.
    pub producer: String,
    /// The inputs, without weights.
    pub inputs: Vec<Port>,
    /// The outputs.
    pub outputs: Vec<Port>,
    /// The number of nodes of each operator, those of inner graphs included.
    pub operators: BTreeMap<String, usize>,
    /// The number of numbers in the weights.
    pub parameters: usize,
    #[serde(skip)]
    pub(crate) evidence: GraphEvidence,
}

/// Returns the message in an ONNX file.
///
/// # Errors
/// [`ForeignError::Damaged`]; [`ForeignError::Unknown`] if it is another kind of file.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<ModelProto, ForeignError> {
    wire_format::check(bytes, path)?;
    let model = ModelProto::parse_buf(bytes).map_err(|error| damaged(path, &error))?;
    // Almost any short file is a well-formed message without a graph.
    match &model.graph {
        Some(graph) if !graph.node.is_empty() => Ok(model),
        _ => Err(ForeignError::Unknown {
            path: path.into(),
            found: "no ONNX file, or one without a graph".into(),
            expected: "an ONNX file with a graph",
        }),
    }
}

fn damaged(path: &Path, error: &ProtobufError) -> ForeignError {
    let message = error.context().unwrap_or("ModelProto");
    ForeignError::damaged(path, format!("message {message}"), error.kind().to_string())
}

impl Graph {
    /// Returns what the bytes of an ONNX file state.
    ///
    /// # Errors
    /// [`ForeignError::Damaged`], [`ForeignError::Unknown`].
    pub(crate) fn read(bytes: &[u8], path: &Path) -> Result<Self, ForeignError> {
        Ok(Self::of(&parse(bytes, path)?))
    }

    pub(super) fn of(model: &ModelProto) -> Self {
        let no_graph = GraphProto::default();
        let graph = model.graph.as_ref().unwrap_or(&no_graph);
        let inputs = graph_proto::inputs(graph);
        Self {
            operator_sets: model.opset_import.iter().map(operator_set).collect(),
            producer: producer(model),
            inputs: inputs.into_iter().map(Port::of).collect(),
            outputs: graph.output.iter().map(Port::of).collect(),
            operators: operators(graph),
            parameters: graph.initializer.iter().map(parameters).sum(),
            evidence: GraphEvidence::of(graph),
        }
    }

    /// Returns the outputs with their places, as errors list them.
    pub(crate) fn outputs_in_words(&self) -> String {
        let outputs = self.outputs.iter().enumerate();
        let lines: Vec<String> = outputs.map(|(i, port)| format!("{i}: {port}")).collect();
        lines.join("; ")
    }

    /// Returns whether a node is a convolution of any kind.
    pub(super) fn is_convolutional(&self) -> bool {
        let mut operators = self.operators.keys();
        operators.any(|operator| operator.starts_with("Conv"))
    }
}

fn operator_set(set: &OperatorSetIdProto) -> (String, i64) {
    let domain = foreign_domain(set.domain.as_deref()).unwrap_or("ai.onnx");
    (domain.into(), set.version.unwrap_or(0))
}

fn producer(model: &ModelProto) -> String {
    let parts = [&model.producer_name, &model.producer_version];
    let parts: Vec<&str> = parts
        .into_iter()
        .filter_map(|part| part.as_deref())
        .collect();
    parts.join(" ").trim().to_string()
}

fn parameters(weight: &TensorProto) -> usize {
    let mut size = 1usize;
    for &dim in &weight.dims {
        // A count for people: the engine refuses weights of impossible shapes.
        size = size.saturating_mul(usize::try_from(dim).unwrap_or(0));
    }
    size
}

fn operators(graph: &GraphProto) -> BTreeMap<String, usize> {
    let mut operators = BTreeMap::new();
    count_operators(graph, &mut operators);
    operators
}

/// Adds the operators of a graph, and of the graphs inside of it.
fn count_operators(graph: &GraphProto, operators: &mut BTreeMap<String, usize>) {
    for node in graph.node.iter().map(Operator) {
        *operators.entry(node.qualified_name()).or_default() += 1;
        for inner in node.inner_graphs() {
            count_operators(inner, operators);
        }
    }
}
