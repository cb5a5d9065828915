//! TFRecord: how records follow one another in a file.

use crc::{CRC_32_ISCSI, Crc};

/// CRC-32C (Castagnoli); the catalogue of CRCs names it after iSCSI.
const CRC_32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// `data` after its length, each followed by a checksum; all numbers are little-endian:
///
/// ```text
/// u64 length | u32 masked CRC-32C of the length | data | u32 masked CRC-32C of data
/// ```
///
/// # Source
/// `tensorflow/core/lib/io/record_writer.h`.
pub(super) fn encode_record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let length_checksum = masked_crc(&length).to_le_bytes();
    let data_checksum = masked_crc(data).to_le_bytes();
    [&length, &length_checksum[..], data, &data_checksum].concat()
}

/// A CRC, rotated and with a constant added: a CRC of data that contains CRCs would be weak.
///
/// # Source
/// `tensorflow/core/lib/hash/crc32c.h`, `Mask`.
fn masked_crc(data: &[u8]) -> u32 {
    let crc = CRC_32C.checksum(data);
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
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
        assert_eq!(encode_record(b"zbridge"), expected);
    }
}
