use super::thrift::Structure;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use ruzstd::decoding::StreamingDecoder;
use std::io::Read;

/// Snappy's copies of 64 bytes take three at best.
const SNAPPY_GAIN: usize = 32;
/// What the zstd library itself takes as the largest window.
const LARGEST_WINDOW: u64 = 128 << 20;

/// The pages of one column in one group of rows.
///
/// The library has such a reader, which allocates whatever a page header says of sizes and counts.
/// This one allocates what really unpacks, and lets no page claim more values than `values_left`.
pub(super) struct Pages {
    /// What is left of the column's bytes.
    pub(super) bytes: Bytes,
    pub(super) compression: Compression,
    /// How many values there may still be.
    pub(super) values_left: usize,
    /// Least bytes of a value in a dictionary.
    pub(super) least_width: usize,
    /// Whether a dictionary came, without which the library's decoder panics.
    pub(super) has_dictionary: bool,
}

impl Pages {
    fn page(&mut self) -> Result<Option<Page>> {
        while !self.bytes.is_empty() {
            let (header, length) =
                Structure::parse(&self.bytes).ok_or_else(|| damaged("a page header"))?;
            let (packed, unpacked) = (
                field(&header, 3, "its packed size")?,
                field(&header, 2, "its size")?,
            );
            let end = length
                .checked_add(packed)
                .filter(|end| *end <= self.bytes.len());
            let end = end.ok_or_else(|| {
                damaged("a page ends behind its column: the file was cut, or the page")
            })?;
            let data = self.bytes.slice(length..end);
            self.bytes = self.bytes.slice(end..);
            match header.number(1) {
                Some(0) => return self.data_page(part(&header, 5)?, data, unpacked).map(Some),
                Some(2) => return self.dictionary(part(&header, 7)?, data, unpacked).map(Some),
                Some(3) => {
                    return self
                        .data_page_v2(part(&header, 8)?, data, unpacked)
                        .map(Some);
                }
                Some(1) => continue,
                _ => return Err(damaged("the kind of a page")),
            }
        }
        Ok(None)
    }

    fn data_page(&mut self, header: &Structure, data: Bytes, unpacked: usize) -> Result<Page> {
        Ok(Page::DataPage {
            num_values: self.counted(header)?,
            buf: self.unpacked(&data, unpacked)?.into(),
            encoding: self.of_values(header, 2)?,
            def_level_encoding: encoding(header, 3)?,
            rep_level_encoding: encoding(header, 4)?,
            statistics: None,
        })
    }

    fn data_page_v2(&mut self, header: &Structure, data: Bytes, unpacked: usize) -> Result<Page> {
        let (definition, repetition) = (
            field(header, 5, "its levels")?,
            field(header, 6, "its levels")?,
        );
        let levels = definition
            .checked_add(repetition)
            .filter(|levels| *levels <= data.len().min(unpacked));
        let levels = levels.ok_or_else(|| damaged("the levels of a page"))?;
        let mut buf = data[..levels].to_vec();
        match header.number(7) {
            Some(0) => buf.extend_from_slice(&data[levels..]),
            _ => buf.extend(self.unpacked(&data[levels..], unpacked - levels)?),
        }
        let num_values = self.counted(header)?;
        let fits = |count: usize| u32::try_from(count).map_err(|_| damaged("a count of a page"));
        Ok(Page::DataPageV2 {
            buf: buf.into(),
            num_values,
            encoding: self.of_values(header, 4)?,
            num_nulls: fits(field(header, 2, "its nulls")?)?,
            num_rows: fits(field(header, 3, "its rows")?)?,
            def_levels_byte_len: fits(definition)?,
            rep_levels_byte_len: fits(repetition)?,
            is_compressed: false,
            statistics: None,
        })
    }

