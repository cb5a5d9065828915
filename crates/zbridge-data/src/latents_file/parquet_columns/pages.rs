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
/// The library has such a reader, which allocates whatever a page header says of sizes and counts. This one allocates what
/// really unpacks, and lets no page claim more values than `values_left`.
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
            let (header, length) = Structure::parse(&self.bytes).ok_or_else(|| damaged("a page header"))?;
            let (packed, unpacked) = (field(&header, 3, "its packed size")?, field(&header, 2, "its size")?);
            let end = length.checked_add(packed).filter(|end| *end <= self.bytes.len());
            let end = end.ok_or_else(|| damaged("a page ends behind its column: the file was cut, or the page"))?;
            let data = self.bytes.slice(length..end);
            self.bytes = self.bytes.slice(end..);
            match header.number(1) {
                Some(0) => return self.data_page(part(&header, 5)?, data, unpacked).map(Some),
                Some(2) => return self.dictionary(part(&header, 7)?, data, unpacked).map(Some),
                Some(3) => return self.data_page_v2(part(&header, 8)?, data, unpacked).map(Some),
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
        let (definition, repetition) = (field(header, 5, "its levels")?, field(header, 6, "its levels")?);
        let levels = definition.checked_add(repetition).filter(|levels| *levels <= data.len().min(unpacked));
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
        if count.checked_mul(self.least_width).is_none_or(|least| least > buf.len()) {
            return Err(damaged("a dictionary says that it has more entries than bytes for them"));
        }
        let num_values = u32::try_from(count).map_err(|_| damaged("a dictionary"))?;
        self.has_dictionary = true;
        Ok(Page::DictionaryPage { buf: buf.into(), num_values, encoding: encoding(header, 2)?, is_sorted: false })
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
        self.values_left = left.ok_or_else(|| damaged("pages hold more values than the column says"))?;
        u32::try_from(count).map_err(|_| damaged("the number of values of a page"))
    }

    /// The bytes that `packed` unpacks to, which must be `size`.
    fn unpacked(&self, packed: &[u8], size: usize) -> Result<Vec<u8>> {
        let failed = |reason: &dyn std::fmt::Display| damaged(&format!("a page does not unpack: {reason}"));
        let mut bytes = vec![];
        let limit = size as u64 + 1;
        match self.compression {
            // A page of nothing but nulls may have no bytes to unpack.
            _ if size == 0 => {}
            Compression::UNCOMPRESSED => bytes.extend_from_slice(packed),
            Compression::SNAPPY if size / SNAPPY_GAIN > packed.len() => {
                return Err(failed(&"it is too short for its size"));
            }
            Compression::SNAPPY => {
                bytes.resize(size, 0);
                let read =
                    snap::raw::Decoder::new().decompress(packed, &mut bytes).map_err(|reason| failed(&reason))?;
                bytes.truncate(read);
            }
            Compression::GZIP(_) => {
                let read = MultiGzDecoder::new(packed).take(limit).read_to_end(&mut bytes);
                read.map_err(|reason| failed(&reason))?;
            }
            Compression::ZSTD(_) => {
                let decoder = StreamingDecoder::new_with_max_window_size(packed, LARGEST_WINDOW)
                    .map_err(|reason| failed(&reason))?;
                decoder.take(limit).read_to_end(&mut bytes).map_err(|reason| failed(&reason))?;
            }
            other => {
                let why = format!("it is packed by {other}; write it with snappy, gzip, zstd or uncompressed");
                return Err(ParquetError::General(why));
            }
        }
        match bytes.len() {
            read if read == size => Ok(bytes),
            _ => Err(damaged("a page unpacks to another size than its header says")),
        }
    }
}

fn damaged(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

fn field(header: &Structure, field: i64, what: &str) -> Result<usize> {
    header.count(field).ok_or_else(|| damaged(&format!("a page header without {what}")))
}

fn part(header: &Structure, field: i64) -> Result<&Structure> {
    header.structure(field).ok_or_else(|| damaged("a page header without its part"))
}

/// The encodings that fixed tables, runs and differences of numbers take; those of texts by differences allocate what
/// they like.
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

    /// Whether a row must end with the page at hand. Old writers let rows go on in the next page, if there is one.
    fn at_record_boundary(&mut self) -> Result<bool> {
        Ok(self.bytes.is_empty())
    }
}
