use super::byte_reader::ByteReader;
use super::instruction::{ContainerInstruction, Instruction, Operands};
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
            Instruction::Stop => self.pop().map(Some),
            instruction => self.execute(instruction).map(|()| None),
        }
    }

    fn execute(&mut self, instruction: Instruction) -> Step<()> {
        match instruction {
            Instruction::Stop | Instruction::Skip => {}
            Instruction::Mark => self.marks.push(self.stack.len()),
            Instruction::Pop => drop(self.pop()?),
            Instruction::Push(value) => self.stack.push(value),
            Instruction::Container(instruction) => self.change_container(instruction)?,
            Instruction::StackGlobal => self.stack_global()?,
            Instruction::PersistentId => self.persistent_id()?,
            Instruction::Reduce => self.reduce()?,
            Instruction::Build => self.build()?,
            Instruction::Memoize => self.put(self.memo.len())?,
            Instruction::Put(place) => self.put(place as usize)?,
            Instruction::Get(place) => self.get(place as usize)?,
        }
        Ok(())
    }

    fn change_container(&mut self, instruction: ContainerInstruction) -> Step<()> {
        match instruction {
            ContainerInstruction::NewDict => {
                let dict = self.objects.new_dict();
                self.stack.push(dict);
                Ok(())
            }
            ContainerInstruction::NewList(operands) => self.new_list(operands),
            ContainerInstruction::Append(operands) => self.append(operands),
            ContainerInstruction::Insert(operands) => self.insert(operands),
        }
    }

    fn new_list(&mut self, operands: Operands) -> Step<()> {
        let values = self.pop_operands(operands)?;
        let list = self.objects.new_list(values);
        self.stack.push(list);
        Ok(())
    }

    fn append(&mut self, operands: Operands) -> Step<()> {
        let values = self.pop_operands(operands)?;
        match self.stack.last() {
            Some(&Value::List(list)) => self.objects.extend_list(list, values),
            _ => return Err(Stop::Damaged("appends to what is no list")),
        }
        Ok(())
    }

    fn insert(&mut self, operands: Operands) -> Step<()> {
        let values = self.pop_operands(operands)?;
        let Some(&Value::Dict(dict)) = self.stack.last() else {
            return Err(Stop::Damaged("sets items of what is no dict"));
        };
        let (pairs, []) = values.as_chunks::<2>() else {
            return Err(Stop::Damaged("a key without a value"));
        };
        for [key, value] in pairs {
            self.objects.insert(dict, key.clone(), value.clone());
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
        match self.stack.len() > self.floor() {
            true => self.stack.pop().ok_or(Stop::Damaged(EMPTY_STACK)),
            false => Err(Stop::Damaged(EMPTY_STACK)),
        }
    }

    fn pop_operands(&mut self, operands: Operands) -> Step<Vec<Value>> {
        match operands {
            Operands::Top(count) => self.pop_many(count),
            Operands::AboveMark => self.pop_to_mark(),
        }
    }

    fn pop_many(&mut self, count: usize) -> Step<Vec<Value>> {
        let start = self.stack.len().checked_sub(count);
        let start = start.filter(|&start| start >= self.floor());
        let start = start.ok_or(Stop::Damaged(EMPTY_STACK))?;
        Ok(self.stack.split_off(start))
    }

    fn pop_to_mark(&mut self) -> Step<Vec<Value>> {
        let mark = self.marks.pop();
        let mark = mark.ok_or(Stop::Damaged("closes what was never opened"))?;
        // The stack is never lower than an open mark: nothing is taken from below its floor.
        Ok(self.stack.split_off(mark))
    }

    /// Returns the height of the stack that belongs to the instruction which closes the last mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }
}

const EMPTY_STACK: &str = "takes from an empty stack";
