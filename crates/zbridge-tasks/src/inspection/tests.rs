use super::*;
use zbridge_bridge::{Bridge, BridgeConfig, FitData};
use zbridge_core::{DiagonalGaussian, Latents, Posterior, RandomStream, Unobserved};
use zbridge_data::{LatentsFile, Precision};

fn posterior(dim: usize) -> Posterior {
    let mean = DiagonalGaussian::standard(40, dim).sample(&mut RandomStream::named(1, "x"));
    let narrow = Latents::filled(40, dim, -4.0);
    DiagonalGaussian::new(mean, narrow).unwrap().into()
}

#[test]
fn latents_are_told_with_their_rows_ids_and_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latents.safetensors");
    let mut file = LatentsFile::numbered(posterior(3));
    file.labels = Some(vec![1; 40]);
    file.metadata.insert("model".into(), "mnist-image".into());
    file.write(&path, Precision::F32).unwrap();
    let Inspected::Latents(facts) = inspect(&path).unwrap() else {
        panic!("latents")
    };
    assert_eq!((facts.rows, facts.dim), (40, 3));
    assert_eq!(facts.model.as_deref(), Some("mnist-image"));
    let text = facts.to_string();
    for part in [
        "40 rows of 3 dimensions",
        "ids: `ids`; labels: `labels`",
        "mnist-image",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_bridge_is_told_with_its_families_models_pairs_and_seed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.bridge");
    let config = BridgeConfig::family("linear-gaussian".parse().unwrap()).with_seed(7);
    let (x, y) = (posterior(3), posterior(2));
    let data = FitData::pairs(&x, &y);
    let mut bridge = Bridge::fit(&data, &config.check().unwrap(), &Unobserved).unwrap();
    bridge.record_provenance("y.model", "mnist-label");
    bridge.write(&path).unwrap();
    let Inspected::Bridge(facts) = inspect(&path).unwrap() else {
        panic!("a bridge")
    };
    assert_eq!((facts.dims, facts.pairs, facts.seed), ([3, 2], 40, 7));
    assert_eq!(facts.models, [None, Some("mnist-label".to_owned())]);
    let text = facts.to_string();
    for part in [
        "linear-gaussian",
        "y: 2 dimensions, model mnist-label",
        "40 pairs",
        "seed 7",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_bad_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("encoder.onnx");
    std::fs::write(&path, b"no network").unwrap();
    let inspected = inspect(&path).unwrap();
    assert!(inspected.to_string().contains("cannot be used"));
    let error = inspected.usable().unwrap_err();
    assert_eq!(error.failure().exit_code(), 3, "{error}");
}
