//! A small multi-layer perceptron on candle tensors with reproducible initial weights.

use candle_core::{Device, Result, Tensor, Var};
use candle_nn::{Linear, Module};
use rand::Rng;
use rand::rngs::StdRng;

/// Two hidden layers with ReLU and a linear head.
#[derive(Clone, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
    vars: Vec<Var>,
}

impl Mlp {
    /// Weights are uniform in ±1/√inputs (as candle-nn and PyTorch do by default), the head's a
    /// tenth of it, so that an untrained network says "nothing to add".
    pub fn new(inputs: usize, hidden: usize, outputs: usize, rng: &mut StdRng) -> Result<Self> {
        let sizes = [inputs, hidden, hidden, outputs];
        let mut layers = Vec::new();
        let mut vars = Vec::new();
        for (depth, pair) in sizes.windows(2).enumerate() {
            let (n, m) = (pair[0], pair[1]);
            let bound = if depth == 2 { 0.1 } else { 1.0 } / (n.max(1) as f32).sqrt();
            let w: Vec<f32> = (0..n * m).map(|_| rng.random_range(-bound..=bound)).collect();
            let weight = Var::from_tensor(&Tensor::from_vec(w, (m, n), &Device::Cpu)?)?;
            let bias = Var::zeros(m, candle_core::DType::F32, &Device::Cpu)?;
            layers.push(Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone())));
            vars.extend([weight, bias]);
        }
        Ok(Self { layers, vars })
    }

    /// `input` is (rows, inputs); the answer is (rows, outputs).
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let mut h = input.clone();
        for (depth, layer) in self.layers.iter().enumerate() {
            h = layer.forward(&h)?;
            if depth + 1 < self.layers.len() {
                h = h.relu()?;
            }
        }
        Ok(h)
    }

    /// Weights and biases, layer by layer.
    pub fn vars(&self) -> &[Var] {
        &self.vars
    }
}
