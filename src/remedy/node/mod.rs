//! Actions on machines, over ssh: cache ways and memory bandwidth (resctrl), a share of the link (HTB),
//! processor time and disk traffic (cgroup v2).
//!
//! ```text
//!  probes ─→ report ─→ resctrl, traffic, container ─→ amount ─→ draft ─→ NodeWrite ─→ words ─→ ssh
//!                                                                │                      │
//!                                  what stands against it ←──────┘      one constant script on the machine:
//!                                                                       lock, compare, schedule the inverse,
//!                                                                       set, read back, keep the result
//! ```
//!
//! They are experimental: everything up to the kernel's own files is tested, those on real hardware are
//! not.

pub mod amount;
pub mod container;
pub mod draft;
pub mod machine;
pub mod neighbour;
pub mod remote;
pub mod report;
pub mod resctrl;
pub mod script;
pub mod ssh;
pub mod sudoers;
pub mod traffic;
pub mod write;

pub use remote::Remote;
pub use write::NodeWrite;
