//! The catalogue: one file per kind of action, each of which works out from what was read what it would
//! change, by how much, and what stands against it.

pub mod aggressor;
pub mod amount;
pub mod bandwidth;
pub mod draft;
pub mod floor;
pub mod grow;
pub mod resize;
pub mod scale;
pub mod site;
pub mod template;

pub use draft::{Draft, Unfit, Want};
pub use site::Site;

use super::kind::ActionKind;
use crate::domain::Resource;

/// Kinds of action against a cause, in the order of Sage (ASPLOS'21): what is short on the offending node
/// first, more replicas when that is not enough.
pub fn against(resource: Resource) -> &'static [ActionKind] {
    use ActionKind::{
        AutoscalerFloor, CacheWays, CiliumBandwidth, CniBandwidth, CpuMax, HostBandwidth, IoMax,
        MemoryBandwidth, ResizePod, ResizeTemplate, ScaleOut,
    };
    match resource {
        Resource::Cpu => &[ResizePod, CpuMax, ScaleOut, AutoscalerFloor, ResizeTemplate],
        Resource::Memory => &[ResizePod, ResizeTemplate, ScaleOut, AutoscalerFloor],
        Resource::Cache => &[CacheWays, MemoryBandwidth, ScaleOut, AutoscalerFloor],
        Resource::Disk => &[IoMax, ScaleOut, AutoscalerFloor],
        Resource::Network => &[CiliumBandwidth, CniBandwidth, HostBandwidth, ScaleOut, AutoscalerFloor],
        Resource::Load | Resource::Latent => &[ScaleOut, AutoscalerFloor, ResizeTemplate],
    }
}

/// Works out `kind` at `site`.
///
/// # Errors
/// It does not fit there, and why.
pub fn draft(kind: ActionKind, site: &Site<'_>, want: &Want<'_>) -> Result<Draft, Unfit> {
    match kind {
        ActionKind::ScaleOut => scale::draft(site, want),
        ActionKind::ResizePod => resize::draft(site, want),
        ActionKind::ResizeTemplate => template::draft(site, want),
        ActionKind::AutoscalerFloor => floor::draft(site, want),
        ActionKind::CniBandwidth => bandwidth::of_template(site, want),
        ActionKind::CiliumBandwidth => bandwidth::of_pod(site, want),
        ActionKind::CacheWays
        | ActionKind::MemoryBandwidth
        | ActionKind::HostBandwidth
        | ActionKind::CpuMax
        | ActionKind::IoMax => Err(Unfit::Silent),
    }
}

#[cfg(test)]
mod tests;
