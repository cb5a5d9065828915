use super::byte_reader::ByteReader;
use super::objects::{Global, Value};
use super::stop::{Step, Stop};

/// An instruction of a pickle, with its argument. The names are those of `pickletools`, or say what
/// several of its instructions have in common.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Instruction {
    /// Ends the pickle; the top of the stack is its value.
    Stop,
    /// Does nothing here: states the protocol, or the length of a frame.
    Skip,
    Mark,
    Pop,
    /// Pushes a value that the pickle states.
    Push(Value),
    Container(ContainerInstruction),
    /// Pushes the global whose module and name are on the stack.
    StackGlobal,
    PersistentId,
    Reduce,
    Build,
    /// Remembers the top of the stack as the next value that is remembered.
    Memoize,
    Put(usize),
    Get(usize),
}

/// An instruction that makes or fills a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContainerInstruction {
    EmptyDict,
    EmptyList,
    /// Makes one list of the values above the last mark.
    ListFromMark,
    /// Makes one list of the top values.
    ListOf(usize),
    Append,
    AppendsFromMark,
    SetItem,
    SetItemsFromMark,
}

impl ContainerInstruction {
    fn of(code: u8) -> Option<Self> {
        Some(match code {
            b'}' => Self::EmptyDict,
            b']' | b')' => Self::EmptyList,
            b't' | b'l' => Self::ListFromMark,
            0x85..=0x87 => Self::ListOf(usize::from(code - 0x84)),
            b'a' => Self::Append,
            b'e' => Self::AppendsFromMark,
            b's' => Self::SetItem,
            b'u' => Self::SetItemsFromMark,
            _ => return None,
        })
    }
}

impl Instruction {
    pub(super) fn read(reader: &mut ByteReader<'_>) -> Step<Self> {
        let code = reader.byte()?;
        match Self::without_argument(code) {
            Some(instruction) => Ok(instruction),
            None => Self::with_argument(code, reader),
        }
    }

    fn without_argument(code: u8) -> Option<Self> {
        Some(match code {
            b'.' => Self::Stop,
            b'(' => Self::Mark,
            b'0' => Self::Pop,
            b'N' => Self::Push(Value::None),
            0x88 => Self::Push(Value::Bool(true)),
            0x89 => Self::Push(Value::Bool(false)),
            0x93 => Self::StackGlobal,
            b'Q' => Self::PersistentId,
            b'R' => Self::Reduce,
            b'b' => Self::Build,
            0x94 => Self::Memoize,
            _ => return ContainerInstruction::of(code).map(Self::Container),
        })
    }

    fn with_argument(code: u8, reader: &mut ByteReader<'_>) -> Step<Self> {
        Ok(match code {
            // PROTO and FRAME.
            0x80 => reader.take(1).map(|_| Self::Skip)?,
            0x95 => reader.take(8).map(|_| Self::Skip)?,
            b'c' => {
                let (module, name) = (reader.line()?, reader.line()?);
                Self::Push(Value::Global(Global::named(&module, &name)?))
            }
            b'q' => Self::Put(usize::from(reader.byte()?)),
            b'r' => Self::Put(length(reader)?),
            b'h' => Self::Get(usize::from(reader.byte()?)),
            b'j' => Self::Get(length(reader)?),
            _ => Self::Push(literal(code, reader)?),
        })
    }
}

/// Returns a number or a text that stands in the pickle itself.
fn literal(code: u8, reader: &mut ByteReader<'_>) -> Step<Value> {
    Ok(match code {
        b'K' => Value::Int(i64::from(reader.byte()?)),
        b'M' => Value::Int(i64::from(u16::from_le_bytes(reader.array()?))),
        b'J' => Value::Int(i64::from(i32::from_le_bytes(reader.array()?))),
        0x8a => {
            let bytes = usize::from(reader.byte()?);
            Value::Int(reader.long(bytes)?)
        }
        b'G' => Value::Float(f64::from_be_bytes(reader.array()?)),
        0x8c | b'U' => {
            let bytes = usize::from(reader.byte()?);
            Value::Text(reader.text(bytes)?)
        }
        b'X' | b'T' => {
            let bytes = length(reader)?;
            Value::Text(reader.text(bytes)?)
        }
        _ => return Err(Stop::Damaged("an instruction that no state dict has")),
    })
}

/// Returns an unsigned integer of four bytes.
fn length(reader: &mut ByteReader<'_>) -> Step<usize> {
    Ok(u32::from_le_bytes(reader.array()?) as usize)
}
