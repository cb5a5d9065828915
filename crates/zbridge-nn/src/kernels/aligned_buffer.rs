//! Working space that begins on a line of the cache.

/// Numbers that begin on a line of the cache, so that no vector that is loaded from them lies on
/// two lines. A clone may lose this, which costs a little time and nothing else.
#[derive(Debug, Default, Clone)]
pub(crate) struct AlignedBuffer {
    values: Vec<f32>,
    start: usize,
}

/// Bytes of a line.
const LINE: usize = 64;

impl AlignedBuffer {
    /// `length` numbers, of no particular values.
    pub(crate) fn with_length(&mut self, length: usize) -> &mut [f32] {
        let spare = LINE / size_of::<f32>();
        if self.values.len() < length + spare {
            self.values.resize(length + spare, 0.0);
        }
        // The documentation of `align_offset` allows it to find none.
        self.start = self.values.as_ptr().align_offset(LINE).min(spare);
        &mut self.values[self.start..][..length]
    }

    /// The numbers, from the first to the last that there is space for.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_begin_on_a_line_and_are_read_back() {
        let mut buffer = AlignedBuffer::default();
        for length in [1, 1000, 10] {
            let values = buffer.with_length(length);
            assert_eq!(values.len(), length);
            assert!(values.as_ptr().addr().is_multiple_of(LINE));
            values.fill(length as f32);
            assert_eq!(buffer.values()[..length], vec![length as f32; length]);
        }
    }
}
