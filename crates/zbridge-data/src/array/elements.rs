use super::ElementType;
use half::{bf16, f16};
use std::borrow::Cow;

/// The elements of an array, the last axis fastest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Elements<'a> {
    /// Little-endian numbers of one type.
    Numbers(ElementType, Cow<'a, [u8]>),
    Texts(Vec<String>),
}

impl Elements<'_> {
    /// Returns the numbers rounded to f32; `None` if they are not floats.
    pub(crate) fn floats_f32(&self) -> Option<Vec<f32>> {
        let Self::Numbers(element_type, bytes) = self else {
            return None;
        };
        match element_type {
            ElementType::F16 => Some(decode(bytes, |bytes| f16::from_le_bytes(bytes).to_f32())),
            ElementType::Bf16 => Some(decode(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32())),
            ElementType::F32 => Some(decode(bytes, f32::from_le_bytes)),
            ElementType::F64 => Some(decode(bytes, |bytes| f64::from_le_bytes(bytes) as f32)),
            _ => None,
        }
    }

    /// Returns the numbers; `None` if they are not floats.
    pub(crate) fn floats_f64(&self) -> Option<Vec<f64>> {
        match self {
            Self::Numbers(ElementType::F64, bytes) => Some(decode(bytes, f64::from_le_bytes)),
            // Every other type of floats has its values among those of f32.
            other => Some(other.floats_f32()?.into_iter().map(f64::from).collect()),
        }
    }

    /// Returns the numbers; `None` if they are not of an integer type.
    pub(crate) fn integers(&self) -> Option<Vec<i128>> {
        match self {
            Self::Numbers(element_type, bytes) if element_type.is_integer() => {
                Some(decode_integers(element_type, bytes).collect())
            }
            _ => None,
        }
    }

    /// Returns the numbers rounded to f32, whether floats or integers; `None` if they are texts or
    /// of another type.
    pub(crate) fn numbers_f32(&self) -> Option<Vec<f32>> {
        match self {
            // Images are mostly stored as bytes, for which this is faster than the next arm.
            Self::Numbers(ElementType::U8, bytes) => {
                Some(bytes.iter().map(|&byte| f32::from(byte)).collect())
            }
            Self::Numbers(element_type, bytes) if element_type.is_integer() => {
                let integers = decode_integers(element_type, bytes);
                Some(integers.map(|number| number as f32).collect())
            }
            other => other.floats_f32(),
        }
    }

    /// Returns integers as they are written, and texts as they are; `None` for other elements.
    pub(crate) fn into_names(self) -> Option<Vec<String>> {
        match self {
            Self::Texts(texts) => Some(texts),
            numbers => Some(numbers.integers()?.iter().map(i128::to_string).collect()),
        }
    }
}

/// Returns the numbers of `N` bytes each; readers check that there are whole ones.
fn decode<const N: usize, T>(data: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (whole, _) = data.as_chunks::<N>();
    whole.iter().map(|&bytes| number(bytes)).collect()
}

/// Returns integers of the type as 128 bits, which hold those of every type.
fn decode_integers(element_type: &ElementType, bytes: &[u8]) -> impl Iterator<Item = i128> {
    let signed = element_type.is_signed_integer();
    let integers = bytes.chunks_exact(element_type.width());
    integers.map(move |bytes| integer(bytes, signed))
}

/// Returns a little-endian integer of at most 16 bytes.
fn integer(bytes: &[u8], signed: bool) -> i128 {
    let is_negative = signed && bytes.last().is_some_and(|&highest| highest >= 0x80);
    // Two's complement: the bytes above a negative number are all ones.
    let mut extended = [if is_negative { 0xff } else { 0 }; 16];
    extended[..bytes.len()].copy_from_slice(bytes);
    i128::from_le_bytes(extended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_keep_every_digit() {
        let bytes = u64::MAX.to_le_bytes();
        let largest = Elements::Numbers(ElementType::U64, bytes[..].into());
        assert_eq!(largest.into_names().unwrap(), ["18446744073709551615"]);
        let bytes = [0xff; 4];
        let ones = Elements::Numbers(ElementType::I16, bytes[..].into());
        assert_eq!(ones.into_names().unwrap(), ["-1", "-1"]);
        let bytes = i64::MIN.to_le_bytes();
        let lowest = Elements::Numbers(ElementType::I64, bytes[..].into());
        assert_eq!(lowest.integers().unwrap(), [i128::from(i64::MIN)]);
    }

    #[test]
    fn only_floats_are_floats() {
        let bytes = 1.5f64.to_le_bytes();
        let float = Elements::Numbers(ElementType::F64, bytes[..].into());
        assert_eq!(float.floats_f32().unwrap(), [1.5]);
        assert!(float.integers().is_none());
        let integer = Elements::Numbers(ElementType::I64, bytes[..].into());
        assert!(integer.floats_f64().is_none());
        assert!(Elements::Texts(vec![]).integers().is_none());
    }
}
