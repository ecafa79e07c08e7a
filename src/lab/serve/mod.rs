//! The lab on the wire: the HTTP interfaces of a real cluster's backends.

pub mod prometheus;
