use crate::shape::checked_size;
use half::{bf16, f16};
use ndarray::{ArrayD, Dimension, IxDyn};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// The type of a tensor's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum NumberType {
    Float16,
    Bfloat16,
    Float32,
    Float64,
    Bool,
    Uint8,
    Int8,
    Int16,
    Int32,
    Int64,
}

impl NumberType {
    /// Returns the number of bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            Self::Bool | Self::Uint8 | Self::Int8 => 1,
            Self::Float16 | Self::Bfloat16 | Self::Int16 => 2,
            Self::Float32 | Self::Int32 => 4,
            Self::Float64 | Self::Int64 => 8,
        }
    }
}

impl fmt::Display for NumberType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", format!("{self:?}").to_lowercase())
    }
}

/// A tensor of a file: a view of a storage, which several tensors may share.
#[derive(Debug, Clone)]
pub struct NamedTensor {
    number_type: NumberType,
    layout: StridedLayout,
    /// The byte at which the first number begins.
    start: usize,
    storage: Arc<[u8]>,
}

/// How the numbers of a tensor lie behind its first number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StridedLayout {
    pub(super) shape: Vec<usize>,
    /// Numbers from one place of a dimension to the next, one for each dimension.
    pub(super) strides: Vec<usize>,
}

impl StridedLayout {
    /// Returns the layout of a tensor whose numbers lie in row-major order.
    pub(super) fn row_major(shape: &[usize]) -> Self {
        Self {
            shape: shape.to_vec(),
            strides: row_major_strides(shape),
        }
    }

    /// Returns how many numbers lie from the first to the last one; `None` if that overflows.
    fn extent(&self) -> Option<usize> {
        // The last number is at the last place of every dimension.
        let mut last = 0usize;
        for (&dim, &stride) in self.shape.iter().zip(&self.strides) {
            last = last.checked_add(dim.saturating_sub(1).checked_mul(stride)?)?;
        }
        last.checked_add(1)
    }

    /// Returns why the layout does not fit a storage of `stored` numbers, of which `left` lie
    /// behind the tensor's start; `None` if it fits.
    fn problem(&self, stored: usize, left: usize) -> Option<String> {
        let (shape, strides) = (&self.shape, &self.strides);
        if strides.len() != shape.len() {
            let count = strides.len();
            return Some(format!("{count} strides for the shape {shape:?}"));
        }
        // Strides of 0 repeat numbers: without this bound a small file could ask for any memory.
        let Some(size) = checked_size(shape).filter(|&size| size <= stored) else {
            return Some(format!(
                "the shape {shape:?} has more numbers than the {stored} that are stored"
            ));
        };
        let leaves = size > 0 && self.extent().is_none_or(|extent| extent > left);
        leaves.then(|| {
            format!("the shape {shape:?} with strides {strides:?} leaves its {left} numbers")
        })
    }
}

fn row_major_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for dim in (1..shape.len()).rev() {
        // Shapes that overflow are refused when the layout is checked.
        strides[dim - 1] = strides[dim].saturating_mul(shape[dim]);
    }
    strides
}

impl NamedTensor {
    /// Returns the view of the storage from byte `start` on; as an error, why it does not fit.
    pub(super) fn new(
        number_type: NumberType,
        layout: StridedLayout,
        start: usize,
        storage: Arc<[u8]>,
    ) -> Result<Self, String> {
        let stored = storage.len() / number_type.bytes();
        let left = storage.len().saturating_sub(start) / number_type.bytes();
        match layout.problem(stored, left) {
            Some(problem) => Err(problem),
            None => Ok(Self {
                number_type,
                layout,
                start,
                storage,
            }),
        }
    }

    /// Returns the type of the numbers.
    pub fn number_type(&self) -> NumberType {
        self.number_type
    }

    /// Returns the shape; empty for a single number.
    pub fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    /// Returns the number of numbers.
    pub fn size(&self) -> usize {
        self.shape().iter().product()
    }

