use super::graph_builder::{BuiltGraph, GraphBuilder, Value};
use super::protobuf::Attribute;
use crate::{ForeignError, StateDict};
use ndarray::{Array1, ArrayD, IxDyn, arr0, array};

/// A batch of images in a graph, `[batch, channels, height, width]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Images {
    pub(super) value: Value,
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

/// How a convolution moves over its input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    kernel: i64,
    stride: usize,
    /// Rows and columns of zeros: above, left, below, right.
    padding: [i64; 4],
}

impl Window {
    /// One pixel.
    pub(super) const POINT: Self = Self {
        kernel: 1,
        stride: 1,
        padding: [0; 4],
    };
    /// A window that keeps the size of the image.
    pub(super) const SAME: Self = Self {
        kernel: 3,
        stride: 1,
        padding: [1; 4],
    };
    /// A window that halves both sides; diffusers pads below and on the right only.
    pub(super) const HALVING: Self = Self {
        kernel: 3,
        stride: 2,
        padding: [0, 0, 1, 1],
    };
}

/// The layers of an autoencoder, added to a graph one after another.
pub(super) struct Layers<'a> {
    graph: GraphBuilder<'a>,
    /// Groups of a group normalisation.
    groups: usize,
}

/// What group normalisations add to variances.
const EPSILON: f32 = 1e-6;

impl<'a> Layers<'a> {
    /// Returns layers on images of this shape, `[channels, height, width]`, and these images.
    pub(super) fn new(weights: &'a StateDict, groups: usize, shape: [usize; 3]) -> (Self, Images) {
        let (graph, value) = GraphBuilder::new(weights, shape);
        let [channels, height, width] = shape;
        let images = Images {
            value,
            channels,
            height,
            width,
        };
        (Self { graph, groups }, images)
    }

    /// Returns the network with these outputs.
    pub(super) fn finish(self, outputs: &[(&str, &Value)]) -> BuiltGraph {
        self.graph.finish(outputs)
    }

    /// Adds a convolution with the kernel and bias under `name`.
    pub(super) fn conv(
        &mut self,
        name: &str,
        x: &Images,
        channels: usize,
        window: Window,
    ) -> Result<Images, ForeignError> {
        let side = window.kernel as usize;
        let shape = [channels, x.channels, side, side];
        let weight = self.graph.weight(&format!("{name}.weight"), &shape)?;
        let bias = self.graph.weight(&format!("{name}.bias"), &[channels])?;
        let inputs = [&x.value, &weight, &bias];
        Ok(Images {
            value: self.windows("Conv", &inputs, window),
            channels,
            height: x.height / window.stride,
            width: x.width / window.stride,
        })
    }

    fn windows(&mut self, operator: &str, inputs: &[&Value], window: Window) -> Value {
        let attributes = [
            ("kernel_shape", Attribute::Ints(&[window.kernel; 2])),
            ("strides", Attribute::Ints(&[window.stride as i64; 2])),
            ("pads", Attribute::Ints(&window.padding)),
        ];
        self.graph.node(operator, inputs, &attributes)
    }

    /// Adds a group normalisation with the scale and bias under `name`.
    ///
    /// # Source
    /// Wu & He 2018, "Group Normalization".
    pub(super) fn group_norm(&mut self, name: &str, x: &Images) -> Result<Images, ForeignError> {
        let scale = self
            .graph
            .channel_weight(&format!("{name}.weight"), x.channels)?;
        let bias = self
            .graph
            .channel_weight(&format!("{name}.bias"), x.channels)?;
        let normal = self.without_moments(x);
        let scaled = self.graph.node("Mul", &[&normal, &scale], &[]);
        let shifted = self.graph.node("Add", &[&scaled, &bias], &[]);
        Ok(x.with_value(shifted))
    }

    /// Subtracts the mean of each group, and divides by its standard deviation.
    fn without_moments(&mut self, x: &Images) -> Value {
        // ONNX has had group normalisation since operator set 18 only, but each group can be one
        // channel of an instance normalisation.
        // In a shape, 0 keeps a dimension and −1 takes what is left.
        let grouped = self.reshape(&x.value, &[0, self.groups as i64, -1]);
        let scale = self.graph.floats(&Array1::ones(self.groups).into_dyn());
        let bias = self.graph.floats(&Array1::zeros(self.groups).into_dyn());
        let epsilon = [("epsilon", Attribute::Float(EPSILON))];
        let inputs = [&grouped, &scale, &bias];
        let normal = self.graph.node("InstanceNormalization", &inputs, &epsilon);
        self.reshape(&normal, &x.row_shape())
    }

    /// Adds x · σ(x).
    pub(super) fn silu(&mut self, x: &Images) -> Images {
        let gate = self.graph.node("Sigmoid", &[&x.value], &[]);
        x.with_value(self.graph.node("Mul", &[&x.value, &gate], &[]))
    }

    /// Adds a sum of two batches of one shape.
    pub(super) fn add(&mut self, a: &Images, b: &Images) -> Images {
        a.with_value(self.graph.node("Add", &[&a.value, &b.value], &[]))
    }

    /// Repeats every pixel in a square of four.
    pub(super) fn doubled(&mut self, x: &Images) -> Images {
        let scales = self.graph.floats(&array![1.0, 1.0, 2.0, 2.0].into_dyn());
        let attributes = [
            ("mode", Attribute::Text("nearest")),
            (
                "coordinate_transformation_mode",
                Attribute::Text("asymmetric"),
            ),
            ("nearest_mode", Attribute::Text("floor")),
        ];
        // The second input is for another mode.
        let inputs = [&x.value, &GraphBuilder::nothing(), &scales];
        Images {
            value: self.graph.node("Resize", &inputs, &attributes),
            height: 2 * x.height,
            width: 2 * x.width,
            ..*x
        }
    }

