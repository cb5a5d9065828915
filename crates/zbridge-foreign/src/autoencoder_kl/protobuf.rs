//! The parts of an ONNX file that are the same in every graph.

use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataType, Dimension, GraphProto, ModelProto, OperatorSetIdProto,
    TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};

/// The value of a node's attribute.
pub(super) enum Attribute<'a> {
    Int(i64),
    Float(f32),
    Ints(&'a [i64]),
    Text(&'a str),
}

impl Attribute<'_> {
    pub(super) fn named(&self, name: &str) -> AttributeProto {
        let mut attribute = AttributeProto {
            name: Some(name.into()),
            r#type: Some(self.attribute_type()),
            ..AttributeProto::default()
        };
        match *self {
            Self::Int(value) => attribute.i = Some(value),
            Self::Float(value) => attribute.f = Some(value),
            Self::Ints(values) => attribute.ints = values.to_vec(),
            Self::Text(text) => attribute.s = Some(text.into()),
        }
        attribute
    }

    fn attribute_type(&self) -> AttributeType {
        match self {
            Self::Int(_) => AttributeType::INT,
            Self::Float(_) => AttributeType::FLOAT,
            Self::Ints(_) => AttributeType::INTS,
            Self::Text(_) => AttributeType::STRING,
        }
    }
}

/// Returns the file with this graph, whose operators are those of operator set 17.
pub(super) fn model(graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: Some(8),
        opset_import: vec![OperatorSetIdProto {
            domain: None,
            version: Some(17),
        }],
        producer_name: Some("zbridge".into()),
        graph: Some(graph),
        ..ModelProto::default()
    }
}

/// Returns an input or output of floats `[batch, row..]`, whose shape may be left out.
pub(super) fn port(name: &str, row: Option<[usize; 3]>) -> ValueInfoProto {
    let tensor_type = TypeProtoTensor {
        elem_type: Some(DataType::FLOAT),
        shape: row.map(batch_shape),
    };
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto {
            tensor_type: Some(tensor_type),
            ..TypeProto::default()
        }),
    }
}

fn batch_shape(row: [usize; 3]) -> TensorShapeProto {
    let mut dim = vec![Dimension {
        dim_value: None,
        dim_param: Some("batch".into()),
    }];
    for size in row {
        dim.push(Dimension {
            dim_value: Some(size as i64),
            dim_param: None,
        });
    }
    TensorShapeProto { dim }
}
