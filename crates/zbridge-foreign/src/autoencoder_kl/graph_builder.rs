use super::protobuf::{self, Attribute};
use crate::{ForeignError, StateDict};
use ndarray::{ArrayD, IxDyn};
use rten_onnx::onnx::{
    DataLocation, DataType, GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto,
};
use std::cell::RefCell;

/// The name under which the engine finds the weights.
pub(super) const DATA: &str = "weights.data";

/// A value in a graph, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value(String);

/// A graph, and the bytes of its weights under the name [`DATA`].
pub(super) struct BuiltGraph {
    pub(super) model: ModelProto,
    pub(super) data: Vec<u8>,
}

/// A network under construction, its weights taken by name from a state dict.
///
/// It becomes an ONNX graph in memory, so that networks from a state dict run on the same engine as
/// all others.
pub(super) struct GraphBuilder<'a> {
    weights: &'a StateDict,
    graph: GraphProto,
    /// All weights in single precision, one after another.
    data: Vec<u8>,
}

impl<'a> GraphBuilder<'a> {
    /// Returns an empty graph that takes rows of this shape, and its input.
    pub(super) fn new(weights: &'a StateDict, row: [usize; 3]) -> (Self, Value) {
        let graph = GraphProto {
            input: vec![protobuf::port("input", Some(row))],
            ..GraphProto::default()
        };
        let builder = Self {
            weights,
            graph,
            data: Vec::new(),
        };
        (builder, Value("input".into()))
    }

    /// Returns the graph with these outputs.
    pub(super) fn finish(mut self, outputs: &[(&str, &Value)]) -> BuiltGraph {
        for (name, value) in outputs {
            // Values have numbers as names; outputs get theirs from a node of their own.
            self.push("Identity", &[value], name, &[]);
            self.graph.output.push(protobuf::port(name, None));
        }
        BuiltGraph {
            model: protobuf::model(self.graph),
            data: self.data,
        }
    }

    /// Adds a node, and returns its output.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute)],
    ) -> Value {
        let output = format!("value.{}", self.graph.node.len());
        self.push(operator, inputs, &output, attributes);
        Value(output)
    }

    fn push(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        output: &str,
        attributes: &[(&str, Attribute)],
    ) {
        let attributes = attributes.iter();
        self.graph.node.push(NodeProto {
            name: Some(output.into()),
            op_type: Some(operator.into()),
            input: inputs.iter().map(|value| value.0.clone()).collect(),
            output: vec![output.into()],
            attribute: attributes.map(|(name, value)| value.named(name)).collect(),
            ..NodeProto::default()
        });
    }

    /// Returns an input that is left out.
    pub(super) fn nothing() -> Value {
        Value(String::new())
    }

    /// Returns whether the state dict has a tensor.
    pub(super) fn has_weight(&self, name: &str) -> bool {
        self.weights.tensor(name).is_some()
    }

    /// Returns the number of dimensions of a tensor of the state dict; 0 if there is none.
    pub(super) fn weight_rank(&self, name: &str) -> usize {
        self.weights
            .tensor(name)
            .map_or(0, |tensor| tensor.shape().len())
    }

    /// Returns the values of a tensor of the state dict.
    pub(super) fn weight_values(
        &self,
        name: &str,
        shape: &[usize],
    ) -> Result<ArrayD<f32>, ForeignError> {
        self.weights.values(name, shape)
    }

    /// Adds a tensor of the state dict.
    pub(super) fn weight(&mut self, name: &str, shape: &[usize]) -> Result<Value, ForeignError> {
        let values = self.weight_values(name, shape)?;
        Ok(self.floats(&values))
    }

    /// Adds a tensor `[channels]` of the state dict as `[channels, 1, 1]`, which is repeated over
    /// an image.
    pub(super) fn channel_weight(
        &mut self,
        name: &str,
        channels: usize,
    ) -> Result<Value, ForeignError> {
        let values = self.weight_values(name, &[channels])?;
        let values = values.into_shape_with_order(IxDyn(&[channels, 1, 1]));
        Ok(self.floats(&values.expect("as many channels")))
    }

    /// Adds a constant of floats.
    pub(super) fn floats(&mut self, values: &ArrayD<f32>) -> Value {
        let offset = self.data.len();
        for value in values {
            self.data.extend(value.to_le_bytes());
        }
        // Protobuf messages end at 2 GiB, so the bytes are not part of the graph.
        let tensor = TensorProto {
            data_type: Some(DataType::FLOAT),
            data_location: Some(DataLocation::EXTERNAL),
            external_data: external_entries(offset, self.data.len() - offset),
            ..TensorProto::default()
        };
        self.constant(tensor, values.shape())
    }

    /// Adds a constant list of integers.
    pub(super) fn ints(&mut self, values: &[i64]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        let tensor = TensorProto {
            data_type: Some(DataType::INT64),
            raw_data: Some(RefCell::new(bytes.collect())),
            ..TensorProto::default()
        };
        self.constant(tensor, &[values.len()])
    }

    fn constant(&mut self, tensor: TensorProto, shape: &[usize]) -> Value {
        let name = format!("constant.{}", self.graph.initializer.len());
        self.graph.initializer.push(TensorProto {
            name: Some(name.clone()),
            dims: shape.iter().map(|&dim| dim as i64).collect(),
            ..tensor
        });
        Value(name)
    }
}

fn external_entries(offset: usize, length: usize) -> Vec<StringStringEntryProto> {
    let entries = [
        ("location", DATA.to_string()),
        ("offset", offset.to_string()),
        ("length", length.to_string()),
    ];
    let entry = |(key, value): (&str, String)| StringStringEntryProto {
        key: Some(key.into()),
        value: Some(value),
    };
    entries.map(entry).to_vec()
}