    fn dictionary(&mut self, header: &Structure, data: Bytes, unpacked: usize) -> Result<Page> {
        let buf = self.unpacked(&data, unpacked)?;
        let count = field(header, 1, "its entries")?;
        if count
            .checked_mul(self.least_width)
            .is_none_or(|least| least > buf.len())
        {
            return Err(damaged(
                "a dictionary says that it has more entries than bytes for them",
            ));
        }
        let num_values = u32::try_from(count).map_err(|_| damaged("a dictionary"))?;
        self.has_dictionary = true;
        Ok(Page::DictionaryPage {
            buf: buf.into(),
            num_values,
            encoding: encoding(header, 2)?,
            is_sorted: false,
        })
    }

    /// How the values of a page are written.
    fn of_values(&self, header: &Structure, field: i64) -> Result<Encoding> {
        match encoding(header, field)? {
            Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY if !self.has_dictionary => {
                Err(damaged("a page refers to a dictionary that is not there"))
            }
            encoding => Ok(encoding),
        }
    }

    /// The number of values of a page, which the column must still have.
    fn counted(&mut self, header: &Structure) -> Result<u32> {
        let count = field(header, 1, "its values")?;
        let left = self.values_left.checked_sub(count);
        self.values_left =
            left.ok_or_else(|| damaged("pages hold more values than the column says"))?;
        u32::try_from(count).map_err(|_| damaged("the number of values of a page"))
    }

    /// The bytes that `packed` unpacks to, which must be `size`.
    fn unpacked(&self, packed: &[u8], size: usize) -> Result<Vec<u8>> {
        let bytes = match self.compression {
            // A page of nothing but nulls may have no bytes to unpack.
            _ if size == 0 => vec![],
            Compression::UNCOMPRESSED => packed.to_vec(),
            Compression::SNAPPY => snappy(packed, size)?,
            Compression::GZIP(_) => at_most(MultiGzDecoder::new(packed), size)?,
            Compression::ZSTD(_) => {
                let decoder = StreamingDecoder::new_with_max_window_size(packed, LARGEST_WINDOW);
                at_most(decoder.map_err(|reason| unpackable(&reason))?, size)?
            }
            other => {
                return Err(damaged(&format!(
                    "it is packed by {other}; write it with snappy, gzip, zstd or unpacked"
                )));
            }
        };
        match bytes.len() {
            read if read == size => Ok(bytes),
            _ => Err(damaged(
                "a page unpacks to another size than its header says",
            )),
        }
    }
}

fn snappy(packed: &[u8], size: usize) -> Result<Vec<u8>> {
    if size / SNAPPY_GAIN > packed.len() {
        return Err(unpackable(&"it is too short for its size"));
    }
    let mut bytes = vec![0; size];
    let read = snap::raw::Decoder::new()
        .decompress(packed, &mut bytes)
        .map_err(|reason| unpackable(&reason))?;
    bytes.truncate(read);
    Ok(bytes)
}

/// What the decoder gives, but for no more than a byte beyond `size`: memory grows with what is
/// really there.
fn at_most(decoder: impl Read, size: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    decoder
        .take(size as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|reason| unpackable(&reason))?;
    Ok(bytes)
}

fn unpackable(reason: &dyn std::fmt::Display) -> ParquetError {
    damaged(&format!("a page does not unpack: {reason}"))
}

