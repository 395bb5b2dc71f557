//! Our gradient is that of torch's autograd: `tests/fixtures/models/gradients.py` asked it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::gradients::cpu;
use crate::engine::weights::{Checkpoint, Files};
use crate::train::network::{Network, Pack};
use crate::train::shape::{Layout, Shape};

#[derive(Deserialize)]
struct Asked {
    rows: Vec<Weighted>,
    loss: f64,
    stride: usize,
    tensors: BTreeMap<String, Gradient>,
}

#[derive(Deserialize)]
struct Weighted {
    tokens: Vec<u32>,
    weights: Vec<f32>,
}

#[derive(Deserialize)]
struct Gradient {
    length: f64,
    some: Vec<f32>,
}

#[test]
fn the_gradient_of_every_tensor_is_that_of_torch() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/qwen2");
    let text = std::fs::read_to_string(folder.join("gradients.json")).unwrap();
    let asked: Asked = serde_json::from_str(&text).unwrap();
    let layout = Layout::new(Shape {
        vocab: 160,
        hidden: 64,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 16,
        intermediate: 96,
        context: 4096,
        rope_theta: 1e6,
        rms_eps: 1e-6,
    });
    let files = Files::open(&folder).unwrap();
    let checkpoint = files.checkpoint().unwrap();
    let Checkpoint::Safetensors(stored, _) = &checkpoint else {
        panic!("it is a folder");
    };
    let mut weights = vec![0.0; layout.total];
    for tensor in layout.tensors() {
        let (_, found) = stored
            .iter()
            .find(|(name, _)| **name == tensor.name)
            .unwrap();
        weights[tensor.at].copy_from_slice(&found.floats().unwrap());
    }
    let mut pack = Pack::default();
    for row in &asked.rows {
        pack.push(&row.tokens, &row.weights);
    }
    let mut gradients = vec![0.0; layout.total];
    let outcome = Network::new(&layout.shape, &cpu(1))
        .learn(&layout, &weights, &pack, 1.0, &mut gradients)
        .unwrap();
    assert!(
        (outcome.loss - asked.loss).abs() < 1e-5 * asked.loss,
        "{} and {}",
        outcome.loss,
        asked.loss
    );
    assert_eq!(asked.tensors.len(), layout.tensors().len());
    for tensor in layout.tensors() {
        let theirs = asked.tensors.get(&tensor.name).unwrap();
        let ours = &gradients[tensor.at];
        let length = ours.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>();
        let length = length.sqrt();
        assert!(
            (length - theirs.length).abs() < 1e-4 * theirs.length,
            "{}: {length} and {}",
            tensor.name,
            theirs.length
        );
        // Relative to a number of middling size.
        let middling = theirs.length / (ours.len() as f64).sqrt();
        for (at, theirs) in theirs.some.iter().enumerate() {
            let difference = f64::from((ours[at * asked.stride] - theirs).abs());
            assert!(
                difference < 1e-3 * middling,
                "{} at {at}: {difference} of {middling}",
                tensor.name
            );
        }
    }
}
