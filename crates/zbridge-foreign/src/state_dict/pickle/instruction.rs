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
    Put(u32),
    Get(u32),
}

/// An instruction that makes or fills a container, from the values on top of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContainerInstruction {
    NewDict,
    /// Makes a list, or a tuple, of the values.
    NewList(Operands),
    /// Appends the values to the list below them.
    Append(Operands),
    /// Inserts the values, keys and values in turn, in the dict below them.
    Insert(Operands),
}

/// Which values on top of the stack an instruction takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operands {
    Top(usize),
    AboveMark,
}

impl ContainerInstruction {
    fn of(code: u8) -> Option<Self> {
        Some(match code {
            b'}' => Self::NewDict,                          // EMPTY_DICT
            b']' | b')' => Self::NewList(Operands::Top(0)), // EMPTY_LIST, EMPTY_TUPLE
            // TUPLE1 to TUPLE3.
            0x85..=0x87 => Self::NewList(Operands::Top(usize::from(code - 0x84))),
            b't' | b'l' => Self::NewList(Operands::AboveMark), // TUPLE, LIST
            b'a' => Self::Append(Operands::Top(1)),            // APPEND
            b'e' => Self::Append(Operands::AboveMark),         // APPENDS
            b's' => Self::Insert(Operands::Top(2)),            // SETITEM
            b'u' => Self::Insert(Operands::AboveMark),         // SETITEMS
            _ => return None,
        })
    }
}

impl Instruction {
    pub(super) fn read(reader: &mut ByteReader<'_>) -> Step<Self> {
        let code = reader.u8()?;
        match Self::without_argument(code) {
            Some(instruction) => Ok(instruction),
            None => Self::with_argument(code, reader),
        }
    }

    fn without_argument(code: u8) -> Option<Self> {
        Some(match code {
            b'.' => Self::Stop,                     // STOP
            b'(' => Self::Mark,                     // MARK
            b'0' => Self::Pop,                      // POP
            b'N' => Self::Push(Value::None),        // NONE
            0x88 => Self::Push(Value::Bool(true)),  // NEWTRUE
            0x89 => Self::Push(Value::Bool(false)), // NEWFALSE
            0x93 => Self::StackGlobal,              // STACK_GLOBAL
            b'Q' => Self::PersistentId,             // BINPERSID
            b'R' => Self::Reduce,                   // REDUCE
            b'b' => Self::Build,                    // BUILD
            0x94 => Self::Memoize,                  // MEMOIZE
            _ => return ContainerInstruction::of(code).map(Self::Container),
        })
    }

    fn with_argument(code: u8, reader: &mut ByteReader<'_>) -> Step<Self> {
        Ok(match code {
            // PROTO and FRAME.
            0x80 => reader.take(1).map(|_| Self::Skip)?,
            0x95 => reader.take(8).map(|_| Self::Skip)?,
            b'c' => Self::Push(global(reader)?),    // GLOBAL
            b'q' => Self::Put(reader.u8()?.into()), // BINPUT
            b'r' => Self::Put(reader.u32()?),       // LONG_BINPUT
            b'h' => Self::Get(reader.u8()?.into()), // BINGET
            b'j' => Self::Get(reader.u32()?),       // LONG_BINGET
            _ => Self::Push(literal(code, reader)?),
        })
    }
}

fn global(reader: &mut ByteReader<'_>) -> Step<Value> {
    let (module, name) = (reader.line()?, reader.line()?);
    Global::named(&module, &name).map(Value::Global)
}

/// Returns a number or a text that stands in the pickle itself.
fn literal(code: u8, reader: &mut ByteReader<'_>) -> Step<Value> {
    Ok(match code {
        b'K' => Value::Int(reader.u8()?.into()),          // BININT1
        b'M' => Value::Int(reader.u16()?.into()),         // BININT2
        b'J' => Value::Int(reader.i32()?.into()),         // BININT
        0x8a => Value::Int(reader.long()?),               // LONG1
        b'G' => Value::Float(reader.f64()?),              // BINFLOAT
        b'U' | 0x8c => Value::Text(reader.short_text()?), // SHORT_BINSTRING, SHORT_BINUNICODE
        b'T' | b'X' => Value::Text(reader.long_text()?),  // BINSTRING, BINUNICODE
        _ => return Err(Stop::Damaged("an instruction that no state dict has")),
    })
}
