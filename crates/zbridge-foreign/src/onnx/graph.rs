use crate::ForeignError;
use crate::onnx::wire;
use rten_onnx::onnx::{DataType, GraphProto, ModelProto, NodeProto, ValueInfoProto};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::Path;

/// A dimension of an input or an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Dimension {
    /// Of this size always.
    Fixed(usize),
    /// Known when the network runs, under this name.
    Free(String),
}

/// An input or an output of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Port {
    /// Its name in the graph.
    pub name: String,
    /// The type of its numbers, as ONNX calls it.
    pub number_type: String,
    /// Its shape, as far as the file tells; the first dimension is the batch.
    pub shape: Option<Vec<Dimension>>,
}

/// What an ONNX file says of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Graph {
    /// Domain → version of the operator sets; ONNX's own is `ai.onnx`.
    pub operator_sets: BTreeMap<String, i64>,
    /// The program that wrote it, with its version.
    pub producer: String,
    /// What it takes, without what it has itself.
    pub inputs: Vec<Port>,
    /// What it gives.
    pub outputs: Vec<Port>,
    /// Operator → how many nodes, inner graphs included.
    pub operators: BTreeMap<String, usize>,
    /// Numbers in its weights.
    pub parameters: usize,
    /// The operator that makes each output, seen through those that only reshape.
    #[serde(skip)]
    pub(crate) last_operators: Vec<LastOperator>,
    /// What the first operator after the input divides by, where it does.
    #[serde(skip)]
    pub(crate) input_divisor: Option<f32>,
}

/// What an output comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LastOperator {
    /// The operator; empty where the output is an input.
    pub(crate) name: String,
    /// Whether it keeps numbers within −1..1.
    pub(crate) is_symmetric: bool,
}

impl Port {
    /// Whether it takes floats of single precision, in batches of any size.
    pub(super) fn is_free(&self) -> bool {
        let batch = self.shape.as_deref().and_then(|shape| shape.first());
        self.number_type == "float32" && !matches!(batch, Some(Dimension::Fixed(_)))
    }

    /// The shape of one row, where the file tells it.
    pub(crate) fn row_shape(&self) -> Option<Vec<usize>> {
        let inner = self.shape.as_deref()?.get(1..)?;
        inner
            .iter()
            .map(|dimension| {
                if let Dimension::Fixed(size) = dimension {
                    Some(*size)
                } else {
                    None
                }
            })
            .collect()
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = match &self.shape {
            None => "of unknown shape".to_string(),
            Some(shape) => format!(
                "[{}]",
                shape
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        };
        write!(f, "{} {} {shape}", self.name, self.number_type)
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => size.fmt(f),
            Self::Free(name) => f.write_str(if name.is_empty() { "?" } else { name }),
        }
    }
}

/// The message in an ONNX file.
///
/// # Errors
/// [`ForeignError::Damaged`]; [`ForeignError::Unknown`] when it is another kind of file.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<ModelProto, ForeignError> {
    wire::check(bytes, path)?;
    let model = ModelProto::parse_buf(bytes).map_err(|error| {
        let place = format!("message {}", error.context().unwrap_or("ModelProto"));
        ForeignError::Damaged {
            path: path.into(),
            place,
            why: error.kind().to_string(),
        }
    })?;
    if model
        .graph
        .as_ref()
        .is_none_or(|graph| graph.node.is_empty())
    {
        let found = "no ONNX file, or one without a graph".into();
        return Err(ForeignError::Unknown {
            path: path.into(),
            found,
            expected: "an ONNX file with a graph",
        });
    }
    Ok(model)
}

impl Graph {
    /// What the bytes of an ONNX file say.
    ///
    /// # Errors
    /// [`ForeignError::Damaged`], [`ForeignError::Unknown`].
    pub(crate) fn read(bytes: &[u8], path: &Path) -> Result<Self, ForeignError> {
        Ok(Self::of(&parse(bytes, path)?))
    }

    pub(super) fn of(model: &ModelProto) -> Self {
        let empty = GraphProto::default();
        let graph = model.graph.as_ref().unwrap_or(&empty);
        let own: HashSet<_> = graph
            .initializer
            .iter()
            .filter_map(|tensor| tensor.name.as_deref())
            .collect();
        let is_own =
            |value: &&ValueInfoProto| value.name.as_deref().is_some_and(|name| own.contains(name));
        let mut operators = BTreeMap::new();
        count_operators(graph, &mut operators);
        Self {
            operator_sets: model.opset_import.iter().map(operator_set).collect(),
            producer: producer(model),
            inputs: graph
                .input
                .iter()
                .filter(|value| !is_own(value))
                .map(port)
                .collect(),
            outputs: graph.output.iter().map(port).collect(),
            operators,
            parameters: graph
                .initializer
                .iter()
                .map(|tensor| size(&tensor.dims))
                .sum(),
            last_operators: graph
                .output
                .iter()
                .map(|output| last_operator(graph, output))
                .collect(),
            input_divisor: input_divisor(graph),
        }
    }

