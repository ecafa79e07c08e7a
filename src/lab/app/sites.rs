//! The calls of a flow as a flat table.

use super::{Call, Flow};

/// A place in a flow where a service is called.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The call.
    pub call: &'a Call,
    /// Number of the caller's own site; `None` at the root.
    pub parent: Option<u32>,
    /// Stage of the caller in which it is called; 0 at the root.
    pub stage: u32,
    /// Calls above it; 0 at the root.
    pub depth: u32,
}

/// All sites of a flow, depth first: the root is 0, and a site's number is its place in the table
/// (`sim::CallRecord::site`). A site stands behind its caller, and a stage behind the one before.
pub fn sites(flow: &Flow) -> Vec<Site<'_>> {
    let mut table = Vec::new();
    walk(Site { call: &flow.root, parent: None, stage: 0, depth: 0 }, &mut table);
    table
}

fn walk<'a>(site: Site<'a>, table: &mut Vec<Site<'a>>) {
    let number = u32::try_from(table.len()).unwrap_or(u32::MAX);
    table.push(site);
    for (stage, calls) in (0..).zip(&site.call.stages) {
        for call in calls {
            walk(Site { call, parent: Some(number), stage, depth: site.depth + 1 }, table);
        }
    }
}
