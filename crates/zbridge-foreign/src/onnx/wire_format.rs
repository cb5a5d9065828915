//! A check that the messages of an ONNX file are well-formed and not nested too deeply. The
//! engine's reader takes some of this on trust: it loops for ever on a list of numbers that is cut
//! off, and recurses for each level of nesting.
//!
//! # Source
//! The encoding of Protocol Buffers, and the field numbers of `onnx.proto`.

use crate::ForeignError;
use std::path::Path;

/// Graphs in nodes in graphs, and types of types: no exporter comes near.
const MOST_LEVELS: usize = 200;

/// The kinds of messages that are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Value,
    Type,
    TensorType,
    Shape,
    Sequence,
    /// One that holds numbers and texts only.
    Leaf,
}

/// What a field with a length holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Message(Message),
    /// Integers of seven bits a byte.
    Varints,
    /// Numbers of this many bytes each.
    Fixed(usize),
    Bytes,
}

impl Message {
    /// Returns what the field of this number holds.
    fn content(self, field: u64) -> Content {
        match self {
            Self::Tensor => Self::tensor_content(field),
            Self::Attribute => Self::attribute_content(field),
            _ => match self.inner_message(field) {
                Some(message) => Content::Message(message),
                None => Content::Bytes,
            },
        }
    }

    fn inner_message(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Model, 7) => Some(Self::Graph),
            // Operator sets and metadata; dimensions.
            (Self::Model, 8 | 14) | (Self::Shape, 1) => Some(Self::Leaf),
            (Self::Graph, 1) => Some(Self::Node),
            (Self::Graph, 5) => Some(Self::Tensor), // weights
            (Self::Graph, 11..=13) => Some(Self::Value), // inputs, outputs, values in between
            (Self::Node, 5) => Some(Self::Attribute),
            (Self::Value, 2) | (Self::Sequence, 1) => Some(Self::Type),
            (Self::Type, 1) => Some(Self::TensorType),
            (Self::Type, 4) => Some(Self::Sequence),
            (Self::TensorType, 2) => Some(Self::Shape),
            _ => None,
        }
    }

    fn attribute_content(field: u64) -> Content {
        match field {
            5 | 10 => Content::Message(Self::Tensor), // t, tensors
            6 | 11 => Content::Message(Self::Graph),  // g, graphs
            7 => Content::Fixed(4),                   // floats
            8 => Content::Varints,                    // ints
            _ => Content::Bytes,
        }
    }

    fn tensor_content(field: u64) -> Content {
        match field {
            1 | 5 | 7 | 11 => Content::Varints, // dims, int32_data, int64_data, uint64_data
            4 => Content::Fixed(4),             // float_data
            10 => Content::Fixed(8),            // double_data
            13 => Content::Message(Self::Leaf), // external_data
            _ => Content::Bytes,
        }
    }
}

/// A message that is still to be checked.
struct Pending<'a> {
    message: Message,
    part: Part<'a>,
    level: usize,
}

/// What breaks the rules of the encoding, and the byte at which.
struct Fault {
    byte: usize,
    why: String,
}

/// Checks that a file follows the rules of its encoding, to a depth that networks have.
///
/// # Errors
/// [`ForeignError::Damaged`] with the byte.
pub(super) fn check(bytes: &[u8], path: &Path) -> Result<(), ForeignError> {
    // A list of what is left instead of recursion, so that no file can exhaust the stack.
    let file = Part { bytes, start: 0 };
    let mut pending = vec![file.pending(Message::Model, 0)];
    // The order does not matter: each message is checked by itself.
    while let Some(next) = pending.pop() {
        let message = next.message;
        check_message(next, &mut pending).map_err(|Fault { byte, why }| {
            ForeignError::damaged(path, format!("byte {byte} ({message:?})"), why)
        })?;
    }
    Ok(())
}

