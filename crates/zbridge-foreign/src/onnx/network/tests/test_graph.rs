//! Graphs of a few nodes, written to a file and run by both engines.

use super::{agree, numbers};
use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataType, Dimension as DimensionProto, GraphProto, ModelProto,
    NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto, TypeProtoTensor,
    ValueInfoProto,
};
use std::cell::RefCell;

/// A graph that is built node by node. Its nodes use constants by name.
#[derive(Default)]
pub(super) struct TestGraph(GraphProto);

pub(super) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        i: Some(i),
        r#type: Some(AttributeType::INT),
        ..Default::default()
    }
}

pub(super) fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    let kind = Some(AttributeType::INTS);
    AttributeProto {
        name: Some(name.into()),
        ints: ints.to_vec(),
        r#type: kind,
        ..Default::default()
    }
}

pub(super) fn text(name: &str, text: &str) -> AttributeProto {
    let kind = Some(AttributeType::STRING);
    AttributeProto {
        name: Some(name.into()),
        s: Some(text.into()),
        r#type: kind,
        ..Default::default()
    }
}

/// Returns the attributes of windows along this many sides; `rten` needs all of them.
pub(super) fn windows(sides: usize, given: &[AttributeProto]) -> Vec<AttributeProto> {
    let usual = [
        ints("strides", &vec![1; sides]),
        ints("pads", &vec![0; 2 * sides]),
        ints("dilations", &vec![1; sides]),
    ];
    let missing = usual
        .into_iter()
        .filter(|usual| given.iter().all(|given| given.name != usual.name));
    given.iter().cloned().chain(missing).collect()
}

impl TestGraph {
    /// Adds a node. The names of its inputs and outputs are separated by spaces; `-` is an input
    /// that is left out.
    pub(super) fn node(
        mut self,
        operator: &str,
        x: &str,
        y: &str,
        attributes: &[AttributeProto],
    ) -> Self {
        let names = |names: &str| names.split(' ').map(|name| name.replace('-', "")).collect();
        let (input, output, attribute) = (names(x), names(y), attributes.to_vec());
        let op_type = Some(operator.into());
        self.0.node.push(NodeProto {
            op_type,
            input,
            output,
            attribute,
            ..Default::default()
        });
        self
    }

    fn constant(mut self, name: &str, kind: DataType, dims: &[usize], bytes: Vec<u8>) -> Self {
        let dims = dims.iter().map(|&dim| dim as i64).collect();
        let (name, raw_data) = (Some(name.into()), Some(RefCell::new(bytes)));
        self.0.initializer.push(TensorProto {
            name,
            dims,
            data_type: Some(kind),
            raw_data,
            ..Default::default()
        });
        self
    }

    pub(super) fn floats(self, name: &str, dims: &[usize], values: &[f32]) -> Self {
        let bytes = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.constant(name, DataType::FLOAT, dims, bytes)
    }

    pub(super) fn sizes(self, name: &str, values: &[i64]) -> Self {
        let bytes = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.constant(name, DataType::INT64, &[values.len()], bytes)
    }

    pub(super) fn number(self, name: &str, value: f32) -> Self {
        self.floats(name, &[], &[value])
    }

    /// Adds small random weights.
    pub(super) fn weights(self, name: &str, dims: &[usize]) -> Self {
        let values: Vec<f32> = numbers(dims.iter().product(), name)
            .iter()
            .map(|value| 0.3 * value)
            .collect();
        self.floats(name, dims, &values)
    }

    /// Compares the engines on this graph, from `x` with rows of this shape to outputs whose names
    /// are separated by spaces.
    pub(super) fn agree(mut self, row: &[usize], outputs: &str, is_chain: bool) {
        let size = |&dim: &usize| DimensionProto {
            dim_value: Some(dim as i64),
            dim_param: None,
        };
        let batch = DimensionProto {
            dim_value: None,
            dim_param: Some("batch".into()),
        };
        let shape = Some(TensorShapeProto {
            dim: [vec![batch], row.iter().map(size).collect()].concat(),
        });
        let tensor_type = Some(TypeProtoTensor {
            elem_type: Some(DataType::FLOAT),
            shape,
        });
        let kind = Some(TypeProto {
            tensor_type,
            ..Default::default()
        });
        self.0.input = vec![ValueInfoProto {
            name: Some("x".into()),
            r#type: kind,
        }];
        let output = |name: &str| ValueInfoProto {
            name: Some(name.into()),
            r#type: None,
        };
        self.0.output = outputs.split(' ').map(output).collect();
        let operators: Vec<_> = self
            .0
            .node
            .iter()
            .filter_map(|node| node.op_type.clone())
            .collect();
        let model = ModelProto {
            ir_version: Some(9),
            opset_import: vec![OperatorSetIdProto {
                domain: None,
                version: Some(20),
            }],
            graph: Some(self.0),
            ..Default::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("network.onnx");
        std::fs::write(&path, model.write_buf().unwrap()).unwrap();
        agree(&operators.join(" "), &path, is_chain);
    }
}
