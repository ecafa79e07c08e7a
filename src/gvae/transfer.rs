//! Carries what a trained model knows over to the network of an application that has changed.
//!
//! Parameters belong to inputs and outputs by name, not by place: a service that comes, goes or moves to
//! another machine changes which inputs a network has, and the weights of those that stay are kept
//! (incremental retraining, Gan et al. 2020, section 4). What reads something new, or descends in the
//! causal network from what does, has to be trained again; the rest need not be touched (partial
//! retraining).

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{Device, Result, Tensor, Var};

use super::data::Normaliser;
use super::model::Gvae;
use super::settings::TrainSettings;
use crate::causal::{Cbn, LatencyNode};
use crate::domain::{Column, Entity, ServiceName};

/// Which networks of a model have to be trained again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affected {
    /// Encoder and prior, by entity.
    pub entities: Vec<bool>,
    /// Decoder, by latency node.
    pub latencies: Vec<bool>,
}

impl Affected {
    /// Everything, as in a training from scratch.
    pub fn all(cbn: &Cbn) -> Self {
        Self { entities: vec![true; cbn.entities.len()], latencies: vec![true; cbn.latencies.len()] }
    }

    /// Whether nothing is.
    pub fn is_none(&self) -> bool {
        !self.entities.iter().chain(&self.latencies).any(|affected| *affected)
    }

    /// Share of the networks that are.
    pub fn share(&self) -> f64 {
        let all = self.entities.iter().chain(&self.latencies);
        let count = all.clone().filter(|affected| **affected).count();
        count as f64 / all.count().max(1) as f64
    }
}

/// What an input of a network is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Input {
    Value(Column),
    Latent(Entity, usize),
}

/// The model of `cbn` with everything that `old` knows about what is still there; `fresh` are the scales
/// of the new data, which count for what is new and for `updated` services: those that behave
/// differently from now on, though they are still there.
///
/// # Errors
/// The tensor library failed.
pub fn transfer(
    old: &Gvae,
    cbn: Cbn,
    fresh: Normaliser,
    settings: &TrainSettings,
    updated: &BTreeSet<ServiceName>,
) -> Result<(Gvae, Affected)> {
    let normaliser = keep_scales(old, &cbn, fresh, updated);
    let model = Gvae::new(cbn, normaliser, settings)?;
    let affected = affected(old, &model, updated);
    if old.latent() == model.latent() {
        carry(old, &model)?;
    }
    Ok((model, affected))
}

/// Weights mean something only with the scales they were learned with.
fn keep_scales(old: &Gvae, cbn: &Cbn, mut fresh: Normaliser, updated: &BTreeSet<ServiceName>) -> Normaliser {
    let known: BTreeMap<&Column, _> = columns_x(&old.cbn).zip(old.normaliser.x.iter().flatten()).collect();
    for (node, scales) in cbn.entities.iter().zip(&mut fresh.x) {
        let is_updated = matches!(&node.entity, Entity::Service(service) if updated.contains(service));
        for (column, scale) in node.x.iter().zip(scales).filter(|_| !is_updated) {
            if let Some(kept) = known.get(column) {
                *scale = **kept;
            }
        }
    }
    let known: BTreeMap<&Column, _> = columns_y(&old.cbn).zip(old.normaliser.y.iter().flatten()).collect();
    for (node, scales) in cbn.latencies.iter().zip(&mut fresh.y) {
        for ((_, column), scale) in node.quantiles.iter().zip(scales).filter(|_| !is_of(cbn, node, updated)) {
            if let Some(kept) = known.get(column) {
                *scale = **kept;
            }
        }
    }
    fresh
}

fn columns_x(cbn: &Cbn) -> impl Iterator<Item = &Column> {
    cbn.entities.iter().flat_map(|node| &node.x)
}

fn columns_y(cbn: &Cbn) -> impl Iterator<Item = &Column> {
    cbn.latencies.iter().flat_map(|node| node.quantiles.iter().map(|(_, column)| column))
}

/// Whether a latency is the doing of one of `services`.
fn is_of(cbn: &Cbn, node: &LatencyNode, services: &BTreeSet<ServiceName>) -> bool {
    let owner = node.entities.first().map(|e| &cbn.entities[*e].entity);
    matches!(owner, Some(Entity::Service(service)) if services.contains(service))
}

fn affected(old: &Gvae, new: &Gvae, updated: &BTreeSet<ServiceName>) -> Affected {
    let cbn = &new.cbn;
    let mut latencies = vec![false; cbn.latencies.len()];
    for (j, node) in cbn.latencies.iter().enumerate() {
        let before = same_latency(&old.cbn, node);
        let unchanged = before.is_some_and(|i| decoder_inputs(old, i) == decoder_inputs(new, j));
        latencies[j] =
            !unchanged || is_of(cbn, node, updated) || node.parents.iter().any(|parent| latencies[*parent]);
    }
    let entities = (0..cbn.entities.len()).map(|e| {
        let before = old.cbn.entity(&cbn.entities[e].entity);
        let unchanged = before.is_some_and(|i| {
            old.has_latent(i) == new.has_latent(e)
                && prior_inputs(old, i) == prior_inputs(new, e)
                && encoder_inputs(old, i) == encoder_inputs(new, e)
        });
        // An encoder reads the latencies it is to explain, and those of the calls behind them.
        new.has_latent(e) && (!unchanged || cbn.blanket(e).iter().any(|j| latencies[*j]))
    });
    Affected { entities: entities.collect(), latencies }
}

