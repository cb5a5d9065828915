use super::byte_reader::ByteReader;
use super::instruction::{ContainerInstruction, Instruction};
use super::objects::{Global, Objects, Value};
use super::stop::{Step, Stop};
use std::collections::HashMap;

/// The machine that a pickle is a program for.
pub(super) struct Machine<'a> {
    reader: ByteReader<'a>,
    stack: Vec<Value>,
    /// The height of the stack at each mark that is open.
    marks: Vec<usize>,
    memo: HashMap<usize, Value>,
    objects: Objects,
}

impl<'a> Machine<'a> {
    pub(super) fn new(pickle: &'a [u8]) -> Self {
        Self {
            reader: ByteReader::new(pickle),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            objects: Objects::default(),
        }
    }

    /// Returns the byte of the next instruction.
    pub(super) fn place(&self) -> usize {
        self.reader.at
    }

    pub(super) fn into_objects(self) -> Objects {
        self.objects
    }

    /// Executes one instruction; returns the value of the pickle after the last one.
    pub(super) fn step(&mut self) -> Step<Option<Value>> {
        match Instruction::read(&mut self.reader)? {
            Instruction::Stop => return self.pop().map(Some),
            Instruction::Skip => {}
            Instruction::Mark => self.marks.push(self.stack.len()),
            Instruction::Pop => drop(self.pop()?),
            Instruction::Push(value) => self.stack.push(value),
            Instruction::StackGlobal => self.stack_global()?,
            Instruction::PersistentId => self.persistent_id()?,
            Instruction::Reduce => self.reduce()?,
            Instruction::Build => self.build()?,
            Instruction::Memoize => self.put(self.memo.len())?,
            Instruction::Put(place) => self.put(place)?,
            Instruction::Get(place) => self.get(place)?,
            Instruction::Container(instruction) => self.change_container(instruction)?,
        }
        Ok(None)
    }

    fn change_container(&mut self, instruction: ContainerInstruction) -> Step<()> {
        match instruction {
            ContainerInstruction::EmptyDict => {
                let dict = self.objects.new_dict();
                self.stack.push(dict);
                Ok(())
            }
            ContainerInstruction::EmptyList => self.push_list(Ok(Vec::new())),
            ContainerInstruction::ListFromMark => {
                let values = self.pop_to_mark();
                self.push_list(values)
            }
            ContainerInstruction::ListOf(count) => {
                let values = self.pop_many(count);
                self.push_list(values)
            }
            ContainerInstruction::Append => {
                let value = self.pop()?;
                self.append(vec![value])
            }
            ContainerInstruction::AppendsFromMark => {
                let values = self.pop_to_mark()?;
                self.append(values)
            }
            ContainerInstruction::SetItem => {
                let pair = self.pop_many(2)?;
                self.set_items(pair)
            }
            ContainerInstruction::SetItemsFromMark => {
                let pairs = self.pop_to_mark()?;
                self.set_items(pairs)
            }
        }
    }

    fn push_list(&mut self, values: Step<Vec<Value>>) -> Step<()> {
        let list = self.objects.new_list(values?);
        self.stack.push(list);
        Ok(())
    }

    fn append(&mut self, values: Vec<Value>) -> Step<()> {
        let Some(&Value::List(list)) = self.stack.last() else {
            return Err(Stop::Damaged("appends to what is no list"));
        };
        self.objects.extend_list(list, values);
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
            self.objects.insert(dict, key, value);
        }
        Ok(())
    }

    fn stack_global(&mut self) -> Step<()> {
        let (name, module) = (self.pop()?, self.pop()?);
        let (Value::Text(module), Value::Text(name)) = (module, name) else {
            return Err(Stop::Damaged("a name that is no text"));
        };
        let global = Global::named(&module, &name)?;
        self.stack.push(Value::Global(global));
        Ok(())
    }

    fn persistent_id(&mut self) -> Step<()> {
        let id = self.pop()?;
        let storage = self.objects.storage(&id);
        let storage = storage.ok_or(Stop::Damaged("a reference that is no storage"))?;
        self.stack.push(storage);
        Ok(())
    }

    /// Calls a global, by the rule that it stands for.
    fn reduce(&mut self) -> Step<()> {
        let (arguments, called) = (self.pop()?, self.pop()?);
        let (Value::Global(global), Value::List(arguments)) = (called, arguments) else {
            return Err(Stop::Damaged("calls what cannot be called"));
        };
        let arguments = self.objects.list_items(arguments).to_vec();
        let object = self.objects.call(global, &arguments);
        let object = object.ok_or(Stop::Damaged("calls with other arguments than PyTorch"))?;
        self.stack.push(object);
        Ok(())
    }

    /// Drops the attributes of an ordered dict, such as the versions of modules.
    fn build(&mut self) -> Step<()> {
        self.pop()?;
        match self.stack.last() {
            Some(Value::Dict(_)) => Ok(()),
            _ => Err(Stop::Damaged("sets the state of what has none")),
        }
    }

    fn put(&mut self, place: usize) -> Step<()> {
        let value = self.stack.last().cloned();
        let value = value.ok_or(Stop::Damaged("remembers the top of an empty stack"))?;
        self.memo.insert(place, value);
        Ok(())
    }

    fn get(&mut self, place: usize) -> Step<()> {
        let value = self.memo.get(&place).cloned();
        let value = value.ok_or(Stop::Damaged("recalls what was never remembered"))?;
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Step<Value> {
        // Values below an open mark belong to the instruction that closes it.
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(Stop::Damaged(EMPTY_STACK));
        }
        self.stack.pop().ok_or(Stop::Damaged(EMPTY_STACK))
    }

    fn pop_many(&mut self, count: usize) -> Step<Vec<Value>> {
        let start = self.stack.len().checked_sub(count);
        Ok(self
            .stack
            .split_off(start.ok_or(Stop::Damaged(EMPTY_STACK))?))
    }

    fn pop_to_mark(&mut self) -> Step<Vec<Value>> {
        let mark = self.marks.pop();
        let mark = mark.ok_or(Stop::Damaged("closes what was never opened"))?;
        // `pop_many` may have taken values from below the mark.
        if mark > self.stack.len() {
            return Err(Stop::Damaged(EMPTY_STACK));
        }
        Ok(self.stack.split_off(mark))
    }
}

const EMPTY_STACK: &str = "takes from an empty stack";
