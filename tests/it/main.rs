//! Integration tests: one binary, one module per subject.

mod catalogue_queries;
mod http_bombs;
mod http_clients;
mod http_faults;
mod tiny_server;
mod windows;
