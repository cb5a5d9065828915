use std::fmt;

/// The type of the elements of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ElementType {
    F16,
    Bf16,
    F32,
    F64,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    Text,
    /// A type that is not read, by the name that its file gives it, which is printable.
    Other(String),
}

impl ElementType {
    /// Returns the bytes of a number; 0 if the elements are not numbers of one size.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::F16 | Self::Bf16 | Self::U16 | Self::I16 => 2,
            Self::F32 | Self::U32 | Self::I32 => 4,
            Self::F64 | Self::U64 | Self::I64 => 8,
            Self::Text | Self::Other(_) => 0,
        }
    }

    pub(crate) fn is_number(&self) -> bool {
        self.width() > 0
    }

    pub(crate) fn is_float(&self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64)
    }

    pub(crate) fn is_integer(&self) -> bool {
        self.is_number() && !self.is_float()
    }

    /// Returns whether the elements are integers below zero as well.
    pub(super) fn is_signed_integer(&self) -> bool {
        matches!(self, Self::I8 | Self::I16 | Self::I32 | Self::I64)
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::Text => "text",
            Self::Other(name) => name,
        })
    }
}
