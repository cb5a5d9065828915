use rten_onnx::onnx::{DataType, Dimension as DimensionProto, ValueInfoProto};
use serde::Serialize;
use std::fmt;

/// A dimension of an input or an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Dimension {
    /// A dimension of one size.
    Fixed(usize),
    /// A dimension whose size is known when the network runs, with its name; the name may be empty.
    Free(String),
}

/// An input or an output of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Port {
    /// The name in the graph.
    pub name: String,
    /// The type of the numbers, as ONNX calls it.
    pub number_type: String,
    /// The shape, if the file states it; the first dimension is the batch.
    pub shape: Option<Vec<Dimension>>,
}

impl Port {
    pub(super) fn of(value: &ValueInfoProto) -> Self {
        let value_type = value.r#type.as_ref();
        let tensor = value_type.and_then(|value_type| value_type.tensor_type.as_ref());
        let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
        Self {
            name: value.name.clone().unwrap_or_default(),
            number_type: number_type_name(tensor.and_then(|tensor| tensor.elem_type)),
            shape: shape.map(|shape| shape.dim.iter().map(Dimension::of).collect()),
        }
    }

    /// Returns the size of the batch, if the network takes no other.
    pub(super) fn fixed_batch(&self) -> Option<usize> {
        match self.shape.as_deref()?.first()? {
            Dimension::Fixed(rows) => Some(*rows),
            Dimension::Free(_) => None,
        }
    }

    /// Returns whether the numbers are floats, of any precision.
    pub(super) fn is_float(&self) -> bool {
        let floats = ["float32", "float16", "float64", "double", "float"];
        floats.contains(&self.number_type.as_str())
    }

    /// Returns the shape of one row, if the file states it.
    pub(crate) fn row_shape(&self) -> Option<Vec<usize>> {
        let row = self.shape.as_deref()?.get(1..)?;
        row.iter().map(Dimension::fixed).collect()
    }

    /// Returns whether rows of this shape are what the file states, as far as it does.
    pub(super) fn takes_rows(&self, row: &[usize]) -> bool {
        let Some(shape) = self.shape.as_deref() else {
            return true;
        };
        let fits = |(stated, size): (&Dimension, &usize)| match stated {
            Dimension::Fixed(fixed) => fixed == size,
            Dimension::Free(_) => true,
        };
        shape.len() == row.len() + 1 && shape[1..].iter().zip(row).all(fits)
    }
}

impl Dimension {
    fn of(dimension: &DimensionProto) -> Self {
        match dimension.dim_value.map(usize::try_from) {
            Some(Ok(size)) => Self::Fixed(size),
            // Some exporters write a negative size for a free dimension.
            _ => Self::Free(dimension.dim_param.clone().unwrap_or_default()),
        }
    }

    fn fixed(&self) -> Option<usize> {
        match self {
            Self::Fixed(size) => Some(*size),
            Self::Free(_) => None,
        }
    }
}

fn number_type_name(number_type: Option<DataType>) -> String {
    match number_type.as_ref().and_then(DataType::name) {
        // ONNX calls it `FLOAT`, beside `FLOAT16` and `DOUBLE`.
        Some("FLOAT") => "float32".into(),
        Some(name) => name.to_lowercase(),
        None => "no tensor".into(),
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.name, self.number_type)?;
        let Some(shape) = &self.shape else {
            return f.write_str("of unknown shape");
        };
        let dimensions: Vec<String> = shape.iter().map(Dimension::to_string).collect();
        write!(f, "[{}]", dimensions.join(", "))
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => size.fmt(f),
            Self::Free(name) if name.is_empty() => f.write_str("?"),
            Self::Free(name) => f.write_str(name),
        }
    }
}
