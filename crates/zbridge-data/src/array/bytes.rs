/// Returns the numbers as little-endian bytes.
pub(crate) fn f32_bytes(values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 * values.len());
    for value in values {
        bytes.extend(value.to_le_bytes());
    }
    bytes
}

/// Returns the numbers as little-endian bytes.
pub(crate) fn i64_bytes(values: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 * values.len());
    for value in values {
        bytes.extend(value.to_le_bytes());
    }
    bytes
}