    /// Returns the numbers in single precision, of the tensor's shape; `None` if they are not
    /// floats.
    pub fn to_f32(&self) -> Option<ArrayD<f32>> {
        Some(match self.number_type {
            NumberType::Float16 => self.decode(|bytes| f16::from_le_bytes(bytes).to_f32()),
            NumberType::Bfloat16 => self.decode(|bytes| bf16::from_le_bytes(bytes).to_f32()),
            NumberType::Float32 => self.decode(f32::from_le_bytes),
            NumberType::Float64 => self.decode(|bytes| f64::from_le_bytes(bytes) as f32),
            _ => return None,
        })
    }

    /// Returns the numbers as integers, of the tensor's shape; `None` if they are floats.
    pub fn to_i64(&self) -> Option<ArrayD<i64>> {
        Some(match self.number_type {
            NumberType::Bool | NumberType::Uint8 => self.decode(|[byte]| i64::from(byte)),
            NumberType::Int8 => self.decode(|bytes| i64::from(i8::from_le_bytes(bytes))),
            NumberType::Int16 => self.decode(|bytes| i64::from(i16::from_le_bytes(bytes))),
            NumberType::Int32 => self.decode(|bytes| i64::from(i32::from_le_bytes(bytes))),
            NumberType::Int64 => self.decode(i64::from_le_bytes),
            _ => return None,
        })
    }

    /// Returns what `number` makes of the bytes of each number.
    fn decode<const BYTES: usize, T>(&self, number: impl Fn([u8; BYTES]) -> T) -> ArrayD<T> {
        let StridedLayout { shape, strides } = &self.layout;
        // An empty tensor may begin behind its storage.
        let start = self.start.min(self.storage.len());
        let stored = self.storage[start..].as_chunks::<BYTES>().0;
        // Most tensors are row-major. They can be large, and this is several times as fast.
        if *strides == row_major_strides(shape) {
            let numbers = stored[..self.size()].iter();
            let values = numbers.map(|&bytes| number(bytes)).collect();
            return ArrayD::from_shape_vec(IxDyn(shape), values)
                .expect("as many numbers as the shape has");
        }
        ArrayD::from_shape_fn(IxDyn(shape), |place| {
            let steps = place.slice().iter().zip(strides);
            let index: usize = steps.map(|(step, stride)| step * stride).sum();
            number(stored[index])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{arr0, array};

    fn bytes() -> Arc<[u8]> {
        let numbers = (0..6).flat_map(|i| (i as f32).to_le_bytes());
        numbers.collect::<Vec<_>>().into()
    }

    fn view(shape: &[usize], strides: &[usize], start: usize) -> Result<NamedTensor, String> {
        let layout = StridedLayout {
            shape: shape.to_vec(),
            strides: strides.to_vec(),
        };
        NamedTensor::new(NumberType::Float32, layout, start, bytes())
    }

    #[test]
    fn strides_are_followed() {
        let transposed = view(&[3, 2], &[1, 3], 0).unwrap();
        assert_eq!(
            transposed.to_f32().unwrap(),
            array![[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]].into_dyn()
        );
        let part = view(&[2], &[3], 8).unwrap();
        assert_eq!(part.to_f32().unwrap(), array![2.0, 5.0].into_dyn());
        let scalar = view(&[], &[], 4).unwrap();
        assert_eq!(
            (scalar.to_f32().unwrap(), scalar.to_i64()),
            (arr0(1.0).into_dyn(), None)
        );
    }

    #[test]
    fn views_that_leave_their_bytes_are_refused() {
        assert!(view(&[7], &[1], 0).is_err());
        assert!(view(&[2], &[6], 0).is_err());
        assert!(view(&[6], &[1], 4).is_err());
        assert!(view(&[usize::MAX, 2], &[1, 1], 0).is_err());
        assert!(view(&[usize::MAX, 0], &[1, 1], 0).is_err());
        assert!(view(&[2], &[usize::MAX], 0).is_err());
        assert!(view(&[6], &[0], 0).is_ok(), "one number six times");
        assert!(view(&[0, 4], &[4, 1], 24).is_ok(), "nothing at the end");
        assert!(view(&[0], &[1], 99).unwrap().to_f32().unwrap().is_empty());
    }
}
