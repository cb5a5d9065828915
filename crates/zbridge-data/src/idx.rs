use crate::{DataError, read_bytes};
use flate2::read::MultiGzDecoder;
use std::io::{self, Read};
use std::path::Path;

/// An array of bytes as an IDX file stores it, row-major.
///
/// # Source
/// LeCun, Cortes and Burges, *The MNIST database*: two zero bytes, a type code (8 is u8), the
/// number of dimensions, each dimension as a big-endian u32, then the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idx {
    /// The dimensions, slowest first.
    pub shape: Vec<usize>,
    /// The values: as many as the product of the dimensions.
    pub bytes: Vec<u8>,
}

impl Idx {
    /// The array in the file at `path`, plain or gzip-compressed: the first bytes decide, not the
    /// name.
    ///
    /// # Errors
    /// [`DataError::Read`], [`DataError::WrongMagic`], [`DataError::Header`],
    /// [`DataError::Truncated`], [`DataError::TrailingBytes`] or [`DataError::Gzip`], each with the
    /// path.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let raw = read_bytes(path)?;
        if raw.starts_with(&[0x1f, 0x8b]) {
            Source {
                path,
                reader: MultiGzDecoder::new(raw.as_slice()),
                taken: 0,
            }
            .array()
        } else {
            Source {
                path,
                reader: raw.as_slice(),
                taken: 0,
            }
            .array()
        }
    }

    /// The bytes of an IDX file that holds this array.
    ///
    /// # Panics
    /// When there are more than 255 dimensions or one exceeds `u32::MAX`: no IDX file can hold
    /// that.
    pub fn to_bytes(&self) -> Vec<u8> {
        let rank = u8::try_from(self.shape.len()).expect("an IDX file has at most 255 dimensions");
        let mut file = vec![0, 0, UNSIGNED_BYTE, rank];
        for &size in &self.shape {
            file.extend(
                u32::try_from(size)
                    .expect("a dimension of an IDX file fits 32 bits")
                    .to_be_bytes(),
            );
        }
        file.extend(&self.bytes);
        file
    }
}

const UNSIGNED_BYTE: u8 = 0x08;

/// A stream of IDX bytes that knows how far it was read.
struct Source<'a, R> {
    path: &'a Path,
    reader: R,
    taken: u64,
}

