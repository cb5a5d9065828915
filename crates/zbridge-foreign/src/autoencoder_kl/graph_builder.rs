use crate::{ForeignError, StateDict};
use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataLocation, DataType, Dimension, GraphProto, ModelProto,
    NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto,
    TypeProto, TypeProtoTensor, ValueInfoProto,
};
use std::cell::RefCell;
use std::slice;

/// The name under which the engine finds the weights.
pub(super) const DATA: &str = "weights.data";

/// A value in a graph: the name of what a node gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value(String);

/// A batch of images in a graph, `[batch, channels, height, width]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Images {
    pub(super) value: Value,
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

/// A network under construction, its weights taken by name from a state dict.
///
/// It becomes an ONNX graph in memory, so that networks from a state dict run on the engine that
/// runs all others.
pub(super) struct GraphBuilder<'a> {
    weights: &'a StateDict,
    graph: GraphProto,
    /// All weights in single precision, side by side.
    data: Vec<u8>,
}

/// How a convolution moves over its input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// Rows and columns of zeros: above, left, below, right.
    pub(super) padding: [i64; 4],
}

impl Window {
    pub(super) const POINT: Self = Self {
        kernel: 1,
        stride: 1,
        padding: [0; 4],
    };
    pub(super) const SAME: Self = Self {
        kernel: 3,
        stride: 1,
        padding: [1; 4],
    };
    pub(super) const HALVING: Self = Self {
        kernel: 3,
        stride: 2,
        padding: [0, 0, 1, 1],
    };
}

