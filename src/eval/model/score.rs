//! How good an answer is.
//!
//! What is to blame is a set: services with their resources, a node for all services on it, or the load.
//! Of several sets that would do as well, the one counts that the answer comes closest to.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::{Resource, Verdict, VerdictKind};
use crate::lab::truth::Blame;

/// What an answer blames: the load, or a service, perhaps with its resource and its node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// The service; empty for the load.
    pub service: String,
    /// The node that is to blame for it.
    pub node: Option<String>,
    /// The resource; methods that only rank services name none.
    pub resource: Option<Resource>,
}

/// One answer against the truth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Neither missed nor wrongly blamed anything.
    pub exact: bool,
    /// The same for the services alone, whatever was said of their nodes and resources.
    pub services: bool,
    /// Causes whose services are not named.
    #[serde(default)]
    pub overlooked: usize,
    /// Services named without being to blame.
    #[serde(default)]
    pub accused: usize,
    /// Causes not named.
    pub missed: usize,
    /// Blamed without being a cause.
    pub wrong: usize,
    /// Of the causes found: the resource is right.
    pub resources: usize,
    /// Causes found.
    pub found: usize,
    /// Whether the node was named; `None` if no node is to blame.
    pub node: Option<bool>,
    /// Share of the services to blame among the first, and among the first three; `None` if the load is.
    pub ranked: Option<(f64, f64)>,
}

/// What a verdict blames.
pub fn named(verdict: &Verdict) -> Vec<Named> {
    if verdict.kind == VerdictKind::Load {
        return vec![Named { service: String::new(), node: None, resource: Some(Resource::Load) }];
    }
    let culprits = verdict.culprits.iter().map(|culprit| {
        let first = culprit.resources.first().map(|cause| cause.resource);
        let latent = verdict.kind == VerdictKind::Latent;
        Named {
            service: culprit.service.as_str().to_owned(),
            node: culprit.node.as_ref().map(|node| node.as_str().to_owned()),
            resource: if latent { Some(Resource::Latent) } else { first },
        }
    });
    culprits.collect()
}

/// Scores what is `blamed`, and the order of all services, against the sets that would do.
pub fn score<'a>(
    sets: impl Iterator<Item = &'a BTreeSet<Blame>>,
    blamed: &[Named],
    ranking: &[String],
) -> Score {
    let against = |set: &BTreeSet<Blame>| {
        let missed = set.iter().filter(|blame| !blamed.iter().any(|named| fits(blame, named))).count();
        let wrong = blamed.iter().filter(|named| !set.iter().any(|blame| fits(blame, named))).count();
        let pairs =
            set.iter().filter_map(|blame| Some((blame, blamed.iter().find(|named| fits(blame, named))?)));
        let resources = pairs.filter(|(blame, named)| named.resource == Some(blame.cause.resource)).count();
        let loosely = |blame: &Blame, named: &Named| match blame.cause.resource {
            Resource::Load => named.resource == Some(Resource::Load),
            _ => named.service == blame.cause.service || (blame.node.is_some() && blame.node == named.node),
        };
        let overlooked = set.iter().filter(|blame| !covered(blame, set, blamed, loosely)).count();
        let accused = blamed.iter().filter(|named| !set.iter().any(|blame| loosely(blame, named))).count();
        let services = overlooked + accused == 0;
        let mut nodes = set.iter().filter_map(|blame| blame.node.as_ref()).peekable();
        let node = nodes
            .peek()
            .is_some()
            .then(|| nodes.all(|node| blamed.iter().any(|named| named.node.as_ref() == Some(node))));
        Score {
            exact: missed + wrong == 0,
            services,
            overlooked,
            accused,
            missed,
            wrong,
            resources,
            found: set.len() - missed,
            node,
            ranked: ranked(set, ranking),
        }
    };
    let best =
        sets.map(against).min_by_key(|score| (!score.exact, score.missed + score.wrong, !score.services));
    best.unwrap_or_default()
}

