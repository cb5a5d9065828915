use crate::onnx::operator::Operator;
use std::fmt;

/// A number times factors, which are in alphabetical order: products that differ in the order of
/// their factors only are the same term.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Term {
    number: f64,
    factors: Vec<String>,
}

impl Term {
    pub(super) fn number(number: f64) -> Self {
        Self {
            number,
            factors: Vec::new(),
        }
    }

    pub(super) fn factor(factor: String) -> Self {
        Self {
            number: 1.0,
            factors: vec![factor],
        }
    }

    /// Returns the term that a node makes of its inputs' terms; `None` for operators that no
    /// activation has.
    pub(super) fn of_node(node: Operator<'_>, term: impl Fn(&str) -> Option<Self>) -> Option<Self> {
        let input = |place: usize| node.input(place).and_then(&term);
        match node.name() {
            "Mul" => Some(input(0)?.times(&input(1)?)),
            "Div" => Some(input(0)?.times(&input(1)?.inverse()?)),
            "Pow" => input(0)?.power(&input(1)?),
            "Add" => Some(input(0)?.plus(&input(1)?)),
            name @ ("Sigmoid" | "Tanh" | "Erf" | "Softplus") => Some(input(0)?.under(name)),
            "Greater" => Some(input(0)?.greater_than(&input(1)?)),
            "Where" => Some(input(0)?.choice(&input(1)?, &input(2)?)),
            _ => None,
        }
    }

    fn under(&self, function: &str) -> Self {
        Self::factor(format!("{}({self})", function.to_lowercase()))
    }

    fn greater_than(&self, other: &Self) -> Self {
        Self::factor(format!("({self} > {other})"))
    }

    fn choice(&self, yes: &Self, no: &Self) -> Self {
        Self::factor(format!("where({self}, {yes}, {no})"))
    }

    fn times(&self, other: &Self) -> Self {
        let mut factors = [self.factors.as_slice(), &other.factors].concat();
        // x · σ(x) and σ(x) · x are the same.
        factors.sort();
        Self {
            number: self.number * other.number,
            factors,
        }
    }

    fn plus(&self, other: &Self) -> Self {
        let mut parts = [self.to_string(), other.to_string()];
        // 1 + x and x + 1 are the same.
        parts.sort();
        Self::factor(format!("({})", parts.join(" + ")))
    }

    fn inverse(&self) -> Option<Self> {
        let is_number = self.factors.is_empty();
        is_number.then(|| Self::number(1.0 / self.number))
    }

    /// Returns the third power; activations have no other.
    fn power(&self, exponent: &Self) -> Option<Self> {
        let is_three = exponent.factors.is_empty() && exponent.number == 3.0;
        is_three.then(|| self.times(self).times(self))
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = self.factors.clone();
        if self.number != 1.0 || parts.is_empty() {
            // Four digits: exporters round constants such as √½ in different ways.
            parts.insert(0, format!("{:.4}", self.number));
        }
        f.write_str(&parts.join("·"))
    }
}
