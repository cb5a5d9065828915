use super::instruction::Operands;
use super::objects::Value;
use super::stop::{OrDamaged, Step};

/// The stack of the machine, with the marks on it.
///
/// Values below the last mark belong to the instruction that closes it: no other takes them.
#[derive(Debug, Default)]
pub(super) struct Stack {
    values: Vec<Value>,
    /// The height of the stack at each mark that is open.
    marks: Vec<usize>,
}

const EMPTY: &str = "takes from an empty stack";

impl Stack {
    pub(super) fn push(&mut self, value: Value) {
        self.values.push(value);
    }

    pub(super) fn mark(&mut self) {
        self.marks.push(self.values.len());
    }

    pub(super) fn top(&self) -> Option<&Value> {
        self.values.last()
    }

    pub(super) fn pop(&mut self) -> Step<Value> {
        let mut values = self.pop_top(1)?;
        values.pop().or_damaged(EMPTY)
    }

    pub(super) fn pop_operands(&mut self, operands: Operands) -> Step<Vec<Value>> {
        match operands {
            Operands::Top(count) => self.pop_top(count),
            Operands::AboveMark => self.pop_above_mark(),
        }
    }

    fn pop_top(&mut self, count: usize) -> Step<Vec<Value>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let start = self.values.len().checked_sub(count);
        let start = start.filter(|start| *start >= floor).or_damaged(EMPTY)?;
        Ok(self.values.split_off(start))
    }

    fn pop_above_mark(&mut self) -> Step<Vec<Value>> {
        let mark = self
            .marks
            .pop()
            .or_damaged("closes what was never opened")?;
        // The stack is never lower than an open mark.
        Ok(self.values.split_off(mark))
    }
}