    /// Adds x + attention of every pixel to every pixel, with one head.
    pub(super) fn attention(&mut self, name: &str, x: &Images) -> Result<Images, ForeignError> {
        let normal = self.group_norm(&format!("{name}.group_norm"), x)?;
        let pixels = self.reshape(&normal.value, &[0, x.channels as i64, -1]);
        let pixels = self.transpose(&pixels);
        let mixed = self.mixed_pixels(name, &pixels, x.channels)?;
        let mixed = self.transpose(&mixed);
        let mixed = self.reshape(&mixed, &x.row_shape());
        Ok(self.add(x, &x.with_value(mixed)))
    }

    /// Returns what attention makes of pixels, `[batch, pixels, channels]`. Each of its parts has
    /// one of the two names that diffusers has had for it.
    fn mixed_pixels(
        &mut self,
        name: &str,
        pixels: &Value,
        channels: usize,
    ) -> Result<Value, ForeignError> {
        let query = self.linear(name, ["to_q", "query"], pixels, channels)?;
        let key = self.linear(name, ["to_k", "key"], pixels, channels)?;
        let value = self.linear(name, ["to_v", "value"], pixels, channels)?;
        let shares = self.attention_shares(&query, &key, channels);
        let mixed = self.graph.node("MatMul", &[&shares, &value], &[]);
        self.linear(name, ["to_out.0", "proj_attn"], &mixed, channels)
    }

    /// Returns softmax(query · keyᵀ / √channels).
    fn attention_shares(&mut self, query: &Value, key: &Value, channels: usize) -> Value {
        // The query and not the scores are scaled: there are fewer of its numbers.
        let scale = self
            .graph
            .floats(&array![1.0 / (channels as f32).sqrt()].into_dyn());
        let query = self.graph.node("Mul", &[query, &scale], &[]);
        let key = self.transpose(key);
        let scores = self.graph.node("MatMul", &[&query, &key], &[]);
        let axis = [("axis", Attribute::Int(-1))];
        self.graph.node("Softmax", &[&scores], &axis)
    }

    /// Returns the first and the second half of the channels.
    pub(super) fn halves(&mut self, x: &Images) -> [Value; 2] {
        let half = (x.channels / 2) as i64;
        [(0, half), (half, 2 * half)].map(|(from, to)| {
            let [from, to, axis] = [from, to, 1].map(|number| self.graph.ints(&[number]));
            self.graph
                .node("Slice", &[&x.value, &from, &to, &axis], &[])
        })
    }

    /// Keeps `x` between two numbers.
    pub(super) fn clipped(&mut self, x: &Value, low: f32, high: f32) -> Value {
        let low = self.graph.floats(&arr0(low).into_dyn());
        let high = self.graph.floats(&arr0(high).into_dyn());
        self.graph.node("Clip", &[x, &low, &high], &[])
    }

    /// Adds a linear layer on rows `[batch, pixels, channels]`, under one of two names of its part.
    fn linear(
        &mut self,
        name: &str,
        parts: [&str; 2],
        x: &Value,
        channels: usize,
    ) -> Result<Value, ForeignError> {
        let name = self.existing_name(parts.map(|part| format!("{name}.{part}")));
        let weight = self.linear_weight(&format!("{name}.weight"), channels)?;
        let weight = self.graph.floats(&weight);
        let bias = self.graph.weight(&format!("{name}.bias"), &[channels])?;
        let product = self.graph.node("MatMul", &[x, &weight], &[]);
        Ok(self.graph.node("Add", &[&product, &bias], &[]))
    }

    fn existing_name(&self, [new, old]: [String; 2]) -> String {
        let has_weight = |name: &str| self.graph.has_weight(&format!("{name}.weight"));
        // If there is neither, the error names the new one.
        let is_old = !has_weight(&new) && has_weight(&old);
        if is_old { old } else { new }
    }

    /// Returns the transposed weight of a linear layer, which was once stored as a convolution of
    /// one pixel.
    fn linear_weight(&self, name: &str, channels: usize) -> Result<ArrayD<f32>, ForeignError> {
        let values = match self.graph.weight_rank(name) {
            4 => self
                .graph
                .weight_values(name, &[channels, channels, 1, 1])?,
            _ => self.graph.weight_values(name, &[channels, channels])?,
        };
        let matrix = values.into_shape_with_order(IxDyn(&[channels, channels]));
        Ok(matrix.expect("as many numbers").reversed_axes())
    }

    fn reshape(&mut self, x: &Value, shape: &[i64]) -> Value {
        let shape = self.graph.ints(shape);
        self.graph.node("Reshape", &[x, &shape], &[])
    }

    /// Swaps the two dimensions behind the batch.
    fn transpose(&mut self, x: &Value) -> Value {
        let order = [("perm", Attribute::Ints(&[0, 2, 1]))];
        self.graph.node("Transpose", &[x], &order)
    }
}

impl Images {
    /// Returns images of the same shape.
    fn with_value(&self, value: Value) -> Self {
        Self { value, ..*self }
    }

    /// Returns the shape for a reshape that keeps the batch.
    fn row_shape(&self) -> [i64; 4] {
        let row = [self.channels, self.height, self.width];
        let [channels, height, width] = row.map(|size| size as i64);
        [0, channels, height, width]
    }
}
