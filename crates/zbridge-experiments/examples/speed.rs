//! What the speed of zbridge is measured by: the counterpart of `peers/speed.py`, which runs both
//! in turn.
//!
//! - `speed check DIR` writes networks at their beginning, a batch, and the objective on it, one
//!   file for each task, for a second implementation to agree with.
//! - `speed time TASK DIR` does the work once and prints seconds as JSON. `DIR` holds
//!   `x.safetensors` and `y.safetensors`, the latents that `zbridge encode` makes of MNIST's test
//!   half, a bridge of them and some images.

use ndarray::Array2;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::Instant;
use zbridge::{
    Bridge, BridgeConfig, DiagonalGaussian, EventKind, Family, FitData, LatentModel, Latents,
    Observations, PaperConfig, Posterior, RandomStream, Unobserved,
};
use zbridge_assets::{MNIST_IMAGE, MNIST_LABEL};
use zbridge_bridge::TrainingStep;
use zbridge_data::LatentsFile;
use zbridge_eval::{ImportanceSettings, PriorTarget, importance_sampled};
use zbridge_models::recipes::{Recipe, RecipeModel};
use zbridge_models::{Objective, VaeArchitecture, VaeTrainer};
use zbridge_nn::{
    Layer, Likelihood, Network, Precision, StepContext, StoredTensor, Trainee, WeightsFile,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Rows of a batch of the families, and the widths of their source and target.
const BATCH: usize = 128;
const WIDTHS: (usize, usize) = (12, 18);
/// Steps over which a family's step is timed.
const STEPS: usize = 300;
const FAMILIES: [Family; 3] = [Family::Mixture, Family::Flow, Family::FlowMatching];

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["check", folder] => check(Path::new(folder)),
        ["time", task, folder] => {
            let found =
                serde_json::json!({ "task": task, "seconds": time(task, Path::new(folder))? });
            Ok(writeln!(std::io::stdout(), "{found}")?)
        }
        _ => Err("speed check DIR, or speed time TASK DIR".into()),
    }
}

/// Seconds of one unit of a task: a fit, a step, an epoch, 10,000 images.
fn time(task: &str, folder: &Path) -> Outcome<f64> {
    let number = || {
        task.rsplit('-')
            .next()
            .and_then(|number| number.parse::<usize>().ok())
            .ok_or("a task and a number")
    };
    if let Some(family) = FAMILIES
        .into_iter()
        .find(|family| family.to_string() == task)
    {
        return family_step(family);
    }
    match task {
        _ if task.starts_with("fit-") => fit(folder, number()?),
        _ if task.starts_with("mlp-vae-") => epoch(mlp_vae()?, number()?, 100),
        "conv-vae" => Ok(epoch(conv_vae()?, BATCH, 20)? / (60_000.0 / BATCH as f64)),
        "importance" => likelihoods(folder),
        "generate" => images(folder),
        _ => Err(format!("no task {task}").into()),
    }
}

/// A bridge of the recipe `paper`, both directions.
fn fit(folder: &Path, pairs: usize) -> Outcome<f64> {
    let side = |name: &str| -> Outcome<Posterior> {
        let posterior = LatentsFile::read(&folder.join(name))?.posterior;
        Ok(posterior.select(&(0..pairs).collect::<Vec<_>>()))
    };
    let (x, y) = (side("x.safetensors")?, side("y.safetensors")?);
    let config = BridgeConfig::paper(PaperConfig::default()).check()?;
    let start = Instant::now();
    Bridge::fit(&FitData::pairs(&x, &y), &config, &Unobserved)?;
    Ok(start.elapsed().as_secs_f64())
}

fn family_step(family: Family) -> Outcome<f64> {
    let mut training = TrainingStep::new(family, WIDTHS.0, WIDTHS.1, 1)?;
    steps(&mut training, 20);
    let start = Instant::now();
    steps(&mut training, STEPS);
    Ok(start.elapsed().as_secs_f64() / STEPS as f64)
}

fn steps(training: &mut TrainingStep, count: usize) {
    let [source, target] = batch();
    for _ in 0..count {
        training.step(source.view(), target.view());
    }
}

/// An epoch of 60,000 images, measured over a number of steps.
fn epoch(architecture: VaeArchitecture, batch: usize, steps: usize) -> Outcome<f64> {
    let observations = noise_images(batch * 4);
    let mut trainer = VaeTrainer::new(architecture, Objective::elbo(), &observations, 1);
    let rows: Vec<usize> = (0..batch).collect();
    let mut step = |index: usize| -> Outcome<()> {
        let rows: Vec<usize> = rows
            .iter()
            .map(|row| (row + index * batch) % (4 * batch))
            .collect();
        trainer.step(&rows, context(index))?;
        Ok(())
    };
    (0..3).try_for_each(&mut step)?;
    let start = Instant::now();
    (0..steps).try_for_each(&mut step)?;
    Ok(start.elapsed().as_secs_f64() / steps as f64 * 60_000.0 / batch as f64)
}

