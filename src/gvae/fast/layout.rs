//! All parameters of a model in one vector, with a named view of each.
//!
//! Order and names are those of [`Gvae::vars`]: encoders, priors, decoders, shares. A weight matrix
//! is stored inputs × outputs, the transpose of its tensor, so that the kernels read what they need
//! together.

use std::ops::Range;

use candle_core::{Result, Tensor};

use crate::gvae::Gvae;

/// Where one tensor lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its name in checkpoints.
    pub name: String,
    /// Its numbers.
    pub range: Range<usize>,
    /// Its shape as a tensor.
    pub shape: Vec<usize>,
}

impl View {
    /// Whether it is stored transposed.
    fn is_weight(&self) -> bool {
        self.name.ends_with(".weight")
    }
}

/// Where every tensor lies, in order and without gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Views, in the order of [`Gvae::vars`].
    pub views: Vec<View>,
}

impl Layout {
    /// Of a model's tensors.
    pub fn of(model: &Gvae) -> Self {
        let mut at = 0;
        let views = model.vars().into_iter().map(|(name, var)| {
            let range = at..at + var.elem_count();
            at = range.end;
            View { name, range, shape: var.dims().to_vec() }
        });
        Self { views: views.collect() }
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.views.last().map_or(0, |v| v.range.end)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the model's tensors into one vector.
    pub fn gather(&self, model: &Gvae) -> Result<Vec<f32>> {
        let mut flat = Vec::with_capacity(self.len());
        for (view, (_, var)) in self.views.iter().zip(model.vars()) {
            let tensor = if view.is_weight() { var.t()?.contiguous()? } else { var.as_tensor().clone() };
            flat.extend(tensor.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(flat)
    }

    /// The tensor of a view, as the model and its checkpoints know it.
    pub fn tensor(&self, view: &View, flat: &[f32]) -> Result<Tensor> {
        let numbers = flat[view.range.clone()].to_vec();
        let device = &candle_core::Device::Cpu;
        match view.shape.as_slice() {
            [m, n] if view.is_weight() => Tensor::from_vec(numbers, (*n, *m), device)?.t()?.contiguous(),
            shape => Tensor::from_vec(numbers, shape, device),
        }
    }

    /// Copies the vector into the model's tensors.
    pub fn scatter(&self, flat: &[f32], model: &Gvae) -> Result<()> {
        for (view, (_, var)) in self.views.iter().zip(model.vars()) {
            var.set(&self.tensor(view, flat)?)?;
        }
        Ok(())
    }
}
