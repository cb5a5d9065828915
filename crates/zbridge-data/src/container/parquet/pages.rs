use super::thrift::Structure;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use ruzstd::decoding::StreamingDecoder;
use std::fmt::Display;
use std::io::Read;

/// Most bytes that a byte of snappy decompresses to: its copies of 64 bytes take three.
const SNAPPY_RATIO: usize = 32;
/// Largest window of a zstd stream, in bytes: the limit of the zstd library itself.
const LARGEST_WINDOW: u64 = 128 << 20;

/// The pages of one column in one group of rows.
///
/// The `parquet` crate has such a reader, which allocates what a page header says of sizes and
/// counts. This one allocates what really decompresses, and accepts no more values than
/// `values_left`. It can go when <https://github.com/apache/arrow-rs/issues/10734> is closed.
pub(super) struct Pages {
    /// The bytes of the column that were not read yet.
    pub(super) bytes: Bytes,
    pub(super) compression: Compression,
    /// The number of values that later pages can have.
    pub(super) values_left: usize,
    /// Fewest bytes of a value in a dictionary.
    pub(super) least_width: usize,
    /// Whether a dictionary was read. Without it the decoder of the crate panics.
    pub(super) has_dictionary: bool,
}

/// A page before it is decompressed.
///
/// # Source
/// Apache Parquet, `parquet.thrift`: the numbers of fields and of kinds of pages.
struct RawPage {
    header: Structure,
    data: Bytes,
    /// Bytes after decompression.
    size: usize,
}

const DATA_PAGE: i64 = 0;
const INDEX_PAGE: i64 = 1;
const DICTIONARY_PAGE: i64 = 2;
const DATA_PAGE_V2: i64 = 3;

impl Pages {
    fn next_page(&mut self) -> Result<Option<Page>> {
        while !self.bytes.is_empty() {
            let page = self.next_raw_page()?;
            // The numbers of fields are those of `parquet.thrift`: 1 is the kind of a page.
            let kind = page.header.number(1);
            match kind {
                Some(DATA_PAGE) => return self.data_page(&page).map(Some),
                Some(DATA_PAGE_V2) => return self.data_page_v2(&page).map(Some),
                Some(DICTIONARY_PAGE) => return self.dictionary_page(&page).map(Some),
                // Indices help to skip pages, and none is skipped here.
                Some(INDEX_PAGE) => {}
                _ => return Err(damaged("the kind of a page")),
            }
        }
        Ok(None)
    }

    fn next_raw_page(&mut self) -> Result<RawPage> {
        let parsed = Structure::parse(&self.bytes);
        let (header, start) = parsed.ok_or_else(|| damaged("a page header"))?;
        let size = count(&header, 2, "its size")?;
        let compressed_size = count(&header, 3, "its compressed size")?;
        let end = start.checked_add(compressed_size);
        let end = end.filter(|end| *end <= self.bytes.len()).ok_or_else(|| {
            damaged(
                "a page ends after the end of its column: the file was cut, or the page is damaged",
            )
        })?;
        let data = self.bytes.slice(start..end);
        self.bytes = self.bytes.slice(end..);
        Ok(RawPage { header, data, size })
    }

    fn data_page(&mut self, page: &RawPage) -> Result<Page> {
        let header = part(&page.header, 5)?;
        Ok(Page::DataPage {
            num_values: self.take_values(header)?,
            buf: self.decompress(&page.data, page.size)?.into(),
            encoding: self.value_encoding(header, 2)?,
            def_level_encoding: encoding(header, 3)?,
            rep_level_encoding: encoding(header, 4)?,
            statistics: None,
        })
    }

    fn data_page_v2(&mut self, page: &RawPage) -> Result<Page> {
        let header = part(&page.header, 8)?;
        Ok(Page::DataPageV2 {
            buf: self.decompress_v2(page, header)?.into(),
            num_values: self.take_values(header)?,
            encoding: self.value_encoding(header, 4)?,
            num_nulls: count_u32(header, 2, "its nulls")?,
            num_rows: count_u32(header, 3, "its rows")?,
            def_levels_byte_len: count_u32(header, 5, "its levels")?,
            rep_levels_byte_len: count_u32(header, 6, "its levels")?,
            is_compressed: false,
            statistics: None,
        })
    }

    /// Returns the levels and values of a page of version 2, whose levels are never compressed.
    fn decompress_v2(&self, page: &RawPage, header: &Structure) -> Result<Vec<u8>> {
        let definition_levels = count(header, 5, "its levels")?;
        let repetition_levels = count(header, 6, "its levels")?;
        let levels = definition_levels.checked_add(repetition_levels);
        let levels = levels.filter(|levels| *levels <= page.data.len().min(page.size));
        let levels = levels.ok_or_else(|| damaged("the levels of a page"))?;
        let (levels, values) = page.data.split_at(levels);
        let is_compressed = header.number(7) != Some(0);
        let values = match is_compressed {
            true => self.decompress(values, page.size - levels.len())?,
            false => values.to_vec(),
        };
        Ok([levels, &values].concat())
    }

    fn dictionary_page(&mut self, page: &RawPage) -> Result<Page> {
        let header = part(&page.header, 7)?;
        let buf = self.decompress(&page.data, page.size)?;
        let entries = count(header, 1, "its entries")?;
        let least = entries.checked_mul(self.least_width);
        if least.is_none_or(|least| least > buf.len()) {
            return Err(damaged(
                "a dictionary says that it has more entries than bytes for them",
            ));
        }
        // Checked before the decoder sees it, which allocates memory for all entries.
        self.has_dictionary = true;
        Ok(Page::DictionaryPage {
            buf: buf.into(),
            num_values: count_u32(header, 1, "its entries")?,
            encoding: encoding(header, 2)?,
            is_sorted: false,
        })
    }

