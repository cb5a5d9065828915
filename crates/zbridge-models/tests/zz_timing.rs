#![cfg(feature = "flex")]
use std::time::Instant;
use zbridge_core::{LatentModel, Observations, RandomStream};
use zbridge_models::{BurnVaeTrainer, VaeTrainer, recipes::{Recipe, RecipeModel}};
use zbridge_nn::{Device, StepContext, Trainee};
#[test]
fn timing() {
    let RecipeModel::Vae(architecture, objective) = Recipe::named("mnist-image").unwrap().model else { panic!() };
    let mut stream = RandomStream::named(1, "x");
    let data = Observations::new((0..2560 * 784).map(|_| stream.uniform()).collect(), architecture.event.clone()).unwrap();
    let context = |done: f32| StepContext { learning_rate: 1e-3, done, stream: RandomStream::named(2, "s") };
    let rows: Vec<usize> = (0..128).collect();
    let mut native = VaeTrainer::new(architecture.clone(), objective, &data, 1);
    let mut burn = BurnVaeTrainer::new(architecture, objective, &data, 1, Device::Flex).unwrap();
    for done in [0.0, 0.9] {
        for (name, trainee) in [("native", &mut native as &mut dyn Trainee), ("flex", &mut burn)] {
            trainee.step(&rows, context(done)).unwrap();
            let start = Instant::now();
            let mut value = 0.0;
            for _ in 0..5 { value = trainee.step(&rows, context(done)).unwrap(); }
            println!("{name} done {done}: {:?} a step, {value}", start.elapsed() / 5);
        }
    }
    let (a, b) = (native.checkpoint(), burn.checkpoint().unwrap());
    let far = a.tensors.iter().flat_map(|(n, t)| t.values.iter().zip(&b.tensors[n].values)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("largest difference after 12 steps {far}");
    let model = native.model();
    for (name, model) in [("native", model.clone()), ("flex", model.on(Device::Flex).unwrap())] {
        let start = Instant::now();
        let posterior = model.posterior(&data).unwrap();
        let encode = start.elapsed();
        let latents = posterior.sample(&mut RandomStream::named(3, "z"));
        let start = Instant::now();
        model.log_likelihood_nats(&data, &latents).unwrap();
        println!("{name}: encode {encode:?}, likelihood {:?} of 2560", start.elapsed());
    }
}
