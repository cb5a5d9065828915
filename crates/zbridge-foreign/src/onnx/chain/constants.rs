use super::operator::Operator;
use super::view::size_of;
use rten_onnx::onnx::{DataLocation, DataType, GraphProto, TensorProto};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// What a graph knows before it sees a row: weights, and sizes.
pub(super) struct Constants<'a> {
    tensors: HashMap<&'a str, &'a TensorProto>,
    /// Files of weights by the names that the graph calls them.
    data: &'a BTreeMap<String, Vec<u8>>,
    sizes: HashMap<&'a str, Vec<Size>>,
}

/// Floats and their shape.
pub(super) type Floats = (Vec<usize>, Vec<f32>);

/// A whole number that shapes are made of; none is the size of the batch.
pub(super) type Size = Option<i64>;

impl<'a> Constants<'a> {
    pub(super) fn of(graph: &'a GraphProto, data: &'a BTreeMap<String, Vec<u8>>) -> Self {
        let weights = graph
            .initializer
            .iter()
            .filter_map(|tensor| Some((tensor.name.as_deref()?, tensor)));
        let mut tensors: HashMap<_, _> = weights.collect();
        for node in graph.node.iter().map(Operator) {
            let tensor = match node.name() {
                "Constant" => node
                    .attribute("value")
                    .and_then(|attribute| attribute.t.as_ref()),
                // Weights that are equal are written once.
                "Identity" => node.input(0).and_then(|name| tensors.get(name).copied()),
                _ => None,
            };
            tensors.extend(node.output().zip(tensor));
        }
        Self {
            tensors,
            data,
            sizes: HashMap::new(),
        }
    }

    pub(super) fn floats(&self, name: &str) -> Option<Floats> {
        let tensor = self
            .tensors
            .get(name)
            .filter(|tensor| tensor.data_type == Some(DataType::FLOAT))?;
        let shape: Vec<usize> = tensor
            .dims
            .iter()
            .map(|&dim| usize::try_from(dim).ok())
            .collect::<Option<_>>()?;
        let values = match self.bytes(tensor)? {
            bytes if bytes.is_empty() => tensor.float_data.clone(),
            bytes => bytes
                .as_chunks()
                .0
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect(),
        };
        (Some(values.len()) == size_of(&shape)).then_some((shape, values))
    }

    /// Floats in one dimension, so many.
    pub(super) fn vector(&self, name: &str, size: usize) -> Option<Vec<f32>> {
        self.floats(name)
            .filter(|(shape, _)| shape == &[size])
            .map(|(_, values)| values)
    }

    /// A constant that is one number.
    pub(super) fn scalar(&self, name: &str) -> Option<f32> {
        self.floats(name)
            .filter(|(shape, values)| shape.len() <= 1 && values.len() == 1)
            .map(|(_, values)| values[0])
    }

    pub(super) fn sizes(&self, name: &str) -> Option<Vec<Size>> {
        if let Some(sizes) = self.sizes.get(name) {
            return Some(sizes.clone());
        }
        let tensor = self
            .tensors
            .get(name)
            .filter(|tensor| tensor.data_type == Some(DataType::INT64))?;
        Some(match self.bytes(tensor)? {
            bytes if bytes.is_empty() => tensor.int64_data.iter().map(|&size| Some(size)).collect(),
            bytes => bytes
                .as_chunks()
                .0
                .iter()
                .map(|bytes| Some(i64::from_le_bytes(*bytes)))
                .collect(),
        })
    }

    /// Whole numbers none of which is the batch's.
    pub(super) fn ints(&self, name: &str) -> Option<Vec<i64>> {
        self.sizes(name)?.into_iter().collect()
    }

    /// Takes down the output of a node that says of a value's shape, batch included, what its
    /// attributes ask for.
    pub(super) fn put_shape(&mut self, node: Operator<'a>, row: &[usize]) -> Option<()> {
        let own = row
            .iter()
            .map(|&size| i64::try_from(size).ok())
            .collect::<Option<Vec<_>>>()?;
        let all: Vec<Size> = std::iter::once(None)
            .chain(own.into_iter().map(Some))
            .collect();
        let end = |name, usual| clamped(node.int(name, usual), all.len());
        let range = end("start", 0)..end("end", i64::MAX);
        self.sizes.insert(node.output()?, all.get(range)?.to_vec());
        Some(())
    }

    /// Takes down the output of a node whose inputs are all sizes; other nodes are left alone.
    pub(super) fn put_sizes(&mut self, node: Operator<'a>) -> Option<()> {
        let given = |place: usize| node.input(place).and_then(|name| self.sizes(name));
        let sizes = match node.name() {
            "Identity" | "Squeeze" | "Unsqueeze" => given(0)?,
            "Cast" if node.int("to", 0) == 7 => given(0)?,
            "Concat" => node
                .inputs()
                .map(|name| self.sizes(name))
                .collect::<Option<Vec<_>>>()?
                .concat(),
            "Gather" => {
                let (all, at) = (given(0)?, self.ints(node.input(1)?)?);
                let count = i64::try_from(all.len()).ok()?;
                let place = |&i: &i64| usize::try_from(if i < 0 { i + count } else { i }).ok();
                at.iter()
                    .map(|i| all.get(place(i)?).copied())
                    .collect::<Option<_>>()?
            }
            "Slice" if node.input(4).is_none() => {
                let all = given(0)?;
                let end =
                    |place| Some(clamped(*self.ints(node.input(place)?)?.first()?, all.len()));
                all.get(end(1)?..end(2)?)?.to_vec()
            }
            _ => return None,
        };
        self.sizes.insert(node.output()?, sizes);
        Some(())
    }

    /// The bytes of a tensor; empty where its numbers lie in fields of their own.
    fn bytes(&self, tensor: &'a TensorProto) -> Option<Cow<'a, [u8]>> {
        if tensor.data_location != Some(DataLocation::EXTERNAL) {
            return Some(
                tensor
                    .raw_data
                    .as_ref()
                    .map_or_else(Default::default, |raw| raw.borrow().clone().into()),
            );
        }
        let entry = |key: &str| {
            let found = tensor
                .external_data
                .iter()
                .find(|entry| entry.key.as_deref() == Some(key));
            found.and_then(|entry| entry.value.as_deref())
        };
        let file = self.data.get(entry("location")?)?;
        let offset = entry("offset").map_or(Some(0), |offset| offset.parse().ok())?;
        let rest = file.get(offset..)?;
        let length = entry("length").map_or(Some(rest.len()), |length| length.parse().ok())?;
        rest.get(..length).map(Cow::Borrowed)
    }
}

/// A bound of a part of `count` places, as ONNX writes it: negative from the end, and cut off at
/// both ends.
pub(super) fn clamped(bound: i64, count: usize) -> usize {
    let distance = usize::try_from(bound.unsigned_abs()).unwrap_or(usize::MAX);
    if bound < 0 {
        count.saturating_sub(distance)
    } else {
        distance.min(count)
    }
}
