use super::known_sizes::{KnownSizes, Size};
use crate::onnx::operator::Operator;
use crate::onnx::tensor_data::TensorData;
use ndarray::{Array1, ArrayD, Ix1};
use rten_onnx::onnx::{GraphProto, TensorProto};
use std::collections::{BTreeMap, HashMap};

/// The values of a graph that do not depend on its input: weights, and numbers that shapes are made
/// of.
pub(super) struct Constants<'a> {
    tensors: HashMap<&'a str, &'a TensorProto>,
    data: TensorData<'a>,
    sizes: KnownSizes<'a>,
}

impl<'a> Constants<'a> {
    pub(super) fn of(graph: &'a GraphProto, data: &'a BTreeMap<String, Vec<u8>>) -> Self {
        Self {
            tensors: constant_tensors(graph),
            data: TensorData::new(data),
            sizes: KnownSizes::default(),
        }
    }

    pub(super) fn floats(&self, name: &str) -> Option<ArrayD<f32>> {
        self.data.floats(self.tensors.get(name)?)
    }

    /// Returns a constant `[size]`.
    pub(super) fn vector(&self, name: &str, size: usize) -> Option<Array1<f32>> {
        let vector = self.floats(name)?.into_dimensionality::<Ix1>().ok()?;
        (vector.len() == size).then_some(vector)
    }

    /// Returns a constant that is one number.
    pub(super) fn scalar(&self, name: &str) -> Option<f32> {
        let values = self.floats(name)?;
        let is_scalar = values.ndim() <= 1 && values.len() == 1;
        is_scalar.then(|| values.first().copied())?
    }

    /// Returns a constant that a shape is made of.
    pub(super) fn sizes(&self, name: &str) -> Option<Vec<Size>> {
        // Computed sizes first: they may stand for the batch, which no tensor can.
        if let Some(sizes) = self.sizes.get(name) {
            return Some(sizes.to_vec());
        }
        let numbers = self.data.ints(self.tensors.get(name)?)?;
        Some(numbers.into_iter().map(Size::Number).collect())
    }

    /// Returns a constant of integers; `None` if one of them is the size of the batch.
    pub(super) fn ints(&self, name: &str) -> Option<Vec<i64>> {
        let sizes = self.sizes(name)?;
        sizes.into_iter().map(Size::number).collect()
    }

    /// Records the output of a `Shape` node, whose input has rows of this shape.
    pub(super) fn put_shape(&mut self, node: Operator<'a>, row: &[usize]) -> Option<()> {
        self.sizes.put_shape(node, row)
    }

    /// Records the output of a node if all of its inputs are known sizes.
    pub(super) fn put_sizes(&mut self, node: Operator<'a>) {
        let sizes = KnownSizes::computed(node, |name| self.sizes(name));
        self.sizes.put(node, sizes);
    }
}

fn constant_tensors(graph: &GraphProto) -> HashMap<&str, &TensorProto> {
    let weights = graph.initializer.iter();
    let named = weights.filter_map(|weight| Some((weight.name.as_deref()?, weight)));
    let mut tensors: HashMap<_, _> = named.collect();
    for node in graph.node.iter().map(Operator) {
        let tensor = constant_output(node, &tensors);
        tensors.extend(node.output().zip(tensor));
    }
    tensors
}

/// Returns the output of a node that gives a constant.
fn constant_output<'a>(
    node: Operator<'a>,
    tensors: &HashMap<&str, &'a TensorProto>,
) -> Option<&'a TensorProto> {
    match node.name() {
        "Constant" => node.attribute("value")?.t.as_ref(),
        // Exporters write equal weights once, and refer to them in this way.
        "Identity" => tensors.get(node.input(0)?).copied(),
        _ => None,
    }
}
