use super::stop::{OrDamaged, Step, Stop};

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

    pub(super) fn u8(&mut self) -> Step<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Step<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Step<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Step<i32> {
        self.array().map(i32::from_le_bytes)
    }

    /// Returns a float, which pickles have with its first byte first, unlike integers.
    pub(super) fn f64(&mut self) -> Step<f64> {
        self.array().map(f64::from_be_bytes)
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn take(&mut self, length: usize) -> Step<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..length).or_damaged(ENDS_EARLY)?;
        self.at += length;
        Ok(taken)
    }

    /// Returns a text of at most 255 bytes, which begins with its length.
    pub(super) fn short_text(&mut self) -> Step<String> {
        let length = self.u8()?;
        self.text(length.into())
    }

    /// Returns a text of any length, which it begins with.
    pub(super) fn long_text(&mut self) -> Step<String> {
        let length = self.u32()?;
        self.text(length as usize)
    }

    fn text(&mut self, length: usize) -> Step<String> {
        let text = str::from_utf8(self.take(length)?).ok();
        text.map(str::to_string)
            .or_damaged("a text that is no UTF-8")
    }

    /// Returns the text up to the next line break, which is skipped.
    pub(super) fn line(&mut self) -> Step<String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n');
        let line = self.text(length.or_damaged(ENDS_EARLY)?)?;
        self.at += 1;
        Ok(line)
    }

    /// Returns an integer in two's complement, least byte first, which begins with its length; at
    /// most eight bytes are read.
    pub(super) fn long(&mut self) -> Step<i64> {
        let length = self.u8()?;
        let bytes = self.take(length.into())?;
        if bytes.len() > 8 {
            return Err(Stop::Damaged("an integer above 64 bits"));
        }
        // The sign fills the bytes that are left out.
        let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut array = [if is_negative { 0xff } else { 0 }; 8];
        array[..bytes.len()].copy_from_slice(bytes);
        Ok(i64::from_le_bytes(array))
    }
}

const ENDS_EARLY: &str = "the pickle ends too early";