    /// Returns the encoding of the values of a page.
    fn value_encoding(&self, header: &Structure, field: i64) -> Result<Encoding> {
        let encoding = encoding(header, field)?;
        let needs_dictionary = matches!(
            encoding,
            Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY
        );
        if needs_dictionary && !self.has_dictionary {
            return Err(damaged("a page refers to a dictionary that is not there"));
        }
        Ok(encoding)
    }

    /// Returns the number of values of a page, and takes it off those that are left.
    fn take_values(&mut self, header: &Structure) -> Result<u32> {
        let values = count(header, 1, "its values")?;
        let left = self.values_left.checked_sub(values);
        self.values_left =
            left.ok_or_else(|| damaged("pages hold more values than the column says"))?;
        count_u32(header, 1, "its values")
    }

    /// Returns the bytes that `compressed` decompresses to, which must be `size`.
    fn decompress(&self, compressed: &[u8], size: usize) -> Result<Vec<u8>> {
        // A page of nothing but nulls may have no bytes to decompress.
        if size == 0 {
            return Ok(vec![]);
        }
        let bytes = match self.compression {
            Compression::UNCOMPRESSED => compressed.to_vec(),
            Compression::SNAPPY => decompress_snappy(compressed, size)?,
            Compression::GZIP(_) => read_at_most(MultiGzDecoder::new(compressed), size)?,
            Compression::ZSTD(_) => decompress_zstd(compressed, size)?,
            other => return Err(unknown_compression(other)),
        };
        if bytes.len() != size {
            return Err(damaged(
                "a page decompresses to another size than its header says",
            ));
        }
        Ok(bytes)
    }
}

fn unknown_compression(compression: Compression) -> ParquetError {
    damaged(&format!(
        "it is compressed with {compression}; write it with snappy, gzip, zstd or without \
         compression"
    ))
}

fn decompress_zstd(compressed: &[u8], size: usize) -> Result<Vec<u8>> {
    let decoder = StreamingDecoder::new_with_max_window_size(compressed, LARGEST_WINDOW);
    read_at_most(decoder.map_err(undecompressable)?, size)
}

fn decompress_snappy(compressed: &[u8], size: usize) -> Result<Vec<u8>> {
    // The decoder needs the whole output before it reads: no more of it than there can be.
    if size / SNAPPY_RATIO > compressed.len() {
        return Err(undecompressable("it is too short for its size"));
    }
    let mut bytes = vec![0; size];
    let decompressed = snap::raw::Decoder::new().decompress(compressed, &mut bytes);
    bytes.truncate(decompressed.map_err(undecompressable)?);
    Ok(bytes)
}

/// Returns what the decoder gives, up to one byte more than `size`.
fn read_at_most(decoder: impl Read, size: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    let read = decoder.take(size as u64 + 1).read_to_end(&mut bytes);
    read.map_err(undecompressable)?;
    Ok(bytes)
}

fn undecompressable(reason: impl Display) -> ParquetError {
    damaged(&format!("a page does not decompress: {reason}"))
}

fn damaged(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

fn count(header: &Structure, field: i64, what: &str) -> Result<usize> {
    let count = header.count(field);
    count.ok_or_else(|| damaged(&format!("a page header without {what}")))
}

fn count_u32(header: &Structure, field: i64, what: &str) -> Result<u32> {
    let count = u32::try_from(count(header, field, what)?);
    count.map_err(|_| damaged(&format!("a page header whose count of {what} is too large")))
}

fn part(header: &Structure, field: i64) -> Result<&Structure> {
    let part = header.structure(field);
    part.ok_or_else(|| damaged("a page header without its part"))
}

/// Returns an encoding of numbers. The encodings of texts by their differences are not read: their
/// decoders allocate what a file says.
fn encoding(header: &Structure, field: i64) -> Result<Encoding> {
    match header.number(field) {
        Some(0) => Ok(Encoding::PLAIN),
        Some(2) => Ok(Encoding::PLAIN_DICTIONARY),
        Some(3) => Ok(Encoding::RLE),
        Some(5) => Ok(Encoding::DELTA_BINARY_PACKED),
        Some(8) => Ok(Encoding::RLE_DICTIONARY),
        Some(9) => Ok(Encoding::BYTE_STREAM_SPLIT),
        Some(number) => Err(damaged(&format!(
            "a page has the encoding {number}, which is not read; write it with plain or \
             dictionary encoding"
        ))),
        None => Err(damaged("a page header without its encoding")),
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.next_page()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Err(damaged("pages are read in order"))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.next_page().map(|_| ())
    }

    /// Returns whether a row must end with this page. Old writers let a row go on in the next page,
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
    fn a_sound_page_is_decompressed() {
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
    fn a_page_with_a_wrong_size_allocates_nothing() {
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
            assert!(
                text.contains("size") || text.contains("decompress"),
                "{text}"
            );
        }
        let zeros = snap::raw::Encoder::new().compress_vec(&[0; 40]).unwrap();
        let text = fault(page(
            Compression::SNAPPY,
            [0, 39, DATA],
            &[10, 0, 3, 3],
            &zeros,
        ));
        assert!(text.contains("does not decompress"), "{text}");
    }

    #[test]
    fn a_page_with_a_wrong_number_of_values_is_refused() {
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
