//! Actions on machines, over ssh: cache ways and memory bandwidth (resctrl), a share of the link (HTB),
//! processor time and disk traffic (cgroup v2).

pub mod script;
