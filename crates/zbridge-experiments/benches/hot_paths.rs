//! What zbridge spends its time on: `cargo bench -p zbridge-experiments`. Figures, not tests:
//! nothing here can fail for being slow.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zbridge::{
    Bridge, BridgeConfig, EventKind, FitData, LatentModel, Observations, PaperConfig, Posterior,
    RandomStream, Unobserved,
};
use zbridge_assets::{MNIST_IMAGE, MNIST_LABEL};
use zbridge_core::DiagonalGaussian;
use zbridge_eval::{ConditionalTarget, ImportanceSettings, PriorTarget, importance_sampled};
use zbridge_models::VaeTrainer;
use zbridge_models::recipes::{Recipe, RecipeModel};
use zbridge_nn::{Trainer, TrainingPlan};

/// Images of noise: what training and likelihoods cost does not depend on what they show.
fn images(rows: usize) -> Observations {
    let kind = EventKind::Image {
        channels: 1,
        height: 28,
        width: 28,
    };
    let mut stream = RandomStream::named(1, "bench/images");
    let values = (0..rows * kind.size()).map(|_| stream.uniform()).collect();
    Observations::new(values, kind).expect("uniform numbers are finite")
}

/// A tenth of an epoch of the image VAE: 6,000 rows.
fn vae_training(criterion: &mut Criterion) {
    const ROWS: usize = 6000;
    let observations = images(ROWS);
    let recipe = Recipe::named("mnist-image").expect("a recipe");
    let RecipeModel::Vae(architecture, objective) = recipe.model.clone() else {
        return;
    };
    let plan = TrainingPlan {
        epochs: 1,
        stop_after: 1,
        ..recipe.plan(ROWS, 1)
    };
    let mut group = criterion.benchmark_group("image VAE training");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("a tenth of an epoch, batch 128", |bencher| {
        let mut trainer = VaeTrainer::new(architecture.clone(), objective, &observations, 1);
        bencher.iter(|| Trainer::of_epochs(&plan).run_to_end(&mut trainer));
    });
    group.finish();
}

/// Paired posteriors of a 64-dimensional x and a 2-dimensional y.
fn pairs(rows: usize) -> (Posterior, Posterior) {
    let side = |dim| Posterior::from(DiagonalGaussian::standard(rows, dim));
    (side(64), side(2))
}

/// Both directions of the paper's bridge, side by side.
fn bridge_fit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bridge fit, recipe paper, both directions");
    let config = BridgeConfig::paper(PaperConfig::default())
        .check()
        .expect("the recipe is valid");
    group.sample_size(10).throughput(Throughput::Elements(
        2 * PaperConfig::default().steps as u64,
    ));
    for rows in [1024, 8192] {
        let (x, y) = pairs(rows);
        group.bench_with_input(
            BenchmarkId::from_parameter(format!("N = {rows}")),
            &rows,
            |bencher, _| {
                bencher
                    .iter(|| Bridge::fit(black_box(&FitData::pairs(&x, &y)), &config, &Unobserved));
            },
        );
    }
    group.finish();
}

/// log p(x) and log p(x|y) of images from one set of decoder evaluations.
fn importance_sampling(criterion: &mut Criterion) {
    const ROWS: usize = 16;
    let settings = ImportanceSettings {
        draws: 1000,
        chunk: 250,
        seed: 1,
    };
    let model = MNIST_IMAGE.vae().expect("an intact asset");
    let observations = images(ROWS);
    let posterior = model
        .posterior(&observations)
        .expect("images of the model's kind");
    let prior = PriorTarget::new("log p(x)");
    let contexts = [DiagonalGaussian::standard(32, 64)];
    let conditional = ConditionalTarget::new("log p(x|y)", &contexts, vec![0; ROWS])
        .expect("a context for each row");
    let mut group = criterion.benchmark_group("importance sampling");
    group
        .sample_size(10)
        .throughput(Throughput::Elements((ROWS * settings.draws) as u64));
    group.bench_function("images × samples, VAE and one bridge", |bencher| {
        bencher.iter(|| {
            let targets: [&dyn zbridge_eval::TargetDensity; 2] = [&prior, &conditional];
            importance_sampled(
                &model,
                &observations,
                &posterior.moments(),
                &targets,
                &settings,
                &Unobserved,
            )
        });
    });
    group.finish();
}

/// Images from labels: two latents, a bridge, the decoder.
fn generation(criterion: &mut Criterion) {
    const IMAGES: usize = 1000;
    let (image_model, label_model) = (
        MNIST_IMAGE.vae().expect("an intact asset"),
        MNIST_LABEL.vae().expect("an intact asset"),
    );
    let (x, y) = pairs(64);
    let settings = PaperConfig {
        steps: 10,
        ..PaperConfig::default()
    };
    let config = BridgeConfig::paper(settings)
        .check()
        .expect("valid settings");
    let bridge = Bridge::fit(&FitData::pairs(&x, &y), &config, &Unobserved).expect("a fit");
    let label = Observations::one_hot(&[7], 10).expect("a label");
    let label = label_model.posterior(&label).expect("a label of the model");
    let mut group = criterion.benchmark_group("generation");
    group.throughput(Throughput::Elements(IMAGES as u64));
    group.bench_function("1000 images of a label", |bencher| {
        let mut stream = RandomStream::named(1, "bench/generation");
        let density = bridge.y_to_x();
        bencher.iter(|| zbridge::generate(density, &label, &image_model, IMAGES, &mut stream));
    });
    group.finish();
}

criterion_group!(
    benches,
    bridge_fit,
    importance_sampling,
    generation,
    vae_training
);
criterion_main!(benches);
