//! Operators that the engine lacks, written with those it has.

use rten_onnx::onnx::{GraphProto, ModelProto, NodeProto};

/// Rewrites `model`; whether anything was changed.
pub(super) fn adapt(model: &mut ModelProto) -> bool {
    model.graph.as_mut().is_some_and(adapt_graph)
}

fn adapt_graph(graph: &mut GraphProto) -> bool {
    let mut changed = false;
    for node in std::mem::take(&mut graph.node) {
        let parts = if is_mish(&node) { mish(&node) } else { vec![node] };
        changed |= parts.len() > 1;
        graph.node.extend(parts);
    }
    changed
}

fn is_mish(node: &NodeProto) -> bool {
    let own_domain = matches!(node.domain.as_deref(), None | Some("" | "ai.onnx"));
    own_domain && node.op_type.as_deref() == Some("Mish") && node.input.len() == 1 && node.output.len() == 1
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
    vec![step("Softplus", &[x], &soft), step("Tanh", &[&soft], &bent), step("Mul", &[x, &bent], y)]
}