/// 10,000 images of labels, a thousand of each.
fn images(folder: &Path) -> Outcome<f64> {
    let bridge = Bridge::read(&folder.join("paper.bridge"))?;
    let (image_model, label_model) = (MNIST_IMAGE.vae()?, MNIST_LABEL.vae()?);
    let labels: Vec<u8> = (0..10).collect();
    let source = label_model.posterior(&Observations::one_hot(&labels, 10)?)?;
    let start = Instant::now();
    let mut stream = RandomStream::named(1, "speed/images");
    let made = zbridge::generate(bridge.y_to_x(), &source, &image_model, 1000, &mut stream)?;
    assert_eq!(made.rows(), 10_000);
    Ok(start.elapsed().as_secs_f64())
}

/// log p(x) of the images in `images.safetensors`, 1,000 draws of the posterior each.
fn likelihoods(folder: &Path) -> Outcome<f64> {
    let file = WeightsFile::read(&folder.join("images.safetensors"))?;
    let images = file.tensors.get("images").ok_or("a tensor `images`")?;
    let model = MNIST_IMAGE.vae()?;
    let observations = Observations::new(images.values.clone(), model.event().clone())?;
    let posterior = model.posterior(&observations)?;
    let settings = ImportanceSettings {
        draws: 1000,
        chunk: 250,
        seed: 1,
    };
    let prior = PriorTarget::new("log p(x)");
    let start = Instant::now();
    importance_sampled(
        &model,
        &observations,
        &posterior.moments(),
        &[&prior],
        &settings,
        &zbridge::Unobserved,
    )?;
    Ok(start.elapsed().as_secs_f64())
}

fn context(step: usize) -> StepContext {
    StepContext {
        step,
        learning_rate: 1e-3,
        done: 0.0,
        stream: RandomStream::named(1, "speed/step").child(step as u64),
    }
}

/// A VAE of nothing but linear layers: 784-512-512-64.
fn mlp_vae() -> Outcome<VaeArchitecture> {
    let through = |widths: [usize; 4]| {
        let mut layers = vec![];
        for pair in widths.windows(2) {
            layers.extend([
                Layer::Linear {
                    inputs: pair[0],
                    outputs: pair[1],
                },
                Layer::Silu,
            ]);
        }
        layers.pop();
        Network::new(layers)
    };
    Ok(VaeArchitecture {
        name: "mlp-vae".into(),
        event: EventKind::Image {
            channels: 1,
            height: 28,
            width: 28,
        },
        likelihood: Likelihood::Bernoulli,
        latent_dim: 64,
        encoder: through([784, 512, 512, 128])?,
        decoder: through([64, 512, 512, 784])?,
    })
}

fn conv_vae() -> Outcome<VaeArchitecture> {
    match Recipe::named("mnist-image")?.model {
        RecipeModel::Vae(architecture, _) => Ok(architecture),
        _ => Err("mnist-image is a VAE".into()),
    }
}

/// Images of noise: what training costs does not depend on what they show.
fn noise_images(rows: usize) -> Observations {
    let kind = EventKind::Image {
        channels: 1,
        height: 28,
        width: 28,
    };
    let mut stream = RandomStream::named(1, "speed/images");
    let values = (0..rows * kind.size()).map(|_| stream.uniform()).collect();
    Observations::new(values, kind).expect("uniform numbers are finite")
}

/// A source and a target for each row, standard normal.
fn batch() -> [Array2<f32>; 2] {
    let mut stream = RandomStream::named(1, "speed/batch");
    [WIDTHS.0, WIDTHS.1].map(|width| {
        let mut values = vec![0.0; BATCH * width];
        stream.fill_standard_normal(&mut values);
        Array2::from_shape_vec((BATCH, width), values).expect("a value for each cell")
    })
}

fn check(folder: &Path) -> Outcome<()> {
    std::fs::create_dir_all(folder)?;
    for family in FAMILIES {
        check_family(family)?.write(
            &folder.join(format!("{family}.safetensors")),
            Precision::Single,
        )?;
    }
    for (name, architecture) in [("mlp-vae", mlp_vae()?), ("conv-vae", conv_vae()?)] {
        check_vae(architecture)?.write(
            &folder.join(format!("{name}.safetensors")),
            Precision::Single,
        )?;
    }
    check_paper(folder)
}