/// Checks the fields of a message, and adds the messages inside of it to `pending`.
fn check_message<'a>(message: Pending<'a>, pending: &mut Vec<Pending<'a>>) -> Result<(), Fault> {
    let Pending {
        message,
        mut part,
        level,
    } = message;
    if level > MOST_LEVELS {
        return Err(Fault {
            byte: part.start,
            why: format!("more than {MOST_LEVELS} messages lie in each other"),
        });
    }
    while !part.bytes.is_empty() {
        let byte = part.start;
        let fault = |why: &str| Fault {
            byte,
            why: why.into(),
        };
        let field = part.field();
        let field = field.ok_or_else(|| fault("a field that ends too early"))?;
        // Numbers were checked when they were read.
        let Field::WithLength { number, content } = field else {
            continue;
        };
        match message.content(number) {
            Content::Message(inner) => pending.push(content.pending(inner, level + 1)),
            list if content.is_cut(list) => return Err(fault("a list that is cut")),
            _ => {}
        }
    }
    Ok(())
}

/// Some bytes of a file, and where they start in it.
#[derive(Clone, Copy)]
struct Part<'a> {
    bytes: &'a [u8],
    start: usize,
}

/// A field of a message.
enum Field<'a> {
    Number,
    /// A message, a text, or a list of numbers.
    WithLength {
        number: u64,
        content: Part<'a>,
    },
}

impl<'a> Part<'a> {
    /// Returns the next field; `None` if it is ill-formed.
    fn field(&mut self) -> Option<Field<'a>> {
        let tag = self.varint()?;
        // The lowest three bits are the wire type.
        match tag & 7 {
            0 => self.varint().map(|_| Field::Number),
            1 => self.take(8).map(|_| Field::Number),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let content = self.take(length)?;
                Some(Field::WithLength {
                    number: tag >> 3,
                    content,
                })
            }
            5 => self.take(4).map(|_| Field::Number),
            _ => None,
        }
    }

    fn pending(self, message: Message, level: usize) -> Pending<'a> {
        Pending {
            message,
            part: self,
            level,
        }
    }

    /// Returns whether the last number of a list is not whole.
    fn is_cut(self, list: Content) -> bool {
        match list {
            Content::Varints => !self.is_varints(),
            Content::Fixed(size) => !self.bytes.len().is_multiple_of(size),
            _ => false,
        }
    }

    fn is_varints(mut self) -> bool {
        while !self.bytes.is_empty() {
            if self.varint().is_none() {
                return false;
            }
        }
        true
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?.bytes[0];
            // The tenth byte has room for one bit.
            if shift == 63 && byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<Part<'a>> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        let start = self.start;
        *self = Part {
            bytes: rest,
            start: start + length,
        };
        Some(Part {
            bytes: taken,
            start,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field with a length.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        let mut length = content.len();
        while length > 0x7f {
            bytes.push(length as u8 & 0x7f | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(content);
        bytes
    }

    fn checked(bytes: &[u8]) -> Result<(), ForeignError> {
        check(bytes, Path::new("a.onnx"))
    }

    #[test]
    fn graphs_in_graphs_have_an_end() {
        let nested = |levels: usize| {
            let inner = (0..levels).fold(Vec::new(), |inner, level| {
                field([6, 5, 1][level % 3], &inner)
            });
            field(7, &inner)
        };
        assert!(checked(&nested(150)).is_ok());
        let error = checked(&nested(900)).unwrap_err();
        assert!(matches!(error, ForeignError::Damaged { .. }), "{error}");
    }

    #[test]
    fn lists_and_lengths_that_are_cut_are_named_by_byte() {
        let tensor = |dims: &[u8]| field(7, &field(5, &field(1, dims)));
        assert!(checked(&tensor(&[0x80, 0x01])).is_ok());
        let error = checked(&tensor(&[0x80])).unwrap_err();
        assert!(
            matches!(&error, ForeignError::Damaged { place, .. } if place == "byte 4 (Tensor)"),
            "{error}"
        );
        assert!(
            checked(&[7 << 3 | 2, 9, 0]).is_err(),
            "nine bytes of which one is there"
        );
        assert!(
            checked(&[
                7 << 3 | 2,
                0xff,
                0xff,
                0xff,
                0xff,
                0xff,
                0xff,
                0xff,
                0xff,
                0xff,
                0x7f
            ])
            .is_err()
        );
    }
}
