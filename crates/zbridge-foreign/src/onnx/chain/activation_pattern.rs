use super::constants::Constants;
use super::term::Term;
use crate::onnx::operator::Operator;
use rten_onnx::onnx::NodeProto;
use std::collections::HashMap;
use zbridge_infer::Activation;

/// Nodes that are an activation together: exporters write many activations with several operators.
pub(super) struct ActivationPattern<'a> {
    pub(super) activation: Activation,
    pub(super) output: &'a str,
    /// The places of the nodes in the graph.
    pub(super) nodes: Vec<usize>,
}

/// Nodes that one activation may take.
const MOST_NODES: usize = 10;

impl<'a> ActivationPattern<'a> {
    /// Returns the activation of `x` that begins with the node at `first`; `uses` says how often a
    /// value is used in the graph.
    pub(super) fn find(
        nodes: &'a [NodeProto],
        first: usize,
        x: &'a str,
        constants: &Constants<'_>,
        uses: impl Fn(&str) -> usize,
    ) -> Option<Self> {
        let mut matched = Matched::of(x);
        for (place, node) in nodes.iter().enumerate().skip(first) {
            let node = Operator(node);
            // Nodes of other values may lie in between.
            if !matched.concerns(node) {
                continue;
            }
            let term = matched.term(node, constants)?;
            let activation = activation(&term.to_string());
            matched.add(place, node, term)?;
            match activation {
                // Values that other nodes use too must be computed.
                Some(activation) if matched.are_used_up(&uses) => {
                    return Some(matched.into_pattern(activation));
                }
                _ if matched.nodes.len() == MOST_NODES => return None,
                _ => {}
            }
        }
        None
    }
}

/// The nodes that were followed so far, and the values in them.
struct Matched<'a> {
    nodes: Vec<usize>,
    terms: HashMap<&'a str, Term>,
    /// How often the nodes use each value.
    uses: HashMap<&'a str, usize>,
    /// The output of the last node, which others may use.
    output: &'a str,
}

impl<'a> Matched<'a> {
    fn of(x: &'a str) -> Self {
        Self {
            nodes: Vec::new(),
            terms: HashMap::from([(x, Term::factor("x".into()))]),
            uses: HashMap::new(),
            output: x,
        }
    }

    /// Returns whether a node works on a value that was followed so far.
    fn concerns(&self, node: Operator<'_>) -> bool {
        node.name() != "Shape" && node.inputs().any(|name| self.terms.contains_key(name))
    }

    fn term(&self, node: Operator<'_>, constants: &Constants<'_>) -> Option<Term> {
        let input = |name: &str| match self.terms.get(name) {
            Some(term) => Some(term.clone()),
            None => Some(Term::number(f64::from(constants.scalar(name)?))),
        };
        Term::of_node(node, input)
    }

    fn add(&mut self, place: usize, node: Operator<'a>, term: Term) -> Option<()> {
        for name in node.inputs() {
            *self.uses.entry(name).or_default() += 1;
        }
        self.nodes.push(place);
        self.output = node.output()?;
        self.terms.insert(self.output, term);
        Some(())
    }

    fn into_pattern(self, activation: Activation) -> ActivationPattern<'a> {
        ActivationPattern {
            activation,
            output: self.output,
            nodes: self.nodes,
        }
    }

    /// Returns whether no node outside uses a value other than the last output.
    fn are_used_up(&self, uses: &impl Fn(&str) -> usize) -> bool {
        let mut inner = self.terms.keys().filter(|name| **name != self.output);
        inner.all(|name| self.uses.get(name).copied().unwrap_or(0) == uses(name))
    }
}

/// Returns the activation that a term of `x` is. The numbers in GELU are √½, √(2/π) and 0.044715.
fn activation(term: &str) -> Option<Activation> {
    Some(match term {
        "sigmoid(x)·x" => Activation::Silu,
        "0.5000·(1.0000 + erf(0.7071·x))·x" => Activation::Gelu,
        "0.5000·(1.0000 + tanh(0.7979·(0.0447·x·x·x + x)))·x" => Activation::GeluTanh,
        "tanh(softplus(x))·x" => Activation::Mish,
        "where((x > 20.0000), x, softplus(x))" => Activation::Softplus,
        _ => return None,
    })
}