fn same_latency(cbn: &Cbn, node: &LatencyNode) -> Option<usize> {
    let at = cbn.latency(&node.rpc, node.side)?;
    (cbn.latencies[at].quantiles == node.quantiles).then_some(at)
}

fn prior_inputs(model: &Gvae, e: usize) -> Vec<Input> {
    model.cbn.entities[e].x.iter().cloned().map(Input::Value).collect()
}

fn latency_inputs(cbn: &Cbn, nodes: &[usize]) -> Vec<Input> {
    let columns = nodes.iter().flat_map(|j| cbn.latencies[*j].quantiles.iter());
    columns.map(|(_, column)| Input::Value(column.clone())).collect()
}

fn encoder_inputs(model: &Gvae, e: usize) -> Vec<Input> {
    let mut inputs = prior_inputs(model, e);
    inputs.extend(latency_inputs(&model.cbn, &model.cbn.blanket(e)));
    inputs
}

fn decoder_inputs(model: &Gvae, j: usize) -> Vec<Input> {
    let node = &model.cbn.latencies[j];
    let mut inputs = Vec::new();
    for &e in &node.entities {
        inputs.extend(prior_inputs(model, e));
        if model.has_latent(e) {
            let entity = &model.cbn.entities[e].entity;
            inputs.extend((0..model.latent()).map(|i| Input::Latent(entity.clone(), i)));
        }
    }
    inputs.extend(latency_inputs(&model.cbn, &node.parents));
    inputs
}

/// The share of each parent's latency that each of our quantiles inherits.
fn share_inputs(model: &Gvae, j: usize) -> Vec<(Vec<Input>, usize)> {
    let node = &model.cbn.latencies[j];
    let of = |parent: &usize| latency_inputs(&model.cbn, &[*parent]);
    node.parents.iter().flat_map(|parent| (0..node.quantiles.len()).map(move |i| (of(parent), i))).collect()
}

fn carry(old: &Gvae, new: &Gvae) -> Result<()> {
    let known: BTreeMap<String, Var> = old.vars().into_iter().collect();
    let wanted: BTreeMap<String, Var> = new.vars().into_iter().collect();
    let net = |from: &str, to: &str, before: &[Input], after: &[Input]| -> Result<()> {
        for layer in 0.. {
            let name = |prefix: &str, kind: &str| format!("{prefix}.{layer}.{kind}");
            let (Some(weight), Some(bias)) = (wanted.get(&name(to, "weight")), wanted.get(&name(to, "bias")))
            else {
                break;
            };
            let pair = (known.get(&name(from, "weight")), known.get(&name(from, "bias")));
            let (Some(old_weight), Some(old_bias)) = pair else { break };
            if old_bias.dims() != bias.dims() {
                break;
            }
            if layer == 0 {
                weight.set(&arrange(old_weight, before, after)?)?;
            } else if old_weight.dims() == weight.dims() {
                weight.set(&old_weight.as_tensor().detach().copy()?)?;
            }
            bias.set(&old_bias.as_tensor().detach().copy()?)?;
        }
        Ok(())
    };
    for (e, node) in new.cbn.entities.iter().enumerate() {
        let Some(i) = old.cbn.entity(&node.entity) else { continue };
        net(
            &format!("encoder.{i}"),
            &format!("encoder.{e}"),
            &encoder_inputs(old, i),
            &encoder_inputs(new, e),
        )?;
        net(&format!("prior.{i}"), &format!("prior.{e}"), &prior_inputs(old, i), &prior_inputs(new, e))?;
    }
    for (j, node) in new.cbn.latencies.iter().enumerate() {
        let Some(i) = same_latency(&old.cbn, node) else { continue };
        let (before, after) = (decoder_inputs(old, i), decoder_inputs(new, j));
        net(&format!("decoder.{i}"), &format!("decoder.{j}"), &before, &after)?;
        let names = (format!("decoder.{i}.share"), format!("decoder.{j}.share"));
        if let (Some(from), Some(to)) = (known.get(&names.0), wanted.get(&names.1)) {
            let (before, after) = (share_inputs(old, i), share_inputs(new, j));
            let from = from.flatten_all()?.to_vec1::<f32>()?;
            let mut values = to.flatten_all()?.to_vec1::<f32>()?;
            for (value, input) in values.iter_mut().zip(&after) {
                if let Some(at) = before.iter().position(|known| known == input) {
                    *value = from[at];
                }
            }
            to.set(&Tensor::from_vec(values, to.dims(), &Device::Cpu)?)?;
        }
    }
    Ok(())
}

/// The first layer's weights, (outputs, inputs), for other inputs: those that are new say nothing yet.
fn arrange(weight: &Tensor, before: &[Input], after: &[Input]) -> Result<Tensor> {
    let rows = weight.to_vec2::<f32>()?;
    let place: Vec<_> = after.iter().map(|input| before.iter().position(|known| known == input)).collect();
    let mut values = Vec::with_capacity(rows.len() * after.len());
    for row in &rows {
        values.extend(place.iter().map(|at| at.map_or(0.0, |at| row[at])));
    }
    Tensor::from_vec(values, (rows.len(), after.len()), &Device::Cpu)
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