fn damaged(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

fn field(header: &Structure, field: i64, what: &str) -> Result<usize> {
    header
        .count(field)
        .ok_or_else(|| damaged(&format!("a page header without {what}")))
}

fn part(header: &Structure, field: i64) -> Result<&Structure> {
    header
        .structure(field)
        .ok_or_else(|| damaged("a page header without its part"))
}

/// The encodings that fixed tables, runs and differences of numbers take; those of texts by
/// differences allocate what they like.
fn encoding(header: &Structure, field: i64) -> Result<Encoding> {
    match header.number(field) {
        Some(0) => Ok(Encoding::PLAIN),
        Some(2) => Ok(Encoding::PLAIN_DICTIONARY),
        Some(3) => Ok(Encoding::RLE),
        Some(5) => Ok(Encoding::DELTA_BINARY_PACKED),
        Some(8) => Ok(Encoding::RLE_DICTIONARY),
        Some(9) => Ok(Encoding::BYTE_STREAM_SPLIT),
        other => {
            let number = other.unwrap_or(-1);
            Err(damaged(&format!(
                "a page has the encoding {number}, which is not read; write it plainly or by dictionary"
            )))
        }
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.page()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Err(damaged("pages are read in order"))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.page().map(|_| ())
    }

    /// Whether a row must end with the page at hand. Old writers let rows go on in the next page,
    /// if there is one.
    fn at_record_boundary(&mut self) -> Result<bool> {
        Ok(self.bytes.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A whole number as Thrift's compact protocol writes it.
    fn varint(value: i32) -> Vec<u8> {
        let mut left = ((value << 1) ^ (value >> 31)) as u32;
        let mut bytes = vec![];
        while left >= 0x80 {
            bytes.push(left as u8 | 0x80);
            left >>= 7;
        }
        bytes.push(left as u8);
        bytes
    }

    /// A structure of whole numbers, the fields numbered from 1.
    fn numbers(values: &[i32]) -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| [&[0x15][..], &varint(*value)].concat())
            .collect()
    }

    /// The first page of a column that says so of itself.
    fn page(
        compression: Compression,
        [kind, size, field]: [i32; 3],
        part: &[i32],
        data: &[u8],
    ) -> Result<Option<Page>> {
        let head = numbers(&[kind, size, data.len() as i32]);
        let structure = [
            vec![((field as u8 - 3) << 4) | 0x0c],
            numbers(part),
            vec![0, 0],
        ]
        .concat();
        let bytes = [head, structure, data.to_vec()].concat().into();
        Pages {
            bytes,
            compression,
            values_left: 100,
            least_width: 4,
            has_dictionary: false,
        }
        .get_next_page()
    }

    fn fault(page: Result<Option<Page>>) -> String {
        page.map(|_| ()).unwrap_err().to_string()
    }

    const DATA: i32 = 5;
    const DICTIONARY: i32 = 7;

    #[test]
    fn a_sound_page_is_unpacked() {
        let packed = snap::raw::Encoder::new().compress_vec(&[7; 40]).unwrap();
        let read = page(Compression::SNAPPY, [0, 40, DATA], &[10, 0, 3, 3], &packed)
            .unwrap()
            .unwrap();
        assert_eq!(
            (read.buffer().as_ref(), read.num_values()),
            (&[7; 40][..], 10)
        );
    }

    #[test]
    fn a_page_that_lies_about_its_size_allocates_nothing() {
        for compression in [
            Compression::SNAPPY,
            Compression::GZIP(Default::default()),
            Compression::UNCOMPRESSED,
        ] {
            let text = fault(page(
                compression,
                [0, i32::MAX, DATA],
                &[10, 0, 3, 3],
                &[0; 40],
            ));
            assert!(text.contains("size") || text.contains("unpack"), "{text}");
        }
        let zeros = snap::raw::Encoder::new().compress_vec(&[0; 40]).unwrap();
        let text = fault(page(
            Compression::SNAPPY,
            [0, 39, DATA],
            &[10, 0, 3, 3],
            &zeros,
        ));
        assert!(text.contains("does not unpack"), "{text}");
    }

    #[test]
    fn a_page_that_lies_about_its_values_is_refused() {
        let none = Compression::UNCOMPRESSED;
        assert!(
            fault(page(none, [0, 4, DATA], &[101, 0, 3, 3], &[0; 4]))
                .contains("more values than the column")
        );
        assert!(
            fault(page(none, [0, 4, DATA], &[-1, 0, 3, 3], &[0; 4])).contains("without its values")
        );
        assert!(
            fault(page(none, [2, 4, DICTIONARY], &[i32::MAX, 0], &[0; 4]))
                .contains("more entries than bytes")
        );
        assert!(
            fault(page(none, [0, 4, DATA], &[1, 8, 3, 3], &[0; 4]))
                .contains("dictionary that is not there")
        );
        assert!(fault(page(none, [0, 4, DATA], &[1, 7, 3, 3], &[0; 4])).contains("encoding 7"));
    }
}
