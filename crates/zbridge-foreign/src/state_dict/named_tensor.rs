use half::{bf16, f16};
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
    /// Bytes of one number.
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

/// A tensor of a file: a view of some bytes, perhaps one that other tensors share.
#[derive(Debug, Clone)]
pub struct NamedTensor {
    number_type: NumberType,
    shape: Vec<usize>,
    /// In numbers, one for each dimension.
    strides: Vec<usize>,
    /// Where the first number lies, in bytes.
    offset: usize,
    storage: Arc<[u8]>,
}

impl NamedTensor {
    /// The view, once it lies within its bytes; otherwise why it does not.
    pub(super) fn new(
        number_type: NumberType,
        shape: Vec<usize>,
        strides: Vec<usize>,
        offset: usize,
        storage: Arc<[u8]>,
    ) -> Result<Self, String> {
        if strides.len() != shape.len() {
            return Err(format!("{} strides for the shape {shape:?}", strides.len()));
        }
        let held = storage.len() / number_type.bytes();
        let size = shape
            .iter()
            .try_fold(1usize, |size, &dim| size.checked_mul(dim));
        let Some(size) = size.filter(|&size| size <= held) else {
            return Err(format!(
                "the shape {shape:?} has more numbers than the {held} that are stored"
            ));
        };
        let steps = shape
            .iter()
            .zip(&strides)
            .map(|(&dim, &stride)| dim.saturating_sub(1).checked_mul(stride));
        let last = steps
            .into_iter()
            .try_fold(0usize, |last, step| last.checked_add(step?));
        let end = last
            .and_then(|last| last.checked_add(1)?.checked_mul(number_type.bytes()))
            .and_then(|end| end.checked_add(offset));
        if size > 0 && end.is_none_or(|end| end > storage.len()) {
            return Err(format!(
                "the shape {shape:?} with strides {strides:?} leaves its {} bytes",
                storage.len()
            ));
        }
        Ok(Self {
            number_type,
            shape,
            strides,
            offset,
            storage,
        })
    }

    /// The type of its numbers.
    pub fn number_type(&self) -> NumberType {
        self.number_type
    }

    /// Its shape; empty for a single number.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many numbers it has.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// Its numbers in single precision, row-major; none unless they are floats.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        Some(match self.number_type {
            NumberType::Float16 => self.map(|bytes| f16::from_le_bytes(bytes).to_f32()),
            NumberType::Bfloat16 => self.map(|bytes| bf16::from_le_bytes(bytes).to_f32()),
            NumberType::Float32 => self.map(f32::from_le_bytes),
            NumberType::Float64 => self.map(|bytes| f64::from_le_bytes(bytes) as f32),
            _ => return None,
        })
    }

    /// Its numbers as whole ones, row-major; none unless they are.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        Some(match self.number_type {
            NumberType::Bool | NumberType::Uint8 => self.map(|[byte]| i64::from(byte)),
            NumberType::Int8 => self.map(|bytes| i64::from(i8::from_le_bytes(bytes))),
            NumberType::Int16 => self.map(|bytes| i64::from(i16::from_le_bytes(bytes))),
            NumberType::Int32 => self.map(|bytes| i64::from(i32::from_le_bytes(bytes))),
            NumberType::Int64 => self.map(i64::from_le_bytes),
            _ => return None,
        })
    }

    fn map<const BYTES: usize, T>(&self, number: impl Fn([u8; BYTES]) -> T) -> Vec<T> {
        let mut place = vec![0; self.shape.len()];
        let at = |place: &[usize]| {
            let numbers: usize = place
                .iter()
                .zip(&self.strides)
                .map(|(index, stride)| index * stride)
                .sum();
            let start = self.offset + numbers * BYTES;
            let mut bytes = [0; BYTES];
            bytes.copy_from_slice(&self.storage[start..start + BYTES]);
            number(bytes)
        };
        let next = |_| {
            let value = at(&place);
            for (index, &dim) in place.iter_mut().zip(&self.shape).rev() {
                *index += 1;
                if *index < dim {
                    break;
                }
                *index = 0;
            }
            value
        };
        (0..self.size()).map(next).collect()
    }
}

/// The strides of a tensor whose numbers lie in order.
pub(super) fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for dim in (1..shape.len()).rev() {
        strides[dim - 1] = strides[dim].saturating_mul(shape[dim]);
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes() -> Arc<[u8]> {
        (0..6)
            .flat_map(|i| (i as f32).to_le_bytes())
            .collect::<Vec<_>>()
            .into()
    }

    #[test]
    fn strides_are_followed() {
        let transposed =
            NamedTensor::new(NumberType::Float32, vec![3, 2], vec![1, 3], 0, bytes()).unwrap();
        assert_eq!(transposed.to_f32().unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let part = NamedTensor::new(NumberType::Float32, vec![2], vec![3], 8, bytes()).unwrap();
        assert_eq!(part.to_f32().unwrap(), [2.0, 5.0]);
        let scalar = NamedTensor::new(NumberType::Float32, vec![], vec![], 4, bytes()).unwrap();
        assert_eq!(
            (scalar.to_f32().unwrap(), scalar.to_i64()),
            (vec![1.0], None)
        );
    }

    #[test]
    fn views_that_leave_their_bytes_are_refused() {
        let view = |shape: &[usize], strides: &[usize], offset| {
            NamedTensor::new(
                NumberType::Float32,
                shape.to_vec(),
                strides.to_vec(),
                offset,
                bytes(),
            )
        };
        assert!(view(&[7], &[1], 0).is_err());
        assert!(view(&[2], &[6], 0).is_err());
        assert!(view(&[6], &[1], 4).is_err());
        assert!(view(&[usize::MAX, 2], &[1, 1], 0).is_err());
        assert!(view(&[2], &[usize::MAX], 0).is_err());
        assert!(view(&[6], &[0], 0).is_ok(), "one number six times");
        assert!(view(&[0, 4], &[4, 1], 24).is_ok(), "nothing at the end");
    }
}
