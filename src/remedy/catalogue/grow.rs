//! More CPU or memory for a container: which container, how much, and the resources that say so.

use serde_json::{Value, json};

use super::amount::{self, Amount};
use super::draft::{Unfit, Want, change};
use crate::domain::Lever;
use crate::domain::Resource;
use crate::remedy::proposal::Change;
use crate::remedy::quantity::Quantity;

/// Containers that a mesh or an agent adds: never the one to blame while there is another.
const SIDECARS: [&str; 5] = ["istio-proxy", "linkerd-proxy", "envoy", "otel-collector", "vault-agent"];
/// Over the highest usage, this much room.
const ROOM: f64 = 1.2;
/// Smallest and largest growth.
const GROWTH: (f64, f64) = (1.25, 2.0);
/// Without knowing what is used.
const BLIND: f64 = 1.5;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grows {
    /// CPU.
    Cpu,
    /// Memory.
    Memory,
}

impl Grows {
    /// What helps against `resource`.
    pub fn against(resource: Resource) -> Self {
        if resource == Resource::Memory { Self::Memory } else { Self::Cpu }
    }

    /// Key in `resources`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }

    /// `value` up to the next step: 50m of CPU, 64 MiB of memory.
    fn step_up(self, value: f64) -> Quantity {
        match self {
            Self::Cpu => Quantity::millicores(((value * 1000.0 / 50.0 - 1e-9).ceil() * 50.0) as u64),
            Self::Memory => {
                const STEP: f64 = (64u64 << 20) as f64;
                Quantity::whole(((value / STEP - 1e-9).ceil() * STEP) as u64)
            }
        }
    }

    /// Canonical.
    pub fn write(self, quantity: Quantity) -> String {
        match self {
            Self::Cpu => quantity.decimal(),
            Self::Memory => quantity.binary(),
        }
    }

    fn lever(self, from: Quantity, to: Quantity) -> Lever {
        let (from, to) = (from.as_f64(), to.as_f64());
        match self {
            Self::Cpu => Lever::Cpu { from, to },
            Self::Memory => Lever::Memory { from, to },
        }
    }
}

/// A container's resources, grown.
#[derive(Clone, Debug, PartialEq)]
pub struct Grown {
    /// Which container.
    pub index: usize,
    /// Its name.
    pub container: String,
    /// Literally as they were read; `None` if it has none.
    pub before: Option<Value>,
    /// After.
    pub after: Value,
    /// The same for people.
    pub changes: Vec<Change>,
    /// How much is added to the request and to the limit.
    pub added: (Option<Quantity>, Option<Quantity>),
    /// How much there will be, what it does, and why.
    pub amount: Amount<Quantity>,
}

/// The container of a pod specification that the service is: of its name, else the only one that is no
/// sidecar.
fn container<'a>(spec: &'a Value, service: &str) -> Result<(usize, &'a str, &'a Value), Unfit> {
    let named = spec["containers"].as_array().into_iter().flatten().enumerate();
    let all: Vec<_> = named
        .filter_map(|(index, container)| Some((index, container["name"].as_str()?, container)))
        .collect();
    if let Some(found) = all.iter().find(|(_, name, _)| *name == service) {
        return Ok(*found);
    }
    let mut own = all.iter().filter(|(_, name, _)| !SIDECARS.contains(name));
    match (own.next(), own.next()) {
        (Some(only), None) => Ok(*only),
        _ => Err(Unfit::because(format!(
            "which of the pod's {} containers is {service} is not clear",
            all.len()
        ))),
    }
}

