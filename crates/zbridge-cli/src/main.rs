//! The binary `zbridge`.
fn main() {}
