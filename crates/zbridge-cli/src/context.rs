//! What a command works with besides its own arguments.

use crate::global_args::GlobalArgs;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::progress::ProgressDisplay;
use std::cell::OnceCell;
use std::path::PathBuf;

/// The global flags, made usable.
pub struct Context {
    /// Seed of everything random.
    pub seed: u64,
    /// Where the results go on standard output.
    pub output: Output,
    out: Option<PathBuf>,
    quiet: bool,
    interrupt: OnceCell<Interrupt>,
}

impl Context {
    /// The context that these flags ask for.
    pub fn new(
        GlobalArgs {
            json,
            seed,
            quiet,
            out,
        }: GlobalArgs,
    ) -> Self {
        Self {
            seed,
            output: Output { json },
            out,
            quiet,
            interrupt: OnceCell::new(),
        }
    }

    /// The path that `--out` names, else `default`.
    pub fn out_or(&self, default: impl Into<PathBuf>) -> PathBuf {
        self.out.clone().unwrap_or_else(|| default.into())
    }

    /// The path that `--out` names, if it names one.
    pub fn out(&self) -> Option<PathBuf> {
        self.out.clone()
    }

    /// A display of progress on standard error, as the terminal and `--quiet` allow.
    pub fn progress(&self) -> ProgressDisplay {
        ProgressDisplay::new(self.quiet)
    }

    /// The user's wish to stop. From the first call on, Ctrl-C no longer ends the process by
    /// itself: call this only in work that looks at the answer often.
    pub fn interrupt(&self) -> &Interrupt {
        self.interrupt.get_or_init(Interrupt::listen)
    }
}

/// The command line of this process as a shell would take it, without `--resume`: a resumed
/// training makes the same file as one that never stopped.
pub fn command_line() -> String {
    let arguments = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned());
    let quoted = arguments
        .filter(|argument| argument != "--resume")
        .map(|argument| quoted(&argument));
    std::iter::once("zbridge".to_owned())
        .chain(quoted)
        .collect::<Vec<_>>()
        .join(" ")
}

fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_quoted_where_a_shell_would_change_it() {
        assert_eq!(quoted("--out=a/b.safetensors"), "--out=a/b.safetensors");
        assert_eq!(quoted("my file"), "'my file'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
