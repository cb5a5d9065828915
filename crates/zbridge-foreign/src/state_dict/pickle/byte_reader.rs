use super::stop::{Step, Stop};

/// Reads a pickle byte by byte.
pub(super) struct ByteReader<'a> {
    bytes: &'a [u8],
    /// The next byte.
    pub(super) at: usize,
}

impl<'a> ByteReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn byte(&mut self) -> Step<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn take(&mut self, length: usize) -> Step<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..length).ok_or(Stop::Damaged(ENDS_EARLY))?;
        self.at += length;
        Ok(taken)
    }

    pub(super) fn text(&mut self, length: usize) -> Step<String> {
        let bytes = self.take(length)?;
        let text = str::from_utf8(bytes).map_err(|_| Stop::Damaged("a text that is no UTF-8"))?;
        Ok(text.into())
    }

    /// Returns the text up to the next line break, which is skipped.
    pub(super) fn line(&mut self) -> Step<String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n');
        let line = self.text(length.ok_or(Stop::Damaged(ENDS_EARLY))?)?;
        self.at += 1;
        Ok(line)
    }

    /// Returns an integer in two's complement, least byte first, of up to eight bytes.
    pub(super) fn long(&mut self, length: usize) -> Step<i64> {
        let bytes = self.take(length)?;
        if bytes.len() > 8 {
            return Err(Stop::Damaged("an integer above 64 bits"));
        }
        let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut array = [if is_negative { 0xff } else { 0 }; 8];
        array[..bytes.len()].copy_from_slice(bytes);
        Ok(i64::from_le_bytes(array))
    }
}

const ENDS_EARLY: &str = "the pickle ends too early";
