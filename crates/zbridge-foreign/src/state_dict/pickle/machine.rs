use super::byte_reader::ByteReader;
use super::instruction::{ContainerInstruction, Instruction, Operands};
use super::objects::{Global, Objects, Value};
use super::stack::Stack;
use super::stop::{OrDamaged, Step, Stop};
use std::collections::HashMap;

/// The machine that a pickle is a program for.
pub(super) struct Machine<'a> {
    reader: ByteReader<'a>,
    stack: Stack,
    /// Values that the pickle refers to more than once.
    memo: HashMap<usize, Value>,
    objects: Objects,
}

impl<'a> Machine<'a> {
    pub(super) fn new(pickle: &'a [u8]) -> Self {
        Self {
            reader: ByteReader::new(pickle),
            stack: Stack::default(),
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
            Instruction::Stop => self.stack.pop().map(Some),
            instruction => self.execute(instruction).map(|()| None),
        }
    }

    fn execute(&mut self, instruction: Instruction) -> Step<()> {
        match instruction {
            Instruction::Stop | Instruction::Skip => Ok(()),
            Instruction::Mark => self.push_mark(),
            Instruction::Pop => self.stack.pop().map(drop),
            Instruction::Push(value) => self.push(value),
            Instruction::Container(instruction) => self.change_container(instruction),
            Instruction::StackGlobal => self.stack_global(),
            Instruction::PersistentId => self.persistent_id(),
            Instruction::Reduce => self.reduce(),
            Instruction::Build => self.build(),
            Instruction::Memoize => self.put(self.memo.len()),
            Instruction::Put(place) => self.put(place as usize),
            Instruction::Get(place) => self.get(place as usize),
        }
    }

    fn push(&mut self, value: Value) -> Step<()> {
        self.stack.push(value);
        Ok(())
    }

    fn push_mark(&mut self) -> Step<()> {
        self.stack.mark();
        Ok(())
    }

    fn change_container(&mut self, instruction: ContainerInstruction) -> Step<()> {
        match instruction {
            ContainerInstruction::NewDict => {
                let dict = self.objects.new_dict();
                self.push(dict)
            }
            ContainerInstruction::NewList(operands) => self.new_list(operands),
            ContainerInstruction::Append(operands) => self.append(operands),
            ContainerInstruction::Insert(operands) => self.insert(operands),
        }
    }

    fn new_list(&mut self, operands: Operands) -> Step<()> {
        let values = self.stack.pop_operands(operands)?;
        let list = self.objects.new_list(values);
        self.push(list)
    }

    fn append(&mut self, operands: Operands) -> Step<()> {
        let values = self.stack.pop_operands(operands)?;
        let Some(&Value::List(list)) = self.stack.top() else {
            return Err(Stop::Damaged("appends to what is no list"));
        };
        self.objects.extend_list(list, values);
        Ok(())
    }

    fn insert(&mut self, operands: Operands) -> Step<()> {
        let values = self.stack.pop_operands(operands)?;
        let Some(&Value::Dict(dict)) = self.stack.top() else {
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
        let (name, module) = (self.stack.pop()?, self.stack.pop()?);
        let (Value::Text(module), Value::Text(name)) = (module, name) else {
            return Err(Stop::Damaged("a name that is no text"));
        };
        let global = Global::named(&module, &name)?;
        self.push(Value::Global(global))
    }

    fn persistent_id(&mut self) -> Step<()> {
        let id = self.stack.pop()?;
        let storage = self.objects.storage(&id);
        self.push(storage.or_damaged("a reference that is no storage")?)
    }

    /// Calls a global, by the rule that it stands for.
    fn reduce(&mut self) -> Step<()> {
        let (arguments, called) = (self.stack.pop()?, self.stack.pop()?);
        let (Value::Global(global), Value::List(arguments)) = (called, arguments) else {
            return Err(Stop::Damaged("calls what cannot be called"));
        };
        // A copy, since the call can add objects.
        let arguments = self.objects.list_items(arguments).to_vec();
        let object = self.objects.call(global, &arguments);
        self.push(object.or_damaged("calls with other arguments than PyTorch")?)
    }

    /// Drops the attributes of an ordered dict, such as the versions of modules.
    fn build(&mut self) -> Step<()> {
        self.stack.pop()?;
        match self.stack.top() {
            Some(Value::Dict(_)) => Ok(()),
            _ => Err(Stop::Damaged("sets the state of what has none")),
        }
    }

    fn put(&mut self, place: usize) -> Step<()> {
        let value = self.stack.top().cloned();
        let value = value.or_damaged("remembers the top of an empty stack")?;
        self.memo.insert(place, value);
        Ok(())
    }

    fn get(&mut self, place: usize) -> Step<()> {
        let value = self.memo.get(&place).cloned();
        self.push(value.or_damaged("recalls what was never remembered")?)
    }
}