/// Whether `named` is this cause. What no metric shows has to be called so; a node's doing is named with
/// the node.
fn fits(blame: &Blame, named: &Named) -> bool {
    match (&blame.node, blame.cause.resource) {
        (_, Resource::Load) => named.resource == Some(Resource::Load),
        (Some(node), _) => named.node.as_ref() == Some(node),
        (None, Resource::Latent) => {
            named.service == blame.cause.service && named.resource == Some(Resource::Latent)
        }
        (None, _) => named.service == blame.cause.service,
    }
}

/// Whether a cause is blamed, or another of the same node's.
fn covered(
    blame: &Blame,
    set: &BTreeSet<Blame>,
    blamed: &[Named],
    fits: impl Fn(&Blame, &Named) -> bool,
) -> bool {
    let same = |other: &&Blame| *other == blame || (blame.node.is_some() && other.node == blame.node);
    set.iter().filter(same).any(|other| blamed.iter().any(|named| fits(other, named)))
}

fn ranked(set: &BTreeSet<Blame>, ranking: &[String]) -> Option<(f64, f64)> {
    let services: BTreeSet<&str> = set
        .iter()
        .filter(|blame| blame.cause.resource != Resource::Load)
        .map(|blame| blame.cause.service.as_str())
        .collect();
    let among = |first: usize| {
        let hits = ranking.iter().take(first).filter(|service| services.contains(service.as_str())).count();
        hits as f64 / first.min(services.len()) as f64
    };
    (!services.is_empty()).then(|| (among(1), among(3)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::fault::Cause;

    fn blame(service: &str, resource: Resource, node: Option<&str>) -> Blame {
        let cause = Cause { service: service.to_owned(), resource };
        Blame { cause, node: node.map(str::to_owned) }
    }

    fn name(service: &str, resource: Resource, node: Option<&str>) -> Named {
        Named { service: service.to_owned(), resource: Some(resource), node: node.map(str::to_owned) }
    }

    fn of(sets: &[&[Blame]], blamed: &[Named]) -> Score {
        let sets = Vec::from_iter(sets.iter().map(|set| set.iter().cloned().collect::<BTreeSet<_>>()));
        score(sets.iter(), blamed, &["b".to_owned(), "a".to_owned()])
    }

    #[test]
    fn the_closest_of_the_sets_counts() {
        let sets: [&[Blame]; 2] = [&[blame("a", Resource::Cpu, None)], &[blame("b", Resource::Disk, None)]];
        let right = of(&sets, &[name("b", Resource::Disk, None)]);
        assert!(right.exact && right.services && (right.resources, right.found) == (1, 1));
        let half = of(&sets, &[name("a", Resource::Disk, None), name("c", Resource::Cpu, None)]);
        assert_eq!((half.exact, half.missed, half.wrong, half.resources), (false, 0, 1, 0));
        assert_eq!((of(&sets, &[]).missed, of(&sets, &[]).wrong), (1, 0));
        assert_eq!(of(&sets[..1], &[]).ranked, Some((0.0, 1.0)));
    }

    #[test]
    fn a_node_is_named_by_any_of_its_services_and_only_with_its_name() {
        let node = [blame("a", Resource::Cpu, Some("n2")), blame("b", Resource::Cpu, Some("n2"))];
        let right = of(&[&node], &[name("c", Resource::Cpu, Some("n2"))]);
        assert!(right.exact && right.node == Some(true) && right.resources == 2, "{right:?}");
        let unnamed = of(&[&node], &[name("a", Resource::Cpu, None)]);
        assert!(!unnamed.exact && unnamed.services && unnamed.node == Some(false), "{unnamed:?}");
        let other = of(&[&node], &[name("c", Resource::Cpu, None)]);
        assert_eq!((other.overlooked, other.accused), (2, 1), "{other:?}");
    }

    #[test]
    fn latent_and_load_have_to_be_called_so() {
        let latent = [blame("a", Resource::Latent, None)];
        assert!(of(&[&latent], &[name("a", Resource::Latent, None)]).exact);
        let wrong = of(&[&latent], &[name("a", Resource::Cpu, None)]);
        assert!(!wrong.exact && wrong.services);
        let load = [blame("a", Resource::Load, None)];
        assert!(of(&[&load], &[name("", Resource::Load, None)]).exact);
        let blamed = of(&[&load], &[name("a", Resource::Cpu, None)]);
        assert!(!blamed.exact && !blamed.services && blamed.ranked.is_none());
    }
}
