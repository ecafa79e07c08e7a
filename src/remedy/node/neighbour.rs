//! Which neighbour is limited, of those that share a machine with the victim.

use super::container::Rate;
use crate::domain::Clean;
use crate::remedy::kind::ActionKind;

/// A pod on the victim's machine that may be limited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What its first container uses, where that was measured.
    pub rate: Option<Rate>,
}

/// The one that uses most of what the action takes away; of cache and memory bandwidth nothing is measured
/// for a container without a group of its own, so that its processor time stands for them. Where nobody
/// uses any, or it is not measured, the only one from outside of the victim's namespace.
///
/// # Errors
/// There is none, or which it is cannot be told.
pub fn choose(candidates: &[Candidate<'_>], home: &str, kind: ActionKind) -> Result<usize, Clean> {
    let measure = |rate: Rate| match kind {
        ActionKind::IoMax => rate.read + rate.written,
        _ => rate.cores,
    };
    let measured =
        candidates.iter().enumerate().filter_map(|(i, candidate)| Some((i, measure(candidate.rate?))));
    let most = measured.filter(|(_, used)| *used > 0.0).max_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((i, _)) = most {
        return Ok(i);
    }
    let mut strangers = candidates.iter().enumerate().filter(|(_, candidate)| candidate.namespace != home);
    match (strangers.next(), strangers.next()) {
        (Some((i, _)), None) => Ok(i),
        (None, _) => Err(Clean::new("no neighbour in the context's `namespaces` runs on that machine")),
        _ => Err(Clean::new(
            "which of the neighbours on that machine it is cannot be told: none of their use is measured",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_uses_most_is_limited() {
        let of = |namespace: &'static str, cores: f64, written: f64| Candidate {
            namespace,
            name: "x",
            rate: Some(Rate { cores, read: 0.0, written }),
        };
        let all = [of("shop", 0.5, 9.0), of("batch", 3.0, 1.0), of("batch", 1.0, 50.0)];
        assert_eq!(choose(&all, "shop", ActionKind::CacheWays), Ok(1));
        assert_eq!(choose(&all, "shop", ActionKind::IoMax), Ok(2));
        let still = |namespace| Candidate { namespace, name: "x", rate: None };
        assert_eq!(choose(&[still("shop"), still("batch")], "shop", ActionKind::CpuMax), Ok(1));
        assert!(choose(&[still("batch"), still("batch")], "shop", ActionKind::CpuMax).is_err());
        assert!(choose(&[still("shop")], "shop", ActionKind::CpuMax).is_err());
        assert!(choose(&[], "shop", ActionKind::CpuMax).is_err());
    }
}
