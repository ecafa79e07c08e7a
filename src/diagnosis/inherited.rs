//! What a service's latency has from callees that are slower than ever before.
//!
//! The share of a callee in its caller's tail was learned while the callee was quick, when it hardly
//! showed. Once it is a hundred times slower, the caller is slow as well, by an amount that the learned
//! share may miss by far; the rest looks like the caller's own doing, and is not. So of what the decoder
//! leaves unexplained, callees get as much as their excess can account for: at most all of it for each
//! call that is made one after the other. Only what is left is the service's own. By the same measure, a
//! share that was learned too large, because a quick callee goes with whatever else slows its caller, is
//! cut to what is possible.

use candle_core::{Device, Result, Tensor};

use super::reference::most;
use crate::gvae::{Gvae, Latencies};

/// However much of a share is cut, this much of the prediction stays.
pub const LEAST: f64 = 0.05;

/// By how much the share of each parent of one latency can differ from what was learned, parents ×
/// quantiles.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    /// How much larger it can be.
    pub room: Vec<f32>,
    /// How much of it is more than possible.
    pub surplus: Vec<f32>,
}

impl Bounds {
    /// Of latency `j`; `None` where latencies are no shares of others.
    pub fn of(model: &Gvae, calls: &[f32], j: usize) -> Result<Option<Self>> {
        let shares = model.shares(j)?;
        if shares.is_empty() {
            return Ok(None);
        }
        let quantiles = &model.cbn.latencies[j].quantiles;
        let largest = calls.iter().flat_map(|calls| quantiles.iter().map(|(q, _)| most(*calls, *q)));
        let room: Vec<f32> = largest.zip(&shares).map(|(most, share)| most - share).collect();
        let surplus = room.iter().map(|room| (-room).max(0.0)).collect();
        Ok(Some(Self { room: room.into_iter().map(|room| room.max(0.0)).collect(), surplus }))
    }
}

/// What the parents of one latency account for beyond their learned shares.
#[derive(Clone, Debug)]
pub struct Inherited {
    /// Largest further share of each parent, (1, parents × quantiles).
    room: Tensor,
    /// What of the learned shares is more than possible, in the same order.
    surplus: Tensor,
    /// Which part of it was needed, 0 to 1, (rows, quantiles).
    taken: Tensor,
}

impl Inherited {
    /// Of latency `j`, which was decoded as `mean` from the latencies `y`; `calls` as in
    /// [`super::Reference::calls`]. `None` where latencies are no shares of others.
    pub fn of(model: &Gvae, calls: &[f32], j: usize, mean: &Tensor, y: &Latencies) -> Result<Option<Self>> {
        let Some(Bounds { room, surplus }) = Bounds::of(model, calls, j)? else { return Ok(None) };
        let row = |numbers: Vec<f32>| {
            let n = numbers.len();
            Tensor::from_vec(numbers, (1, n), &Device::Cpu)
        };
        let (room, surplus) = (row(room)?, row(surplus)?);
        let taken = mean.ones_like()?;
        let mut inherited = Self { room, surplus, taken };
        let can = inherited.sum(model, j, &inherited.room, y)?;
        // The offset of both logarithms is the same.
        let missing = (y.ln[j].exp()? - inherited.cut(model, j, mean, y)?)?.relu()?;
        inherited.taken = missing.minimum(&can)?.div(&can.maximum(1e-6)?)?;
        Ok(Some(inherited))
    }

    /// `mean` with what the parents' latencies in `y` add to it.
    pub fn add(&self, model: &Gvae, j: usize, mean: &Tensor, y: &Latencies) -> Result<Tensor> {
        let more = (self.sum(model, j, &self.room, y)? * &self.taken)?;
        (self.cut(model, j, mean, y)? + more)?.log()
    }

    /// exp(`mean`) without what no call can have added to it.
    fn cut(&self, model: &Gvae, j: usize, mean: &Tensor, y: &Latencies) -> Result<Tensor> {
        let whole = mean.exp()?;
        let less = (&whole - self.sum(model, j, &self.surplus, y)?)?;
        less.maximum(&(whole * LEAST)?)
    }

    /// The parents' excess in these shares, milliseconds, (rows, quantiles).
    fn sum(&self, model: &Gvae, j: usize, shares: &Tensor, y: &Latencies) -> Result<Tensor> {
        let Some(beyond) = model.beyond(j, y)? else { return self.taken.zeros_like() };
        let parents = model.cbn.latencies[j].parents.len();
        beyond.broadcast_mul(shares)?.reshape(((), parents, self.taken.dim(1)?))?.sum(1)
    }
}
