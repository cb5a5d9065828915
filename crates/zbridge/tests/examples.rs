//! Every example runs to its end. The models of `two_onnx_models` are small ones with random
//! weights, copied from the tests of zbridge-foreign.

#[path = "../examples/evaluate.rs"]
mod evaluate;
#[path = "../examples/from_latents.rs"]
mod from_latents;
#[path = "../examples/own_density.rs"]
mod own_density;
#[path = "../examples/two_onnx_models.rs"]
mod two_onnx_models;

#[test]
fn a_bridge_is_evaluated() {
    evaluate::main().unwrap();
}

// Where an example takes arguments, `run` gets none: those of this process are the test harness's.

#[test]
fn latents_are_drawn_across_a_bridge() {
    from_latents::run(&[]).unwrap();
}

#[test]
fn an_own_density_stands_in_for_a_bridge() {
    own_density::main().unwrap();
}

#[test]
fn two_onnx_models_are_joined() {
    two_onnx_models::run(&[]).unwrap();
}
