//! Every example runs to its end: a reader can copy it.

#[path = "../examples/evaluate.rs"]
#[allow(dead_code, clippy::print_stdout)]
mod evaluate;
