//! Where an application runs: nodes, and which replica stands on which.

use sha2::{Digest, Sha256};

use super::app::{Application, Kind, Name, Service};

/// Cores of a node.
const CORES: u32 = 8;
/// Bytes in a gibibyte.
const GIB: u64 = 1 << 30;
/// Bandwidth of a node's network interface in bytes a second: 10 Gbit/s.
const NIC: f64 = 1.25e9;
/// Bandwidth of a node's disk in bytes a second: an SSD behind SATA.
const DISK: f64 = 500e6;
/// Last-level cache in bytes, and its ways.
const LLC: (u64, u32) = (32 << 20, 16);

/// A cluster's hardware and the placement of an application on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Kubernetes namespace of the application.
    pub namespace: Name,
    /// The machines.
    pub nodes: Vec<Node>,
    /// Placement: `placement[service][replica]` is an index into `nodes`.
    pub placement: Vec<Vec<usize>>,
}

/// A machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Name, such as `node-1`.
    pub name: Name,
    /// Cores.
    pub cores: u32,
    /// Memory in bytes.
    pub memory: u64,
    /// Bandwidth of the network interface in bytes a second, each direction.
    pub nic: f64,
    /// Bandwidth of the disk in bytes a second.
    pub disk: f64,
    /// Last-level cache in bytes, and its ways.
    pub llc: (u64, u32),
}

/// Characters of generated names: no vowels, so that no words arise (Kubernetes' own choice).
const NAME_CHARACTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// `length` characters that depend on `seed` alone, as Kubernetes' generated names look.
pub fn generated(seed: &str, length: usize) -> String {
    let hash = Sha256::digest(seed.as_bytes());
    hash.iter()
        .take(length)
        .map(|byte| char::from(NAME_CHARACTERS[usize::from(*byte) % NAME_CHARACTERS.len()]))
        .collect()
}

/// The hash of a Deployment's pod template, which names its ReplicaSet: a decimal number, each digit
/// written as the character that Kubernetes' encoding gives it, so only ten characters occur.
pub fn template_hash(workload: &str) -> String {
    const DIGITS: &[u8; 10] = b"456789bcdf";
    let hash = Sha256::digest(workload.as_bytes());
    hash.iter().take(10).map(|byte| char::from(DIGITS[usize::from(*byte) % DIGITS.len()])).collect()
}

/// Name of the pod of a replica: metrics, spans and Kubernetes objects agree on it.
///
/// Databases are stateful sets (`mongodb-0`), everything else deployments
/// (`frontend-7cfc4b57c6-bxmmm`). As a replaced replica has a new number, so has its pod.
pub fn pod_name(service: &Service, replica: u32) -> String {
    let name = &service.name;
    match service.kind {
        Kind::Database => format!("{name}-{replica}"),
        _ => format!("{name}-{}-{}", template_hash(name), generated(&format!("{name}/{replica}"), 5)),
    }
}

impl Node {
    /// The `number`th machine, from 1: 8 cores, 32 GiB, 10 Gbit/s.
    pub fn standard(number: usize) -> Self {
        let name = Name::from(format!("node-{number}"));
        Self { name, cores: CORES, memory: 32 * GIB, nic: NIC, disk: DISK, llc: LLC }
    }
}

impl Cluster {
    /// A cluster of `nodes` standard machines (at least one) with `app` on it.
    ///
    /// Replicas are placed one after the other, services by name (the order of manifests in a folder),
    /// as the Kubernetes scheduler scores nodes by default: where the service has the fewest replicas (topology spread), then where least of CPU and
    /// memory has been requested (`LeastAllocated`), then on the first. So a node holds front ends,
    /// caches and stores side by side. A pod requests what it is limited to. Where nothing fits any
    /// more, the emptiest node takes it: a lab refuses nobody. The same application is always placed
    /// the same way.
    pub fn for_application(app: &Application, nodes: usize) -> Self {
        let nodes: Vec<Node> = (1..=nodes.max(1)).map(Node::standard).collect();
        let mut placement = vec![Vec::new(); app.services.len()];
        let mut requested = vec![(0.0, 0.0); nodes.len()];
        let mut by_name: Vec<_> = app.services.iter().zip(&mut placement).collect();
        by_name.sort_by(|a, b| a.0.name.cmp(&b.0.name));
        for (service, placed) in by_name {
            for _ in 0..service.replicas {
                let place = emptiest(&nodes, &requested, placed);
                if let Some((cpu, memory)) = requested.get_mut(place) {
                    *cpu += service.cpu_limit.unwrap_or(0.0);
                    *memory += bytes(service.memory_limit);
                }
                placed.push(place);
            }
        }
        Self { namespace: app.name.clone(), nodes, placement }
    }

