//! TFRecord: how records follow one another in a file.

use crc::{CRC_32_ISCSI, Crc};

/// CRC-32C (Castagnoli), which the catalogue of CRCs calls after iSCSI.
const CRC_32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// `data` with its length before it, and a checksum after each of the two; all numbers
/// little-endian:
///
/// ```text
/// u64 length | u32 masked CRC-32C of the length | data | u32 masked CRC-32C of data
/// ```
///
/// # Source
/// `tensorflow/core/lib/io/record_writer.h`.
pub(super) fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let [of_length, of_data] = [&length, data].map(|bytes| masked_crc(bytes).to_le_bytes());
    [&length, &of_length[..], data, &of_data].concat()
}

/// The CRC of data that may itself hold CRCs: rotated, and a constant added.
///
/// # Source
/// `tensorflow/core/lib/hash/crc32c.h`, `Mask`.
fn masked_crc(data: &[u8]) -> u32 {
    CRC_32C
        .checksum(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, appendix B.4, and the catalogue's check value.
    #[test]
    fn the_checksum_is_that_of_the_published_examples() {
        let rising: Vec<u8> = (0..32).collect();
        let falling: Vec<u8> = (0..32).rev().collect();
        for (data, expected) in [
            (&[0; 32][..], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&rising, 0x46dd_794e),
            (&falling, 0x113f_db5c),
            (b"123456789", 0xe306_9283),
        ] {
            assert_eq!(CRC_32C.checksum(data), expected, "{data:?}");
        }
    }

    /// Written by TensorBoard 2.21.0: `write(b"zbridge")` of
    /// `tensorboard.summary.writer.record_writer.RecordWriter`.
    #[test]
    fn a_record_is_the_one_that_tensorboard_writes() {
        let expected = b"\x07\0\0\0\0\0\0\0\xbb\xd7\x9f\x11zbridge\x10\x64\x03\xb8";
        assert_eq!(framed(b"zbridge"), expected);
    }
}