/// Grows what `want` is about in a pod specification, to at most `most`.
///
/// # Errors
/// There is nothing that could grow, or no room.
pub fn grow(spec: &Value, want: &Want<'_>, most: Option<Quantity>) -> Result<Grown, Unfit> {
    let grows = Grows::against(want.resource);
    let (index, name, found) = container(spec, want.service.as_str())?;
    let resources = found.get("resources").filter(|value| value.is_object());
    let read = |part: &str| {
        resources
            .and_then(|resources| Quantity::of(resources.get(part)?.get(grows.key())?))
            .filter(|q| q.as_f64() > 0.0)
    };
    let (request, limit) = (read("requests"), read("limits"));
    let Some(now) = limit.or(request) else {
        return Err(Unfit::because(format!(
            "container {name} has neither a request nor a limit of {}: a first one would change the pod's class",
            grows.key()
        )));
    };
    let least = grows.step_up(now.as_f64() * GROWTH.0);
    let twice = grows.step_up(now.as_f64() * GROWTH.1);
    let top = most.map_or(twice, |most| twice.min(most));
    if top < least {
        return Err(Unfit::because(format!(
            "no room for more {}: {} now, at most {}",
            grows.key(),
            grows.write(now),
            grows.write(top.max(now))
        )));
    }
    let amount = sized(grows, want, now, (least, top));
    // Equal ones stay equal, else the pod would leave its class, which is refused.
    let moves_request = limit.is_none() || request == limit;
    let mut after = resources.cloned().unwrap_or_else(|| json!({}));
    let mut changes = Vec::new();
    for (part, moves, old) in
        [("requests", moves_request && request.is_some(), request), ("limits", limit.is_some(), limit)]
    {
        if let Some(old) = old.filter(|_| moves) {
            let value = grows.write(amount.to);
            let field = format!("{part}.{}", grows.key());
            changes.push(change(&field, Some(&grows.write(old)), Some(&value)));
            after[part][grows.key()] = json!(value);
        }
    }
    let more = |old: Option<Quantity>| old.map(|old| amount.to.minus(old));
    Ok(Grown {
        index,
        container: name.to_owned(),
        before: resources.cloned(),
        after,
        changes,
        added: (more(request.filter(|_| moves_request)), more(limit)),
        amount,
    })
}

fn sized(
    grows: Grows,
    want: &Want<'_>,
    now: Quantity,
    (least, top): (Quantity, Quantity),
) -> Amount<Quantity> {
    let tried = [1.25, 1.5, 1.75, 2.0]
        .into_iter()
        .map(|factor| grows.step_up(now.as_f64() * factor).clamp(least, top));
    let tried = tried.filter_map(|to| Some((to, want.tail(grows.lever(now, to))?)));
    let name = |to: Quantity| format!("{} of {}", grows.write(to), grows.key());
    if let (Grows::Cpu, Some(Lever::Cpu { from, to })) | (Grows::Memory, Some(Lever::Memory { from, to })) =
        (grows, want.asked)
    {
        let tried = grows.step_up(now.as_f64() * (to / from).clamp(1.0, 100.0));
        let to = tried.clamp(least, top);
        let why = amount::asked_for(to == tried, &name(tried));
        return Amount { to, forecast: want.tail(grows.lever(now, to)), why };
    }
    if let Some(amount) = amount::smallest(tried, name) {
        return Amount {
            why: amount.why.replace(" are the fewest that are", " is the least that is"),
            ..amount
        };
    }
    let used = want.cause.and_then(|cause| {
        let unit = cause.unit.as_ref().map_or("", |unit| unit.as_str());
        let fits = matches!((grows, unit), (Grows::Cpu, "cores") | (Grows::Memory, "bytes" | "B"));
        cause.observed.filter(|observed| fits && *observed > 0.0)
    });
    let (value, why) = match used {
        Some(used) => (
            used * ROOM,
            format!(
                "{} is used of {}, and a fifth more is room",
                grows.write(grows.step_up(used)),
                grows.write(now)
            ),
        ),
        None => (
            now.as_f64() * BLIND,
            format!("{} is short; half as much again, since what is used is not measured", grows.key()),
        ),
    };
    Amount { to: grows.step_up(value).clamp(least, top), forecast: None, why }
}
