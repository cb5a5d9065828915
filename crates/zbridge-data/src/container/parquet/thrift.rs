use std::collections::BTreeMap;

/// How deeply structures may be nested; those of page headers are nested three deep.
const DEEPEST: usize = 8;

/// A structure in Thrift's compact protocol: its integers, booleans and structures by their field
/// numbers. Everything else is skipped.
///
/// Only page headers are read with it, since the library allocates what a length in them says.
///
/// # Source
/// Apache Thrift, compact protocol encoding.
#[derive(Debug, Default)]
pub(super) struct Structure {
    numbers: BTreeMap<i64, i64>,
    structures: BTreeMap<i64, Structure>,
}

impl Structure {
    /// Returns the structure at the beginning of `bytes`, and its number of bytes; `None` if it is
    /// damaged.
    pub(super) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut reader = Reader { rest: bytes };
        let structure = reader.structure(0)?;
        Some((structure, bytes.len() - reader.rest.len()))
    }

    /// Returns an integer, or 1 or 0 for a boolean.
    pub(super) fn number(&self, field: i64) -> Option<i64> {
        self.numbers.get(&field).copied()
    }

    /// Returns an integer that is not negative.
    pub(super) fn count(&self, field: i64) -> Option<usize> {
        self.number(field)?.try_into().ok()
    }

    pub(super) fn structure(&self, field: i64) -> Option<&Self> {
        self.structures.get(&field)
    }
}

/// Kinds of values, by their numbers.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const STRUCTURE: u8 = 12;

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn structure(&mut self, depth: usize) -> Option<Structure> {
        let mut structure = Structure::default();
        let mut field = 0i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(structure);
            }
            // The upper half is the distance from the number of the field before; 0 if that is
            // written out.
            field = match head >> 4 {
                0 => self.zigzag()?,
                step => field.checked_add(i64::from(step))?,
            };
            match head & 0x0f {
                kind @ (TRUE | FALSE) => {
                    structure.numbers.insert(field, i64::from(kind == TRUE));
                }
                I16..=I64 => {
                    structure.numbers.insert(field, self.zigzag()?);
                }
                STRUCTURE if depth < DEEPEST => {
                    let inner = self.structure(depth + 1)?;
                    structure.structures.insert(field, inner);
                }
                kind => self.skip_value(kind, depth)?,
            }
        }
    }

    fn skip_value(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            // In a list, a boolean takes a byte.
            TRUE..=BYTE => self.skip(1),
            I16..=I64 => self.varint().map(drop),
            DOUBLE => self.skip(8),
            BINARY => {
                let length = self.varint()?;
                self.skip(usize::try_from(length).ok()?)
            }
            LIST | SET if depth < DEEPEST => self.skip_list(depth),
            STRUCTURE if depth < DEEPEST => self.structure(depth + 1).map(drop),
            _ => None,
        }
    }

    fn skip_list(&mut self, depth: usize) -> Option<()> {
        let head = self.byte()?;
        // The upper half is the length; 15 if that is written out.
        let count = match head >> 4 {
            15 => self.varint()?,
            count => u64::from(count),
        };
        (0..count).try_for_each(|_| self.skip_value(head & 0x0f, depth + 1))
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }

    /// Takes an unsigned integer, seven bits a byte, the lowest first.
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            // The highest bit says that another byte follows.
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// Takes a signed integer, whose sign is the lowest bit.
    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_and_structures_are_found_behind_skipped_values() {
        // 1: i32 3; 2: binary "ab"; 3: list of two i32; 5: { 1: i32 -1; 2: true }; 40: i32 7.
        let bytes = [
            0x15, 6, 0x18, 2, b'a', b'b', 0x19, 0x25, 2, 4, 0x2c, 0x15, 1, 0x11, 0, 0x05, 80, 14,
            0, 99,
        ];
        let (read, length) = Structure::parse(&bytes).unwrap();
        assert_eq!(
            (read.number(1), read.count(40), length),
            (Some(3), Some(7), 19)
        );
        let inner = read.structure(5).unwrap();
        assert_eq!(
            (inner.number(1), inner.number(2), inner.count(1)),
            (Some(-1), Some(1), None)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Structure::parse(&bytes);
        }
    }

    #[test]
    fn endless_structures_are_refused() {
        assert!(Structure::parse(&[0x1c; 10_000]).is_none());
        assert!(Structure::parse(&[0x19; 10_000]).is_none());
    }
}
