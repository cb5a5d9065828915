use std::collections::BTreeMap;

/// How deep structures may nest; a page header's nest three deep.
const DEEPEST: usize = 8;

/// A structure in Thrift's compact protocol: its whole numbers, truth values and structures by
/// their field numbers. Everything else is passed over.
///
/// Only headers of pages are read by it, since the library allocates what a length in them says.
///
/// # Source
/// Apache Thrift, compact protocol encoding.
#[derive(Debug, Default)]
pub(super) struct Structure {
    numbers: BTreeMap<i64, i64>,
    structures: BTreeMap<i64, Structure>,
}

impl Structure {
    /// The structure that begins `bytes`, and how many bytes it takes; nothing when it is damaged.
    pub(super) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut reader = Reader { rest: bytes };
        let structure = reader.structure(0)?;
        Some((structure, bytes.len() - reader.rest.len()))
    }

    pub(super) fn number(&self, field: i64) -> Option<i64> {
        self.numbers.get(&field).copied()
    }

    /// A number that counts something.
    pub(super) fn count(&self, field: i64) -> Option<usize> {
        self.number(field)?.try_into().ok()
    }

    pub(super) fn structure(&self, field: i64) -> Option<&Self> {
        self.structures.get(&field)
    }
}

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
            field = match head >> 4 {
                0 => self.zigzag()?,
                step => field.checked_add(i64::from(step))?,
            };
            match head & 0x0f {
                kind @ 1..=2 => _ = structure.numbers.insert(field, i64::from(kind == 1)),
                4..=6 => _ = structure.numbers.insert(field, self.zigzag()?),
                12 if depth < DEEPEST => {
                    _ = structure
                        .structures
                        .insert(field, self.structure(depth + 1)?)
                }
                kind => self.pass(kind, depth)?,
            }
        }
    }

    /// Passes over a value of this kind.
    fn pass(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            1..=3 => _ = self.byte()?,
            4..=6 => _ = self.varint()?,
            7 => self.skip(8)?,
            8 => {
                let length = self.varint()?;
                self.skip(usize::try_from(length).ok()?)?;
            }
            9 | 10 if depth < DEEPEST => self.pass_list(depth)?,
            12 if depth < DEEPEST => _ = self.structure(depth + 1)?,
            _ => return None,
        }
        Some(())
    }

    fn pass_list(&mut self, depth: usize) -> Option<()> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.varint()?,
            count => u64::from(count),
        };
        (0..count).try_for_each(|_| self.pass(head & 0x0f, depth + 1))
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

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

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
    fn numbers_and_structures_are_found_behind_what_is_passed_over() {
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
    fn structures_without_end_are_given_up() {
        assert!(Structure::parse(&[0x1c; 10_000]).is_none());
        assert!(Structure::parse(&[0x19; 10_000]).is_none());
    }
}