impl<R: Read> Source<'_, R> {
    fn array(mut self) -> Result<Idx, DataError> {
        let rank = self.rank()?;
        let sizes = self.take(4 * u64::from(rank))?;
        let shape: Vec<usize> = sizes
            .chunks_exact(4)
            .map(|c| u32::from_be_bytes([c[0], c[1], c[2], c[3]]) as usize)
            .collect();
        let bytes = self.take(self.size(&shape)?)?;
        self.end()?;
        Ok(Idx { shape, bytes })
    }

    fn rank(&mut self) -> Result<u8, DataError> {
        let magic = self.take(4)?;
        if magic[..2] != [0, 0] || magic[3] == 0 {
            return Err(self.wrong_magic(&magic, ""));
        }
        match magic[2] {
            UNSIGNED_BYTE => Ok(magic[3]),
            _ => Err(self.wrong_magic(&magic, " (another number type than u8)")),
        }
    }

    fn wrong_magic(&self, magic: &[u8], remark: &str) -> DataError {
        let hex: Vec<String> = magic.iter().map(|byte| format!("{byte:02x}")).collect();
        let found = format!(
            "{}{remark} where 00 00 08 and the number of dimensions belong",
            hex.join(" ")
        );
        DataError::WrongMagic {
            path: self.path.to_owned(),
            format: "an IDX file of bytes",
            found,
        }
    }

    fn size(&self, shape: &[usize]) -> Result<u64, DataError> {
        let product = shape
            .iter()
            .try_fold(1u64, |product, &size| product.checked_mul(size as u64));
        let why = || format!("the product of the dimensions {shape:?} is beyond any file");
        let sound = product.filter(|&product| product < u64::MAX / 2);
        sound.ok_or_else(|| DataError::Header {
            path: self.path.to_owned(),
            why: why(),
        })
    }

    /// The next `count` bytes. Grows with what is really there: a header cannot make it allocate.
    fn take(&mut self, count: u64) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        let outcome = self.reader.by_ref().take(count).read_to_end(&mut bytes);
        outcome.map_err(|reason| self.damaged(reason))?;
        let (expected, found) = (self.taken + count, self.taken + bytes.len() as u64);
        self.taken = found;
        if found == expected {
            Ok(bytes)
        } else {
            Err(DataError::Truncated {
                path: self.path.to_owned(),
                expected,
                found,
            })
        }
    }

    /// Reads past the last value, which also makes gzip check its sum.
    fn end(&mut self) -> Result<(), DataError> {
        match self.reader.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(DataError::TrailingBytes {
                path: self.path.to_owned(),
                expected: self.taken,
            }),
            Err(reason) => Err(self.damaged(reason)),
        }
    }

    fn damaged(&self, reason: io::Error) -> DataError {
        DataError::Gzip {
            path: self.path.to_owned(),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    fn read(bytes: &[u8]) -> Result<Idx, DataError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Idx::read(file.path())
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn small() -> Idx {
        Idx {
            shape: vec![2, 3],
            bytes: vec![1, 2, 3, 4, 5, 6],
        }
    }

    proptest! {
        #[test]
        fn an_array_is_read_as_written_plain_and_compressed(shape in prop::collection::vec(0usize..6, 1..4), seed: u8) {
            let count = shape.iter().product::<usize>();
            let idx = Idx { shape, bytes: (0..count).map(|i| (i as u8).wrapping_mul(seed)).collect() };
            prop_assert_eq!(&read(&idx.to_bytes()).unwrap(), &idx);
            prop_assert_eq!(&read(&gzip(&idx.to_bytes())).unwrap(), &idx);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&bytes);
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Idx::read(Path::new("no/such/file")).unwrap_err();
        assert!(error.to_string().contains("no/such/file"), "{error}");
    }

    #[test]
    fn a_short_file_says_how_much_is_missing() {
        let bytes = small().to_bytes();
        assert!(matches!(
            read(&bytes[..16]),
            Err(DataError::Truncated {
                expected: 18,
                found: 16,
                ..
            })
        ));
        assert!(matches!(
            read(&gzip(&bytes[..16])),
            Err(DataError::Truncated {
                expected: 18,
                found: 16,
                ..
            })
        ));
        assert!(matches!(
            read(&[]),
            Err(DataError::Truncated {
                expected: 4,
                found: 0,
                ..
            })
        ));
        assert!(matches!(
            read(&bytes[..6]),
            Err(DataError::Truncated {
                expected: 12,
                found: 6,
                ..
            })
        ));
    }

    #[test]
    fn a_long_file_is_refused() {
        let mut bytes = small().to_bytes();
        bytes.push(0);
        assert!(matches!(
            read(&bytes),
            Err(DataError::TrailingBytes { expected: 18, .. })
        ));
        assert!(matches!(
            read(&gzip(&bytes)),
            Err(DataError::TrailingBytes { expected: 18, .. })
        ));
    }

    #[test]
    fn another_kind_of_file_says_what_it_starts_with() {
        let error = read(b"\x89PNG....").unwrap_err();
        assert!(error.to_string().contains("89 50 4e 47"), "{error}");
        let floats = read(&[0, 0, 0x0d, 1, 0, 0, 0, 0]).unwrap_err();
        assert!(
            floats.to_string().contains("another number type"),
            "{floats}"
        );
        assert!(matches!(
            read(&[0, 0, 8, 0]),
            Err(DataError::WrongMagic { .. })
        ));
    }

    #[test]
    fn a_header_that_lies_does_not_allocate() {
        let huge = [&[0, 0, 8, 2][..], &[0xff; 8], &[7; 10]].concat();
        assert!(matches!(
            read(&huge),
            Err(DataError::Header { .. } | DataError::Truncated { found: 22, .. })
        ));
        let beyond = [&[0, 0, 8, 3][..], &[0xff; 12]].concat();
        assert!(matches!(read(&beyond), Err(DataError::Header { .. })));
    }

    #[test]
    fn damaged_gzip_is_told_apart_from_a_short_array() {
        let mut bytes = gzip(&small().to_bytes());
        assert!(matches!(
            read(&bytes[..bytes.len() - 4]),
            Err(DataError::Gzip { .. })
        ));
        let checksum = bytes.len() - 6;
        bytes[checksum] ^= 1;
        assert!(matches!(read(&bytes), Err(DataError::Gzip { .. })));
    }
}
