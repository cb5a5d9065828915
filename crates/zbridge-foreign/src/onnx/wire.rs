//! Whether the messages of an ONNX file are well-formed and lie in each other only so deeply. The
//! engine's reader takes some of this on trust: it goes round for ever on a list of numbers that is
//! cut, and calls itself for each level.
//!
//! # Source
//! The encoding of Protocol Buffers, and the field numbers of `onnx.proto`.

use crate::ForeignError;
use std::path::Path;

/// Graphs in nodes in graphs, and types of types: no exporter comes near.
const MOST_LEVELS: usize = 200;

/// The messages that are looked into.
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
    /// Numbers of seven bits a byte.
    Varints,
    /// Numbers of so many bytes.
    Fixed(usize),
    Bytes,
}

impl Message {
    fn content(self, number: u64) -> Content {
        Content::Message(match (self, number) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Graph, 1) => Self::Node,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) => Self::Tensor,
            (Self::Graph, 11..=13) => Self::Value,
            (Self::Node, 5) => Self::Attribute,
            (Self::Value, 2) | (Self::Sequence, 1) => Self::Type,
            (Self::Type, 1) => Self::TensorType,
            (Self::Type, 4) => Self::Sequence,
            (Self::TensorType, 2) => Self::Shape,
            (Self::Shape, 1) | (Self::Tensor, 13) | (Self::Model, 8 | 14) => Self::Leaf,
            (Self::Tensor, 1 | 5 | 7 | 11) | (Self::Attribute, 8) => return Content::Varints,
            (Self::Tensor, 4) | (Self::Attribute, 7) => return Content::Fixed(4),
            (Self::Tensor, 10) => return Content::Fixed(8),
            _ => return Content::Bytes,
        })
    }
}

/// Errors with the byte where a file breaks the rules of its encoding, or is nested beyond what is
/// meant to be run.
pub(super) fn check(bytes: &[u8], path: &Path) -> Result<(), ForeignError> {
    let mut open = vec![(Message::Model, Part { bytes, start: 0 }, 0)];
    while let Some((message, mut part, level)) = open.pop() {
        let damaged = |start: usize, why: String| {
            let place = format!("byte {start} ({message:?})");
            ForeignError::Damaged {
                path: path.into(),
                place,
                why,
            }
        };
        if level > MOST_LEVELS {
            return Err(damaged(
                part.start,
                format!("more than {MOST_LEVELS} messages lie in each other"),
            ));
        }
        while !part.bytes.is_empty() {
            let start = part.start;
            let field = part
                .field()
                .ok_or_else(|| damaged(start, "a field that ends too early".into()))?;
            let Some((number, mut inner)) = field else {
                continue;
            };
            match message.content(number) {
                Content::Message(message) => open.push((message, inner, level + 1)),
                Content::Varints if !inner.is_varints() => {
                    return Err(damaged(start, "a list that is cut".into()));
                }
                Content::Fixed(size) if !inner.bytes.len().is_multiple_of(size) => {
                    return Err(damaged(start, "a list that is cut".into()));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Some bytes of a file, and where they start in it.
struct Part<'a> {
    bytes: &'a [u8],
    start: usize,
}

impl<'a> Part<'a> {
    /// The next field: its number and content where it has a length. None where it is ill-formed.
    fn field(&mut self) -> Option<Option<(u64, Part<'a>)>> {
        let tag = self.varint()?;
        let length = match tag & 7 {
            0 => return self.varint().map(|_| None),
            1 => 8,
            2 => usize::try_from(self.varint()?).ok()?,
            5 => 4,
            _ => return None,
        };
        let content = self.take(length)?;
        Some((tag & 7 == 2).then_some((tag >> 3, content)))
    }

    fn is_varints(&mut self) -> bool {
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
        self.bytes = rest;
        self.start += length;
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
