//! `zbridge encode`: observations → a latents file.

use crate::context::Context;
use crate::figures::files;
use crate::split::SplitName;
use clap::Args;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use zbridge_tasks::{EncodeReport, EncodeRequest, EncodeSource, Shard, encode};
use zbridge_tasks::{Error, open_model};

/// Arguments of `zbridge encode`.
#[derive(Debug, Args)]
pub struct EncodeArgs {
    /// mnist-image, mnist-image-3-epochs, mnist-label, or a weights file
    #[arg(long, value_name = "MODEL")]
    model: String,
    /// MNIST's folder, a folder of PNG images, an .npy of images or class ids, or one PNG
    #[arg(long, value_name = "DATA", required_unless_present = "prior")]
    data: Option<PathBuf>,
    /// In place of data, so many observations of the model's own making: latents without partners
    /// where there are none
    #[arg(long, value_name = "N", conflicts_with_all = ["data", "split", "sample"])]
    prior: Option<NonZeroUsize>,
    /// Also encode so many other looks at each image: shifted, turned, scaled, with thicker or
    /// thinner strokes
    #[arg(long, value_name = "VIEWS", default_value_t = 0)]
    augment: usize,
    /// Which part of a dataset
    #[arg(long, value_enum, default_value = "test")]
    split: SplitName,
    /// Only so many rows, drawn at random without replacement
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Leave the labels out, where the data has some: for latents without partners
    #[arg(long)]
    without_labels: bool,
    /// Draw each pixel black or white, with its grey value as the probability: for
    /// mnist-image-binary
    #[arg(long)]
    binarise: bool,
    /// Only one of so many equal parts of the rows, 1/4 say: what all parts write is what one run
    /// would
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    shard: Shard,
    /// Store 16-bit floats
    #[arg(long)]
    half: bool,
}

impl EncodeArgs {
    fn source(&self) -> EncodeSource {
        let split = self.split.into();
        match (self.prior, &self.data) {
            (Some(count), _) => EncodeSource::Prior(count.get()),
            (None, data) => EncodeSource::Data(data.clone().unwrap_or_default(), split),
        }
    }
}

/// Encodes and writes.
///
/// # Errors
/// Those of [`encode`].
pub fn run(args: &EncodeArgs, context: &Context) -> Result<(), Error> {
    let request = EncodeRequest {
        model: open_model(&args.model)?,
        source: args.source(),
        augment: args.augment,
        sample: args.sample,
        seed: context.seed,
        binarise: args.binarise,
        half: args.half,
        without_labels: args.without_labels,
        shard: args.shard,
        out: context.out_or("latents.safetensors"),
    };
    let display = context.progress();
    let report = encode(&request, &display.observer(context.interrupt()))?;
    drop(display);
    context.output.print(&report, as_text)
}

fn as_text(report: &EncodeReport) -> String {
    let EncodeReport {
        rows,
        dim,
        model,
        seconds,
        ..
    } = report;
    format!(
        "{rows} posteriors of {dim} dimensions by {model}\n{} in {seconds:.1} s",
        files(&report.files)
    )
}
