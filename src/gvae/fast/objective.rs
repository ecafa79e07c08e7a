//! The loss as one operation over the flat parameter vector: candle's autograd sees a
//! [`CustomOp1`], whose backward pass hands out the gradient that the forward pass has computed.
//!
//! The tiles of a batch are dealt to a few workspaces, each with its own gradient; these are added up in
//! their order. How many there are depends on the batch and the model, not on the threads, so that
//! the result is the same to the last bit on any number of threads.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, Layout as Shape, Result, Shape as Dims, Tensor};
use rand::Rng;
use rand::rngs::StdRng;
use rand_distr::StandardNormal;
use rayon::prelude::*;

use super::columns::Columns;
use super::pass::{Request, Sums, Workspace};
use super::plan::Plan;
use crate::gvae::kernels::{Isa, TILE};
use crate::gvae::loss::Parents;

/// Most workspaces of a batch.
const MOST: usize = 8;
/// Parameters of all workspaces' gradients together: 64 MiB.
const GRADIENTS: usize = 16 << 20;
/// Numbers that one thread adds up or updates at a time.
pub const CHUNK: usize = 1 << 14;

/// One batch and how it counts.
#[derive(Clone, Debug)]
pub struct Step {
    /// Rows of the data.
    pub windows: Vec<usize>,
    /// Where the parents' latencies come from.
    pub parents: Parents,
    /// Weight of the divergence.
    pub beta: f64,
    /// Weight of the likelihood under Z from the prior.
    pub prior_weight: f64,
    /// As [`Objective::noise`] draws it.
    pub noise: Vec<f32>,
}

/// Mean loss per window, in parts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Parts {
    /// What is minimised.
    pub total: f64,
    /// Reconstruction part.
    pub nll: f64,
    /// KL part, before β.
    pub kl: f64,
}

/// A model and its data, compiled, with the memory that passes over it need.
#[derive(Debug)]
pub struct Objective {
    /// The compiled model.
    pub plan: Arc<Plan>,
    isa: Isa,
    columns: Columns,
    workspaces: Mutex<Vec<Workspace>>,
}

impl Objective {
    /// For `columns` of the planned model.
    pub fn new(plan: Arc<Plan>, columns: Columns) -> Self {
        Self::with(Isa::best(), plan, columns)
    }

    /// The same with the given instructions.
    pub fn with(isa: Isa, plan: Arc<Plan>, columns: Columns) -> Self {
        Self { plan, isa, columns, workspaces: Mutex::default() }
    }

    /// Draws the noise of a batch of `rows` windows, in the order of [`elbo`](crate::gvae::loss::elbo).
    pub fn noise(&self, rows: usize, rng: &mut StdRng) -> Vec<f32> {
        let count = 2 * self.plan.latents.len() * rows * self.plan.latent;
        (0..count).map(|_| rng.sample(StandardNormal)).collect()
    }

    /// Loss of a step for the parameters `flat`.
    pub fn loss(&self, flat: &[f32], step: &Step) -> Parts {
        self.run(flat, step, false).0
    }

    /// Loss and its gradient.
    pub fn gradient(&self, flat: &[f32], step: &Step) -> (Parts, Vec<f32>) {
        self.run(flat, step, true)
    }

    /// The loss as a scalar tensor that knows its gradient by the vector `flat`.
    pub fn apply(self: &Arc<Self>, flat: &Tensor, step: Step) -> Result<Tensor> {
        flat.apply_op1(Elbo { objective: self.clone(), step, gradient: Mutex::default() })
    }

    fn run(&self, flat: &[f32], step: &Step, gradient: bool) -> (Parts, Vec<f32>) {
        let plan = &*self.plan;
        let tiles = step.windows.len().div_ceil(TILE);
        let affordable = (GRADIENTS / plan.layout.len().max(1)).clamp(2, MOST);
        let groups = tiles.min(affordable).max(1);
        let shares = plan.shares(flat);
        let request = Request {
            isa: self.isa,
            plan,
            flat,
            shares: &shares,
            columns: &self.columns,
            noise: &step.noise,
            parents: step.parents,
            beta: step.beta as f32,
            prior_weight: step.prior_weight as f32,
            windows: &step.windows,
            gradient,
        };
        let mut workspaces = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner);
        while workspaces.len() < groups {
            workspaces.push(Workspace::new(plan, 0));
        }
        let workspaces = &mut workspaces[..groups];
        let parts: Vec<Sums> = workspaces
            .par_iter_mut()
            .enumerate()
            .map(|(g, w)| w.run(&request, g * tiles / groups..(g + 1) * tiles / groups))
            .collect();
        let mut sums = Sums::default();
        parts.into_iter().for_each(|p| sums += p);
        let rows = step.windows.len().max(1) as f64;
        let (nll, kl) = (sums.nll / rows, sums.kl / rows);
        let total = nll + step.beta * kl + step.prior_weight * sums.prior_nll / rows;
        (Parts { total, nll, kl }, if gradient { add_up(workspaces) } else { Vec::new() })
    }
}

/// Sum of the workspaces' gradients, in their order.
fn add_up(workspaces: &[Workspace]) -> Vec<f32> {
    let Some((first, rest)) = workspaces.split_first() else { return Vec::new() };
    let mut sum = first.gradient.clone();
    sum.par_chunks_mut(CHUNK).enumerate().for_each(|(c, sum)| {
        for other in rest {
            let other = &other.gradient[c * CHUNK..][..sum.len()];
            sum.iter_mut().zip(other).for_each(|(a, b)| *a += b);
        }
    });
    sum
}

/// The operation; see [`Objective::apply`].
struct Elbo {
    objective: Arc<Objective>,
    step: Step,
    gradient: Mutex<Option<Vec<f32>>>,
}

impl CustomOp1 for Elbo {
    fn name(&self) -> &'static str {
        "graphical-elbo"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Shape) -> Result<(CpuStorage, Dims)> {
        let (parts, gradient) = self.objective.gradient(numbers(storage, layout)?, &self.step);
        *self.gradient.lock().unwrap_or_else(PoisonError::into_inner) = Some(gradient);
        Ok((CpuStorage::F32(vec![parts.total as f32]), Dims::from(())))
    }

    fn bwd(&self, flat: &Tensor, _: &Tensor, by_loss: &Tensor) -> Result<Option<Tensor>> {
        let kept = self.gradient.lock().unwrap_or_else(PoisonError::into_inner).take();
        let gradient = match kept {
            Some(gradient) => gradient,
            // Asked a second time: the first one has taken it.
            None => self.objective.gradient(&flat.to_vec1::<f32>()?, &self.step).1,
        };
        let gradient = Tensor::from_vec(gradient, flat.shape(), flat.device())?;
        match by_loss.to_scalar::<f32>()? {
            1.0 => Ok(Some(gradient)),
            factor => gradient.affine(f64::from(factor), 0.0).map(Some),
        }
    }
}

/// The numbers of a contiguous vector.
pub fn numbers<'a>(storage: &'a CpuStorage, layout: &Shape) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&storage.as_slice::<f32>()?[from..to]),
        None => Err(candle_core::Error::Msg("the parameter vector must be contiguous".to_owned())),
    }
}