    /// Where a further replica of service `service` goes, of which `app` says how it is limited.
    pub fn place(&self, app: &Application, service: usize) -> usize {
        let mut requested = vec![(0.0, 0.0); self.nodes.len()];
        for (service, placed) in app.services.iter().zip(&self.placement) {
            for place in placed {
                if let Some((cpu, memory)) = requested.get_mut(*place) {
                    *cpu += service.cpu_limit.unwrap_or(0.0);
                    *memory += bytes(service.memory_limit);
                }
            }
        }
        emptiest(&self.nodes, &requested, self.placement.get(service).map_or(&[], Vec::as_slice))
    }
}

/// The node that a replica goes to, of a service whose replicas stand on `placed`.
fn emptiest(nodes: &[Node], requested: &[(f64, f64)], placed: &[usize]) -> usize {
    let score = |place: usize| {
        let replicas = placed.iter().filter(|other| **other == place).count();
        let (cpu, memory) = requested.get(place).copied().unwrap_or_default();
        let used = nodes
            .get(place)
            .map_or(f64::INFINITY, |node| (cpu / f64::from(node.cores) + memory / bytes(node.memory)) / 2.0);
        (replicas, used)
    };
    let less = |a: &usize, b: &usize| {
        let (a, b) = (score(*a), score(*b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    };
    (0..nodes.len()).min_by(less).unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn bytes(memory: u64) -> f64 {
    memory as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::lab::app::{self, Kind};

    fn cluster(name: &str, nodes: usize) -> (Application, Cluster) {
        let app = app::named(name).unwrap();
        let cluster = Cluster::for_application(&app, nodes);
        (app, cluster)
    }

    #[test]
    fn every_replica_has_a_node_and_no_node_stays_empty() {
        for name in app::names() {
            let (app, cluster) = cluster(name, 5);
            assert_eq!(&*cluster.namespace, name);
            let replicas: Vec<usize> = app.services.iter().map(|service| service.replicas as usize).collect();
            assert_eq!(cluster.placement.iter().map(Vec::len).collect::<Vec<_>>(), replicas, "{name}");
            for node in 0..5 {
                assert!(
                    cluster.placement.iter().flatten().any(|place| *place == node),
                    "{name}: node {node}"
                );
            }
        }
    }

    #[test]
    fn replicas_of_a_service_spread() {
        let (mut app, _) = cluster("social-network", 3);
        app.services[3].replicas = 3;
        app.services[4].replicas = 5;
        let cluster = Cluster::for_application(&app, 3);
        for (service, placed) in app.services.iter().zip(&cluster.placement) {
            let on = |node| placed.iter().filter(|place| **place == node).count();
            let most = (0..3).map(on).max().unwrap();
            assert_eq!(most, (service.replicas as usize).div_ceil(3), "{}", service.name);
        }
    }

    #[test]
    fn kinds_stand_side_by_side_and_the_load_is_even() {
        let (app, cluster) = cluster("social-network", 3);
        let requested = [0, 1, 2].map(|node| {
            let here = |kinds: &[Kind]| {
                let mut services = app.services.iter().zip(&cluster.placement);
                services.any(|(service, placed)| kinds.contains(&service.kind) && placed.contains(&node))
            };
            assert!(here(&[Kind::Stateless]), "node {node}");
            assert!(here(&[Kind::Cache, Kind::Redis]), "node {node}");
            assert!(here(&[Kind::Database]), "node {node}");
            let services = app.services.iter().zip(&cluster.placement);
            let cores = services.map(|(service, placed)| {
                let here = placed.iter().filter(|place| **place == node).count();
                service.cpu_limit.unwrap() * here as f64
            });
            cores.sum::<f64>()
        });
        let [most, least] = [f64::max, f64::min].map(|pick| requested.into_iter().reduce(pick).unwrap());
        assert!(most < 2.0 * least, "{requested:?}");
    }

    #[test]
    fn a_cluster_has_a_node_and_takes_what_does_not_fit() {
        let (app, cluster) = cluster("chain-64", 0);
        assert_eq!(cluster.nodes.len(), 1);
        let asked: f64 = app.services.iter().filter_map(|service| service.cpu_limit).sum();
        assert!(asked > 8.0, "{asked} cores fit: the test is about what does not");
        assert!(cluster.placement.iter().all(|placed| placed == &[0]));
    }

    #[test]
    fn a_further_replica_goes_where_none_is_and_least_is_asked() {
        let (mut app, mut cluster) = cluster("hotel-reservation", 4);
        let last = app.services.len() - 1;
        // Limits far above the others' make the third node the fullest, the second the emptiest.
        for (service, placed) in app.services.iter_mut().zip(&cluster.placement) {
            service.cpu_limit = Some([1.0, 0.1, 4.0, 1.0][placed[0]]);
        }
        cluster.placement[last] = vec![0];
        assert_eq!(cluster.place(&app, last), 1);
        cluster.placement[last] = vec![1, 0, 3];
        assert_eq!(cluster.place(&app, last), 2, "spreading comes first");
    }
}
