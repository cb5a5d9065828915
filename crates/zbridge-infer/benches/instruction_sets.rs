//! Fixed networks under each instruction set of this processor: `cargo bench -p zbridge-infer`. The
//! throughput is in floating-point operations, a product and a sum counted as two.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;
use std::hint::black_box;
use zbridge_core::RandomStream;
use zbridge_infer::{FixedNetwork, Workspace};
use zbridge_nn::{Convolution, InstructionSet, Layer, Network};

/// Rows of a block: those that a core takes at once.
const ROWS: usize = FixedNetwork::ROWS_AT_ONCE;

/// A network to run, and the operations of a row.
struct Case {
    name: &'static str,
    network: Network,
    operations: usize,
}

fn cases() -> [Case; 2] {
    let linear = |inputs, outputs| Layer::Linear { inputs, outputs };
    let dense = vec![
        linear(64, 512),
        Layer::Silu,
        linear(512, 512),
        Layer::Silu,
        linear(512, 784),
    ];
    let convolution = Convolution {
        input: [14, 14, 32],
        channels: 64,
        kernel: 3,
        stride: 2,
        padding: 1,
    };
    // 7 × 7 outputs of 64 filters, each over 32 channels of 3 × 3.
    let grid_operations = 2 * 7 * 7 * 64 * 32 * 9;
    [
        Case {
            name: "dense decoder 64-512-512-784",
            network: Network::new(dense).expect("layers fit"),
            operations: 2 * (64 * 512 + 512 * 512 + 512 * 784),
        },
        Case {
            name: "convolution 32 → 64, 14 × 14, stride 2",
            network: Network::new(vec![Layer::Conv(convolution)]).expect("layers fit"),
            operations: grid_operations,
        },
    ]
}

fn forward(criterion: &mut Criterion) {
    for case in cases() {
        let mut stream = RandomStream::named(1, "bench");
        let parameters = case.network.initial_parameters(&mut stream);
        let mut values = vec![0.0; ROWS * case.network.inputs()];
        stream.fill_standard_normal(&mut values);
        let input = Array2::from_shape_vec((ROWS, case.network.inputs()), values);
        let input = input.expect("a value for each cell");
        let mut group = criterion.benchmark_group(case.name);
        group.throughput(Throughput::Elements((ROWS * case.operations) as u64));
        for set in InstructionSet::available() {
            let fixed = FixedNetwork::with_instruction_set(set, &case.network, &parameters);
            let mut workspace = Workspace::default();
            group.bench_function(BenchmarkId::from_parameter(set), |bencher| {
                bencher.iter(|| {
                    black_box(fixed.forward(input.view(), &mut workspace));
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = forward
}
criterion_main!(benches);
