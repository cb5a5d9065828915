//! A reader of the pickles that PyTorch writes for state dicts.
//!
//! A pickle is a program for a small machine with a stack, which can call anything that Python can
//! import. This reader follows the few instructions that put containers and numbers together; a
//! name that it is asked to call is one of [`Global`] or an error, so nothing a file says is ever
//! looked up or run.
//!
//! # Source
//! Python's `pickletools`, which describes every instruction.

use super::pickle_stack::{Global, Objects, Value};
use crate::ForeignError;
use std::collections::HashMap;
use std::path::Path;

/// The value of a pickle, with the objects that it names.
///
/// # Errors
/// [`ForeignError::Refused`] with a name that is none of [`Global`]; [`ForeignError::Damaged`] with
/// the byte.
pub(super) fn read(bytes: &[u8], path: &Path) -> Result<(Value, Objects), ForeignError> {
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        objects: Objects::default(),
    };
    loop {
        let start = machine.at;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(value)) => return Ok((value, machine.objects)),
            Err(Stop::Refused(global)) => {
                return Err(ForeignError::Refused {
                    path: path.into(),
                    global,
                    byte: start,
                });
            }
            Err(Stop::Damaged(why)) => {
                let place = format!("byte {start} of its pickle");
                return Err(ForeignError::Damaged {
                    path: path.into(),
                    place,
                    why: why.into(),
                });
            }
        }
    }
}

/// Why a pickle is not read on.
enum Stop {
    Refused(String),
    Damaged(&'static str),
}

type Step<T> = Result<T, Stop>;

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    /// How high the stack was at each open mark.
    marks: Vec<usize>,
    memo: HashMap<usize, Value>,
    objects: Objects,
}

