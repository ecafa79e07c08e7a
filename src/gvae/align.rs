//! How the latencies of a node and of its parents stand to each other.

use candle_core::{Device, Result, Tensor};

use crate::causal::Cbn;
use crate::domain::Side;

/// The client side of a call over one edge is its server side plus its way, by definition.
pub fn is_sum(cbn: &Cbn, j: usize) -> bool {
    let node = &cbn.latencies[j];
    let parts = |side: fn(Side) -> bool| node.parents.iter().any(|p| side(cbn.latencies[*p].side));
    node.side == Side::Client
        && node.rpc.caller.service().is_some()
        && parts(|s| s == Side::Server)
        && parts(|s| matches!(s, Side::Network | Side::Request | Side::Response))
}

/// Which quantile of parent `p` is nearest to quantile `i` of node `j`.
pub(super) fn nearest(cbn: &Cbn, j: usize, i: usize, p: usize) -> usize {
    let wanted = i32::from(cbn.latencies[j].quantiles[i].0.0);
    let distance = |k: &usize| (i32::from(cbn.latencies[p].quantiles[*k].0.0) - wanted).abs();
    (0..cbn.latencies[p].quantiles.len()).min_by_key(distance).unwrap_or(0)
}

/// For each quantile of node `j` the nearest of parent `p`; `None` where they are the same.
pub(super) fn align(cbn: &Cbn, j: usize, p: usize) -> Result<Option<Tensor>> {
    let same =
        cbn.latencies[j].quantiles.iter().map(|q| q.0).eq(cbn.latencies[p].quantiles.iter().map(|q| q.0));
    if same {
        return Ok(None);
    }
    let index: Vec<u32> =
        (0..cbn.latencies[j].quantiles.len()).map(|i| nearest(cbn, j, i, p) as u32).collect();
    let n = index.len();
    Tensor::from_vec(index, n, &Device::Cpu).map(Some)
}
