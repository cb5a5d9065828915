//! Activations that exporters write as several operators.

use super::constants::Constants;
use super::operator::Operator;
use rten_onnx::onnx::NodeProto;
use std::collections::HashMap;
use zbridge_infer::Activation;

/// Nodes that are an activation together.
pub(super) struct SpelledOut<'a> {
    pub(super) activation: Activation,
    pub(super) output: &'a str,
    /// The places of the nodes in the graph.
    pub(super) nodes: Vec<usize>,
}

/// Nodes that one activation may take.
const MOST_NODES: usize = 10;

/// The activation of `x` that begins with the node at `first`; `uses` says how often a value is
/// used.
pub(super) fn spelled_out<'a>(
    nodes: &'a [NodeProto],
    first: usize,
    x: &'a str,
    constants: &Constants<'_>,
    uses: impl Fn(&str) -> usize,
) -> Option<SpelledOut<'a>> {
    let mut terms = HashMap::from([(x, Term::of("x".into()))]);
    let (mut inside, mut inner_uses) = (vec![], HashMap::<&str, usize>::new());
    for (place, node) in nodes.iter().enumerate().skip(first) {
        let node = Operator(node);
        if !node.inputs().any(|name| terms.contains_key(name)) || node.name() == "Shape" {
            continue;
        }
        let term = Term::made_by(node, &|name| {
            terms
                .get(name)
                .cloned()
                .or_else(|| constant(constants, name))
        })?;
        node.inputs()
            .for_each(|name| *inner_uses.entry(name).or_default() += 1);
        inside.push(place);
        let (output, written) = (node.output()?, term.to_string());
        let used_up = |name: &&str| inner_uses.get(name).copied().unwrap_or(0) == uses(name);
        if let Some(activation) = activation(&written).filter(|_| terms.keys().all(used_up)) {
            return Some(SpelledOut {
                activation,
                output,
                nodes: inside,
            });
        }
        terms.insert(output, term);
        if inside.len() == MOST_NODES {
            return None;
        }
    }
    None
}

/// What a sum of products says, once its factors are in order.
fn activation(written: &str) -> Option<Activation> {
    Some(match written {
        "sigmoid(x)·x" => Activation::Silu,
        "0.5000·(1.0000 + erf(0.7071·x))·x" => Activation::Gelu,
        "0.5000·(1.0000 + tanh(0.7979·(0.0447·x·x·x + x)))·x" => Activation::GeluTanh,
        "tanh(softplus(x))·x" => Activation::Mish,
        "where((x > 20.0000), x, softplus(x))" => Activation::Softplus,
        _ => return None,
    })
}

fn constant(constants: &Constants<'_>, name: &str) -> Option<Term> {
    Some(Term {
        number: f64::from(constants.scalar(name)?),
        factors: vec![],
    })
}

/// A number times factors, which are in the order of their letters.
#[derive(Debug, Clone, PartialEq)]
struct Term {
    number: f64,
    factors: Vec<String>,
}

impl Term {
    fn of(factor: String) -> Self {
        Self {
            number: 1.0,
            factors: vec![factor],
        }
    }

    /// What a node makes of terms.
    fn made_by(node: Operator<'_>, given: &impl Fn(&str) -> Option<Self>) -> Option<Self> {
        let input = |place: usize| node.input(place).and_then(given);
        Some(match node.name() {
            "Mul" => input(0)?.times(&input(1)?),
            "Div" => input(0)?.times(&input(1)?.inverse()?),
            "Pow" if input(1)?.is_number(3.0) => {
                let x = input(0)?;
                x.times(&x).times(&x)
            }
            "Add" => {
                let mut parts = [input(0)?.to_string(), input(1)?.to_string()];
                parts.sort();
                Self::of(format!("({})", parts.join(" + ")))
            }
            name @ ("Sigmoid" | "Tanh" | "Erf" | "Softplus") => {
                Self::of(format!("{}({})", name.to_lowercase(), input(0)?))
            }
            "Greater" => Self::of(format!("({} > {})", input(0)?, input(1)?)),
            "Where" => Self::of(format!(
                "where({}, {}, {})",
                input(0)?,
                input(1)?,
                input(2)?
            )),
            _ => return None,
        })
    }

    fn times(&self, other: &Self) -> Self {
        let mut factors = [self.factors.clone(), other.factors.clone()].concat();
        factors.sort();
        Self {
            number: self.number * other.number,
            factors,
        }
    }

    fn inverse(&self) -> Option<Self> {
        self.factors.is_empty().then(|| Self {
            number: 1.0 / self.number,
            factors: vec![],
        })
    }

    fn is_number(&self, number: f64) -> bool {
        self.factors.is_empty() && self.number == number
    }
}

impl std::fmt::Display for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number =
            (self.number != 1.0 || self.factors.is_empty()).then(|| format!("{:.4}", self.number));
        let parts: Vec<&str> = number
            .as_deref()
            .into_iter()
            .chain(self.factors.iter().map(String::as_str))
            .collect();
        f.write_str(&parts.join("·"))
    }
}
