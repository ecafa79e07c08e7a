//! Actions on machines: the script on fixture trees, in a network namespace, behind a real sshd, and on
//! the lab's machines.

mod cgroup;
mod desk;
mod lab;
mod link;
mod resctrl;
mod script;
mod session;
mod sshd;
mod sudo;
mod tree;
