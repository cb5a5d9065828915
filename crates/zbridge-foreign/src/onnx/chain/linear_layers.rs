use super::graph_lowering::GraphLowering;
use super::view::View;
use crate::onnx::operator::Operator;
use ndarray::{Array1, Array2, ArrayView2, Ix2};

/// A node `y = x Wᵀ + b`.
struct LinearLayer<'a> {
    /// Its place in the graph.
    place: usize,
    output: &'a str,
    /// `[outputs, inputs]`.
    weight: Array2<f32>,
    bias: Array1<f32>,
}

impl<'a> GraphLowering<'a> {
    /// Lowers all nodes that take `x`, if they are linear layers: they become one with the outputs
    /// of all.
    pub(super) fn linear_layers(&mut self, x: &'a str) -> Option<()> {
        let layers = self.layers_of(x)?;
        let view = self.values.take_only(x, layers.len())?;
        let view = self.as_input(view)?;
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for layer in &layers {
            weight.extend(self.column_weights(&view, layer.weight.view()));
            bias.extend(&layer.bias);
        }
        self.network.linear(&weight, &bias);
        self.put_outputs(layers);
        Some(())
    }

    /// Returns a view of a vector that has as few columns as the network needs for it.
    fn as_input(&mut self, view: View) -> Option<View> {
        let is_vector = view.shape().len() == 1;
        match is_vector {
            false => None,
            // Columns that are not part of the value would need weights too.
            true if view.size() < self.network.outputs() => self.in_order(view),
            true => Some(view),
        }
    }

    /// Adds the outputs of layers that became one, side by side.
    fn put_outputs(&mut self, layers: Vec<LinearLayer<'a>>) {
        let mut first = 0;
        for layer in layers {
            let view = View::in_order(&[layer.bias.len()], first);
            first += layer.bias.len();
            self.values.put(layer.output, view);
            self.fused.insert(layer.place);
        }
    }

    /// Returns the nodes that take `x`; `None` if one of them is no linear layer.
    fn layers_of(&self, x: &str) -> Option<Vec<LinearLayer<'a>>> {
        let mut layers = Vec::new();
        for (place, node) in self.graph.node.iter().map(Operator).enumerate() {
            if node.name() != "Shape" && node.inputs().any(|name| name == x) {
                layers.push(self.linear_layer(place, node, x)?);
            }
        }
        Some(layers)
    }

    fn linear_layer(&self, place: usize, node: Operator<'a>, x: &str) -> Option<LinearLayer<'a>> {
        let weight = self.linear_weight(node)?;
        let (outputs, inputs) = weight.dim();
        let takes_x = node.input(0) == Some(x) && self.values.shape(x)? == [inputs];
        if !takes_x || outputs == 0 {
            return None;
        }
        Some(LinearLayer {
            place,
            output: node.output()?,
            weight,
            bias: self.linear_bias(node, outputs)?,
        })
    }

    /// Returns the weight of a `MatMul` or a `Gemm`, `[outputs, inputs]`.
    fn linear_weight(&self, node: Operator<'_>) -> Option<Array2<f32>> {
        let matrix = self.constants.floats(node.input(1)?)?;
        let matrix = matrix.into_dimensionality::<Ix2>().ok()?;
        match node.name() {
            // x · W, with W `[inputs, outputs]`.
            "MatMul" => Some(matrix.reversed_axes()),
            "Gemm" => gemm_weight(node, matrix),
            _ => None,
        }
    }

    fn linear_bias(&self, node: Operator<'_>, outputs: usize) -> Option<Array1<f32>> {
        let Some(name) = node.input(2) else {
            return Some(Array1::zeros(outputs));
        };
        let bias = self.constants.floats(name)?;
        let bias = View::in_order(&[outputs], 0).broadcast(&bias)?;
        let beta = node.float("beta", 1.0);
        Some(bias.into_iter().map(|bias| beta * bias).collect())
    }

    /// Returns the weights by column of the network, row by row: `weight` `[outputs, inputs]` has
    /// them by place of the view.
    fn column_weights(&self, view: &View, weight: ArrayView2<'_, f32>) -> Vec<f32> {
        let mut by_column = Array2::zeros((weight.nrows(), self.network.outputs()));
        for (mut to, from) in by_column.outer_iter_mut().zip(weight.outer_iter()) {
            for (&column, weight) in view.columns().iter().zip(from) {
                // A column that occurs twice has the sum of both weights.
                to[column] += weight;
            }
        }
        by_column.into_raw_vec_and_offset().0
    }
}

fn gemm_weight(node: Operator<'_>, matrix: Array2<f32>) -> Option<Array2<f32>> {
    if node.int("transA", 0) != 0 {
        return None;
    }
    let is_transposed = node.int("transB", 0) != 0;
    let weight = match is_transposed {
        true => matrix,
        false => matrix.reversed_axes(),
    };
    let alpha = node.float("alpha", 1.0);
    Some(weight.mapv_into(|weight| alpha * weight))
}
