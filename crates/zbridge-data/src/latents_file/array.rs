use half::{bf16, f16};
use std::borrow::Cow;
use std::fmt;

/// What one element of an array is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Element {
    F16,
    Bf16,
    F32,
    F64,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    Text,
    /// What is not read here, as its container calls it.
    Other(String),
}

impl Element {
    /// Bytes of a number; 0 where elements are no numbers of one size.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::F16 | Self::Bf16 | Self::U16 | Self::I16 => 2,
            Self::F32 | Self::U32 | Self::I32 => 4,
            Self::F64 | Self::U64 | Self::I64 => 8,
            Self::Text | Self::Other(_) => 0,
        }
    }

    pub(super) fn is_float(&self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::Text => "text",
            Self::Other(name) => name,
        })
    }
}

/// What a container says of one of its arrays, before the elements are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) element: Element,
    pub(super) shape: Vec<usize>,
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {} {:?}", self.name, self.element, self.shape)
    }
}

/// The elements of an array, the last axis fastest.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Elements<'a> {
    /// Little-endian numbers of one type.
    Numbers(Element, Cow<'a, [u8]>),
    Texts(Vec<String>),
}

impl Elements<'_> {
    /// The numbers as f64, when they are floats.
    pub(super) fn floats(&self) -> Option<Vec<f64>> {
        let Self::Numbers(element, bytes) = self else {
            return None;
        };
        match element {
            Element::F16 => Some(numbers(bytes, |bytes| f16::from_le_bytes(bytes).to_f64())),
            Element::Bf16 => Some(numbers(bytes, |bytes| bf16::from_le_bytes(bytes).to_f64())),
            Element::F32 => Some(numbers(bytes, |bytes| f64::from(f32::from_le_bytes(bytes)))),
            Element::F64 => Some(numbers(bytes, f64::from_le_bytes)),
            _ => None,
        }
    }

    /// The numbers rounded to f32, when they are floats.
    pub(super) fn rounded(&self) -> Option<Vec<f32>> {
        let Self::Numbers(element, bytes) = self else {
            return None;
        };
        match element {
            Element::F16 => Some(numbers(bytes, |bytes| f16::from_le_bytes(bytes).to_f32())),
            Element::Bf16 => Some(numbers(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32())),
            Element::F32 => Some(numbers(bytes, f32::from_le_bytes)),
            Element::F64 => Some(numbers(bytes, |bytes| f64::from_le_bytes(bytes) as f32)),
            _ => None,
        }
    }

    /// The numbers, when they are whole by type: 128 bits hold every one.
    pub(super) fn integers(&self) -> Option<Vec<i128>> {
        let Self::Numbers(element, bytes) = self else {
            return None;
        };
        match element {
            Element::U8 => Some(numbers(bytes, |bytes| u8::from_le_bytes(bytes).into())),
            Element::U16 => Some(numbers(bytes, |bytes| u16::from_le_bytes(bytes).into())),
            Element::U32 => Some(numbers(bytes, |bytes| u32::from_le_bytes(bytes).into())),
            Element::U64 => Some(numbers(bytes, |bytes| u64::from_le_bytes(bytes).into())),
            Element::I8 => Some(numbers(bytes, |bytes| i8::from_le_bytes(bytes).into())),
            Element::I16 => Some(numbers(bytes, |bytes| i16::from_le_bytes(bytes).into())),
            Element::I32 => Some(numbers(bytes, |bytes| i32::from_le_bytes(bytes).into())),
            Element::I64 => Some(numbers(bytes, |bytes| i64::from_le_bytes(bytes).into())),
            _ => None,
        }
    }

    /// Whole numbers as written, and texts as they are.
    pub(super) fn names(self) -> Option<Vec<String>> {
        match self {
            Self::Texts(texts) => Some(texts),
            numbers => Some(numbers.integers()?.iter().map(i128::to_string).collect()),
        }
    }
}

/// Little-endian numbers of `N` bytes each; the container was checked to hold whole ones.
fn numbers<const N: usize, T>(data: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks::<N>()
        .0
        .iter()
        .map(|&bytes| number(bytes))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_keep_every_digit() {
        let bytes = u64::MAX.to_le_bytes();
        let largest = Elements::Numbers(Element::U64, bytes[..].into());
        assert_eq!(largest.names().unwrap(), ["18446744073709551615"]);
        let bytes = [0xff; 4];
        assert_eq!(
            Elements::Numbers(Element::I16, bytes[..].into())
                .names()
                .unwrap(),
            ["-1", "-1"]
        );
    }

    #[test]
    fn only_floats_are_floats() {
        let bytes = 1.5f64.to_le_bytes();
        assert_eq!(
            Elements::Numbers(Element::F64, bytes[..].into())
                .rounded()
                .unwrap(),
            [1.5]
        );
        assert!(
            Elements::Numbers(Element::I64, bytes[..].into())
                .floats()
                .is_none()
        );
        assert!(Elements::Texts(vec![]).integers().is_none());
    }
}