/// An attribute of a node.
enum Attribute<'a> {
    Int(i64),
    Float(f32),
    Ints(&'a [i64]),
    Text(&'a str),
}

impl<'a> GraphBuilder<'a> {
    /// A graph that takes a batch of images.
    pub(super) fn new(
        weights: &'a StateDict,
        channels: usize,
        height: usize,
        width: usize,
    ) -> (Self, Images) {
        let mut builder = Self {
            weights,
            graph: GraphProto::default(),
            data: Vec::new(),
        };
        builder
            .graph
            .input
            .push(port("input", Some([channels, height, width])));
        (
            builder,
            Images {
                value: Value("input".into()),
                channels,
                height,
                width,
            },
        )
    }

    /// The graph with these outputs, and its weights.
    pub(super) fn finish(mut self, outputs: &[(&str, Value)]) -> (ModelProto, Vec<u8>) {
        for (name, Value(value)) in outputs {
            self.push("Identity", &[Value(value.clone())], name, &[]);
            self.graph.output.push(port(name, None));
        }
        let model = ModelProto {
            ir_version: Some(8),
            opset_import: vec![OperatorSetIdProto {
                domain: None,
                version: Some(17),
            }],
            producer_name: Some("zbridge".into()),
            graph: Some(self.graph),
            ..ModelProto::default()
        };
        (model, self.data)
    }

    /// Convolution with the kernel and bias under `name`.
    pub(super) fn conv(
        &mut self,
        name: &str,
        x: &Images,
        channels: usize,
        window: Window,
    ) -> Result<Images, ForeignError> {
        let shape = [channels, x.channels, window.kernel, window.kernel];
        let weight = self.weight(&format!("{name}.weight"), &shape)?;
        let bias = self.weight(&format!("{name}.bias"), &[channels])?;
        let (kernel, stride) = (window.kernel as i64, window.stride as i64);
        let attributes = [
            ("kernel_shape", Attribute::Ints(&[kernel, kernel])),
            ("strides", Attribute::Ints(&[stride, stride])),
            ("pads", Attribute::Ints(&window.padding)),
        ];
        let value = self.node("Conv", &[x.value.clone(), weight, bias], &attributes);
        Ok(Images {
            value,
            channels,
            height: x.height / window.stride,
            width: x.width / window.stride,
        })
    }

    /// Group normalisation (Wu & He 2018) with the scale and bias under `name`.
    pub(super) fn group_norm(
        &mut self,
        name: &str,
        x: &Images,
        groups: usize,
    ) -> Result<Images, ForeignError> {
        const EPSILON: f32 = 1e-6;
        let scale = self.weight_as(
            &format!("{name}.weight"),
            &[x.channels],
            &[x.channels, 1, 1],
        )?;
        let bias = self.weight_as(&format!("{name}.bias"), &[x.channels], &[x.channels, 1, 1])?;
        // Each group as one channel of a row of numbers.
        let grouped = self.reshape(&x.value, &[0, groups as i64, -1]);
        let (ones, zeros) = (
            self.floats(&vec![1.0; groups], &[groups]),
            self.floats(&vec![0.0; groups], &[groups]),
        );
        let epsilon = [("epsilon", Attribute::Float(EPSILON))];
        let normal = self.node("InstanceNormalization", &[grouped, ones, zeros], &epsilon);
        let normal = self.reshape(&normal, &x.row_shape());
        let scaled = self.node("Mul", &[normal, scale], &[]);
        Ok(Images {
            value: self.node("Add", &[scaled, bias], &[]),
            ..*x
        })
    }

    /// x · σ(x).
    pub(super) fn silu(&mut self, x: &Images) -> Images {
        let gate = self.node("Sigmoid", slice::from_ref(&x.value), &[]);
        Images {
            value: self.node("Mul", &[x.value.clone(), gate], &[]),
            ..*x
        }
    }

    pub(super) fn add(&mut self, a: &Images, b: &Images) -> Images {
        Images {
            value: self.node("Add", &[a.value.clone(), b.value.clone()], &[]),
            ..*a
        }
    }

    /// Every pixel four times.
    pub(super) fn doubled(&mut self, x: &Images) -> Images {
        let scales = self.floats(&[1.0, 1.0, 2.0, 2.0], &[4]);
        let attributes = [
            ("mode", Attribute::Text("nearest")),
            (
                "coordinate_transformation_mode",
                Attribute::Text("asymmetric"),
            ),
            ("nearest_mode", Attribute::Text("floor")),
        ];
        let value = self.node(
            "Resize",
            &[x.value.clone(), Value(String::new()), scales],
            &attributes,
        );
        Images {
            value,
            height: 2 * x.height,
            width: 2 * x.width,
            ..*x
        }
    }

    /// Attention of every pixel to every pixel, one head, under the names that diffusers has or had
    /// for its parts.
    pub(super) fn attention(
        &mut self,
        name: &str,
        x: &Images,
        groups: usize,
    ) -> Result<Images, ForeignError> {
        let normal = self.group_norm(&format!("{name}.group_norm"), x, groups)?;
        let rows = self.reshape(&normal.value, &[0, x.channels as i64, -1]);
        let rows = self.transpose(&rows);
        let query = self.linear(name, ["to_q", "query"], &rows, x.channels)?;
        let key = self.linear(name, ["to_k", "key"], &rows, x.channels)?;
        let value = self.linear(name, ["to_v", "value"], &rows, x.channels)?;
        let scale = self.floats(&[1.0 / (x.channels as f32).sqrt()], &[1]);
        let query = self.node("Mul", &[query, scale], &[]);
        let key = self.transpose(&key);
        let scores = self.node("MatMul", &[query, key], &[]);
        let shares = self.node("Softmax", &[scores], &[("axis", Attribute::Int(-1))]);
        let mixed = self.node("MatMul", &[shares, value], &[]);
        let mixed = self.linear(name, ["to_out.0", "proj_attn"], &mixed, x.channels)?;
        let mixed = self.transpose(&mixed);
        let mixed = Images {
            value: self.reshape(&mixed, &x.row_shape()),
            ..*x
        };
        Ok(self.add(x, &mixed))
    }

    /// The first and the second half of the channels.
    pub(super) fn halves(&mut self, x: &Images) -> [Value; 2] {
        let half = (x.channels / 2) as i64;
        [(0, half), (half, 2 * half)].map(|(from, to)| {
            let bounds = [from, to, 1].map(|number| self.ints(&[number]));
            let [from, to, axis] = bounds;
            self.node("Slice", &[x.value.clone(), from, to, axis], &[])
        })
    }

    /// `x` kept between two numbers.
    pub(super) fn clipped(&mut self, x: &Value, low: f32, high: f32) -> Value {
        let (low, high) = (self.floats(&[low], &[]), self.floats(&[high], &[]));
        self.node("Clip", &[x.clone(), low, high], &[])
    }

    /// Rows times the transposed matrix under one of two names, which was once kept as a kernel of
    /// one pixel.
    fn linear(
        &mut self,
        name: &str,
        parts: [&str; 2],
        x: &Value,
        channels: usize,
    ) -> Result<Value, ForeignError> {
        let there = |part: &&str| {
            self.weights
                .tensor(&format!("{name}.{part}.weight"))
                .is_some()
        };
        let part = parts
            .into_iter()
            .find(|part| there(part))
            .unwrap_or(parts[0]);
        let weight = format!("{name}.{part}.weight");
        let is_kernel = self
            .weights
            .tensor(&weight)
            .is_some_and(|tensor| tensor.shape().len() == 4);
        let shape = [channels, channels, 1, 1];
        let values = self
            .weights
            .values(&weight, if is_kernel { &shape } else { &shape[..2] })?;
        let turned: Vec<f32> = (0..channels * channels)
            .map(|i| values[i % channels * channels + i / channels])
            .collect();
        let weight = self.floats(&turned, &[channels, channels]);
        let bias = self.weight(&format!("{name}.{part}.bias"), &[channels])?;
        let product = self.node("MatMul", &[x.clone(), weight], &[]);
        Ok(self.node("Add", &[product, bias], &[]))
    }

    fn reshape(&mut self, x: &Value, shape: &[i64]) -> Value {
        let shape = self.ints(shape);
        self.node("Reshape", &[x.clone(), shape], &[])
    }

    fn transpose(&mut self, x: &Value) -> Value {
        self.node(
            "Transpose",
            slice::from_ref(x),
            &[("perm", Attribute::Ints(&[0, 2, 1]))],
        )
    }

    fn weight(&mut self, name: &str, shape: &[usize]) -> Result<Value, ForeignError> {
        self.weight_as(name, shape, shape)
    }

    fn weight_as(
        &mut self,
        name: &str,
        shape: &[usize],
        seen_as: &[usize],
    ) -> Result<Value, ForeignError> {
        let values = self.weights.values(name, shape)?;
        Ok(self.floats(&values, seen_as))
    }

    fn floats(&mut self, values: &[f32], shape: &[usize]) -> Value {
        let offset = self.data.len();
        self.data
            .extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let entry = |key: &str, value: String| StringStringEntryProto {
            key: Some(key.into()),
            value: Some(value),
        };
        let tensor = TensorProto {
            data_type: Some(DataType::FLOAT),
            data_location: Some(DataLocation::EXTERNAL),
            external_data: vec![
                entry("location", DATA.into()),
                entry("offset", offset.to_string()),
                entry("length", (self.data.len() - offset).to_string()),
            ],
            ..TensorProto::default()
        };
        self.constant(tensor, shape)
    }

    fn ints(&mut self, values: &[i64]) -> Value {
        let bytes = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let tensor = TensorProto {
            data_type: Some(DataType::INT64),
            raw_data: Some(RefCell::new(bytes)),
            ..TensorProto::default()
        };
        self.constant(tensor, &[values.len()])
    }

    fn constant(&mut self, tensor: TensorProto, shape: &[usize]) -> Value {
        let name = format!("constant.{}", self.graph.initializer.len());
        let dims = shape.iter().map(|&dim| dim as i64).collect();
        self.graph.initializer.push(TensorProto {
            name: Some(name.clone()),
            dims,
            ..tensor
        });
        Value(name)
    }

    fn node(
        &mut self,
        operator: &str,
        inputs: &[Value],
        attributes: &[(&str, Attribute)],
    ) -> Value {
        let output = format!("value.{}", self.graph.node.len());
        self.push(operator, inputs, &output, attributes);
        Value(output)
    }

    fn push(
        &mut self,
        operator: &str,
        inputs: &[Value],
        output: &str,
        attributes: &[(&str, Attribute)],
    ) {
        self.graph.node.push(NodeProto {
            name: Some(output.into()),
            op_type: Some(operator.into()),
            input: inputs.iter().map(|Value(name)| name.clone()).collect(),
            output: vec![output.into()],
            attribute: attributes
                .iter()
                .map(|(name, value)| value.named(name))
                .collect(),
            ..NodeProto::default()
        });
    }
}

impl Images {
    /// Its shape for a reshape that keeps the batch.
    fn row_shape(&self) -> [i64; 4] {
        [
            0,
            self.channels as i64,
            self.height as i64,
            self.width as i64,
        ]
    }
}

impl Attribute<'_> {
    fn named(&self, name: &str) -> AttributeProto {
        let attribute = AttributeProto {
            name: Some(name.into()),
            ..AttributeProto::default()
        };
        match self {
            Self::Int(i) => AttributeProto {
                i: Some(*i),
                r#type: Some(AttributeType::INT),
                ..attribute
            },
            Self::Float(f) => AttributeProto {
                f: Some(*f),
                r#type: Some(AttributeType::FLOAT),
                ..attribute
            },
            Self::Ints(ints) => AttributeProto {
                ints: ints.to_vec(),
                r#type: Some(AttributeType::INTS),
                ..attribute
            },
            Self::Text(s) => AttributeProto {
                s: Some((*s).into()),
                r#type: Some(AttributeType::STRING),
                ..attribute
            },
        }
    }
}

/// An input or output of floats, its first dimension the batch.
fn port(name: &str, row: Option<[usize; 3]>) -> ValueInfoProto {
    let fixed = |size: usize| Dimension {
        dim_value: Some(size as i64),
        dim_param: None,
    };
    let batch = Dimension {
        dim_value: None,
        dim_param: Some("batch".into()),
    };
    let shape = row.map(|row| TensorShapeProto {
        dim: [batch].into_iter().chain(row.map(fixed)).collect(),
    });
    let tensor = TypeProtoTensor {
        elem_type: Some(DataType::FLOAT),
        shape,
    };
    let r#type = Some(TypeProto {
        tensor_type: Some(tensor),
        ..TypeProto::default()
    });
    ValueInfoProto {
        name: Some(name.into()),
        r#type,
    }
}
