use crate::error::{AtPath, hexadecimal};
use crate::files::read_bytes;
use crate::{DataError, FormatError};
use flate2::read::MultiGzDecoder;
use std::io::Read;
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

/// The type code of u8, the only type that is read.
const UNSIGNED_BYTE: u8 = 0x08;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

impl Idx {
    /// Returns the array in the file at `path`, which may be compressed with gzip: its first bytes
    /// decide, not its name.
    ///
    /// # Errors
    /// [`FileError::Read`](crate::FileError::Read); [`FormatError`] if the bytes are not those of
    /// one array.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = read_bytes(path)?;
        if bytes.starts_with(&GZIP_MAGIC) {
            Reader::new(MultiGzDecoder::new(bytes.as_slice())).array()
        } else {
            Reader::new(bytes.as_slice()).array()
        }
        .at(path)
    }

    /// Returns the bytes of an IDX file with this array.
    ///
    /// # Panics
    /// If there are more than 255 dimensions or one exceeds `u32::MAX`: no IDX file can hold that.
    pub fn to_bytes(&self) -> Vec<u8> {
        let rank = u8::try_from(self.shape.len()).expect("an IDX file has at most 255 dimensions");
        let mut file = vec![0, 0, UNSIGNED_BYTE, rank];
        for &size in &self.shape {
            let size = u32::try_from(size).expect("a dimension of an IDX file fits 32 bits");
            file.extend(size.to_be_bytes());
        }
        file.extend(&self.bytes);
        file
    }
}

/// A stream of IDX bytes and the number of bytes that were taken from it.
struct Reader<R> {
    stream: R,
    position: u64,
}

impl<R: Read> Reader<R> {
    fn new(stream: R) -> Self {
        Self {
            stream,
            position: 0,
        }
    }

    fn array(mut self) -> Result<Idx, FormatError> {
        let rank = self.rank()?;
        let mut shape = Vec::with_capacity(rank.into());
        for size in self.take(4 * u64::from(rank))?.as_chunks::<4>().0 {
            shape.push(u32::from_be_bytes(*size) as usize);
        }
        let bytes = self.take(count(&shape)?)?;
        self.expect_end()?;
        Ok(Idx { shape, bytes })
    }

    /// Returns the number of dimensions, from the first four bytes.
    fn rank(&mut self) -> Result<u8, FormatError> {
        let magic = self.take(4)?;
        match magic[..] {
            [0, 0, UNSIGNED_BYTE, rank] if rank > 0 => Ok(rank),
            [0, 0, _, rank] if rank > 0 => {
                Err(wrong_magic(&magic, " (another number type than u8)"))
            }
            _ => Err(wrong_magic(&magic, "")),
        }
    }

    /// Returns the next `count` bytes. Memory grows with the bytes that are there, so that a wrong
    /// header cannot exhaust it.
    fn take(&mut self, count: u64) -> Result<Vec<u8>, FormatError> {
        let mut bytes = Vec::new();
        let read = self.stream.by_ref().take(count).read_to_end(&mut bytes);
        read.map_err(FormatError::Gzip)?;
        // The count is below half of the range of u64.
        let expected = self.position + count;
        self.position += bytes.len() as u64;
        if self.position < expected {
            return Err(FormatError::Truncated {
                expected,
                found: self.position,
            });
        }
        Ok(bytes)
    }

    fn expect_end(&mut self) -> Result<(), FormatError> {
        // Reading beyond the last value also makes the gzip decoder compare its checksum.
        match self.stream.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(FormatError::TrailingBytes {
                expected: self.position,
            }),
            Err(reason) => Err(FormatError::Gzip(reason)),
        }
    }
}

/// Returns the number of values of an array of this shape.
fn count(shape: &[usize]) -> Result<u64, FormatError> {
    let mut count = 1u64;
    for &size in shape {
        // Half of the range, so that adding the length of the header cannot overflow either.
        let product = count.checked_mul(size as u64);
        let in_range = product.filter(|&product| product < u64::MAX / 2);
        count = in_range.ok_or_else(|| {
            let reason = format!("the product of the dimensions {shape:?} is beyond any file");
            FormatError::Header(reason)
        })?;
    }
    Ok(count)
}

fn wrong_magic(magic: &[u8], remark: &str) -> FormatError {
    FormatError::WrongMagic {
        format: "an IDX file of bytes",
        found: format!(
            "{}{remark} where 00 00 08 and the number of dimensions belong",
            hexadecimal(magic)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FileError;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    fn read(bytes: &[u8]) -> Result<Idx, FormatError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Idx::read(file.path()).map_err(|error| match error {
            DataError::File {
                fault: FileError::Format(fault),
                ..
            } => fault,
            other => panic!("{other}"),
        })
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
        fn an_array_is_read_as_written_plain_and_compressed(
            shape in prop::collection::vec(0usize..6, 1..4),
            seed: u8,
        ) {
            let count = shape.iter().product::<usize>();
            let bytes = (0..count).map(|i| (i as u8).wrapping_mul(seed)).collect();
            let idx = Idx { shape, bytes };
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
            Err(FormatError::Truncated {
                expected: 18,
                found: 16,
                ..
            })
        ));
        assert!(matches!(
            read(&gzip(&bytes[..16])),
            Err(FormatError::Truncated {
                expected: 18,
                found: 16,
                ..
            })
        ));
        assert!(matches!(
            read(&[]),
            Err(FormatError::Truncated {
                expected: 4,
                found: 0,
                ..
            })
        ));
        assert!(matches!(
            read(&bytes[..6]),
            Err(FormatError::Truncated {
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
            Err(FormatError::TrailingBytes { expected: 18, .. })
        ));
        assert!(matches!(
            read(&gzip(&bytes)),
            Err(FormatError::TrailingBytes { expected: 18, .. })
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
            Err(FormatError::WrongMagic { .. })
        ));
    }

    #[test]
    fn a_header_that_lies_does_not_allocate() {
        let huge = [&[0, 0, 8, 2][..], &[0xff; 8], &[7; 10]].concat();
        assert!(matches!(
            read(&huge),
            Err(FormatError::Header(_) | FormatError::Truncated { found: 22, .. })
        ));
        let beyond = [&[0, 0, 8, 3][..], &[0xff; 12]].concat();
        assert!(matches!(read(&beyond), Err(FormatError::Header(_))));
    }

    #[test]
    fn damaged_gzip_is_told_apart_from_a_short_array() {
        let mut bytes = gzip(&small().to_bytes());
        assert!(matches!(
            read(&bytes[..bytes.len() - 4]),
            Err(FormatError::Gzip(_))
        ));
        let checksum = bytes.len() - 6;
        bytes[checksum] ^= 1;
        assert!(matches!(read(&bytes), Err(FormatError::Gzip(_))));
    }
}