/// A family a few steps from its beginning, so that no part of it is trivial.
fn check_family(family: Family) -> Outcome<WeightsFile> {
    let mut training = TrainingStep::new(family, WIDTHS.0, WIDTHS.1, 1)?;
    let [source, target] = batch();
    steps(&mut training, 50);
    let mut file = training.to_weights()?;
    // What flow matching draws: a shift of the times, then noise.
    let draws = RandomStream::named(1, "speed/draws");
    training.draw_from(draws.clone());
    let mut draws = draws;
    let mut noise = vec![0.0; target.len()];
    let shift = draws.uniform();
    draws.fill_standard_normal(&mut noise);
    let objective = training.step(source.view(), target.view());
    put(&mut file, "source", source.into_iter().collect(), WIDTHS.0);
    put(&mut file, "target", target.into_iter().collect(), WIDTHS.1);
    put(&mut file, "noise", noise, WIDTHS.1);
    file.metadata.insert("shift".into(), shift.to_string());
    file.metadata
        .insert("objective".into(), objective.to_string());
    Ok(file)
}

/// A VAE whose posteriors have no spread to speak of, so that its bound needs no draws.
fn check_vae(architecture: VaeArchitecture) -> Outcome<WeightsFile> {
    let observations = noise_images(BATCH);
    let dim = architecture.latent_dim;
    let last = architecture.encoder.layers().len() - 1;
    let mut trainer = VaeTrainer::new(architecture, Objective::elbo(), &observations, 1);
    let mut checkpoint = trainer.checkpoint();
    for (name, value) in [("weight", 0.0), ("bias", -20.0)] {
        let tensor = checkpoint
            .tensors
            .get_mut(&format!("encoder.{last}.{name}"))
            .ok_or("an encoder's last layer")?;
        let half = tensor.values.len() / 2;
        assert_eq!(tensor.shape[0], 2 * dim);
        tensor.values[half..].fill(value);
    }
    trainer.restore(&checkpoint, Path::new("checkpoint"))?;
    let mut file = trainer.model().to_weights();
    let objective = trainer.step(&(0..BATCH).collect::<Vec<_>>(), context(0))?;
    put(&mut file, "images", observations.values().to_vec(), 784);
    file.metadata
        .insert("objective".into(), objective.to_string());
    Ok(file)
}

/// KL(q ‖ p) of a bridge after its fit, at the means of the sources, both directions.
fn check_paper(folder: &Path) -> Outcome<()> {
    let draw = |rows: usize, dim: usize, name: &str| -> Outcome<DiagonalGaussian> {
        let mut values = vec![0.0; rows * dim];
        RandomStream::named(1, name).fill_standard_normal(&mut values);
        Ok(DiagonalGaussian::new(
            Latents::from_vec(values, dim)?,
            Latents::filled(rows, dim, -1.0),
        )?)
    };
    let (x, y) = (draw(BATCH, 64, "speed/x")?, draw(BATCH, 2, "speed/y")?);
    let settings = PaperConfig {
        steps: 50,
        ..PaperConfig::default()
    };
    let config = BridgeConfig::paper(settings).check()?;
    let (as_x, as_y) = (Posterior::from(x.clone()), Posterior::from(y.clone()));
    let bridge = Bridge::fit(&FitData::pairs(&as_x, &as_y), &config, &Unobserved)?;
    bridge.write(&folder.join("check.bridge"))?;
    let mut file = WeightsFile::default();
    let mut objectives = BTreeMap::new();
    for (name, density, source, target) in [
        ("x_to_y", bridge.x_to_y(), &x, &y),
        ("y_to_x", bridge.y_to_x(), &y, &x),
    ] {
        let network = density
            .as_gaussian()
            .ok_or("a bridge of the recipe `paper`")?;
        let nats = network
            .gaussians(source.mean())?
            .kl_divergence_nats(target)?;
        objectives.insert(name, nats.iter().sum::<f64>() / nats.len() as f64);
        put(
            &mut file,
            &format!("{name}.source"),
            source.mean().values().to_vec(),
            source.dim(),
        );
        put(
            &mut file,
            &format!("{name}.target"),
            target.mean().values().to_vec(),
            target.dim(),
        );
    }
    file.metadata
        .insert("objectives".into(), serde_json::to_string(&objectives)?);
    Ok(file.write(&folder.join("paper.safetensors"), Precision::Single)?)
}

fn put(file: &mut WeightsFile, name: &str, values: Vec<f32>, width: usize) {
    let shape = vec![values.len() / width, width];
    file.tensors
        .insert(name.into(), StoredTensor { shape, values });
}
