use super::dictionary::Dictionary;
use crate::array::{ArrayHeader, ElementType, Elements};
use crate::{FormatError, printable};
use std::borrow::Cow;
use std::ops::Range;

const MAGIC: &[u8] = b"\x93NUMPY";
const FORMAT: &str = "an .npy file";

/// Where the elements of an array in numpy's format are in its bytes.
pub(crate) struct NpyLayout {
    encoding: Encoding,
    pub(crate) shape: Vec<usize>,
    /// The first byte of the elements.
    pub(crate) start: usize,
    /// Bytes of all elements.
    pub(crate) length: usize,
    /// Whether the first axis is the fastest.
    fortran_order: bool,
}

/// How one element is encoded.
#[derive(Debug, PartialEq, Eq)]
struct Encoding {
    element_type: ElementType,
    /// Bytes of an element; 0 if it is of a type that is not read.
    width: usize,
    /// Bytes of a unit that has a byte order: of a number, of a code point in a text.
    unit: usize,
    big_endian: bool,
}

impl NpyLayout {
    /// Returns what the header at the beginning of `bytes` says; the elements need not be there.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let header = header(bytes)?;
        // Versions 1 and 2 are Latin-1, version 3 is UTF-8; what is read of it is ASCII.
        let text = String::from_utf8_lossy(&bytes[header.clone()]);
        let dictionary = Dictionary::parse(&text).map_err(FormatError::Header)?;
        let encoding = Encoding::of_type_string(&dictionary.type_string);
        let shape = sizes(&dictionary.shape)?;
        let length = byte_count(&shape, encoding.width)?;
        Ok(Self {
            encoding,
            start: header.end,
            length,
            // With one axis or none, the orders are the same.
            fortran_order: dictionary.fortran_order && shape.len() > 1,
            shape,
        })
    }

    /// Returns an error unless a file with this header has `found` bytes.
    pub(crate) fn expect_file_length(&self, found: u64) -> Result<(), FormatError> {
        let expected = (self.start as u64).saturating_add(self.length as u64);
        if found < expected {
            return Err(FormatError::Truncated { expected, found });
        }
        // The length of elements that are not read is not known.
        if found > expected && self.encoding.width > 0 {
            return Err(FormatError::TrailingBytes { expected });
        }
        Ok(())
    }

    /// Returns the header of the array under a name that its container gives it.
    pub(crate) fn header(&self, name: &str) -> ArrayHeader {
        ArrayHeader {
            name: name.to_owned(),
            element_type: self.encoding.element_type.clone(),
            shape: self.shape.clone(),
        }
    }

    /// Returns whether a row of the array is a single range of bytes.
    pub(crate) fn has_contiguous_rows(&self) -> bool {
        !self.fortran_order && self.encoding.element_type.is_number() && !self.shape.is_empty()
    }

    /// Returns the elements in `data`: whole elements, and all of them in Fortran order.
    pub(crate) fn elements<'a>(&self, mut data: Cow<'a, [u8]>) -> Elements<'a> {
        let Encoding { width, unit, .. } = self.encoding;
        if self.fortran_order && !data.is_empty() {
            data = last_axis_fastest(&data, &self.shape, width).into();
        }
        if self.encoding.big_endian {
            data = swap_bytes(&data, unit).into();
        }
        if self.encoding.element_type != ElementType::Text {
            return Elements::Numbers(self.encoding.element_type.clone(), data);
        }
        let texts = data.chunks_exact(width);
        Elements::Texts(texts.map(|text| decode_text(text, unit)).collect())
    }
}

impl Encoding {
    /// Returns the encoding of a type such as `<f4`: byte order, kind and size.
    fn of_type_string(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|| Self {
            element_type: ElementType::Other(printable(text)),
            width: 0,
            unit: 0,
            big_endian: false,
        })
    }

    /// Returns the encoding of a type; `None` if it is not read.
    fn parse(text: &str) -> Option<Self> {
        // As in `<f4`: the byte order, the kind, and the size in bytes.
        let mut characters = text.chars();
        let order = characters.next().filter(|order| "<>|".contains(*order))?;
        let kind = characters.next()?;
        let size: usize = characters.as_str().parse().ok()?;
        let (width, unit) = match kind {
            // The size of texts is in characters: of 4 bytes, or of 1.
            'U' => (size.saturating_mul(4), 4),
            'S' => (size, 1),
            _ => (size, size),
        };
        Some(Self {
            element_type: element_type(kind, size)?,
            width,
            unit,
            big_endian: order == '>',
        })
    }
}

