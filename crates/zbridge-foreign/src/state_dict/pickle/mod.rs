//! A reader of the pickles that PyTorch writes for state dicts.
//!
//! A pickle is a program for a small machine with a stack, which can call anything that Python can
//! import. This reader follows the few instructions that build containers of numbers and tensors. A
//! name that it is asked to call is one of [`objects::Global`] or an error, so nothing that a file
//! names is looked up or run.
//!
//! # Source
//! Python's `pickletools`, which describes every instruction.

mod byte_reader;
mod instruction;
mod machine;
mod objects;
mod stack;
mod stop;

pub(super) use objects::{Objects, Storage, TensorView, Value};

use crate::ForeignError;
use machine::Machine;
use std::path::Path;
use stop::Stop;

/// What a pickle holds.
#[derive(Debug)]
pub(super) struct Pickle {
    pub(super) value: Value,
    pub(super) objects: Objects,
}

/// Returns what a pickle holds.
///
/// # Errors
/// [`ForeignError::Refused`] with a name that it asks for; [`ForeignError::Damaged`] with the byte
/// of the instruction.
pub(super) fn read(bytes: &[u8], path: &Path) -> Result<Pickle, ForeignError> {
    let mut machine = Machine::new(bytes);
    loop {
        let byte = machine.place();
        match machine.step() {
            Ok(None) => {}
            Ok(Some(value)) => {
                return Ok(Pickle {
                    value,
                    objects: machine.into_objects(),
                });
            }
            Err(stop) => return Err(error(stop, byte, path)),
        }
    }
}

fn error(stop: Stop, byte: usize, path: &Path) -> ForeignError {
    match stop {
        Stop::Damaged(why) => {
            ForeignError::damaged(path, format!("byte {byte} of its pickle"), why)
        }
        Stop::Refused(global) => ForeignError::Refused {
            path: path.into(),
            global,
            byte,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_bytes(bytes: &[u8]) -> Result<Pickle, ForeignError> {
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
    fn numbers_and_containers_are_read() {
        let Pickle { value, objects } =
            read_bytes(b"\x80\x02}q\x00(K\x01J\xff\xff\xff\xffK\x02\x8a\x02\x00\x80u.").unwrap();
        let Value::Dict(dict) = value else {
            panic!("{value:?}")
        };
        assert_eq!(
            objects.dict_items(dict),
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
