//! The messages in an event file, as protocol buffers: those of `event.proto` and `summary.proto`
//! that curves need.

use std::time::{SystemTime, UNIX_EPOCH};

/// What an event says.
pub(super) enum Content<'e> {
    /// The format of the file; its first event.
    FileVersion,
    /// Steps from that of the event on follow.
    SessionStart,
    /// Numbers with their tags.
    Scalars(&'e [(&'e str, f64)]),
}

/// The version that TensorBoard writes and reads.
const VERSION: &str = "brain.Event:2";

/// An event of `step`, encoded.
///
/// ```text
/// Event      { double wall_time = 1; int64 step = 2;
///              oneof { string file_version = 3; Summary summary = 5;
///                      SessionLog session_log = 7 } }
/// Summary    { repeated Value value = 1 }
/// Value      { string tag = 1; float simple_value = 2 }
/// SessionLog { enum { START = 1 } status = 1 }
/// ```
///
/// # Source
/// `tensorboard/compat/proto/event.proto`, `summary.proto`; encoding:
/// <https://protobuf.dev/programming-guides/encoding/>.
pub(super) fn encode_event(time: SystemTime, step: u64, content: &Content<'_>) -> Vec<u8> {
    let mut event = field(1, Value::Fixed64(seconds_since_1970(time)));
    // All writers of this encoding leave out a number that is zero.
    if step != 0 {
        event.extend(field(2, Value::Varint(step)));
    }
    event.extend(match content {
        Content::FileVersion => field(3, Value::Bytes(VERSION.as_bytes())),
        Content::Scalars(scalars) => field(5, Value::Bytes(&summary(scalars))),
        Content::SessionStart => field(7, Value::Bytes(&field(1, Value::Varint(1)))),
    });
    event
}

/// The time as Unix counts it, negative before 1970.
pub(super) fn seconds_since_1970(time: SystemTime) -> f64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}

fn summary(scalars: &[(&str, f64)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for &(tag, value) in scalars {
        let mut scalar = field(1, Value::Bytes(tag.as_bytes()));
        scalar.extend(field(2, Value::Fixed32(value as f32)));
        summary.extend(field(1, Value::Bytes(&scalar)));
    }
    summary
}

/// A value in one of the four encodings that are needed here.
enum Value<'v> {
    Varint(u64),
    Fixed64(f64),
    Bytes(&'v [u8]),
    Fixed32(f32),
}

/// A field: its number (up to 15) and encoding in one byte, then its value.
fn field(number: u8, value: Value<'_>) -> Vec<u8> {
    let (encoding, bytes) = match value {
        Value::Varint(number) => (0, varint(number)),
        Value::Fixed64(number) => (1, number.to_le_bytes().to_vec()),
        // A reader that does not know the field skips it by its length.
        Value::Bytes(bytes) => (2, [&varint(bytes.len() as u64), bytes].concat()),
        Value::Fixed32(number) => (5, number.to_le_bytes().to_vec()),
    };
    // The lowest three bits are the encoding.
    [vec![number << 3 | encoding], bytes].concat()
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        // The cast keeps the lowest eight bits, of which the highest is set in any case.
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
    fn times_before_1970_are_negative() {
        let early = UNIX_EPOCH - Duration::from_millis(1500);
        assert_eq!(seconds_since_1970(early), -1.5);
        assert_eq!(seconds_since_1970(UNIX_EPOCH + Duration::from_secs(3)), 3.0);
    }

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
            encode_event(at, 0, &Content::FileVersion),
            b"\x09\x00\x00\x00\x40\xfc\x54\xd9\x41\x1a\x0dbrain.Event:2"
        );
        assert_eq!(
            encode_event(at, 6, &Content::SessionStart),
            b"\x09\x00\x00\x00\x40\xfc\x54\xd9\x41\x10\x06\x3a\x02\x08\x01"
        );
        let later = at + Duration::from_millis(250);
        assert_eq!(
            encode_event(
                later,
                300,
                &Content::Scalars(&[("train/objective_nats", -96.5), ("b", 0.1)])
            ),
            b"\x09\x00\x00\x10\x40\xfc\x54\xd9\x41\x10\xac\x02\x2a\x27\
              \x0a\x1b\x0a\x14train/objective_nats\x15\x00\x00\xc1\xc2\
              \x0a\x08\x0a\x01b\x15\xcd\xcc\xcc\x3d"
        );
    }
}
