//! Figures as people read them.

use std::path::PathBuf;
use zbridge_core::Elbo;
use zbridge_tasks::training::{Estimate, HeldOut, LogMarginal, TextFigures};

/// `−96.31 ± 0.12`.
pub fn estimate(estimate: &Estimate) -> String {
    format!(
        "{} ± {:.2}",
        number(estimate.mean, 2),
        estimate.standard_error
    )
}

/// `value` with so many decimals and a true minus sign.
pub fn number(value: f64, decimals: usize) -> String {
    format!("{value:.decimals$}").replace('-', "−")
}

/// The held-out figure that matters most, in a few words.
pub fn headline(held_out: &HeldOut) -> String {
    match held_out {
        HeldOut::Vae { elbo, .. } => format!("held-out ELBO {} nats", estimate(&elbo.elbo_nats)),
        HeldOut::Text(figures) => {
            format!("held-out texts kept {}", percent(figures.texts_kept.mean))
        }
        HeldOut::Ali {
            reconstruction_error,
            classes_kept,
        } => match classes_kept {
            Some(kept) => format!("held-out classes kept {}", percent(kept.share)),
            None => format!(
                "held-out reconstruction error {:.3}",
                reconstruction_error.mean
            ),
        },
        HeldOut::Judge { accuracy, .. } => {
            format!("held-out accuracy {:.2} %", 100.0 * accuracy.share)
        }
    }
}

/// Every held-out figure, a line each.
pub fn held_out(held_out: &HeldOut) -> Vec<String> {
    match held_out {
        HeldOut::Vae { elbo, log_p_x } => {
            let mut lines = bound(elbo, "rows").to_vec();
            lines.extend(log_p_x.as_ref().map(log_marginal));
            lines
        }
        HeldOut::Text(figures) => text(figures),
        HeldOut::Ali {
            reconstruction_error,
            classes_kept,
        } => {
            let error = estimate(reconstruction_error);
            let mut lines = vec![format!("held-out reconstruction error {error} a value")];
            if let Some(kept) = classes_kept {
                let share = percent(kept.share);
                lines.push(format!("classes kept by reconstructions {share}"));
            }
            lines
        }
        HeldOut::Judge {
            accuracy,
            log_p_true_class_nats,
        } => {
            let [low, high] = <[f64; 2]>::from(accuracy.interval_95).map(|end| 100.0 * end);
            vec![
                format!(
                    "held-out accuracy {:.2} % (95 % interval {low:.2} … {high:.2}), {} rows",
                    100.0 * accuracy.share,
                    accuracy.count
                ),
                format!("log p(true class) {} nats", estimate(log_p_true_class_nats)),
            ]
        }
    }
}

/// The ELBO over so many `items`, and its two terms.
fn bound(elbo: &Elbo, items: &str) -> [String; 3] {
    let Elbo {
        elbo_nats,
        reconstruction_nats,
        kl_nats,
        ..
    } = elbo;
    let count = elbo_nats.count;
    [
        format!(
            "held-out ELBO     {} nats, {count} {items}",
            estimate(elbo_nats)
        ),
        format!("  reconstruction  {} nats", estimate(reconstruction_nats)),
        format!("  KL to prior     {} nats", estimate(kl_nats)),
    ]
}

fn log_marginal(found: &LogMarginal) -> String {
    let size = found.effective_sample_size;
    format!(
        "held-out log p(x) {} nats, {} images × {} draws; effective sample size {:.0} in the \
         median, below 10 for {:.1} %",
        estimate(&found.nats),
        found.nats.count,
        found.draws,
        size.median,
        100.0 * size.low_share
    )
}

fn text(figures: &TextFigures) -> Vec<String> {
    let dims = figures.mean_variances.len();
    let mut lines = bound(&figures.elbo, "texts").to_vec();
    lines.push(format!(
        "texts kept whole  {}, symbols {}",
        percent(figures.texts_kept.mean),
        percent(figures.symbols_kept.mean)
    ));
    lines.push(format!(
        "active dimensions {} of {dims}",
        figures.active_dimensions
    ));
    // A collapsed model still writes texts, but its latents tell a bridge nothing.
    if figures.active_dimensions == 0 {
        lines.push(
            "the posteriors have collapsed: the latents say nothing of the texts; lower the weight \
             of the KL term"
                .into(),
        );
    }
    lines
}

/// `97.2 %`.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// `wrote a.png and b.png`.
pub fn files(files: &[PathBuf]) -> String {
    let names: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    match names.split_last() {
        None => "wrote nothing".into(),
        Some((only, [])) => format!("wrote {only}"),
        Some((last, others)) => format!("wrote {} and {last}", others.join(", ")),
    }
}

/// `wrote a.png and b.png in 0.10 s`.
pub fn files_in(paths: &[PathBuf], seconds: f64) -> String {
    format!("{} in {seconds:.2} s", files(paths))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_reads_with_its_error() {
        let figure = Estimate {
            mean: -96.314,
            standard_error: 0.119,
            count: 10,
        };
        assert_eq!(estimate(&figure), "−96.31 ± 0.12");
    }
}
