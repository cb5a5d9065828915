//! The messages in an event file: those few of `event.proto` and `summary.proto` that curves need,
//! as protocol buffers.

use std::time::{SystemTime, UNIX_EPOCH};

/// What an event tells.
pub(super) enum What<'e> {
    /// How the file is to be read; its first event.
    FileVersion,
    /// Steps from the event's own on are told from here.
    SessionStart,
    /// Figures with their tags.
    Scalars(&'e [(&'e str, f64)]),
}

/// The version that TensorBoard writes and reads.
const VERSION: &str = "brain.Event:2";

/// An event of `step` at a time, encoded.
///
/// ```text
/// Event      { double wall_time = 1; int64 step = 2;
///              oneof { string file_version = 3; Summary summary = 5; SessionLog session_log = 7 } }
/// Summary    { repeated Value value = 1 }
/// Value      { string tag = 1; float simple_value = 2 }
/// SessionLog { enum { START = 1 } status = 1 }
/// ```
///
/// # Source
/// `tensorboard/compat/proto/event.proto`, `summary.proto`; encoding:
/// <https://protobuf.dev/programming-guides/encoding/>.
pub(super) fn encoded(at: SystemTime, step: u64, what: What<'_>) -> Vec<u8> {
    let wall_time = at
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64();
    // A number that is zero is left out, as all writers of this encoding do.
    let step = if step == 0 {
        vec![]
    } else {
        field(2, Value::Varint(step))
    };
    let told = match what {
        What::FileVersion => field(3, Value::Bytes(VERSION.as_bytes())),
        What::Scalars(figures) => field(5, Value::Bytes(&summary(figures))),
        What::SessionStart => field(7, Value::Bytes(&field(1, Value::Varint(1)))),
    };
    [field(1, Value::Fixed64(wall_time)), step, told].concat()
}

fn summary(figures: &[(&str, f64)]) -> Vec<u8> {
    figures
        .iter()
        .flat_map(|&(tag, figure)| field(1, Value::Bytes(&scalar(tag, figure))))
        .collect()
}

fn scalar(tag: &str, figure: f64) -> Vec<u8> {
    [
        field(1, Value::Bytes(tag.as_bytes())),
        field(2, Value::Fixed32(figure as f32)),
    ]
    .concat()
}

/// A value in one of the four encodings that we use.
enum Value<'v> {
    Varint(u64),
    Fixed64(f64),
    Bytes(&'v [u8]),
    Fixed32(f32),
}

/// A field: its number and encoding in one byte (numbers up to 15), then its value.
fn field(number: u8, value: Value<'_>) -> Vec<u8> {
    let (encoding, bytes) = match value {
        Value::Varint(number) => (0, varint(number)),
        Value::Fixed64(number) => (1, number.to_le_bytes().to_vec()),
        Value::Bytes(bytes) => (2, [&varint(bytes.len() as u64), bytes].concat()),
        Value::Fixed32(number) => (5, number.to_le_bytes().to_vec()),
    };
    [vec![number << 3 | encoding], bytes].concat()
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = vec![];
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn numbers_take_as_many_bytes_as_they_need() {
        assert_eq!(varint(0), [0]);
        assert_eq!(varint(127), [127]);
        assert_eq!(
            varint(150),
            [0x96, 0x01],
            "the example of the encoding guide"
        );
        assert_eq!(varint(u64::MAX).len(), 10);
    }

    /// Written by TensorBoard 2.21.0: `SerializeToString` of its `event_pb2.Event` with these
    /// contents.
    #[test]
    fn events_are_those_that_tensorboard_encodes() {
        let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_000);
        assert_eq!(
            encoded(at, 0, What::FileVersion),
            b"\x09\x00\x00\x00\x40\xfc\x54\xd9\x41\x1a\x0dbrain.Event:2"
        );
        assert_eq!(
            encoded(at, 6, What::SessionStart),
            b"\x09\x00\x00\x00\x40\xfc\x54\xd9\x41\x10\x06\x3a\x02\x08\x01"
        );
        let later = at + Duration::from_millis(250);
        assert_eq!(
            encoded(
                later,
                300,
                What::Scalars(&[("train/objective_nats", -96.5), ("b", 0.1)])
            ),
            b"\x09\x00\x00\x10\x40\xfc\x54\xd9\x41\x10\xac\x02\x2a\x27\
              \x0a\x1b\x0a\x14train/objective_nats\x15\x00\x00\xc1\xc2\
              \x0a\x08\x0a\x01b\x15\xcd\xcc\xcc\x3d"
        );
    }
}
