//! Inference on each instruction set that the processor has.
//!
//! Throughput counts multiplications and additions, so that `Gelem/s` are GFLOP/s. The group `peak`
//! is what the processor can do at most: nothing but multiply-adds in registers.
//!
//! `cargo bench -p zbridge-infer`

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;
use pulp::{Simd, WithSimd};
use std::hint::black_box;
use zbridge_core::RandomStream;
use zbridge_infer::{FixedNetwork, Workspace};
use zbridge_nn::{Convolution, InstructionSet, Layer, Likelihood, Network};

/// Rows that are passed at once.
const ROWS: usize = 256;

/// Layers, and multiply-adds of a row; those with zeros beyond an edge are not counted.
struct Case {
    layers: Vec<Layer>,
    multiply_adds: usize,
}

fn linear(inputs: usize, outputs: usize) -> Layer {
    Layer::Linear { inputs, outputs }
}

fn convolution(
    input: [usize; 3],
    channels: usize,
    [kernel, stride, padding]: [usize; 3],
) -> Convolution {
    Convolution {
        input,
        channels,
        kernel,
        stride,
        padding,
    }
}

/// A dense layer of the image VAE, the largest.
fn dense() -> Case {
    Case {
        layers: vec![linear(512, 1568), Layer::Silu],
        multiply_adds: 512 * 1568,
    }
}

/// Convolutions of the image VAE.
fn grid_convolution() -> Case {
    let first = convolution([14, 14, 32], 64, [4, 2, 1]);
    let second = convolution([7, 7, 64], 64, [3, 2, 1]);
    Case {
        layers: vec![Layer::Conv(first), Layer::Silu, Layer::Conv(second)],
        multiply_adds: 26 * 26 * 32 * 64 + 10 * 10 * 64 * 64,
    }
}

/// The decoder of the image VAE.
fn decoder() -> Case {
    let first = convolution([7, 7, 32], 32, [4, 2, 1]);
    let second = convolution([14, 14, 32], 1, [6, 2, 2]);
    Case {
        layers: vec![
            linear(64, 512),
            Layer::Silu,
            linear(512, 1568),
            Layer::Silu,
            Layer::ConvTranspose(first),
            Layer::Silu,
            Layer::ConvTranspose(second),
        ],
        multiply_adds: 64 * 512 + 512 * 1568 + 26 * 26 * 32 * 32 + 80 * 80 * 32,
    }
}

/// The encoder of the image VAE.
fn encoder() -> Case {
    let Case {
        layers: convolutions,
        multiply_adds,
    } = grid_convolution();
    let first = convolution([28, 28, 1], 32, [4, 2, 1]);
    let mut layers = vec![Layer::Conv(first), Layer::Silu];
    layers.extend(convolutions);
    layers.extend([
        Layer::Silu,
        linear(1024, 512),
        Layer::Silu,
        linear(512, 128),
    ]);
    Case {
        layers,
        multiply_adds: multiply_adds + 54 * 54 * 32 + 1024 * 512 + 512 * 128,
    }
}

fn numbers(rows: usize, columns: usize) -> Array2<f32> {
    let mut numbers = Array2::zeros((rows, columns));
    let mut stream = RandomStream::named(1, "bench");
    stream.fill_standard_normal(numbers.as_slice_mut().expect("a new array is contiguous"));
    numbers
}

impl Case {
    fn network(&self, set: InstructionSet) -> FixedNetwork {
        let network = Network::new(self.layers.clone()).expect("layers that fit");
        let parameters = network.initial_parameters(&mut RandomStream::named(2, "bench"));
        FixedNetwork::with_instruction_set(set, &network, &parameters)
    }

    fn inputs(&self) -> usize {
        self.layers[0].input_width().expect("a layer with weights")
    }

    fn throughput(&self) -> Throughput {
        Throughput::Elements(2 * (ROWS * self.multiply_adds) as u64)
    }
}

fn forward(criterion: &mut Criterion, name: &str, case: &Case) {
    let mut group = criterion.benchmark_group(name);
    let input = numbers(ROWS, case.inputs());
    for set in InstructionSet::available() {
        let (network, mut workspace) = (case.network(set), Workspace::default());
        group.throughput(case.throughput());
        group.bench_function(BenchmarkId::from_parameter(set), |bencher| {
            bencher.iter(|| {
                black_box(network.forward(input.view(), &mut workspace));
            });
        });
    }
    group.finish();
}

/// log p(x|z) of images for draws of their latents.
fn decoder_likelihood(criterion: &mut Criterion) {
    let case = decoder();
    let mut group = criterion.benchmark_group("decoder likelihood");
    let (latents, image) = (numbers(ROWS, case.inputs()), numbers(1, 784));
    let image: Vec<f32> = image.iter().map(|x| x.abs().min(1.0)).collect();
    for set in InstructionSet::available() {
        set.limit_to();
        let (network, mut workspace) = (case.network(set), Workspace::default());
        group.throughput(case.throughput());
        group.bench_function(BenchmarkId::from_parameter(set), |bencher| {
            bencher.iter(|| {
                let logits = network.forward(latents.view(), &mut workspace);
                let nats = logits.rows().into_iter().map(|row| {
                    let row = row.to_slice().expect("a row is contiguous");
                    Likelihood::Bernoulli.log_likelihood_nats(row, &image)
                });
                black_box(nats.sum::<f32>())
            });
        });
    }
    group.finish();
    InstructionSet::best().limit_to();
}

/// Multiply-adds on twelve sums in registers, which hide each other's latency.
struct Peak {
    repeats: usize,
}

const SUMS: usize = 12;

impl WithSimd for Peak {
    /// One of the sums, and how many numbers a vector has.
    type Output = (f32, usize);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (f32, usize) {
        let (factor, addend) = (
            simd.splat_f32s(black_box(1.0)),
            simd.splat_f32s(black_box(0.5)),
        );
        let mut sums = [addend; SUMS];
        for _ in 0..self.repeats {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(factor, *sum, addend);
            }
        }
        let total = sums
            .into_iter()
            .fold(addend, |total, sum| simd.add_f32s(total, sum));
        (simd.reduce_sum_f32s(total), S::F32_LANES)
    }
}

fn peak(criterion: &mut Criterion) {
    const REPEATS: usize = 10_000;
    let mut group = criterion.benchmark_group("peak");
    for set in InstructionSet::available() {
        let (_, lanes) = set.run(Peak { repeats: 1 });
        group.throughput(Throughput::Elements((2 * SUMS * lanes * REPEATS) as u64));
        group.bench_function(BenchmarkId::from_parameter(set), |bencher| {
            bencher.iter(|| black_box(set.run(Peak { repeats: REPEATS })));
        });
    }
    group.finish();
}

fn inference(criterion: &mut Criterion) {
    peak(criterion);
    forward(criterion, "dense", &dense());
    forward(criterion, "grid convolution", &grid_convolution());
    forward(criterion, "encode", &encoder());
    decoder_likelihood(criterion);
}

criterion_group!(benches, inference);
criterion_main!(benches);