impl Machine<'_> {
    /// One instruction; the value of the pickle when it was the last.
    fn step(&mut self) -> Step<Option<Value>> {
        let instruction = self.byte()?;
        match instruction {
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            0x80 => drop(self.byte()?),
            0x95 => drop(self.take(8)?),
            b'0' => drop(self.pop()?),
            b'}' => {
                let dict = self.objects.dict();
                self.stack.push(dict);
            }
            b']' | b')' => self.push_list(Vec::new()),
            b't' | b'l' => {
                let values = self.pop_to_mark()?;
                self.push_list(values);
            }
            0x85..=0x87 => {
                let values = self.pop_many(usize::from(instruction - 0x84))?;
                self.push_list(values);
            }
            b'a' => {
                let value = self.pop()?;
                self.append(vec![value])?;
            }
            b'e' => {
                let values = self.pop_to_mark()?;
                self.append(values)?;
            }
            b's' => {
                let pair = self.pop_many(2)?;
                self.set_items(pair)?;
            }
            b'u' => {
                let pairs = self.pop_to_mark()?;
                self.set_items(pairs)?;
            }
            b'c' => self.global()?,
            0x93 => self.stack_global()?,
            b'Q' => self.persistent()?,
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.remember_or_recall(instruction)?,
            _ => {
                let value = self.literal(instruction)?;
                self.stack.push(value);
            }
        }
        Ok(None)
    }

    /// A value that stands in the pickle itself.
    fn literal(&mut self, instruction: u8) -> Step<Value> {
        Ok(match instruction {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'K' => Value::Int(i64::from(self.byte()?)),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.array()?))),
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.array()?))),
            0x8a => self.long()?,
            b'G' => Value::Float(f64::from_be_bytes(self.array()?)),
            0x8c | b'U' => {
                let length = usize::from(self.byte()?);
                self.text(length)?
            }
            b'X' | b'T' => {
                let length = u32::from_le_bytes(self.array()?) as usize;
                self.text(length)?
            }
            _ => return Err(Stop::Damaged("an instruction that no state dict has")),
        })
    }

    fn remember_or_recall(&mut self, instruction: u8) -> Step<()> {
        let place = match instruction {
            b'q' | b'h' => usize::from(self.byte()?),
            b'r' | b'j' => u32::from_le_bytes(self.array()?) as usize,
            _ => self.memo.len(),
        };
        if matches!(instruction, b'h' | b'j') {
            let value = self
                .memo
                .get(&place)
                .cloned()
                .ok_or(Stop::Damaged("recalls what was never remembered"))?;
            self.stack.push(value);
        } else {
            let value = self
                .stack
                .last()
                .cloned()
                .ok_or(Stop::Damaged("remembers the top of an empty stack"))?;
            self.memo.insert(place, value);
        }
        Ok(())
    }

    /// `module\nname\n`
    fn global(&mut self) -> Step<()> {
        let (module, name) = (self.line()?, self.line()?);
        self.push_global(&module, &name)
    }

    fn stack_global(&mut self) -> Step<()> {
        let (name, module) = (self.pop()?, self.pop()?);
        match (module, name) {
            (Value::Text(module), Value::Text(name)) => self.push_global(&module, &name),
            _ => Err(Stop::Damaged("a name that is no text")),
        }
    }

    fn push_global(&mut self, module: &str, name: &str) -> Step<()> {
        let global =
            Global::named(module, name).ok_or_else(|| Stop::Refused(format!("{module}.{name}")))?;
        self.stack.push(Value::Global(global));
        Ok(())
    }

    fn persistent(&mut self) -> Step<()> {
        let id = self.pop()?;
        let storage = self
            .objects
            .persistent(&id)
            .ok_or(Stop::Damaged("a reference that is no storage"))?;
        self.stack.push(storage);
        Ok(())
    }

    fn reduce(&mut self) -> Step<()> {
        let (arguments, called) = (self.pop()?, self.pop()?);
        let (Value::Global(global), Value::List(arguments)) = (called, arguments) else {
            return Err(Stop::Damaged("calls what cannot be called"));
        };
        let arguments = self.objects.lists[arguments].clone();
        let made = self
            .objects
            .call(global, &arguments)
            .ok_or(Stop::Damaged("calls with other arguments than PyTorch"))?;
        self.stack.push(made);
        Ok(())
    }

    /// Attributes of an ordered dict, such as the versions of modules, are of no use here.
    fn build(&mut self) -> Step<()> {
        self.pop()?;
        match self.stack.last() {
            Some(Value::Dict(_)) => Ok(()),
            _ => Err(Stop::Damaged("sets the state of what has none")),
        }
    }

    fn append(&mut self, values: Vec<Value>) -> Step<()> {
        match self.stack.last() {
            Some(&Value::List(list)) => self.objects.lists[list].extend(values),
            _ => return Err(Stop::Damaged("appends to what is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, values: Vec<Value>) -> Step<()> {
        let Some(&Value::Dict(dict)) = self.stack.last() else {
            return Err(Stop::Damaged("sets items of what is no dict"));
        };
        if !values.len().is_multiple_of(2) {
            return Err(Stop::Damaged("a key without a value"));
        }
        let mut values = values.into_iter();
        while let (Some(key), Some(value)) = (values.next(), values.next()) {
            self.objects.dicts[dict].push((key, value));
        }
        Ok(())
    }

    fn push_list(&mut self, values: Vec<Value>) {
        let list = self.objects.list(values);
        self.stack.push(list);
    }

    fn pop(&mut self) -> Step<Value> {
        // What lies below an open mark belongs to the instruction that will close it.
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len() > floor {
            true => self
                .stack
                .pop()
                .ok_or(Stop::Damaged("takes from an empty stack")),
            false => Err(Stop::Damaged("takes from an empty stack")),
        }
    }

    fn pop_many(&mut self, count: usize) -> Step<Vec<Value>> {
        let start = self
            .stack
            .len()
            .checked_sub(count)
            .ok_or(Stop::Damaged("takes from an empty stack"))?;
        Ok(self.stack.split_off(start))
    }

    fn pop_to_mark(&mut self) -> Step<Vec<Value>> {
        let mark = self
            .marks
            .pop()
            .ok_or(Stop::Damaged("closes what was never opened"))?;
        if mark > self.stack.len() {
            return Err(Stop::Damaged("takes from an empty stack"));
        }
        Ok(self.stack.split_off(mark))
    }

    fn byte(&mut self) -> Step<u8> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn take(&mut self, length: usize) -> Step<&[u8]> {
        let end = self
            .at
            .checked_add(length)
            .filter(|&end| end <= self.bytes.len());
        let taken = &self.bytes[self.at..end.ok_or(Stop::Damaged("the pickle ends too early"))?];
        self.at += length;
        Ok(taken)
    }

    fn text(&mut self, length: usize) -> Step<Value> {
        let text = str::from_utf8(self.take(length)?)
            .map_err(|_| Stop::Damaged("a text that is no UTF-8"))?;
        Ok(Value::Text(text.into()))
    }

    /// A whole number of up to eight bytes.
    fn long(&mut self) -> Step<Value> {
        let length = usize::from(self.byte()?);
        let bytes = self.take(length)?;
        if bytes.len() > 8 {
            return Err(Stop::Damaged("a whole number above 64 bits"));
        }
        let filler = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) {
            0xff
        } else {
            0
        };
        let mut array = [filler; 8];
        array[..bytes.len()].copy_from_slice(bytes);
        Ok(Value::Int(i64::from_le_bytes(array)))
    }

    fn line(&mut self) -> Step<String> {
        let rest = &self.bytes[self.at..];
        let length = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or(Stop::Damaged("the pickle ends too early"))?;
        let line = str::from_utf8(&rest[..length])
            .map_err(|_| Stop::Damaged("a name that is no UTF-8"))?
            .to_string();
        self.at += length + 1;
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_bytes(bytes: &[u8]) -> Result<(Value, Objects), ForeignError> {
        read(bytes, Path::new("a.pt"))
    }

    #[test]
    fn whatever_runs_code_is_refused_by_name() {
        let error = read_bytes(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.").unwrap_err();
        assert!(
            matches!(&error, ForeignError::Refused { global, byte: 2, .. } if global == "os.system"),
            "{error}"
        );
        let error = read_bytes(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.").unwrap_err();
        assert!(
            matches!(&error, ForeignError::Refused { global, .. } if global == "builtins.eval"),
            "{error}"
        );
        assert!(
            read_bytes(b"\x80\x02ccollections\nOrderedDict\nK\x01\x85R.").is_err(),
            "other arguments"
        );
        assert!(
            read_bytes(b"\x80\x02i__main__\nA\n.").is_err(),
            "an instance of a class"
        );
    }

    #[test]
    fn numbers_and_containers_come_back() {
        let (value, objects) =
            read_bytes(b"\x80\x02}q\x00(K\x01J\xff\xff\xff\xffK\x02\x8a\x02\x00\x80u.").unwrap();
        let Value::Dict(dict) = value else {
            panic!("{value:?}")
        };
        assert_eq!(
            objects.dicts[dict],
            [
                (Value::Int(1), Value::Int(-1)),
                (Value::Int(2), Value::Int(-32768))
            ]
        );
    }

    #[test]
    fn every_cut_is_an_error_and_no_panic() {
        let whole = b"\x80\x02}q\x00(X\x01\x00\x00\x00aK\x01\x85X\x01\x00\x00\x00bccollections\nOrderedDict\n)Rh\x00u.";
        assert!(read_bytes(whole).is_err(), "an odd number of items");
        for length in 0..whole.len() {
            assert!(read_bytes(&whole[..length]).is_err());
        }
        for byte in 0..=255u8 {
            let _ = read_bytes(&[0x80, 2, byte, byte, byte, byte, b'.']);
            let _ = read_bytes(&[b'(', byte, b'K', 1, byte, b'}', byte, b'.']);
        }
    }
}
