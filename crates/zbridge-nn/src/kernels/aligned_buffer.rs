//! Working space that begins on a line of the cache.

/// Numbers that begin on a line of the cache, so that no vector that is loaded from them lies on
/// two lines. A clone may lose this until it is resized, which costs a little time and nothing
/// else.
#[derive(Debug, Default, Clone)]
pub struct AlignedBuffer {
    values: Vec<f32>,
    start: usize,
    length: usize,
}

/// Bytes of a line.
const LINE: usize = 64;

impl AlignedBuffer {
    /// Gives the buffer this length, and returns its numbers, which are of no particular values.
    pub fn resize(&mut self, length: usize) -> &mut [f32] {
        let spare = LINE / size_of::<f32>();
        if self.values.len() < length + spare {
            self.values.resize(length + spare, 0.0);
        }
        // `align_offset` is allowed to find no place.
        self.start = self.values.as_ptr().align_offset(LINE).min(spare);
        self.length = length;
        self.as_mut_slice()
    }

    /// The numbers.
    pub fn as_slice(&self) -> &[f32] {
        &self.values[self.start..][..self.length]
    }

    /// The numbers.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.values[self.start..][..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_begin_on_a_line_and_are_read_back() {
        let mut buffer = AlignedBuffer::default();
        for length in [1, 1000, 10] {
            let values = buffer.resize(length);
            assert!(values.as_ptr().addr().is_multiple_of(LINE));
            values.fill(length as f32);
            assert_eq!(buffer.as_slice(), vec![length as f32; length]);
        }
    }
}
