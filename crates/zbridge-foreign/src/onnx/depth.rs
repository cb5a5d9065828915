//! How deeply the messages of an ONNX file lie in each other. A reader that calls itself for each of them would run out
//! of stack on a file made for that, which no program survives; so this is looked at first.

use crate::ForeignError;
use std::path::Path;

/// Graphs in nodes in graphs, and types of types: no exporter comes near.
const MOST_LEVELS: usize = 200;

/// Which messages can hold themselves again, and in which field.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Value,
    Type,
    Sequence,
}

impl Message {
    fn field(self, number: u64) -> Option<Self> {
        match (self, number) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Some(Self::Graph),
            (Self::Graph, 1) => Some(Self::Node),
            (Self::Graph, 11..=13) => Some(Self::Value),
            (Self::Node, 5) => Some(Self::Attribute),
            (Self::Value, 2) | (Self::Sequence, 1) => Some(Self::Type),
            (Self::Type, 4) => Some(Self::Sequence),
            _ => None,
        }
    }
}

/// Errors when an ONNX file is nested more deeply than any that is meant to be run. Lengths that lie are left to the
/// reader, which knows them.
pub(super) fn check(bytes: &[u8], path: &Path) -> Result<(), ForeignError> {
    let mut open = vec![(Message::Model, bytes, 0)];
    while let Some((message, bytes, level)) = open.pop() {
        if level > MOST_LEVELS {
            let (place, why) = ("the graph".into(), format!("more than {MOST_LEVELS} messages lie in each other"));
            return Err(ForeignError::Damaged { path: path.into(), place, why });
        }
        let mut fields = Fields { bytes };
        while let Some((number, content)) = fields.next_message() {
            open.extend(message.field(number).map(|inner| (inner, content, level + 1)));
        }
    }
    Ok(())
}

struct Fields<'a> {
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The next field that has a length, with its number; others are passed over.
    fn next_message(&mut self) -> Option<(u64, &'a [u8])> {
        loop {
            let tag = self.varint()?;
            match tag & 7 {
                0 => drop(self.varint()?),
                1 => drop(self.take(8)?),
                2 => {
                    let length = usize::try_from(self.varint()?).ok()?;
                    return Some((tag >> 3, self.take(length)?));
                }
                5 => drop(self.take(4)?),
                _ => return None,
            }
        }
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Vec<u8> {
        let (mut bytes, fields) = (Vec::new(), [6u8, 5, 1]);
        for level in 0..levels {
            let mut outer = vec![fields[level % 3] << 3 | 2];
            let mut length = bytes.len();
            while length > 0x7f {
                outer.push(length as u8 & 0x7f | 0x80);
                length >>= 7;
            }
            outer.push(length as u8);
            outer.append(&mut bytes);
            bytes = outer;
        }
        let mut model = vec![7 << 3 | 2, 0x80 | bytes.len() as u8 & 0x7f, (bytes.len() >> 7) as u8];
        model.append(&mut bytes);
        model
    }

    #[test]
    fn graphs_in_graphs_have_an_end() {
        assert!(check(&nested(150), Path::new("a.onnx")).is_ok());
        let error = check(&nested(900), Path::new("a.onnx")).unwrap_err();
        assert!(matches!(error, ForeignError::Damaged { .. }), "{error}");
    }
}
