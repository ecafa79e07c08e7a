//! Tensors of some windows: what encoders, priors and decoders read.

use candle_core::{Device, Result, Tensor};

use super::data::{CLIP, Inputs, LatencyScale, Normaliser};

/// Log-latencies of all nodes, each (rows, quantiles), with their form as network inputs.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// Log-milliseconds.
    pub ln: Vec<Tensor>,
    /// Standardised and clipped.
    pub standard: Vec<Tensor>,
}

impl Latencies {
    /// Standardises `ln`.
    pub fn new(ln: Vec<Tensor>, normaliser: &Normaliser) -> Result<Self> {
        let standard = ln.iter().enumerate().map(|(j, ln)| standard(&normaliser.y[j], ln));
        Ok(Self { standard: standard.collect::<Result<_>>()?, ln })
    }

    /// Replaces the latencies of node `j`.
    pub fn set(&mut self, j: usize, ln: Tensor, normaliser: &Normaliser) -> Result<()> {
        self.standard[j] = standard(&normaliser.y[j], &ln)?;
        self.ln[j] = ln;
        Ok(())
    }
}

/// A (1, n) tensor.
pub(super) fn row(values: Vec<f32>) -> Result<Tensor> {
    let n = values.len();
    Tensor::from_vec(values, (1, n), &Device::Cpu)
}

/// Log-latencies as network inputs: standardised and clipped.
fn standard(scales: &[LatencyScale], ln: &Tensor) -> Result<Tensor> {
    let centre = row(scales.iter().map(|s| s.ln.centre).collect())?;
    let inverse = row(scales.iter().map(|s| 1.0 / s.ln.scale).collect())?;
    let clip = f64::from(CLIP);
    ln.broadcast_sub(&centre)?.broadcast_mul(&inverse)?.clamp(-clip, clip)
}

/// Tensors of a batch; see [`Inputs`].
#[derive(Clone, Debug)]
pub struct Batch {
    /// Number of windows.
    pub rows: usize,
    /// Per entity: (rows, metrics); `None` without metrics.
    pub x: Vec<Option<Tensor>>,
    /// Observed latencies.
    pub y: Latencies,
    /// Per latency node: (rows, quantiles).
    pub weight: Vec<Tensor>,
}

impl Batch {
    /// Copies `inputs` into tensors.
    pub fn new(inputs: &Inputs, normaliser: &Normaliser) -> Result<Self> {
        let rows = inputs.rows;
        let matrix = |v: &Vec<f32>| {
            let width = v.len().checked_div(rows).unwrap_or(0);
            Tensor::from_vec(v.clone(), (rows, width), &Device::Cpu)
        };
        Ok(Self {
            rows,
            x: inputs
                .x
                .iter()
                .map(|v| (!v.is_empty()).then(|| matrix(v)).transpose())
                .collect::<Result<_>>()?,
            y: Latencies::new(inputs.y.iter().map(matrix).collect::<Result<_>>()?, normaliser)?,
            weight: inputs.weight.iter().map(matrix).collect::<Result<_>>()?,
        })
    }
}