    /// The outputs as errors list them.
    pub(crate) fn outputs_in_words(&self) -> String {
        self.outputs
            .iter()
            .enumerate()
            .map(|(i, port)| format!("{i}: {port}"))
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// Whether it slides windows over images or sounds.
    pub(crate) fn is_convolutional(&self) -> bool {
        self.operators
            .keys()
            .any(|operator| operator.starts_with("Conv"))
    }
}

fn operator_set(set: &rten_onnx::onnx::OperatorSetIdProto) -> (String, i64) {
    let domain = set
        .domain
        .as_deref()
        .filter(|domain| !domain.is_empty())
        .unwrap_or("ai.onnx");
    (domain.into(), set.version.unwrap_or(0))
}

fn producer(model: &ModelProto) -> String {
    let parts = [&model.producer_name, &model.producer_version];
    parts
        .iter()
        .filter_map(|part| part.as_deref())
        .collect::<Vec<_>>()
        .join(" ")
        .trim()
        .to_string()
}

fn port(value: &ValueInfoProto) -> Port {
    let tensor = value
        .r#type
        .as_ref()
        .and_then(|kind| kind.tensor_type.as_ref());
    let number_type = tensor.and_then(|tensor| tensor.elem_type);
    let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
    Port {
        name: value.name.clone().unwrap_or_default(),
        number_type: number_type_name(number_type),
        shape: shape.map(|shape| shape.dim.iter().map(dimension).collect()),
    }
}

fn number_type_name(number_type: Option<DataType>) -> String {
    match number_type {
        Some(DataType::FLOAT) => "float32".into(),
        other => other
            .and_then(|kind| kind.name().map(str::to_lowercase))
            .unwrap_or_else(|| "no tensor".into()),
    }
}

fn dimension(dimension: &rten_onnx::onnx::Dimension) -> Dimension {
    match dimension.dim_value.map(usize::try_from) {
        Some(Ok(size)) => Dimension::Fixed(size),
        _ => Dimension::Free(dimension.dim_param.clone().unwrap_or_default()),
    }
}

fn size(dims: &[i64]) -> usize {
    dims.iter().fold(1usize, |size, &dim| {
        size.saturating_mul(usize::try_from(dim).unwrap_or(0))
    })
}

fn count_operators(graph: &GraphProto, operators: &mut BTreeMap<String, usize>) {
    for node in &graph.node {
        *operators.entry(operator(node)).or_default() += 1;
        node.attribute
            .iter()
            .filter_map(|attribute| attribute.g.as_ref())
            .for_each(|g| count_operators(g, operators));
    }
}

/// The name of a node's operator, with its domain where that is not ONNX's own.
fn operator(node: &NodeProto) -> String {
    let name = node.op_type.as_deref().unwrap_or_default();
    match node.domain.as_deref() {
        None | Some("" | "ai.onnx") => name.into(),
        Some(domain) => format!("{domain}.{name}"),
    }
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

fn last_operator(graph: &GraphProto, output: &ValueInfoProto) -> LastOperator {
    let mut value = output.name.as_deref().unwrap_or_default();
    // Each step goes to an earlier node; the bound is for graphs that go round.
    for _ in 0..graph.node.len() {
        let made = |node: &&NodeProto| node.output.iter().any(|name| name == value);
        let Some(node) = graph.node.iter().find(made) else {
            break;
        };
        let name = operator(node);
        match node.input.first() {
            Some(input) if RESHAPING.contains(&name.as_str()) => value = input,
            _ => {
                return LastOperator {
                    is_symmetric: is_symmetric(graph, node, &name),
                    name,
                };
            }
        }
    }
    LastOperator::default()
}

fn is_symmetric(graph: &GraphProto, node: &NodeProto, operator: &str) -> bool {
    let bound = |place: usize| node.input.get(place).and_then(|name| scalar(graph, name));
    operator == "Tanh" || (operator == "Clip" && bound(1) == Some(-1.0) && bound(2) == Some(1.0))
}

fn input_divisor(graph: &GraphProto) -> Option<f32> {
    let own = |name: &str| {
        graph
            .initializer
            .iter()
            .any(|tensor| tensor.name.as_deref() == Some(name))
    };
    let mut value = graph
        .input
        .iter()
        .filter_map(|input| input.name.as_deref())
        .find(|name| !own(name))?;
    for _ in 0..graph.node.len() {
        // The size of the batch is often asked for first.
        let takes = |node: &&NodeProto| {
            operator(node) != "Shape" && node.input.first().is_some_and(|name| name == value)
        };
        let node = graph.node.iter().find(takes)?;
        let factor = || node.input.get(1).and_then(|name| scalar(graph, name));
        match operator(node).as_str() {
            "Div" => return factor(),
            "Mul" => return factor().map(|factor| 1.0 / factor),
            name if RESHAPING.contains(&name) => value = node.output.first()?,
            _ => return None,
        }
    }
    None
}

/// The one number of a constant.
fn scalar(graph: &GraphProto, name: &str) -> Option<f32> {
    let made = |node: &&NodeProto| node.output.first().is_some_and(|output| output == name);
    let constant = || {
        graph
            .node
            .iter()
            .find(made)?
            .attribute
            .iter()
            .find_map(|attribute| attribute.t.as_ref())
    };
    let tensor = graph
        .initializer
        .iter()
        .find(|tensor| tensor.name.as_deref() == Some(name))
        .or_else(constant)?;
    if tensor.data_type != Some(DataType::FLOAT) || size(&tensor.dims) != 1 {
        return None;
    }
    let raw = tensor
        .raw_data
        .as_ref()
        .and_then(|raw| raw.borrow().first_chunk().copied())
        .map(f32::from_le_bytes);
    raw.or_else(|| tensor.float_data.first().copied())
}
