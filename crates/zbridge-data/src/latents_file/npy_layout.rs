use super::array::{Element, Elements, Header};
use crate::DataError;
use crate::npy::{bad_header, check_header, fortran_place, header_place};
use npyz::{DType, NpyHeader, Order, TypeChar, TypeStr};
use std::borrow::Cow;
use std::path::Path;

/// How the elements of an array in numpy's format lie in its bytes.
pub(super) struct NpyLayout {
    pub(super) element: Element,
    pub(super) shape: Vec<usize>,
    /// Where the elements begin.
    pub(super) start: usize,
    /// How many bytes they take.
    pub(super) length: usize,
    /// Bytes of an element.
    width: usize,
    /// Bytes of what has an order of its own: a number, a code point.
    unit: usize,
    big_endian: bool,
    pub(super) fortran: bool,
}

impl NpyLayout {
    /// What the header at the beginning of `bytes` says; the elements need not be there.
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, DataError> {
        check_header(path, bytes)?;
        let header =
            NpyHeader::from_reader(bytes).map_err(|reason| bad_header(path, reason.to_string()))?;
        let (element, width, unit, big_endian) = kind(&header.dtype());
        let beyond = || {
            bad_header(
                path,
                format!("the shape {:?} is beyond any file", header.shape()),
            )
        };
        let sizes = header
            .shape()
            .iter()
            .map(|&size| usize::try_from(size).map_err(|_| beyond()));
        let shape = sizes.collect::<Result<Vec<_>, _>>()?;
        let length = shape
            .iter()
            .try_fold(width, |product, size| product.checked_mul(*size))
            .ok_or_else(beyond)?;
        let start = header_place(bytes).map_or(0, |place| place.end);
        let fortran = header.order() == Order::Fortran && shape.len() > 1;
        Ok(Self {
            element,
            shape,
            start,
            length,
            width,
            unit,
            big_endian,
            fortran,
        })
    }

    pub(super) fn header(&self, name: &str) -> Header {
        Header {
            name: name.to_owned(),
            element: self.element.clone(),
            shape: self.shape.clone(),
        }
    }

    /// The elements in `data`, which is [`length`](Self::length) bytes long.
    pub(super) fn elements<'a>(&self, data: Cow<'a, [u8]>) -> Elements<'a> {
        let data = if self.fortran && !data.is_empty() {
            Cow::Owned(self.last_axis_fastest(&data))
        } else {
            data
        };
        let data = if self.big_endian {
            Cow::Owned(reversed(&data, self.unit))
        } else {
            data
        };
        match self.element {
            Element::Text => Elements::Texts(
                data.chunks_exact(self.width)
                    .map(|text| self.text(text))
                    .collect(),
            ),
            _ => Elements::Numbers(self.element.clone(), data),
        }
    }

    fn last_axis_fastest(&self, data: &[u8]) -> Vec<u8> {
        let place = |element| fortran_place(element, &self.shape) * self.width;
        (0..data.len() / self.width)
            .flat_map(|element| &data[place(element)..][..self.width])
            .copied()
            .collect()
    }

    /// A text of fixed width without the zeros behind it.
    fn text(&self, bytes: &[u8]) -> String {
        if self.unit == 1 {
            return String::from_utf8_lossy(bytes)
                .trim_end_matches('\0')
                .to_owned();
        }
        let points = bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&bytes| u32::from_le_bytes(bytes));
        let text: String = points
            .map(|point| char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        text.trim_end_matches('\0').to_owned()
    }
}

/// The element, its width, that of its units, and whether the highest byte of a unit comes first.
fn kind(dtype: &DType) -> (Element, usize, usize, bool) {
    let DType::Plain(number) = dtype else {
        return (Element::Other(dtype.descr()), 0, 0, false);
    };
    let element = element(number);
    let size = usize::try_from(number.size_field()).unwrap_or(0);
    let (width, unit) = match (&element, number.type_char()) {
        (Element::Text, TypeChar::UnicodeStr) => (size.saturating_mul(4), 4),
        (Element::Text, _) => (size, 1),
        _ => (element.width(), element.width()),
    };
    (element, width, unit, number.endianness().to_str() == ">")
}

fn element(number: &TypeStr) -> Element {
    match (number.type_char(), number.size_field()) {
        (TypeChar::Float, 2) => Element::F16,
        (TypeChar::Float, 4) => Element::F32,
        (TypeChar::Float, 8) => Element::F64,
        (TypeChar::Uint, 1) => Element::U8,
        (TypeChar::Uint, 2) => Element::U16,
        (TypeChar::Uint, 4) => Element::U32,
        (TypeChar::Uint, 8) => Element::U64,
        (TypeChar::Int, 1) => Element::I8,
        (TypeChar::Int, 2) => Element::I16,
        (TypeChar::Int, 4) => Element::I32,
        (TypeChar::Int, 8) => Element::I64,
        // Texts without width would be as many as a header likes.
        (TypeChar::UnicodeStr | TypeChar::ByteStr, 1..) => Element::Text,
        _ => Element::Other(number.to_string()),
    }
}

/// The same bytes with those of each unit the other way round.
fn reversed(data: &[u8], unit: usize) -> Vec<u8> {
    data.chunks(unit.max(1))
        .flat_map(|bytes| bytes.iter().rev())
        .copied()
        .collect()
}
