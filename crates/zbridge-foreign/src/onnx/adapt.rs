//! Operators that the engine lacks, written with those it has.

use rten_onnx::onnx::{GraphProto, ModelProto, NodeProto};

/// Rewrites `model`; whether anything was changed.
pub(super) fn adapt(model: &mut ModelProto) -> bool {
    model.graph.as_mut().is_some_and(adapt_graph)
}

fn adapt_graph(graph: &mut GraphProto) -> bool {
    let mut changed = false;
    for node in std::mem::take(&mut graph.node) {
        let parts = parts(&node);
        changed |= parts.is_some();
        graph.node.extend(parts.unwrap_or_else(|| vec![node]));
    }
    changed
}

/// What a node is put together from; none where it stays.
fn parts(node: &NodeProto) -> Option<Vec<NodeProto>> {
    let own_domain = matches!(node.domain.as_deref(), None | Some("" | "ai.onnx"));
    match (
        node.op_type.as_deref().filter(|_| own_domain)?,
        node.input.len(),
        node.output.len(),
    ) {
        ("Mish", 1, 1) => Some(mish(node)),
        // Nothing is dropped outside of training, which a third input would ask for.
        ("Dropout", 1 | 2, 1) => Some(vec![identity(node)]),
        _ => None,
    }
}

fn identity(node: &NodeProto) -> NodeProto {
    NodeProto {
        name: node.name.clone(),
        op_type: Some("Identity".into()),
        input: node.input[..1].to_vec(),
        output: node.output.clone(),
        ..NodeProto::default()
    }
}

/// x · tanh(softplus(x)): its definition in ONNX.
fn mish(node: &NodeProto) -> Vec<NodeProto> {
    let (x, y) = (&node.input[0], &node.output[0]);
    let (soft, bent) = (format!("{y}/softplus"), format!("{y}/tanh"));
    let step = |operator: &str, inputs: &[&String], output: &String| NodeProto {
        name: node.name.as_ref().map(|name| format!("{name}/{operator}")),
        op_type: Some(operator.into()),
        input: inputs.iter().map(|&name| name.clone()).collect(),
        output: vec![output.clone()],
        ..NodeProto::default()
    };
    vec![
        step("Softplus", &[x], &soft),
        step("Tanh", &[&soft], &bent),
        step("Mul", &[x, &bent], y),
    ]
}
