//! What the names of an encoder's outputs say about them.

use crate::spread::Spread;

/// The places of mean and spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NamedGaussian {
    pub(super) mean: usize,
    pub(super) spread: usize,
    pub(super) kind: Spread,
}

/// Names of outputs that hold means and log-variances together.
const HALVES: [&str; 4] = ["moments", "params", "parameters", "meanlogvar"];

/// Returns the places of mean and spread, if names tell both.
pub(super) fn gaussian(names: &[&str]) -> Option<NamedGaussian> {
    let spreads: Vec<Option<Spread>> = names.iter().map(|name| spread(name)).collect();
    let spread = spreads.iter().position(Option::is_some)?;
    let mut places = 0..names.len();
    let mean = places.find(|&place| spreads[place].is_none() && is_mean(names[place]))?;
    Some(NamedGaussian {
        mean,
        spread,
        kind: spreads[spread]?,
    })
}

/// Returns whether an output of this name holds means and log-variances together.
pub(super) fn is_halves(name: &str) -> bool {
    contains_one_of(&letters(name), &HALVES)
}

fn is_mean(name: &str) -> bool {
    let name = letters(name);
    contains_one_of(&name, &["mean", "mu", "loc"]) || name == "m"
}

fn spread(name: &str) -> Option<Spread> {
    let name = letters(name);
    let has = |words: &[&str]| contains_one_of(&name, words);
    // From the longest words to the shortest: `logvar` also contains `var`.
    if has(&HALVES) {
        None
    } else if has(&["logvar", "lnvar", "logsigma2", "logsigmasq"]) {
        Some(Spread::LogVariance)
    } else if has(&["logstd", "logsd", "logsigma", "logscale"]) {
        Some(Spread::LogStandardDeviation)
    } else if has(&["var"]) {
        Some(Spread::Variance)
    } else if has(&["std", "sigma", "stdev", "deviation"]) || name == "sd" || name == "scale" {
        Some(Spread::StandardDeviation)
    } else {
        None
    }
}

fn contains_one_of(name: &str, words: &[&str]) -> bool {
    words.iter().any(|word| name.contains(word))
}

/// Returns the letters and digits of a name, in lower case.
fn letters(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(mean: usize, spread: usize, kind: Spread) -> Option<NamedGaussian> {
        Some(NamedGaussian { mean, spread, kind })
    }

    #[test]
    fn names_tell_means_and_spreads() {
        assert_eq!(
            gaussian(&["z", "z_mean", "z_log_var"]),
            named(1, 2, Spread::LogVariance)
        );
        assert_eq!(
            gaussian(&["mu", "log_std"]),
            named(0, 1, Spread::LogStandardDeviation)
        );
        assert_eq!(
            gaussian(&["std", "mean"]),
            named(1, 0, Spread::StandardDeviation)
        );
        assert_eq!(
            gaussian(&["loc", "variance"]),
            named(0, 1, Spread::Variance)
        );
        assert_eq!(gaussian(&["output_0", "output_1"]), None);
        assert_eq!(gaussian(&["mean_logvar"]), None);
    }
}