/// Returns the type of elements of `size` bytes, or of `size` characters; `None` if it is not read.
fn element_type(kind: char, size: usize) -> Option<ElementType> {
    Some(match (kind, size) {
        ('f', 2) => ElementType::F16,
        ('f', 4) => ElementType::F32,
        ('f', 8) => ElementType::F64,
        ('u', 1) => ElementType::U8,
        ('u', 2) => ElementType::U16,
        ('u', 4) => ElementType::U32,
        ('u', 8) => ElementType::U64,
        ('i', 1) => ElementType::I8,
        ('i', 2) => ElementType::I16,
        ('i', 4) => ElementType::I32,
        ('i', 8) => ElementType::I64,
        // There would be no bound on the number of texts of no bytes.
        ('U' | 'S', 1..) => ElementType::Text,
        _ => return None,
    })
}

/// Returns the bytes of the dictionary, which is checked to be in the file.
fn header(bytes: &[u8]) -> Result<Range<usize>, FormatError> {
    if bytes.starts_with(b"PK") {
        let found = "PK: this is an .npz archive; save one array with numpy.save".to_owned();
        return Err(FormatError::WrongMagic {
            format: FORMAT,
            found,
        });
    }
    if !bytes.starts_with(MAGIC) {
        return Err(FormatError::wrong_magic(FORMAT, bytes));
    }
    let range = header_range(bytes).filter(|range| range.end <= bytes.len());
    range.ok_or_else(|| FormatError::Header("it ends before its own length".to_owned()))
}

/// Returns the range of the dictionary; `None` if `beginning` is too short to tell. Twelve bytes
/// are enough.
pub(crate) fn header_range(beginning: &[u8]) -> Option<Range<usize>> {
    let version = *beginning.get(MAGIC.len())?;
    let (start, length) = match version {
        // Version 1 has 16 bits for the length of the header, later ones have 32.
        1 => {
            let length = beginning.get(8..10)?.first_chunk()?;
            (10, usize::from(u16::from_le_bytes(*length)))
        }
        _ => {
            let length = beginning.get(8..12)?.first_chunk()?;
            (12, u32::from_le_bytes(*length) as usize)
        }
    };
    Some(start..start.checked_add(length)?)
}

/// Returns the shape as sizes in memory.
fn sizes(shape: &[u64]) -> Result<Vec<usize>, FormatError> {
    let sizes: Result<Vec<usize>, _> = shape.iter().map(|&size| usize::try_from(size)).collect();
    sizes.map_err(|_| beyond_any_file(shape))
}

/// Returns the bytes of all elements.
fn byte_count(shape: &[usize], width: usize) -> Result<usize, FormatError> {
    // Sizes of 0 are left out of the product, so that it shows an overflow of the others as well.
    let mut largest = width.max(1);
    for &size in shape {
        let product = largest.checked_mul(size.max(1));
        // Rust's arrays hold at most `isize::MAX` bytes.
        let in_range = product.filter(|&product| isize::try_from(product).is_ok());
        largest = in_range.ok_or_else(|| beyond_any_file(shape))?;
    }
    Ok(width * shape.iter().product::<usize>())
}

fn beyond_any_file(shape: &[impl std::fmt::Debug]) -> FormatError {
    FormatError::Header(format!("the shape {shape:?} is beyond any file"))
}

/// Returns elements of `width` bytes, the first axis fastest, with the last axis fastest.
fn last_axis_fastest(data: &[u8], shape: &[usize], width: usize) -> Vec<u8> {
    let mut ordered = Vec::with_capacity(data.len());
    for place in 0..data.len() / width {
        let start = fortran_place(place, shape) * width;
        ordered.extend_from_slice(&data[start..start + width]);
    }
    ordered
}

/// Returns where the element at `place` in C order is in Fortran order.
fn fortran_place(mut place: usize, shape: &[usize]) -> usize {
    // From the last axis on: the fastest in C order, the slowest in Fortran order.
    let mut stride: usize = shape.iter().product();
    let mut fortran_place = 0;
    for &size in shape.iter().rev() {
        stride /= size;
        fortran_place += place % size * stride;
        place /= size;
    }
    fortran_place
}

/// Returns the data with the bytes of each unit in reverse order.
fn swap_bytes(data: &[u8], unit: usize) -> Vec<u8> {
    let units = data.chunks(unit.max(1));
    units.flat_map(|unit| unit.iter().rev()).copied().collect()
}

/// Returns a text of fixed width without the zeros after it.
fn decode_text(bytes: &[u8], unit: usize) -> String {
    let text = if unit == 1 {
        String::from_utf8_lossy(bytes).into_owned()
    } else {
        let (points, _) = bytes.as_chunks::<4>();
        points.iter().map(|&point| character(point)).collect()
    };
    text.trim_end_matches('\0').to_owned()
}

fn character(point: [u8; 4]) -> char {
    char::from_u32(u32::from_le_bytes(point)).unwrap_or(char::REPLACEMENT_CHARACTER)
}
