//! A flow's calls, numbered depth first.

use crate::lab::app::{Call, Flow};

/// The calls of a flow by number: depth first, the root is 0. [`super::CallRecord::site`] is one.
#[derive(Clone, Debug)]
pub struct Sites<'a> {
    calls: Vec<&'a Call>,
    parents: Vec<u32>,
}

impl<'a> Sites<'a> {
    /// Numbers the calls of `flow`.
    pub fn of(flow: &'a Flow) -> Self {
        let mut sites = Self { calls: Vec::new(), parents: Vec::new() };
        sites.add(&flow.root, 0);
        sites
    }

    fn add(&mut self, call: &'a Call, parent: u32) {
        let site = self.calls.len() as u32;
        self.calls.push(call);
        self.parents.push(parent);
        for child in call.stages.iter().flatten() {
            self.add(child, site);
        }
    }

    /// The call with number `site`.
    pub fn call(&self, site: u32) -> Option<&'a Call> {
        self.calls.get(site as usize).copied()
    }

    /// Number of the call that makes call `site`; the root's is its own.
    pub fn parent(&self, site: u32) -> Option<u32> {
        self.parents.get(site as usize).copied()
    }

    /// All calls in order.
    pub fn calls(&self) -> &[&'a Call] {
        &self.calls
    }
}
